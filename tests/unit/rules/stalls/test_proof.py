"""What is proven before the stall timeout, and each healthy twin that is left to the timeout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dualwatch.events import (
    CommandAnswered,
    Finding,
    Frame,
    Proof,
    Severity,
    StacksCaptured,
    ThreadStack,
    WaitKind,
    WaitSeen,
)
from dualwatch.protocol import AgentCommand, Phase
from dualwatch.state.snapshot import fold

MAIN, ONE, TWO, OUTSIDE = 100, 101, 102, 999

ASKS = ("select", "wait", "_poll", "poll", "_try_get_data", "_get_data", "_next_data")
LOCKED = ("acquire", "load_infrared", "__getitem__", "fetch", "_worker_loop", "run")
SLEEPS = ("load_infrared", "__getitem__", "fetch", "_worker_loop", "run")
IDLE = ("select", "poll", "get", "_worker_loop", "run")
IN_POOL = ("get", "worker", "run")

Stack = tuple[str, ...]


def stack(pid: int, functions: Stack, *, tid: int | None = None, file: str = "") -> ThreadStack:
    def place(name: str) -> str:
        return "/lib/multiprocessing/pool.py" if name in ("starmap", "worker") else f"/a/{name}.py"

    return ThreadStack(
        pid=pid,
        thread="MainThread" if tid in (None, pid) else f"Thread-{tid}",
        active=None,
        frames=tuple(Frame(function=f, file=file or place(f), line=1) for f in functions),
        tid=tid or pid,
    )


def wait(pid: int, tid: int | None = None, **fields: Any) -> WaitSeen:
    """A wait for a lock of the process's own, without a limit of time."""
    known = {"kind": WaitKind.MEMORY_LOCK, "endless": True, "freed_by": (pid,), "what": "0x1"}
    return WaitSeen(pid=pid, tid=tid or pid, **{**known, **fields})


def other(pid: int, tid: int | None = None) -> WaitSeen:
    """A thread that runs, sleeps for a time, or reads."""
    return WaitSeen(pid=pid, tid=tid or pid, kind=WaitKind.OTHER)


@pytest.fixture
def looks(story) -> Callable[..., list[Finding]]:
    """What is found of some looks at a training that waits for a batch."""

    def tell(
        *,
        main: Stack = ASKS,
        workers: tuple[Stack, ...] = (LOCKED, LOCKED),
        waits: tuple[WaitSeen, ...] = (),
        more: tuple[ThreadStack, ...] = (),
        phase: str = Phase.WAITING,
        every: float = 1.0,
        first: float = 20.0,
        between: float = 10.0,
        times: int = 3,
        each: dict[int, Any] | None = None,
        **sample: Any,
    ) -> list[Finding]:
        own = {(w.pid, w.tid) for w in waits}
        kernel = [*waits]
        kernel += [other(MAIN)] if (MAIN, MAIN) not in own else []
        kernel += [
            wait(pid) if frames is LOCKED else other(pid)
            for pid, frames in zip((ONE, TWO), workers, strict=False)
            if (pid, pid) not in own
        ]
        stacks = [stack(MAIN, main)]
        stacks += [stack(pid, f) for pid, f in zip((ONE, TWO), workers, strict=False)]
        story.trains(every=every).stops_in(phase).sample()
        for number in range(times):
            story.silent(first if number == 0 else between, each=each, **sample)
            story.tell(StacksCaptured, stacks=(*stacks, *more), waits=tuple(kernel), early=True)
        return story.judged()

    return tell


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


# --- a deadlock of the workers ------------------------------------------------------------------


def test_a_closed_deadlock_is_named_and_can_be_acted_on_before_the_timeout(looks) -> None:
    cause, stall = looks(wchan="futex_do_wait")
    assert (cause.code, stall.code) == ("DW111", "DW102")
    assert cause.proof is stall.proof is Proof.ENDLESS
    assert cause.severity is stall.severity is Severity.ERROR
    assert cause.confidence >= 0.9


