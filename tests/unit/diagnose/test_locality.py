"""Whether a log is of this machine: by what it names, where it lies, and what runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dualwatch import frameworks
from dualwatch.collectors.target import Target
from dualwatch.core.settings import resolve
from dualwatch.diagnose import diagnose_command, locality
from dualwatch.events import Event, LogMilestone, RunStarted
from dualwatch.logs.console import ConsoleParser

OLD = "2023-05-06 07:08:09,100 - mmdet - INFO - Start running, host: {}, work_dir: {}"
NEW = "2023/05/06 07:08:09 - mmengine - INFO - Checkpoints will be saved to {}."
HOST = "box-7"


def events(*lines: str) -> list[Event]:
    parser = ConsoleParser(frameworks.line_formats())
    return [event for line in lines for event in parser.feed(line, 0.0, 0.0)]


def here(log: Path, *lines: str) -> bool:
    target = Target(kind="folder", path=log.parent, work_dir=log.parent, log=log)
    return locality.of(target, events(*lines), None, HOST).here


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "20230506_070809" / "20230506_070809.log"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def test_its_own_folder_by_an_absolute_path(log: Path) -> None:
    assert here(log, NEW.format(log.parent.parent))
    assert here(log, OLD.format(f"u@{HOST}", log.parent.parent))


@pytest.mark.parametrize(
    "place", ["/data/run", "run", "./work_dirs/run", "D:\\w\\run", r"\\srv\share\run", "/"]
)
def test_another_folder(log: Path, place: str) -> None:
    assert not here(log, NEW.format(place))


def test_another_host_has_the_same_paths_on_a_shared_file_system(log: Path) -> None:
    assert not here(log, OLD.format("u@box-8", log.parent.parent))


def test_the_host_alone(log: Path) -> None:
    assert here(log, OLD.format(f"u@{HOST}.lab.example", "/moved/since"))
    assert not here(log, OLD.format("u@localhost", "/moved/since"))


def test_nothing_is_named(log: Path) -> None:
    assert not here(log)


def test_a_configuration_is_meant_for_this_machine(tmp_path: Path) -> None:
    target = Target(kind="config", path=tmp_path / "c.py", config=tmp_path / "c.py")
    assert locality.of(target, (), None, HOST).here


def test_a_run_of_dualwatch_that_was_copied(tmp_path: Path) -> None:
    attempt = tmp_path / "run" / "dualwatch" / "attempt-0"
    attempt.mkdir(parents=True)
    target = Target(kind="run", work_dir=tmp_path / "run", attempt_dir=attempt)
    started = RunStarted(
        at=0.0, wall=0.0, config="", script="", work_dir=str(tmp_path / "run"),
        required_metrics=(), required_because="", version="",
    )  # fmt: skip
    assert locality.of(target, (), started, HOST).here
    moved = replace(target, attempt_dir=tmp_path / "copy" / "dualwatch" / "attempt-0")
    assert not locality.of(moved, (), started, HOST).here


def test_what_a_line_names() -> None:
    found = events(
        OLD.format("u@n-3", "/w/a b/c"),
        NEW.format("/w/a.b/c"),
        NEW.format("/w/a by HardDiskBackend"),
    )
    named = [(one.host, one.work_dir) for one in found if isinstance(one, LogMilestone)]
    assert named == [("n-3", "/w/a b/c"), ("", "/w/a.b/c"), ("", "/w/a")]


def test_nothing_of_this_machine_is_in_the_diagnosis_of_a_foreign_log(tmp_path: Path) -> None:
    path = tmp_path / "console.txt"
    path.write_text(OLD.format("u@another-host", "/w") + "\nOSError: [Errno 28] No space left\n")
    policy = resolve({}).check_policy()
    done = diagnose_command.diagnose(path, None, policy, output=None, bundle=False, redact=False)
    document = done.document
    assert document.host is None
    assert document.nvidia_smi is None
    assert not document.gpus
    assert not document.environment.variables
    sources = {one.source for cause in document.findings for one in cause.evidence}
    assert not sources & {"host", "kernel", "NVML", "cgroup"}
