"""DW111: a deadlock of the loader's workers, and every part that it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dualwatch.events import FileLock, FileLocksSeen, Frame, NotObserved, Severity, ThreadStack
from dualwatch.protocol import Phase
from dualwatch.rules.catalog import BY_CODE

ASKS = ("wait", "poll", "_try_get_data", "_get_data", "_next_data", "__next__", "run_epoch")
STUCK = ("acquire", "load_infrared", "__getitem__", "fetch", "_worker_loop", "run")
IDLE_WORKER = ("wait", "poll", "get", "_worker_loop", "run")


def stack(pid: int, functions: tuple[str, ...]) -> ThreadStack:
    frames = tuple(
        Frame(function=name, file=f"/site/{name}.py", line=number)
        for number, name in enumerate(functions, 1)
    )
    return ThreadStack(pid=pid, thread="MainThread", active=None, frames=frames)


@pytest.fixture
def deadlock(story) -> Callable[..., Any]:
    """A story of a deadlock, with any part of it put differently."""

    def tell(
        *,
        main: tuple[str, ...] = ASKS,
        workers: tuple[tuple[int, tuple[str, ...]], ...] = ((101, STUCK), (102, STUCK)),
        wchan: str = "futex_wait_queue",
        seconds: float = 300,
        busy: bool = False,
    ) -> Any:
        story.trains().stops_in(Phase.WAITING).silent(seconds, wchan=wchan, busy=busy)
        frames = stack(100, main).frames
        return story.captured(*frames, workers=tuple(stack(pid, f) for pid, f in workers))

    return tell


def test_a_deadlock_is_named_before_the_stall_that_it_causes(deadlock) -> None:
    cause, stall = deadlock().judged()
    assert (cause.code, stall.code) == ("DW111", "DW102")
    assert "2 of 2" in cause.headline
    assert "wait < poll < _try_get_data" in cause.evidence[1].text
    for part in ("101", "acquire (acquire.py:1) < load_infrared", "futex_wait_queue"):
        assert part in cause.evidence[2].text


def test_it_is_surer_when_every_worker_waits(deadlock, story) -> None:
    some = deadlock(workers=((101, STUCK), (102, IDLE_WORKER))).judged()[0]
    assert some.code == "DW111"
    assert "1 of 2" in some.headline
    story.events.pop()
    workers = (stack(101, STUCK), stack(102, STUCK))
    every = story.captured(*stack(100, ASKS).frames, workers=workers).judged()[0]
    assert every.confidence > some.confidence


def test_names_with_their_classes_are_known_as_well(deadlock) -> None:
    found = deadlock(
        main=("_MultiProcessingDataLoaderIter._try_get_data",),
        workers=((101, ("Lock.acquire", "_MapDatasetFetcher.fetch", "_worker_loop")),),
    )
    assert found.codes() == ["DW111", "DW102"]


@pytest.mark.parametrize(
    ("part", "codes"),
    [
        ({"main": ("forward", "train_step")}, ["DW102"]),
        ({"workers": ()}, ["DW102"]),
        ({"workers": ((101, IDLE_WORKER), (102, IDLE_WORKER))}, ["DW124", "DW102"]),
        ({"workers": ((101, ("acquire", "fetch", "run")),)}, ["DW102"]),
        ({"workers": ((777, STUCK),)}, ["DW102"]),
        ({"wchan": "pipe_read"}, ["DW102"]),
        ({"wchan": ""}, ["DW102"]),
        ({"busy": True}, ["DW104"]),
        ({"seconds": 299}, []),
    ],
    ids=[
        "main does not ask for a batch",
        "no worker",
        "workers wait for work",
        "a thread of the user's own",
        "worker not in the sample",
        "workers wait for data",
        "kernel does not say",
        "tree works",
        "too early",
    ],
)
def test_each_missing_part_makes_it_quiet(deadlock, part, codes) -> None:
    assert deadlock(**part).codes() == codes


def test_where_the_stack_of_main_was_not_read_its_heartbeat_shows_that_it_waits(deadlock) -> None:
    cause, stall = deadlock(main=()).judged()
    assert (cause.code, stall.code) == ("DW111", "DW102")
    assert cause.confidence < 0.9
    assert "not read" in cause.evidence[1].text


def test_a_heartbeat_in_another_phase_shows_no_deadlock(story) -> None:
    story.trains().stops_in(Phase.STEP).silent(300, wchan="futex_wait_queue")
    story.captured(workers=(stack(101, STUCK), stack(102, STUCK)))
    assert story.codes() == ["DW102"]


def test_a_worker_that_was_not_read_makes_it_less_sure(deadlock) -> None:
    cause = deadlock(workers=((101, STUCK),)).judged()[0]
    assert cause.code == "DW111"
    assert cause.confidence < 0.9
    assert "the stack of worker 102 was not read" in hints(cause)


def test_without_stacks_no_cause_is_named(story) -> None:
    story.trains().stops_in(Phase.WAITING).silent(300, wchan="futex_wait_queue")
    assert story.codes() == ["DW102"]


# --- which kind of lock ---------------------------------------------------------------------------

FORKED = (
    ("fetch", "torch/utils/data/_utils/fetch.py", 54),
    ("_worker_loop", "torch/utils/data/_utils/worker.py", 374),
    ("Popen._launch", "multiprocessing/popen_fork.py", 71),
    # What stands below is the parent's, as it was when it forked.
    ("DataLoader._get_iterator", "torch/utils/data/dataloader.py", 438),
)
SPAWNED = (*FORKED[:2], ("spawn_main", "multiprocessing/spawn.py", 122))


def at(pid: int, *inner: tuple[str, str, int], outer=FORKED, thread="MainThread") -> ThreadStack:
    frames = tuple(Frame(function=f, file=file, line=line) for f, file, line in (*inner, *outer))
    return ThreadStack(pid=pid, thread=thread, active=None, frames=frames)


@pytest.fixture
def locked(story) -> Callable[..., Any]:
    """A story of workers that all sleep in futex, each with a stack of its own."""

    def tell(*stacks: ThreadStack, times: int = 1, **sample: Any) -> Any:
        told = {"wchan": "futex_do_wait", "threads": 1, **sample}
        story.trains().stops_in(Phase.WAITING).silent(300, **told)
        for _ in range(times):
            story.captured(*stack(100, ASKS).frames, workers=stacks)
        return story.judged()[0]

    return tell


def hints(found) -> str:
    return "\n".join(e.text for e in found.evidence[2:])


def test_two_places_are_a_cycle_of_locks(locked) -> None:
    lock = ("SemLock.__enter__", "multiprocessing/synchronize.py", 95)
    found = locked(
        at(101, lock, ("load", "pairs.py", 16), outer=SPAWNED),
        at(102, lock, ("load", "pairs.py", 20), outer=SPAWNED),
    )
    assert found.code == "DW111"
    assert "SemLock.__enter__ (synchronize.py:95) < load (pairs.py:16)" in hints(found)
    assert "a cycle" in hints(found)


def test_one_place_is_no_cycle_but_a_lock_held_at_the_fork(locked) -> None:
    place = ("D.__getitem__", "data.py", 11)
    found = locked(at(101, place), at(102, place))
    assert "cycle" not in hints(found)
    assert "spawn" in found.remedy


def test_a_worker_that_has_delivered_was_not_hung_by_the_fork(locked) -> None:
    place = ("D.__getitem__", "data.py", 11)
    feeder = at(101, ("wait", "threading.py", 7), thread="QueueFeederThread", outer=())
    found = locked(at(101, place), feeder, threads=3, each={102: None})
    assert (found.code, hints(found)) == ("DW111", found.evidence[2].text)
    assert found.remedy == BY_CODE["DW111"].remedy


@pytest.mark.parametrize(
    ("inner", "name", "remedy"),
    [
        (("imresize", "/v/site-packages/mmcv/image/geometric.py", 9), "OpenCV", "setNumThreads"),
        (("linear", "/v/site-packages/torch/nn/functional.py", 9), "PyTorch", "OMP_NUM_THREADS=1"),
        (("dot", "/v/site-packages/numpy/linalg/x.py", 9), "NumPy", "OPENBLAS_NUM_THREADS=1"),
        (("File.__init__", "/v/site-packages/h5py/_hl/files.py", 9), "HDF5", "in the worker"),
    ],
)
def test_a_call_into_a_library_is_told_from_a_lock(locked, inner, name, remedy) -> None:
    found = locked(*(at(pid, inner, ("transform", "mine.py", 3)) for pid in (101, 102)))
    assert name in hints(found)
    assert remedy in found.remedy
    assert "num_workers=0" in found.remedy


def test_a_folder_of_the_user_that_is_called_torch_is_no_library(locked) -> None:
    place = ("D.__getitem__", "/home/me/torch/data.py", 11)
    assert "call into" not in hints(locked(at(101, place), at(102, place)))


def test_native_threads_of_a_fresh_fork_are_a_thread_pool(locked) -> None:
    place = ("D.__getitem__", "data.py", 11)
    found = locked(at(101, place), at(102, place), threads=2)
    assert "101, 102" in hints(found)
    assert "OMP_NUM_THREADS=1" in found.remedy


def test_native_threads_of_a_spawned_worker_are_usual(locked) -> None:
    place = ("D.__getitem__", "data.py", 11)
    found = locked(*(at(pid, place, outer=SPAWNED) for pid in (101, 102)), threads=2)
    assert found.code == "DW111"
    assert "OpenMP" not in hints(found)


def test_a_dead_worker_may_keep_the_lock(locked) -> None:
    place = ("D.__getitem__", "data.py", 11)
    found = locked(at(101, place), each={102: {"status": "zombie"}})
    assert found.code == "DW111"
    assert "worker 102 is dead" in hints(found)
    assert "102" in found.remedy


def test_a_worker_that_vanished_between_two_captures_is_dead(story) -> None:
    place = ("D.__getitem__", "data.py", 11)
    main = stack(100, ASKS).frames
    story.trains().stops_in(Phase.WAITING).silent(200, wchan="futex_do_wait")
    story.captured(*main, workers=(at(101, place), at(102, place)))
    story.silent(100, wchan="futex_do_wait", each={102: None})
    story.captured(*main, workers=(at(101, place),))
    assert "worker 102 is dead" in hints(story.judged()[0])


def test_a_worker_that_stands_elsewhere_is_the_cause_of_who_waits_for_a_lock(story) -> None:
    story.trains().stops_in(Phase.WAITING)
    story.silent(300, each={101: {"wchan": "futex_do_wait"}, 102: {"wchan": "hrtimer_nanosleep"}})
    for _ in range(3):
        story.captured(*stack(100, ASKS).frames, workers=(stack(101, STUCK), stack(102, STUCK)))
    cause, stall = story.judged()
    assert (cause.code, stall.code) == ("DW112", "DW102")
    assert "lock" in cause.headline


# --- outside of the dataset -----------------------------------------------------------------------

LOOP = FORKED[1:]
TAKEN = ("get", "multiprocessing/queues.py", 113)
JOINS = (("_wait_for_tstate_lock", "threading.py", 1132), ("join", "threading.py", 1112))


@pytest.mark.parametrize(
    "inner",
    [
        (*JOINS, ("_stop", "service.py", 7), ("finalize.__call__", "weakref.py", 590)),
        (*JOINS, ("Run.__del__", "wandb/run.py", 7)),
        (*JOINS, ("_stop", "s.py", 7), ("__call__", "weakref.py", 590), ("seed", "init.py", 3)),
        # While the next index is unpickled.
        (*JOINS, ("_stop", "s.py", 7), ("__call__", "weakref.py", 590), TAKEN),
    ],
)
def test_a_finalizer_in_a_forked_worker(locked, inner) -> None:
    found = locked(at(101, *inner, outer=LOOP), at(102, *inner, outer=LOOP))
    assert found.code == "DW111"
    assert "finalizer" in hints(found)
    assert "exists in the parent only" in hints(found)
    assert "spawn" in found.remedy


def test_a_finalizer_in_a_spawned_worker(locked) -> None:
    inner = (*JOINS, ("__del__", "service.py", 7))
    found = locked(at(101, *inner, outer=SPAWNED[1:]))
    assert "exists in the parent only" not in hints(found)


def test_a_finalizer_while_a_sample_is_loaded(locked) -> None:
    inner = (*JOINS, ("__del__", "service.py", 7), ("__getitem__", "pairs.py", 7))
    found = locked(at(101, *inner), at(102, *inner))
    assert "inside the dataset" in found.headline
    assert "finalizer" in hints(found)


def test_a_lock_at_the_start_of_a_worker(locked) -> None:
    inner = (("acquire", "cache.py", 3), ("init_worker", "train.py", 9))
    found = locked(at(101, *inner, outer=LOOP), at(102, *inner, outer=LOOP))
    assert found.code == "DW111"
    assert "finalizer" not in hints(found)


@pytest.mark.parametrize(
    "inner",
    [
        (TAKEN,),
        (("SemLock.acquire", "multiprocessing/synchronize.py", 9), TAKEN),
        (("wait", "multiprocessing/connection.py", 930), ("poll", "connection.py", 1), TAKEN),
        (),
    ],
)
def test_workers_that_wait_for_work_are_not_at_a_lock(locked, inner) -> None:
    assert locked(at(101, *inner, outer=LOOP), at(102, *inner, outer=LOOP)).code != "DW111"


# --- where the kernel or the stacks are not told --------------------------------------------------


def test_without_a_wchan_the_frame_of_a_lock_tells(locked) -> None:
    lock = ("SemLock.__enter__", "multiprocessing/synchronize.py", 95)
    found = locked(at(101, lock), at(102, lock), wchan="")
    assert (found.code, found.confidence) == ("DW111", pytest.approx(0.8))


def refused(story, seconds: float = 300, **sample: Any):
    story.trains().stops_in(Phase.WAITING)
    for pid in (100, 101, 102):
        story.tell(NotObserved, what=f"stacks of pid {pid}", why="Operation not permitted")
    told = {"each": {100: {"wchan": "poll_schedule_timeout"}}, "wchan": "futex_do_wait", **sample}
    return story.silent(seconds, **told)


def test_stacks_that_are_refused_leave_the_processes_as_witnesses(story) -> None:
    cause, *others = refused(story, threads=1).judged()
    assert (cause.code, cause.confidence) == ("DW111", pytest.approx(0.6))
    assert "poll_schedule_timeout" in cause.evidence[1].text
    assert "Operation not permitted" in cause.evidence[-1].text
    assert "DW102" in [f.code for f in others]


@pytest.mark.parametrize(
    "sample",
    [
        {"wchan": "poll_schedule_timeout"},
        {"wchan": ""},
        {"each": {100: {"wchan": "pipe_write"}}},
        {"status": "disk-sleep"},
        {"busy": (100, 101)},
        {"each": {101: None, 102: None}},
    ],
    ids=["workers wait for work", "not told", "main writes", "disk", "works", "no workers"],
)
def test_processes_that_wait_for_something_else_are_no_deadlock(story, sample) -> None:
    assert "DW111" not in refused(story, **sample).codes()


def test_the_stack_of_the_main_process_alone_is_used(story) -> None:
    refused(story).captured(*stack(100, ("spin", "forward", "train_step")).frames)
    assert "DW111" not in story.codes()
    story.captured(*stack(100, ASKS).frames)
    assert story.codes()[0] == "DW111"


# --- without a heartbeat --------------------------------------------------------------------------


@pytest.mark.parametrize("heard", [True, False])
def test_two_looks_at_a_plain_training_name_its_deadlock(new_story, heard) -> None:
    story = new_story().started()
    if heard:
        story.prints(10).line(loss=1.0).prints(5)
    story.wait(4000)
    for _ in range(2):
        story.wait(2.5).sample(wchan="futex_do_wait")
        story.captured(*stack(100, ASKS).frames, workers=(stack(101, STUCK), stack(102, STUCK)))
    cause = story.judged()[0]
    assert cause.code == "DW111"
    # Of whom nobody knows since when it stands, no more than a suspicion is told.
    assert cause.severity is (Severity.ERROR if heard else Severity.WARNING)


def test_the_ranks_have_workers_of_their_own(story) -> None:
    """The rank whose workers are locked is named, not the one that waits for a batch."""
    tree = {
        pid: {"role": role, "ppid": ppid, "wchan": wchan}
        for pid, role, ppid, wchan in (
            (100, "rank", 1, "poll_schedule_timeout"),
            (101, "worker", 100, "poll_schedule_timeout"),
            (102, "worker", 100, "poll_schedule_timeout"),
            (1100, "rank", 1, "poll_schedule_timeout"),
            (1101, "worker", 1100, "futex_do_wait"),
        )
    }
    story.trains().pulse(Phase.WAITING, rank=1).pulse(Phase.WAITING).silent(301, each=tree)
    story.captured(
        *stack(100, ASKS).frames,
        workers=(stack(101, IDLE_WORKER), stack(1100, ASKS), stack(1101, STUCK)),
    )
    (cause,) = [f for f in story.judged() if f.code == "DW111"]
    assert (cause.pid, cause.rank) == (1100, 1)
    assert "1 of 1" in cause.headline


@pytest.mark.parametrize(
    "wchan",
    [
        *("locks_lock_inode_wait", "flock_lock_inode_wait", "fcntl_setlk", "__x64_sys_flock"),
        *("posix_lock_inode_wait", "do_lock_file_wait"),
    ],
)
def test_a_lock_of_a_file_is_a_lock(deadlock, wchan) -> None:
    assert deadlock(wchan=wchan).codes() == ["DW111", "DW102"]


def test_who_holds_which_file_is_named(deadlock, story) -> None:
    locks = (
        FileLock(pid=101, file="/d/a.lock", waits=False),
        FileLock(pid=102, file="/d/a.lock", waits=True),
        FileLock(pid=102, file="/d/b.lock", waits=False),
        FileLock(pid=101, file="/d/b.lock", waits=True),
    )
    deadlock(wchan="locks_lock_inode_wait")
    found = story.tell(FileLocksSeen, locks=locks).judged()[0]

    texts = [one.text for one in found.evidence]
    assert "worker 102 waits for the lock of /d/a.lock, which worker 101 holds" in texts
    assert "worker 101 waits for the lock of /d/b.lock, which worker 102 holds" in texts


def test_a_holder_outside_of_the_workers_is_another_process(deadlock, story) -> None:
    locks = (
        FileLock(pid=7, file="/d/a.lock", waits=False),
        FileLock(pid=101, file="/d/a.lock", waits=True),
        FileLock(pid=102, file="/d/a.lock", waits=True),
    )
    deadlock(wchan="locks_lock_inode_wait")
    found = story.tell(FileLocksSeen, locks=locks).judged()[0]

    assert any("which process 7 holds" in one.text for one in found.evidence)