def test_at_the_timeout_it_is_the_clock(story, looks) -> None:
    looks(wchan="futex_do_wait")
    story.silent(260, wchan="futex_do_wait")
    assert [(f.code, f.proof) for f in story.judged()] == [("DW111", None), ("DW102", None)]


def test_a_worker_without_work_has_no_part_in_it(looks) -> None:
    assert codes(looks(workers=(LOCKED, IDLE), wchan="futex_do_wait")) == ["DW111", "DW102"]


def test_the_first_batch_needs_no_usual_time(story) -> None:
    story.stops_in(Phase.WAITING).sample()
    for _ in range(4):
        story.silent(10, wchan="futex_do_wait")
        stacks = (stack(MAIN, ASKS), stack(ONE, LOCKED), stack(TWO, LOCKED))
        waits = (other(MAIN), wait(ONE), wait(TWO))
        story.tell(StacksCaptured, stacks=stacks, waits=waits, early=True)
    assert story.codes() == ["DW111", "DW101"]


@pytest.mark.parametrize(
    "part",
    [
        {"times": 2, "first": 40.0},
        {"between": 9.0},
        {"every": 8.0},
        {"main": ("forward", "train_step")},
        {"workers": ()},
        {"workers": (LOCKED, SLEEPS)},
        {"workers": (SLEEPS, SLEEPS)},
        {"busy": True},
        {"waits": (wait(ONE, endless=False),)},
        {"waits": (wait(ONE, freed_by=None),)},
        {"waits": (wait(ONE, freed_by=(ONE, OUTSIDE)),)},
        {"waits": (wait(ONE), other(ONE, 1011))},
        {"waits": (wait(ONE), wait(ONE, 1011, endless=False))},
        {"waits": (wait(ONE, freed_by=(ONE, TWO)), other(TWO))},
        {"waits": (wait(ONE, kind=WaitKind.FILE_LOCK, freed_by=(OUTSIDE,)),)},
        {"waits": (wait(ONE, kind=WaitKind.FILE_LOCK, freed_by=None),)},
        {"waits": (wait(ONE, freed_by=(ONE, MAIN)), other(MAIN), other(MAIN, 1001)),
         "more": (stack(MAIN, ("sleep", "fill_the_cache"), tid=1001),)},
        {"waits": (wait(ONE, freed_by=(ONE, MAIN)), other(MAIN), other(MAIN, 1001)),
         "more": (stack(MAIN, ("dumps", "_copy"), tid=1001,
                        file="/torch/utils/data/_utils/pin_memory.py"),)},
        {"each": {103: {"role": "worker"}}},
    ],
    ids=[
        "two looks",
        "18 seconds",
        "usual batches of 8 s",
        "main computes",
        "no worker seen",
        "one sleeps, perhaps with the lock",
        "a sleep is no lock",
        "tree works",
        "the wait has a limit",
        "who holds it is not known",
        "a process outside has it",
        "a thread of the worker reads",
        "a thread of the worker wakes by the clock",
        "a worker that has it is not at a lock",
        "a process outside holds the file",
        "the holder of the file is not known",
        "a thread of main has it and sleeps",
        "the pin-memory thread copies",
        "a worker that was not seen",
    ],
)  # fmt: skip
def test_what_may_end_unaided_is_left_to_the_timeout(looks, part) -> None:
    assert looks(**{"wchan": "futex_do_wait", **part}) == []


@pytest.mark.parametrize(
    ("functions", "file"),
    [
        (("wait", "get", "_pin_memory_loop"), "/torch/utils/data/_utils/pin_memory.py"),
        (("wait", "run"), "/site-packages/tqdm/_monitor.py"),
        (("wait", "get", "run"), "/tensorboard/summary/writer/event_file_writer.py"),
    ],
)
def test_known_background_threads_of_main_release_nothing(looks, functions, file) -> None:
    shared = (MAIN, ONE, TWO)
    found = looks(
        waits=(wait(ONE, freed_by=shared), wait(TWO, freed_by=shared), other(MAIN, 1001)),
        more=(stack(MAIN, functions, tid=1001, file=file),),
        wchan="futex_do_wait",
    )
    assert codes(found) == ["DW111", "DW102"]


