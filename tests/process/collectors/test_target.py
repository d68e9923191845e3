"""What a command was pointed at, on real folders and real processes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from dualwatch.collectors import target
from dualwatch.collectors.processes import trainings
from dualwatch.core.errors import DualwatchError, Exit

from tests.support.systems import WINDOWS

STAMP = "20260102_030405"
HOLDS_A_LOG = """
import os, sys
log = open(sys.argv[1], "a")
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.close(writer)
    os.read(reader, 1)  # ends with its parent
    os._exit(0)
print(child, flush=True)
sys.stdin.readline()
"""


def plain_run(work_dir: Path, stamp: str = STAMP) -> Path:
    """A work dir as mmengine leaves it; returns its log."""
    log = work_dir / stamp / f"{stamp}.log"
    (log.parent / "vis_data").mkdir(parents=True)
    log.write_text("a line\n")
    (log.parent / "vis_data" / "scalars.json").write_text('{"loss": 1.0, "step": 1}\n')
    return log


def supervised_run(work_dir: Path, attempts: int = 2) -> Path:
    """A work dir that dualwatch watched; returns the newest attempt's folder."""
    for number in range(attempts):
        folder = work_dir / "dualwatch" / f"attempt-{number}"
        folder.mkdir(parents=True)
        (folder / "console.log").write_text("a line\n")
    (work_dir / "dualwatch" / "journal.jsonl").write_text("")
    return folder


def older(file: Path, seconds: float) -> None:
    when = file.stat().st_mtime - seconds
    os.utime(file, (when, when))


def test_a_plain_work_dir(tmp_path):
    log = plain_run(tmp_path)
    found = target.resolve(tmp_path)
    assert (found.kind, found.log, found.supervised) == ("folder", log, False)
    assert found.scalars == log.parent / "vis_data" / "scalars.json"
    assert found.training is None


def test_of_several_starts_the_newest_log_counts(tmp_path):
    older(plain_run(tmp_path, "20260102_000000"), 60)
    newest = plain_run(tmp_path, "20260102_000100")
    assert target.resolve(tmp_path).log == newest


def test_of_several_runs_the_one_that_is_looked_at_is_named(tmp_path):
    plain_run(tmp_path / "before")
    older(tmp_path / "before" / STAMP / f"{STAMP}.log", 600)
    supervised_run(tmp_path / "now")
    assert target.resolve(tmp_path).path == tmp_path / "now"
    assert target.resolve(tmp_path / "now").path == tmp_path / "now"


def test_a_supervised_work_dir_is_known_by_its_newest_attempt(tmp_path):
    older(plain_run(tmp_path), 0)
    attempt = supervised_run(tmp_path, attempts=11)
    found = target.resolve(tmp_path)
    assert (found.kind, found.attempt_dir) == ("run", attempt)
    assert attempt.name == "attempt-10"
    assert found.log == attempt / "console.log"


def test_a_plain_start_after_a_supervised_one_is_what_is_looked_at(tmp_path):
    attempt = supervised_run(tmp_path)
    older(attempt / "console.log", 3600)
    log = plain_run(tmp_path)
    found = target.resolve(tmp_path)
    assert (found.kind, found.log) == ("folder", log)


def test_of_a_folder_of_runs_the_one_that_began_last(tmp_path, monkeypatch):
    plain_run(tmp_path / "work_dirs" / "a", "20260102_030405")
    supervised_run(tmp_path / "work_dirs" / "b")
    journal = tmp_path / "work_dirs/b/dualwatch/journal.jsonl"
    journal.write_text(f'{{"kind":"x","at":1.0,"wall":{begun("20260103_000000")}}}\n')
    log = plain_run(tmp_path / "work_dirs" / "deep" / "c", "20260104_000000")
    older(log, 90_000)
    monkeypatch.chdir(tmp_path)
    assert target.resolve(None).log == Path("work_dirs/deep/c/20260104_000000", log.name)
    journal.write_text(f'{{"kind":"x","at":1.0,"wall":{begun("20260105_000000")}.25}}\n')
    assert target.resolve(Path("work_dirs")).work_dir == Path("work_dirs/b")


def begun(stamp: str) -> int:
    return int(time.mktime(time.strptime(stamp, "%Y%m%d_%H%M%S")))


def test_the_newest_run_of_a_work_dir_is_the_one_that_began_last(tmp_path):
    first = plain_run(tmp_path, "20260304_110000")
    second = plain_run(tmp_path, "20260305_110000")
    older(second, 90_000)  # As a copy may have it.
    found = target.resolve(tmp_path)
    assert (found.log, found.earlier) == (second, (first,))
    assert found.scalars == second.parent / "vis_data" / "scalars.json"
    assert target.resolve(first.parent).log == first, "the folder of one run"


def test_a_console_that_was_written_after_the_start_of_the_newest_run_is_its_log(tmp_path):
    plain_run(tmp_path, "20260304_110000")
    console = tmp_path / "train.log"
    console.write_text("2026/03/04 11:00:30 - mmengine - INFO - Epoch(train) [1][5/9]  loss: 0.5\n")
    (tmp_path / "download.log").write_text("2026/03/05 11:00:30 - x - INFO - done\n")
    assert target.resolve(tmp_path).log == console
    assert target.resolve(tmp_path).earlier == ()
    console.write_text("2026/03/03 11:00:30 - mmengine - INFO - Epoch(train) [1][5/9]  loss: 0.5\n")
    assert target.resolve(tmp_path).log == tmp_path / "20260304_110000" / "20260304_110000.log"


