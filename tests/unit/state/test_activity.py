"""Two samples of a process tree: did it work in between?"""

from __future__ import annotations

import pytest
from dualwatch.events import ProcessesSampled, ProcessSample
from dualwatch.state.activity import Activity, measure


def tree(at: float, *processes: dict[str, object]) -> ProcessesSampled:
    known = {
        "pid": 1,
        "create_time": 1.0,
        "ppid": 0,
        "role": "main",
        "status": "sleeping",
        "cpu_s": 0.0,
        "io_bytes": 0,
        "rss": 1,
        "threads": 1,
        "wchan": "",
        "command": "python",
    }
    samples = tuple(ProcessSample(**{**known, **process}) for process in processes)
    return ProcessesSampled(at=at, wall=at, processes=samples)


def between(before: list[dict[str, object]], after: list[dict[str, object]]) -> Activity:
    activity = measure(tree(0.0, *before), tree(10.0, *after))
    assert activity is not None
    return activity


@pytest.mark.parametrize(
    ("before", "after", "cpu", "busy"),
    [
        ({}, {}, 0.0, False),
        ({}, {"cpu_s": 0.4}, 0.04, False),
        ({}, {"cpu_s": 0.6}, 0.06, True),
        ({}, {"io_bytes": 64 * 1024 * 10}, 0.0, False),
        ({}, {"io_bytes": 64 * 1024 * 10 + 10}, 0.0, True),
        ({"cpu_s": 90.0}, {"cpu_s": 90.1}, 0.01, False),
        ({"io_bytes": None}, {"io_bytes": None}, 0.0, False),
        ({"cpu_wait_s": 7.0}, {"cpu_wait_s": 7.2}, 0.0, False),
        ({"cpu_wait_s": 7.0}, {"cpu_wait_s": 8.0}, 0.0, True),
    ],
    ids=[
        "still",
        "wakes-up",
        "computes",
        "reads-little",
        "reads",
        "worked-long-ago",
        "io-unknown",
        "waited-a-moment-for-a-cpu",
        "waits-for-a-cpu",
    ],
)
def test_one_process(before, after, cpu, busy) -> None:
    activity = between([before], [after])
    assert activity.cpu == pytest.approx(cpu)
    assert activity.busy is busy


def test_a_process_that_started_in_between_counts_whole() -> None:
    activity = between([{}], [{}, {"pid": 2, "cpu_s": 5.0}])
    assert activity.cpu == pytest.approx(0.5)
    assert activity.by_pid == {1: 0.0, 2: pytest.approx(0.5)}


def test_a_reused_pid_is_another_process() -> None:
    activity = between([{"cpu_s": 100.0}], [{"create_time": 2.0, "cpu_s": 1.0}])
    assert activity.cpu == pytest.approx(0.1)


def test_a_zombie_does_nothing_and_hides_nothing() -> None:
    activity = between([{}, {"pid": 2}], [{}, {"pid": 2, "status": "zombie", "cpu_s": None}])
    assert activity.cpu == 0.0
    assert not activity.busy


def test_a_process_that_cannot_be_read_is_no_proof_of_idleness() -> None:
    activity = between([{}, {"pid": 2}], [{}, {"pid": 2, "cpu_s": None}])
    assert activity.cpu is None
    assert activity.busy


def test_one_sample_measures_nothing() -> None:
    assert measure(None, tree(1.0, {})) is None
    assert measure(tree(1.0, {}), tree(1.0, {})) is None


# --- what proves no idleness ---------------------------------------------------------------------


@pytest.mark.parametrize("status", ["stopped", "tracing-stop"])
def test_who_is_stopped_cannot_be_called_idle(status) -> None:
    activity = between([{}], [{"status": status}])
    assert activity.stopped == (1,)
    assert activity.busy
    assert not between([{"status": status}], [{}]).busy


IN_DISK = {"status": "disk-sleep", "wchan": "folio_wait"}


@pytest.mark.parametrize(
    ("before", "after", "still"),
    [
        (IN_DISK, IN_DISK, {1: 0.0}),
        (IN_DISK, {**IN_DISK, "io_bytes": 1}, {}),
        (IN_DISK, {**IN_DISK, "cpu_s": 1.0}, {}),
        (IN_DISK, {**IN_DISK, "wchan": "rpc_wait"}, {}),
        (IN_DISK, {**IN_DISK, "create_time": 2.0}, {}),
        (IN_DISK, {}, {}),
        ({}, IN_DISK, {}),
        ({**IN_DISK, "cpu_s": None}, {**IN_DISK, "cpu_s": None, "io_bytes": None}, {1: 0.0}),
    ],
    ids=["same", "reads", "computes", "elsewhere", "another", "woke", "fell asleep", "unreadable"],
)
def test_a_disk_sleep_that_gets_nowhere(before, after, still) -> None:
    assert between([before], [after]).still_d == still


def test_a_disk_sleep_is_followed_back_over_the_samples() -> None:
    samples = [tree(at, IN_DISK) for at in (0.0, 5.0, 10.0)]
    first = measure(samples[0], samples[1])
    second = measure(samples[1], samples[2], first)
    assert second is not None
    assert second.still_d == {1: 0.0}
    # Between samples that do not follow on each other anything may have happened.
    late = measure(tree(60.0, IN_DISK), tree(65.0, IN_DISK), first)
    assert late is not None
    assert late.still_d == {1: 60.0}
