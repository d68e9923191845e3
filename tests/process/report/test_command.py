"""``dualwatch report``: what it writes, what it says, and how it ends."""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jinja2")

LOG = """\
2026/11/23 06:20:40 - mmengine - INFO - Hooks will be executed in the following order:
2026/11/23 06:20:50 - mmengine - INFO - Epoch(train)  [1][ 50/100]  lr: 2.0e-03  eta: 0:10:00  \
time: 0.5  data_time: 0.1  loss: 1.5  loss_<b>x</b>: 0.5
2026/11/23 06:21:50 - mmengine - INFO - Epoch(train)  [1][100/100]  lr: 2.0e-03  eta: 0:10:00  \
time: 0.5  data_time: 0.1  loss: 1.0
2026/11/23 06:22:10 - mmengine - INFO - Epoch(val)  [1][10/10]    coco/bbox_mAP: 0.5210  \
data_time: 0.01  time: 0.1
"""


def report(cwd: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dualwatch", "report", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding=environment.get("PYTHONIOENCODING", "utf-8"),
        timeout=120,
    )


def test_the_page_lies_in_the_folder_of_the_run(three_attempts, run_of, tmp_path):
    run_of(three_attempts, "work_dirs/macl")

    done = report(tmp_path)

    assert done.returncode == 0, done.stderr
    page = tmp_path / "work_dirs" / "macl" / "dualwatch" / "report.html"
    assert done.stdout.strip() == str(page.relative_to(tmp_path))
    assert "macl.py ran for" in done.stderr
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    if os.name == "posix":
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert list(page.parent.glob(".*")) == []


def test_one_document_tells_of_several_runs(three_attempts, run_of, script, tmp_path):
    first = run_of(three_attempts, "a/macl")
    second = run_of(
        script().start().launch(0).train(1, 2, loss=1.0).end(1).over("failed", 5), "b/macl"
    )

    done = report(tmp_path, str(first), str(second), str(first), "--json", "--csv", "all.csv")

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["schema_version"], document["path"]) == (1, "dualwatch-report.html")
    assert [run["label"] for run in document["runs"]] == ["a/macl", "b/macl"]
    assert [run["outcome"] for run in document["runs"]] == ["completed", "failed"]
    assert document["runs"][0]["causes"] == ["DW111", "DW112"]
    assert (tmp_path / "dualwatch-report.html").exists()
    with (tmp_path / "all.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == document["csv_rows"] == 20


def test_a_bare_log_says_what_is_not_known(tmp_path):
    (tmp_path / "20261123.log").write_text(LOG, encoding="utf-8")

    done = report(tmp_path, "20261123.log", "--output", "deep/er/log.html")

    assert done.returncode == 0, done.stderr
    page = (tmp_path / "deep" / "er" / "log.html").read_text(encoding="utf-8")
    assert "dualwatch did not supervise this training" in page
    assert "not observed while it ran" in page
    assert "coco/bbox_mAP" in page
    assert "<b>x" not in page


def test_a_plain_work_dir_is_looked_at_as_well(tmp_path):
    stamped = tmp_path / "work_dirs" / "plain" / "20261123_062040"
    stamped.mkdir(parents=True)
    (stamped / "20261123_062040.log").write_text(LOG, encoding="utf-8")

    done = report(tmp_path, "--json")

    document = json.loads(done.stdout)
    (run,) = document["runs"]
    assert (run["supervised"], run["attempts"], run["lines"]) == (False, None, 3)
    assert document["path"] == os.path.join("work_dirs", "plain", "dualwatch", "report.html")
    # The page makes no run of ours out of it.
    assert json.loads(report(tmp_path, "--json").stdout)["runs"][0]["supervised"] is False


def test_a_journal_that_was_cut_is_told_as_far_as_it_goes(three_attempts, run_of, tmp_path):
    folder = run_of(three_attempts)
    journal = folder / "dualwatch" / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[: 2 * len(whole) // 3])

    done = report(tmp_path, str(folder), "--json")

    (run,) = json.loads(done.stdout)["runs"]
    assert run["outcome"] == "end not known"
    assert "neither the training nor its supervisor runs any more" in run["sentences"][0]


def test_an_empty_journal_is_replaced_by_the_console(run_of, tmp_path):
    folder = run_of([])
    console = folder / "dualwatch" / "attempt-0" / "console.log"
    console.write_text(LOG, encoding="utf-8")

    done = report(tmp_path, str(folder))

    assert done.returncode == 0, done.stderr
    page = (folder / "dualwatch" / "report.html").read_text(encoding="utf-8")
    assert "The journal of this run is empty" in page


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nowhere"], 2, "nowhere does not exist"),
        ([], 3, "no run found"),
        (["empty"], 3, "no training found in empty"),
        (["empty.log"], 3, "nothing to report in empty.log"),
        (["config.py"], 3, "has not been run"),
        (["good.log", "--output", "file/report.html"], 3, "cannot write"),
    ],
)
def test_exit_codes(tmp_path, words, code, said):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.log").touch()
    (tmp_path / "file").touch()
    (tmp_path / "config.py").write_text("model = dict()\n")
    (tmp_path / "good.log").write_text(LOG, encoding="utf-8")

    done = report(tmp_path, *words)

    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("encoding", ["ascii", "gbk"])
def test_any_console_can_show_what_it_says(script, run_of, tmp_path, encoding):
    s = script().start(config="配置é\x1b[31m.py").launch(0).train(1, 2, loss=1.0)
    folder = run_of(s, "wd")

    done = report(tmp_path, str(folder), PYTHONIOENCODING=encoding)

    assert done.returncode == 0
    assert "\x1b" not in done.stderr
    assert "Error" not in done.stderr


def test_the_page_of_a_log_holds_its_checklist(tmp_path) -> None:
    lines = "".join(
        f"2026/11/12 10:00:{10 * n:02d} - mmengine - INFO - Epoch(train)  [1][{50 * n:>5}/22878]  "
        "lr: 1.0e-03  eta: 10:00:00  time: 0.2  data_time: 0.01  loss: 0.6  loss_macl: 1.4\n"
        for n in range(1, 4)
    )
    (tmp_path / "a.log").write_text(lines, encoding="utf-8")
    assert report(tmp_path, "a.log", "--output", "page.html").returncode == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "loss_macl is normal at iteration 50" in page
    assert "No checklist was made" not in page
