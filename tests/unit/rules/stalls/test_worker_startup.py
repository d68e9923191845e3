"""DW117: workers that are still being started, beside the twins that hang."""

from __future__ import annotations

import pytest
from dualwatch.events import ConfigRead, Frame, Severity, ThreadStack
from dualwatch.protocol import Phase

MP = "/usr/lib/python3.11/multiprocessing/"
LAUNCHES = (
    ("Popen._launch", MP + "popen_spawn_posix.py"),
    ("Popen.__init__", MP + "popen_spawn_posix.py"),
    ("BaseProcess.start", MP + "process.py"),
    ("DataLoader._get_iterator", "/v/site-packages/torch/utils/data/dataloader.py"),
)
PICKLES = (("dump", MP + "reduction.py"), *LAUNCHES)
IMPORTS = (("_main", MP + "spawn.py"), ("spawn_main", MP + "spawn.py"))
LOOPS = (("get", MP + "queues.py"), ("_worker_loop", "worker.py"), *IMPORTS)
ASKS = (("poll", "connection.py"), ("_try_get_data", "dataloader.py"))


def frames(*functions):
    return tuple(Frame(function=f, file=file, line=1) for f, file in functions)


def worker(pid, functions):
    return ThreadStack(pid=pid, thread="MainThread", active=None, frames=frames(*functions))


@pytest.fixture
def starts(story):
    """A silent start with stacks of the main process and its workers."""

    def tell(main, *workers, busy=True, phase=Phase.WAITING, seconds=300, **sample):
        story.stops_in(phase, batch=0).sample(**sample).silent(seconds, busy=busy, **sample)
        return story.captured(*frames(*main), workers=workers)

    return tell


def evidence(found):
    return "\n".join(e.text for e in found.evidence)


@pytest.mark.parametrize("main", [LAUNCHES, PICKLES], ids=["writes", "pickles"])
def test_a_dataset_that_is_handed_to_a_new_worker(starts, main):
    cause, slow = starts(main).judged()
    assert (cause.code, slow.code) == ("DW117", "DW104")
    assert cause.severity is Severity.INFO
    assert main[0][0] in evidence(cause)


def test_a_worker_that_imports(starts):
    cause = starts(ASKS, worker(101, IMPORTS), worker(102, LOOPS), busy=(101,)).judged()[0]
    assert cause.code == "DW117"
    assert "_main (spawn.py:1)" in evidence(cause)
    assert "102" not in evidence(cause)


def test_workers_that_come_one_after_another(starts, story):
    start = story.events[0].wall
    born = {pid: {"create_time": start + t} for pid, t in ((101, 100), (102, 180), (103, 260))}
    cause = starts(ASKS, each={**born, 103: {**born[103], "role": "worker"}}).judged()[0]
    assert cause.code == "DW117"
    assert all(part in evidence(cause) for part in ("3 workers", "200 s", "40 s"))


@pytest.mark.parametrize(
    "times",
    [(5, 6), (5, 5.5), (-1000, -900), (5, 90), (9000, 9900)],
    ids=["at once", "together", "before", "long ago", "clock jumped"],
)
def test_workers_that_are_all_there_are_not_being_started(starts, story, times):
    start = story.events[0].wall
    each = {pid: {"create_time": start + t} for pid, t in zip((101, 102), times, strict=True)}
    assert starts(ASKS, each=each).codes() == ["DW104"]


def test_the_number_that_is_wanted_is_told_where_it_is_known(starts, story):
    starts(LAUNCHES).tell(
        ConfigRead, path="c.py", how="read", loaders={"train_dataloader": {"num_workers": 16}}
    )
    found = story.judged()[0]
    assert "2 of 16" in found.headline
    assert "serialize_data=True" in found.remedy  # The framework's own advice.


@pytest.mark.parametrize("main", [LAUNCHES, ASKS])
def test_a_start_that_does_nothing_stays_a_stall(starts, main):
    assert starts(main, worker(101, IMPORTS), busy=False).codes() == ["DW101"]


def test_a_step_is_no_start_of_workers(starts):
    assert "DW117" not in starts(LAUNCHES, phase=Phase.STEP).codes()


def test_beyond_the_busy_timeout_it_stands_beside_the_stall(starts):
    assert starts(LAUNCHES, seconds=1800).codes() == ["DW117", "DW101"]


def test_forked_workers_are_not_being_started(starts):
    forked = (*LOOPS[:2], ("Popen._launch", MP + "popen_fork.py"), *LAUNCHES[2:])
    assert starts(ASKS, worker(101, forked)).codes() == ["DW104"]


def test_a_plain_training_that_spawns_is_told_by_its_stack(new_story):
    story = new_story().started().prints(10).wait(400)
    for _ in range(2):
        story.wait(2.5).sample(busy=True).captured(*frames(*LAUNCHES))
    assert story.codes() == ["DW117", "DW104"]