def test_the_thread_that_hands_over_descriptors_releases_nothing(looks) -> None:
    shared = (MAIN, ONE, TWO)
    found = looks(
        waits=(wait(ONE, freed_by=shared), other(ONE, 1011), wait(TWO, freed_by=shared)),
        more=(
            stack(ONE, ("accept", "_serve"), tid=1011, file="/multiprocessing/resource_sharer.py"),
        ),
        wchan="futex_do_wait",
    )
    assert codes(found) == ["DW111", "DW102"]


def test_native_threads_of_main_hold_no_lock_of_a_dataset(looks) -> None:
    shared = (MAIN, ONE, TWO)
    waits = (wait(ONE, freed_by=shared), wait(TWO, freed_by=shared), other(MAIN, 1001))
    assert codes(looks(waits=waits, wchan="futex_do_wait")) == ["DW111", "DW102"]


def test_a_file_that_a_child_of_its_holder_inherited_may_be_released_by_the_child(looks) -> None:
    waits = (wait(ONE, kind=WaitKind.FILE_LOCK, freed_by=(TWO,)), other(103))
    child = {103: {"role": "other", "ppid": TWO}}
    assert looks(waits=waits, each=child, wchan="futex_do_wait") == []


def test_a_pause_that_it_survived_before_is_no_proof(story, looks) -> None:
    story.trains(3).silent(55).pulse(Phase.STEP)
    assert looks(wchan="futex_do_wait") == []


def test_locks_that_change_hands_between_looks_prove_nothing(story, looks) -> None:
    assert codes(looks(wchan="futex_do_wait")) == ["DW111", "DW102"]
    moved = [
        StacksCaptured(
            at=e.at,
            wall=e.wall,
            stacks=e.stacks,
            early=True,
            waits=(*e.waits[:-1], wait(TWO, what=f"0x{int(e.at)}")),
        )
        if isinstance(e, StacksCaptured)
        else e
        for e in story.events
    ]
    story.events = moved
    assert story.codes() == []


def test_looks_of_the_timeout_are_not_compared_with_early_ones(story, looks) -> None:
    looks(wchan="futex_do_wait")
    assert len(story.snapshot.stacks) == 3
    story.silent(100).captured()
    assert len(story.snapshot.stacks) == 1
    assert fold(story.events).stacks[0].early is False


def test_a_pause_of_dualwatch_itself_separates_looks(story, looks) -> None:
    looks(times=2, wchan="futex_do_wait")
    early = next(e for e in story.events if isinstance(e, StacksCaptured))
    for _ in range(2):
        story.paused(600).silent(5, wchan="futex_do_wait")
        story.tell(StacksCaptured, stacks=early.stacks, waits=early.waits, early=True)
    assert len(story.snapshot.stacks) == 1
    assert story.codes() == []


def test_without_a_heartbeat_nothing_is_proven(new_story) -> None:
    story = new_story().started().prints(10)
    for _ in range(4):
        story.silent(10, wchan="futex_do_wait")
        stacks = (stack(MAIN, ASKS), stack(ONE, LOCKED), stack(TWO, LOCKED))
        waits = (other(MAIN), wait(ONE), wait(TWO))
        story.tell(StacksCaptured, stacks=stacks, waits=waits, early=True)
    assert story.codes() == []


# --- a lost batch, a pool, a stopped worker -------------------------------------------------------


def test_a_batch_that_no_thread_carries_is_lost(looks) -> None:
    cause, stall = looks(workers=(IDLE, IDLE), waits=(wait(ONE, 1011), wait(MAIN, 1001)))
    assert (cause.code, stall.code) == ("DW124", "DW102")
    assert cause.proof is Proof.ENDLESS


def test_a_batch_that_a_thread_still_sends_is_not(looks) -> None:
    assert looks(workers=(IDLE, IDLE), waits=(other(ONE, 1011),)) == []


POOL = (stack(ONE, IN_POOL), stack(TWO, IN_POOL))
HANDLER = stack(MAIN, ("get", "_handle_results"), tid=1001, file="/lib/multiprocessing/pool.py")


