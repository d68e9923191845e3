"""DW112, DW113, DW114: where a stall stands; each beside the twin that stays quiet."""

from __future__ import annotations

import pytest
from dualwatch.events import Frame, NotObserved, Proof, Severity, ThreadStack
from dualwatch.protocol import Phase

ASKS = ("poll", "_try_get_data", "_get_data", "_next_data", "__next__")
IN_DATASET = ("decode", "__getitem__", "fetch", "_worker_loop")
IDLE = ("poll", "get", "_worker_loop")


def frames(*functions: str) -> tuple[Frame, ...]:
    return tuple(Frame(function=f, file="/site/any.py", line=1) for f in functions)


def worker(pid: int, functions: tuple[str, ...]) -> ThreadStack:
    return ThreadStack(pid=pid, thread="MainThread", active=None, frames=frames(*functions))


def captured(story, main, *workers, times=3):
    for _ in range(times):
        story.captured(*frames(*main), workers=workers)
    return story


@pytest.mark.parametrize("busy", [False, True])
def test_a_worker_at_one_place_of_the_dataset(story, busy):
    story.trains().stops_in(Phase.WAITING).silent(300, busy=busy)
    captured(story, ASKS, worker(101, IN_DATASET), worker(102, IDLE))
    assert story.codes() == ["DW112", "DW102"]
    assert "1 of 2" in story.judged()[0].headline


def test_a_worker_at_a_lock_is_a_deadlock_and_nothing_else(story):
    story.trains().stops_in(Phase.WAITING).silent(300, wchan="futex_do_wait")
    captured(story, ASKS, worker(101, IN_DATASET), worker(102, IDLE))
    assert story.codes() == ["DW111", "DW102"]


def test_a_worker_that_goes_from_place_to_place_is_not_stuck(story):
    story.trains().stops_in(Phase.WAITING).silent(300, busy=True)
    for step in ("decode", "resize", "flip"):
        story.captured(
            *frames(*ASKS), workers=(worker(101, (step, *IN_DATASET)), worker(102, IDLE))
        )
    # The main process stands in one place, as it does whenever it waits.
    assert story.codes() == ["DW104"]


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize(
    ("phase", "main", "stalls"),
    [
        (Phase.STEP, ("spin", "forward", "train_step"), "DW102"),
        (Phase.VAL_STEP, ("spin", "predict", "val_step"), "DW103"),
        (Phase.WAITING, ("__iter__", "_next_index", "_try_put_index"), "DW102"),
    ],
)
def test_a_main_process_that_is_stuck_in_its_own_code(story, busy, phase, main, stalls):
    story.trains().stops_in(phase).silent(300, busy=busy)
    assert captured(story, main).codes() == ["DW114", stalls]


def test_too_few_captures_name_no_place(story):
    story.trains().stops_in(Phase.STEP).silent(300)
    assert captured(story, ("spin", "forward"), times=2).codes() == ["DW102"]


def test_a_dataset_that_is_never_built(story):
    story.stops_in(Phase.BUILDING_DATA).silent(300)
    captured(story, ("acquire", "load_data_list", "full_init", "build_dataloader"), times=1)
    assert story.codes() == ["DW113", "DW101"]


def test_a_dataset_that_takes_its_time(story):
    story.stops_in(Phase.BUILDING_DATA).silent(300, busy=True)
    captured(story, ("parse", "load_data_list", "full_init", "build_dataloader"))
    assert story.codes() == ["DW104"]


# --- what it says ---------------------------------------------------------------------------------


def evidence(found) -> str:
    return "\n".join(e.text for e in found.evidence)


def test_a_worker_that_loops_is_told_from_one_that_sleeps(story):
    story.trains().stops_in(Phase.WAITING)
    story.silent(300, busy=(101,), each={101: {"status": "running"}})
    captured(story, ASKS, worker(101, IN_DATASET), worker(102, IDLE))
    cause = story.judged()[0]
    assert "1 of 2" in cause.headline
    assert "worker 101: decode (any.py:1) < __getitem__ (any.py:1)" in evidence(cause)
    assert cause.proof is Proof.LOOPS
    assert "decode" in cause.remedy


def test_a_loop_that_gets_only_its_share_of_a_full_machine_is_a_loop(story):
    story.trains().stops_in(Phase.WAITING).silent(290)
    story.wait(20).sample(busy=(101,))  # 5 s of CPU in 20 s.
    captured(story, ASKS, worker(101, IN_DATASET), worker(102, IDLE))
    assert story.judged()[0].proof is Proof.LOOPS


def test_a_worker_that_sleeps_is_told_with_what_it_sleeps_in(story):
    story.trains().stops_in(Phase.WAITING)
    story.silent(300, each={101: {"wchan": "hrtimer_nanosleep"}})
    captured(story, ASKS, worker(101, IN_DATASET), worker(102, IDLE))
    cause = story.judged()[0]
    assert cause.proof is None
    assert "hrtimer_nanosleep, 0 % of a core" in evidence(cause)
    assert "decode" in cause.remedy


def test_without_a_wchan_a_lock_is_not_excluded(story):
    story.trains().stops_in(Phase.WAITING).silent(300)
    captured(story, ASKS, worker(101, IN_DATASET), worker(102, IDLE))
    assert "lock" in story.judged()[0].remedy


