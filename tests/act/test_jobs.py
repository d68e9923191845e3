"""The job object with a scripted kernel32: its order of calls, and what follows a failure."""

from __future__ import annotations

import pytest
from dualwatch.act.jobs import ENDED_BY_US, Job, join


class Kernel32:
    """Records the calls; those named in ``fails`` fail."""

    def __init__(self, *fails: str) -> None:
        self.fails, self.calls = fails, []

    def _called(self, name: str, *arguments: int) -> int:
        self.calls.append((name, *arguments))
        return 0 if name in self.fails else 7

    def create_job(self) -> int:
        return self._called("create")

    def assign(self, job: int, process: int) -> int:
        return self._called("assign", job, process)

    def terminate(self, job: int, exit_code: int) -> int:
        return self._called("terminate", job, exit_code)

    def close(self, handle: int) -> int:
        return self._called("close", handle)

    def error(self) -> str:
        return "error 5: access denied"


def test_a_training_is_in_its_job_before_it_runs() -> None:
    calls = Kernel32()
    joined = join(40, lambda: calls.calls.append(("resume",)), calls)
    assert calls.calls == [("create",), ("assign", 7, 40), ("resume",)]
    assert joined.job is not None
    assert joined.why_not == ""


@pytest.mark.parametrize(
    ("fails", "calls_made", "words"),
    [
        ("create", [("create",), ("resume",)], "no job object could be made"),
        ("assign", [("create",), ("assign", 7, 40), ("close", 7), ("resume",)], "access denied"),
    ],
)
def test_without_a_job_it_runs_all_the_same(fails, calls_made, words) -> None:
    calls = Kernel32(fails)
    joined = join(40, lambda: calls.calls.append(("resume",)), calls)
    assert calls.calls == calls_made
    assert joined.job is None
    assert words in joined.why_not


def test_the_handle_of_one_that_cannot_run_is_closed() -> None:
    calls = Kernel32()

    def resume() -> None:
        raise OSError("it cannot")

    with pytest.raises(OSError, match="it cannot"):
        join(40, resume, calls)
    assert calls.calls[-1] == ("close", 7)


def test_the_job_ends_its_tree_until_it_is_closed() -> None:
    calls = Kernel32()
    job = Job(7, calls)
    assert job.end()
    job.close()
    job.close()
    assert not job.end()
    assert calls.calls == [("terminate", 7, ENDED_BY_US), ("close", 7)]