def pooled(looks, **fields: Any) -> list[Finding]:
    known = {
        "main": ("acquire", "wait", "get", "starmap", "eval_map"),
        "phase": Phase.METRICS,
        "workers": (),
        "waits": (wait(MAIN), other(MAIN, 1001), other(ONE), wait(TWO, freed_by=(ONE, TWO))),
        "more": (*POOL, HANDLER),
    }
    found: list[Finding] = looks(**{**known, **fields})
    return found


def test_a_pool_that_has_nothing_to_do_never_answers(looks) -> None:
    cause, stall = pooled(looks)
    assert (cause.code, stall.code) == ("DW119", "DW103")
    assert cause.proof is Proof.ENDLESS


@pytest.mark.parametrize(
    "part",
    [
        {"more": (stack(ONE, ("sleep", "score", "worker", "run")), POOL[1], HANDLER)},
        {"more": (*POOL, stack(MAIN, ("sleep", "tasks", "_handle_tasks"), tid=1001))},
        {"busy": True},
    ],
    ids=["one works on a task", "tasks are still made", "tree works"],
)
def test_a_pool_that_may_answer_is_left_to_the_timeout(looks, part) -> None:
    assert pooled(looks, **part) == []


def halted(*pids: int) -> dict[str, Any]:
    return {
        "workers": (LOCKED, IDLE),
        "each": {pid: {"status": "stopped"} for pid in pids},
        "waits": tuple(WaitSeen(pid=p, tid=p, kind=WaitKind.STOPPED) for p in pids),
    }


def test_a_stopped_worker_that_main_waits_for_is_named_at_once(looks) -> None:
    (found,) = looks(**halted(ONE))
    assert (found.code, found.proof) == ("DW115", Proof.STOPPED)


@pytest.mark.parametrize("pids", [(MAIN,), (MAIN, ONE, TWO)])
def test_a_training_that_was_paused_as_a_whole_is_left_to_the_timeout(looks, pids) -> None:
    assert looks(**halted(*pids)) == []


# --- the main process, after its workers were taken away -----------------------------------------

LOADS = ("acquire", "load_infrared", "__getitem__", "fetch", "_next_data")


def alone(story, looks, *, replaced: bool = True, **fields: Any) -> list[Finding]:
    if replaced:
        story.tell(CommandAnswered, rank=0, number=1, order=AgentCommand.REPLACE, done=True)
    gone = {ONE: None, TWO: None}
    known = {"main": LOADS, "workers": (), "waits": (wait(MAIN),), "each": gone}
    return looks(wchan="futex_do_wait", **{**known, **fields})


def test_a_lock_that_the_main_process_never_gets_either(story, looks) -> None:
    cause, stall = alone(story, looks)
    assert (cause.code, stall.code) == ("DW112", "DW102")
    assert cause.proof is stall.proof is Proof.ENDLESS


@pytest.mark.parametrize(
    "part",
    [
        {"replaced": False},
        {"waits": (wait(MAIN, endless=False),)},
        {"waits": (wait(MAIN, freed_by=(MAIN, OUTSIDE)),)},
        {"waits": (wait(MAIN), other(MAIN, 1001)),
         "more": (stack(MAIN, ("sleep", "fill_the_cache"), tid=1001),)},
        {"waits": (other(MAIN),)},
        {"main": ("acquire", "step", "train_step")},
        {"busy": True},
    ],
    ids=["workers were not taken away", "the wait has a limit", "a process outside has it",
         "a thread of main has it and sleeps", "it reads", "not in the dataset", "tree works"],
)  # fmt: skip
def test_a_main_process_that_may_get_it_is_left_to_the_timeout(story, looks, part) -> None:
    assert alone(story, looks, **part) == []


@pytest.mark.parametrize("every", [1.0, 4.0, 6.0])
def test_looks_before_the_silence_is_long_enough_count(looks, every) -> None:
    """The last look, at ten usual batches, proves it."""
    found = looks(every=every, first=max(20.0, 10 * every - 20.0) + 1, wchan="futex_do_wait")
    assert codes(found) == ["DW111", "DW102"]