@pytest.mark.parametrize(
    "name",
    ["20260304_110000/vis_data/scalars.json", "20260304_110000/vis_data/20260304_110000.json",
     "20230208_111412.log.json", "None.log.json",
     "tf_logs/events.out.tfevents.1709546400.box.4711.0",
     "20260304_110000/vis_data/events.out.tfevents.1709546400.box.4711.0"],
)  # fmt: skip
def test_a_run_that_left_no_log(tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"loss": 1.0, "iter": 1, "step": 1}\n')
    found = target.resolve(tmp_path)
    assert (found.kind, found.log) == ("folder", file)


def test_runs_of_several_work_dirs_are_not_those_of_one(tmp_path):
    for name, stamp in (("a", "20260304_110000"), ("b", "20260303_110000")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{stamp}.log").write_text("a line\n")
    found = target.resolve(tmp_path)
    assert (found.work_dir, found.earlier) == (tmp_path / "a", ())


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("x.log", "a line", "log"),
        ("console.txt", "a line", "log"),
        ("nohup.out", "a line", "log"),
        ("no-ending", "a line", "log"),
        ("x.log.json", '{"mode": "train"}', "log"),
        ("scalars.json", '{"loss": 0.1, "step": 3}', "log"),
        ("config.json", '{"model": {}}', "config"),
        ("config.py", "model = dict()", "config"),
        ("config.yml", "model: {}", "config"),
    ],
)
def test_a_file_is_known_by_its_name_and_its_first_line(tmp_path, name, text, kind):
    (tmp_path / name).write_text(text)
    assert target.resolve(tmp_path / name).kind == kind


def test_a_configuration_brings_the_run_in_its_usual_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text("model = dict()")
    plain_run(tmp_path / "work_dirs" / "net")
    found = target.resolve(Path("net.py"))
    assert (found.kind, found.config, found.work_dir) == (
        "config",
        Path("net.py"),
        Path("work_dirs/net"),
    )


@pytest.mark.parametrize(
    ("place", "code"),
    [("missing", Exit.USAGE), ("missing.log", Exit.USAGE), (".", Exit.NOT_OBSERVED)],
)
def test_nothing_there_is_told_with_the_code_of_the_contract(tmp_path, monkeypatch, place, code):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DualwatchError) as caught:
        target.resolve(Path(place))
    assert caught.value.exit_code is code
    assert caught.value.do
    with pytest.raises(DualwatchError) as caught:
        target.resolve(None)
    assert caught.value.exit_code is Exit.NOT_OBSERVED


@pytest.mark.skipif(WINDOWS, reason="Windows has no pipes in folders")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DualwatchError):
        target.resolve(tmp_path / "pipe")


@pytest.mark.skipif(WINDOWS, reason="the training of this test forks")
def test_a_live_training_is_found_by_the_log_that_it_holds_open(tmp_path, spawn):
    log = plain_run(tmp_path)
    process = spawn(HOLDS_A_LOG, str(log))
    found = target.resolve(tmp_path)
    assert found.training is not None
    # Its fork holds the same file: the one that was started is the training.
    assert found.training.pid == process.pid
    assert found.training.attempt_dir is None


@pytest.mark.skipif(WINDOWS, reason="the training of this test forks")
@pytest.mark.parametrize("of_worker", [False, True])
def test_a_process_leads_to_its_work_dir(tmp_path, spawn, of_worker):
    log = plain_run(tmp_path)
    process = spawn(HOLDS_A_LOG, str(log))
    found = target.of_pid(int(process.hello) if of_worker else process.pid)
    assert found.training is not None
    assert (found.training.pid, found.work_dir, found.log) == (process.pid, tmp_path, log)


def test_a_process_of_ours_leads_to_its_attempt(tmp_path, spawn):
    attempt = supervised_run(tmp_path)
    process = spawn(
        "import sys; print('up', flush=True); sys.stdin.readline()",
        DUALWATCH_ATTEMPT_DIR=str(attempt),
        DUALWATCH_MARKER="m",
    )
    found = target.of_pid(process.pid)
    assert (found.attempt_dir, found.work_dir) == (attempt, tmp_path)
    assert trainings.in_folder(tmp_path).pid == process.pid


def test_a_pid_that_is_gone(spawn):
    process = spawn("print('up', flush=True)")
    process.wait()
    with pytest.raises(DualwatchError) as caught:
        target.of_pid(process.pid)
    assert caught.value.exit_code is Exit.USAGE


def test_what_a_command_line_names():
    command = ("python", "tools/train.py", "configs/a.py", "--work-dir", "wd", "--resume")
    named = dict(trainings.command_values(command, Path("/base")))
    assert named == {"config": Path("/base/configs/a.py"), "work-dir": Path("/base/wd")}


def test_a_relative_path_means_nothing_without_the_folder_of_the_process():
    whole = Path("/c/a.py").absolute()
    command = ("python", "tools/train.py", str(whole), "--work-dir=wd")
    assert dict(trainings.command_values(command, None)) == {"config": whole}
