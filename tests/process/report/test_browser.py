"""The page in a real browser: no request leaves it, nothing overflows, axe finds nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from dualwatch.history.reported_run import ReportedRun

pytest.importorskip("jinja2")

HERE = Path(__file__).parent / "browser"
CHROMIUM = os.environ.get("CHROME_PATH") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
NODE = shutil.which("node")
_MODULES = [HERE / "node_modules" / name for name in ("playwright-core", "axe-core")]

if NODE is None or CHROMIUM is None:
    pytest.skip("this machine has no node or no Chromium", allow_module_level=True)
if not all(path.is_dir() for path in _MODULES):
    pytest.skip(f"npm's modules are not there: npm install in {HERE}", allow_module_level=True)


@pytest.fixture
def look(tmp_path: Path):
    """Opens pages and gives what was seen of each, view by view."""
    from dualwatch.report.html import page

    def opened(**runs):
        files = []
        for name, told in runs.items():
            listed = told if isinstance(told, list) else [told]
            for number, run in enumerate(listed):
                run.label = run.label or f"{name} {number}"
            file = tmp_path / f"{name}.html"
            file.write_text(page.render(listed, 1_790_000_000.0), encoding="utf-8")
            files.append(str(file))
        # The path of Chromium's socket has room for a short folder only.
        with tempfile.TemporaryDirectory(prefix="dw-") as short:
            done = subprocess.run(
                [NODE, "look.js", CHROMIUM, "-", *files],
                cwd=HERE,
                env={**os.environ, "TMPDIR": short},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=240,
            )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return opened


def test_pages_are_closed_readable_and_accessible(look, three_attempts, script):
    hostile = "<script>alert(1)</script><img src=//example.org/x>"
    bad = script().start(config=hostile).launch(0).train(1, 2, loss_macl=2.0, **{hostile: 1.0})
    bad.found("DW203", hostile, hostile).end(1).over("failed", 5, hostile)
    run = ReportedRun().fold(three_attempts.events)
    run.checklist = [{"title": "starts", "status": s} for s in ("pass", "fail", "warn", "skip")]

    told = look(
        one=run, several=[ReportedRun().fold(three_attempts.events), ReportedRun().fold(bad.events)]
    )

    assert len(told) == 2
    for views in told.values():
        assert [seen["view"] for seen in views] == ["light", "dark", "phone", "phone-dark"]
        for seen in views:
            assert seen["requests"] == []
            assert seen["console"] == []
            assert seen["scripts"] == 0
            assert (seen["overflow"], seen["overflowOpen"]) == (0, 0)
            assert seen["headings"].count(1) == 1
            assert seen["nameless"] == 0
            assert seen["unseenRows"] == 0
            assert seen["pictures"] > 5
            assert seen["violations"] == []
