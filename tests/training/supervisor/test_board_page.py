"""TensorBoard's own page of a real run: the training's curves, ours beside them, our findings."""

from __future__ import annotations

import importlib.util
import signal
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("browser", Path(__file__).with_name("browser.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
browser = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(browser)

OURS = ("dualwatch/attempt", "dualwatch/iteration_time", "dualwatch/silence_s")
ONLY = "tagFilter=loss_macl%7Cdualwatch"


@pytest.mark.skipif(bool(browser.missing()), reason=f"not installed: {browser.missing()}")
def test_a_run_in_the_browser(train, interrupt, tmp_path):
    pytest.importorskip("tensorboard")
    run = train(
        *("--tensorboard", "--port", "16206", "--require", "loss_macl", "--require", "loss_gone"),
        script="tiny_board.py",
        config="tiny_board_cfg.py",
        model__pause=0.2,
        train_cfg__max_epochs=1000,
    )
    seen = run.wait_for(lambda f: f["kind"] == "tensor-board-seen" and f["answers"] and f["tags"])
    run.wait_for(lambda f: f["kind"] == "finding-raised" and f["finding"]["code"] == "DW201")
    assert seen["shows_run"] is True
    assert "train/loss_macl" in seen["tags"]
    with browser.opened(tmp_path) as page:
        page.open(f"{seen['url']}#scalars&_smoothingWeight=0&{ONLY}")
        text = page.wait_for("train/loss_macl", *OURS)
        charts = page.count("vz-line-chart2")
        page.shoot(tmp_path / "scalars.png")
        page.open("about:blank")
        page.open(f"{seen['url']}#text&tagFilter=dualwatch")
        texts = page.wait_for("DW201 required-metric-missing", "attempt 0 started")
        page.shoot(tmp_path / "text.png")
    interrupt(run, signal.SIGINT)
    assert run.finish() == 130
    assert [name for name in ("train/loss_macl", *OURS) if name not in text] == []
    assert charts >= 4
    assert "none with loss_gone" in texts
    assert "dualwatch explain DW201" in texts
    assert "DW802" not in run.codes(0)
