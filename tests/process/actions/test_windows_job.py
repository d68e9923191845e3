"""The logic of Windows' job objects, over a scripted kernel32: no Windows was at hand."""

from __future__ import annotations

import pytest
from dualwatch.actions import windows_job

PROCESS = 44


class Kernel32:
    """Takes down every call; those that ``fails`` names give 0."""

    def __init__(self, *fails: str) -> None:
        self.fails = fails
        self.calls: list[tuple[object, ...]] = []

    def _call(self, name: str, *arguments: object, result: int = 1) -> int:
        self.calls.append((name, *arguments))
        return 0 if name in self.fails else result

    def create_job(self) -> int | None:
        return self._call("create", result=7) or None

    def assign(self, job: int, process: int) -> int:
        return self._call("assign", job, process)

    def terminate(self, job: int, exit_code: int) -> int:
        return self._call("terminate", job, exit_code)

    def close(self, handle: int) -> int:
        return self._call("close", handle)

    def error(self) -> str:
        return "error 5: Access is denied."

    def resume(self) -> None:
        self.calls.append(("resume",))

    def refuse(self) -> None:
        self.calls.append(("resume",))
        raise OSError("not allowed")


def test_a_training_runs_only_once_it_is_in_its_job() -> None:
    calls = Kernel32()

    joined = windows_job.join(PROCESS, calls.resume, calls)

    assert joined.job is not None
    assert joined.why_not == ""
    assert calls.calls == [("create",), ("assign", 7, PROCESS), ("resume",)]


def test_the_job_is_ended_and_its_handle_closed_once() -> None:
    calls = Kernel32()
    job = windows_job.join(PROCESS, calls.resume, calls).job
    assert job is not None
    calls.calls.clear()

    assert job.end()
    job.close()
    job.close()
    assert not job.end()

    assert calls.calls == [("terminate", 7, windows_job.ENDED_BY_US), ("close", 7)]


def test_without_a_job_the_training_runs_all_the_same() -> None:
    calls = Kernel32("create")

    joined = windows_job.join(PROCESS, calls.resume, calls)

    assert joined.job is None
    assert "Access is denied" in joined.why_not
    assert calls.calls == [("create",), ("resume",)]


def test_a_training_that_may_not_join_runs_and_the_handle_is_closed() -> None:
    calls = Kernel32("assign")

    joined = windows_job.join(PROCESS, calls.resume, calls)

    assert joined.job is None
    assert "could not be put into a job object" in joined.why_not
    assert calls.calls == [("create",), ("assign", 7, PROCESS), ("close", 7), ("resume",)]


def test_a_training_that_cannot_be_let_run_leaves_no_handle() -> None:
    calls = Kernel32()

    with pytest.raises(OSError, match="not allowed"):
        windows_job.join(PROCESS, calls.refuse, calls)

    assert calls.calls[-1] == ("close", 7)


def test_a_job_that_cannot_be_ended_says_so() -> None:
    calls = Kernel32("terminate")
    job = windows_job.join(PROCESS, calls.resume, calls).job
    assert job is not None

    assert not job.end()