def test_a_worker_that_loops_is_the_cause_of_one_that_waits_for_its_lock(story):
    story.trains().stops_in(Phase.WAITING)
    story.silent(300, busy=(101,), each={102: {"wchan": "futex_do_wait"}})
    captured(story, ASKS, worker(101, IN_DATASET), worker(102, ("lock", *IN_DATASET)))
    assert story.codes() == ["DW112", "DW102"]
    assert "1 of 2" in story.judged()[0].headline
    assert "lock" in story.judged()[0].headline


def test_all_workers_at_their_places_are_less_sure(story):
    story.trains().stops_in(Phase.WAITING).silent(300)
    captured(story, ASKS, worker(101, IN_DATASET), worker(102, IDLE))
    one = story.judged()[0]
    story.events = story.events[:-3]
    captured(story, ASKS, worker(101, IN_DATASET), worker(102, IN_DATASET))
    both = story.judged()[0]
    assert one.code == both.code == "DW112"
    assert both.confidence < one.confidence


def test_the_main_process_that_makes_its_batches_itself(story):
    main = ("acquire", "__getitem__", "fetch", "_next_data", "__next__")
    story.trains().stops_in(Phase.WAITING).silent(300, each={101: None, 102: None})
    captured(story, main)
    cause, stall = story.judged()
    assert (cause.code, stall.code) == ("DW112", "DW102")
    assert "acquire" in cause.headline


def test_the_main_process_that_makes_its_batches_itself_and_gets_on(story):
    story.trains().stops_in(Phase.WAITING).silent(300, each={101: None, 102: None}, busy=True)
    for step in ("decode", "resize", "flip"):
        story.captured(*frames(step, "__getitem__", "fetch", "_next_data"))
    assert story.codes() == ["DW104"]


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (("conv", "forward", "_call_impl", "train_step"), "forward: conv"),
        (("_engine_run_backward", "backward", "update_params"), "backward"),
        (("clip_grad", "optimizer_step", "update_params"), "optimizer"),
        (("__iter__", "_next_index", "_try_put_index"), "sampler"),
        (("loop", "run_iter", "run_epoch"), ": loop"),
    ],
)
def test_the_part_of_the_step_is_named_by_its_frames(story, main, words):
    story.trains().stops_in(Phase.STEP).silent(300, busy=True)
    captured(story, main)
    cause = story.judged()[0]
    assert cause.code == "DW114"
    assert words in cause.headline
    assert "100 % of a core" in evidence(cause)


BUILDS = ("read", "load_data_list", "full_init", "build_dataloader")


@pytest.mark.parametrize(
    ("sample", "says", "remedy"),
    [
        ({"wchan": "folio_wait", "status": "disk-sleep"}, "I/O", "local disk"),
        ({"wchan": "futex_do_wait"}, "a lock", "lock"),
        ({"busy": True, "status": "running"}, "running, 100 %", "--busy-timeout"),
    ],
    ids=["reads", "lock", "parses"],
)
def test_how_a_dataset_is_stuck_is_told_by_what_the_process_does(story, sample, says, remedy):
    story.stops_in(Phase.BUILDING_DATA).sample().silent(1800, each={101: None, 102: None}, **sample)
    captured(story, BUILDS, times=1)
    (cause,) = [f for f in story.judged() if f.code == "DW113"]
    assert says in evidence(cause)
    assert remedy in cause.remedy


def test_a_dataset_without_a_readable_stack_is_less_sure(story):
    story.stops_in(Phase.BUILDING_DATA).sample().silent(300)
    assert story.codes() == ["DW101"]
    story.tell(NotObserved, what="stacks of pid 100", why="not permitted")
    cause = next(f for f in story.judged() if f.code == "DW113")
    assert cause.confidence == pytest.approx(0.6)


# --- without a heartbeat --------------------------------------------------------------------------


def looked_at(story, main, *workers, apart=2.5, **sample):
    for _ in range(2):
        story.wait(apart).sample(**sample).captured(*frames(*main), workers=workers)
    return story


@pytest.mark.parametrize(
    ("main", "workers", "codes"),
    [
        (ASKS, (worker(101, IN_DATASET), worker(102, IDLE)), ["DW112", "DW102"]),
        (("spin", "forward", "train_step"), (), ["DW114", "DW102"]),
        (BUILDS, (), ["DW113", "DW101"]),
    ],
)
def test_two_looks_at_a_plain_training_name_its_place(new_story, main, workers, codes):
    story = new_story().started().prints(10).line(loss=1.0).prints(5).wait(4000)
    assert looked_at(story, main, *workers).codes() == codes


def test_two_looks_at_once_name_no_place(new_story):
    story = new_story().started().prints(10).line(loss=1.0).prints(5).wait(4000).sample()
    assert looked_at(story, ("spin", "train_step"), apart=0.5).codes() == ["DW102"]


def test_what_nobody_heard_of_is_a_suspicion_at_most(new_story):
    story = new_story().started().wait(4000)
    looked_at(story, ASKS, worker(101, IN_DATASET), worker(102, IDLE))
    cause = story.judged()[0]
    assert (cause.code, cause.severity) == ("DW112", Severity.WARNING)
    assert cause.confidence <= 0.5
