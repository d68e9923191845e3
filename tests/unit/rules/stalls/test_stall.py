"""DW101-DW105, DW115: the table of law 1, row by row, without a process and without a clock."""

from __future__ import annotations

import pytest
from dualwatch.events import (
    GpuSample,
    GpusSampled,
    LogMilestone,
    Proof,
    Severity,
    StacksCaptured,
    ThreadStack,
)
from dualwatch.protocol import Phase
from dualwatch.state.snapshot import fold

STARTUP = (Phase.STARTING, Phase.BUILDING, Phase.BUILDING_DATA, Phase.LOADING, Phase.WAITING)

IN_THE_LOOP = {
    Phase.WAITING: "DW102",
    Phase.STEP: "DW102",
    Phase.VAL_WAITING: "DW103",
    Phase.VAL_STEP: "DW103",
    Phase.METRICS: "DW103",
    Phase.SAVING: "DW105",
}
PATIENT = {Phase.METRICS: "DW103", Phase.SAVING: "DW105"}
LOOPING = {phase: code for phase, code in IN_THE_LOOP.items() if phase not in PATIENT}


# --- idle: stalled at the stall timeout ---------------------------------------------------


@pytest.mark.parametrize("phase", STARTUP)
def test_an_idle_startup_is_stalled_at_the_timeout(story, phase) -> None:
    story.stops_in(phase).sample().silent(299)
    assert story.codes() == []
    assert story.silent(1).codes() == ["DW101"]


@pytest.mark.parametrize(("phase", "code"), IN_THE_LOOP.items())
def test_an_idle_loop_is_stalled_at_the_timeout(story, phase, code) -> None:
    story.trains().stops_in(phase).silent(299)
    assert story.codes() == []
    assert story.silent(1).codes() == [code]


def test_only_an_error_can_be_acted_on_and_an_idle_stall_is_one(story) -> None:
    (found,) = story.trains().stops_in(Phase.WAITING).silent(300).judged()
    assert found.severity is Severity.ERROR
    assert found.confidence >= 0.8
    assert (found.attempt, found.pid) == (0, 100)


def test_the_evidence_says_since_when_where_and_what_the_tree_did(story) -> None:
    story.trains(30).stops_in(Phase.WAITING).prints(10).silent(290)
    (found,) = story.judged()
    text = "\n".join(e.text for e in found.evidence)
    assert "300 s, limit 300 s" in found.headline
    assert f"phase {Phase.WAITING}, 30 of 200 batches done, last iteration 30" in text
    assert "last line: line 2" in text
    assert "main 100 sleeping" in text
    assert found.evidence[0].wall == story.snapshot.progress_wall


def test_the_timeout_is_a_setting(story) -> None:
    story.trains().stops_in(Phase.WAITING).silent(60)
    assert story.codes(stall_timeout=60.0) == ["DW102"]
    assert story.codes(stall_timeout=61.0) == []


# --- busy: slow, and until when ------------------------------------------------------------


@pytest.mark.parametrize("phase", STARTUP)
def test_a_busy_startup_is_slow(story, phase) -> None:
    story.stops_in(phase).sample().silent(299, busy=True)
    assert story.codes() == []
    assert story.silent(1, busy=True).codes() == ["DW104"]


@pytest.mark.parametrize("phase", IN_THE_LOOP)
def test_a_busy_loop_is_slow(story, phase) -> None:
    story.trains().stops_in(phase).silent(299, busy=True)
    assert story.codes() == []
    assert story.silent(1, busy=True).codes() == ["DW104"]


def test_io_alone_is_work_as_well(story) -> None:
    story.trains().stops_in(Phase.METRICS)
    for second in range(0, 305, 5):
        story.wait(5).sample(io_bytes=1_000_000 * second)
    assert story.codes() == ["DW104"]


@pytest.mark.parametrize("phase", [p for p in STARTUP if p != Phase.WAITING])
def test_a_busy_startup_is_stalled_after_the_busy_timeout(story, phase) -> None:
    story.stops_in(phase).sample().silent(1799, busy=True)
    assert story.codes() == ["DW104"]
    assert story.silent(1, busy=True).codes() == ["DW101"]


def test_a_busy_first_batch_is_startup_and_stalled_after_the_busy_timeout(story) -> None:
    story.stops_in(Phase.WAITING).sample().silent(1800, busy=True)
    assert story.codes() == ["DW101"]


@pytest.mark.parametrize(("phase", "code"), PATIENT.items())
def test_busy_metrics_and_saving_are_stalled_after_the_busy_timeout(story, phase, code) -> None:
    story.trains().stops_in(phase).silent(1799, busy=True)
    assert story.codes() == ["DW104"]
    assert story.silent(1, busy=True).codes() == [code]


def test_a_longer_busy_timeout_lets_a_long_evaluation_be(story) -> None:
    story.trains().stops_in(Phase.METRICS).silent(8601, busy=True)
    assert story.codes(busy_timeout=10_000.0) == ["DW104"]


@pytest.mark.parametrize("phase", LOOPING)
def test_time_alone_never_makes_a_busy_loop_stalled(story, phase) -> None:
    assert story.trains().stops_in(phase).silent(7200, busy=True).codes() == ["DW104"]


def test_a_tree_that_was_busy_a_while_ago_is_idle_only_after_the_timeout(story) -> None:
    # Work is known by sample only: it may have ended up to one sample earlier.
    story.trains().stops_in(Phase.WAITING).silent(200, busy=True).silent(290)
    assert story.codes() == ["DW104"]
    assert story.silent(10).codes() == ["DW102"]


@pytest.mark.parametrize(
    ("tree", "utilisation", "code"),
    [
        (2**30, 99, "DW104"),
        (2**30, 3, "DW102"),
        (2**30, None, "DW102"),
        (None, 99, "DW102"),
        (0, 99, "DW102"),
    ],
    ids=["ours works", "ours idles", "use unknown", "whose is unknown", "of a neighbour"],
)
def test_a_gpu_of_ours_that_works_is_work(story, tree, utilisation, code) -> None:
    gpu = GpuSample(
        index=0, name="GPU", used=2**31, total=2**33, tree=tree, utilisation=utilisation
    )
    story.trains().stops_in(Phase.STEP)
    for _ in range(60):
        story.silent(5).tell(GpusSampled, gpus=(gpu,))
    assert story.codes() == [code]


# --- busy, and the same stack in every capture ------------------------------------------------


@pytest.mark.parametrize(("phase", "code"), LOOPING.items())
def test_a_busy_loop_in_one_stack_is_stalled(story, frame, phase, code) -> None:
    story.trains().stops_in(Phase.VAL_STEP).wait(1).stops_in(phase).wait(1).stops_in(phase)
    for line in (7, 8, 7):  # A loop that spins inside one function is still the same place.
        story.silent(100, busy=True).captured(frame("spin", line=line), frame("main"))
    assert story.codes()[-1] == code  # Where it stands comes before it, see test_stuck.py.


@pytest.mark.parametrize(
    ("functions", "why"),
    [
        (("spin",), "one capture is too few"),
        (("spin", "other", "spin"), "one capture shows another place"),
        (("spin", "spin", None), "one capture does not show the main process"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_busy_loop_is_slow_when_the_stacks_prove_nothing(story, frame, functions, why) -> None:
    story.trains().stops_in(Phase.STEP).wait(1).stops_in(Phase.STEP)
    for function in functions:
        story.silent(300 / len(functions), busy=True)
        story.captured(*[frame(function)] if function else [])
    assert story.codes() == ["DW104"], why


# --- busy, and readings that fail ---------------------------------------------------------------


@pytest.fixture
def looping(story, frame):
    """Looks at a training whose worker 101 computes; each is what could be read: None for nothing.

    A reading of a process that is not held may lack outer frames.
    """
    outer = [frame(name) for name in ("fetch", "_worker_loop", "<module>")]

    def look(*captures) -> list[str]:
        story.trains().stops_in(Phase.WAITING).wait(1).stops_in(Phase.WAITING)
        for main, worker in captures:
            story.silent(100, busy=(101,))
            read = [(100, main, [frame("<module>")]), (101, worker, outer)]
            stacks = tuple(
                ThreadStack(
                    pid=pid,
                    thread="MainThread",
                    active=None,
                    frames=(frame(name.rstrip("~")), *([] if "~" in name else rest)),
                )
                for pid, name, rest in read
                if name
            )
            story.tell(StacksCaptured, stacks=stacks)
        return story.codes()

    return look


@pytest.mark.parametrize(
    "captures",
    [
        [("get", "flip")] * 3,
        [("get", None), (None, "flip"), ("get", "flip"), ("get", "flip")],
        [("get~", "flip"), ("get", "flip~"), ("get", "flip")],
    ],
    ids=("all", "some processes not read", "outer frames missing"),
)
def test_a_worker_in_one_place_is_a_stall_whatever_could_not_be_read(looping, captures) -> None:
    assert looping(*captures)[-1] == "DW102"


@pytest.mark.parametrize(
    "captures",
    [
        [("get", "flip"), ("get", "crop"), ("get", "flip")],
        [("get", None), (None, "crop"), ("get", "flip"), ("get", "flip")],
        [("get", None)] * 3,
        [("get", "flip"), ("get", None), ("get", None)],
    ],
    ids=("another place", "another place when main was not read", "never read", "read once"),
)
def test_a_worker_that_may_move_is_slow(looping, captures) -> None:
    assert looping(*captures) == ["DW104"]


def test_a_worker_that_was_started_meanwhile_is_progress(story, frame) -> None:
    story.trains().stops_in(Phase.WAITING).wait(1).stops_in(Phase.WAITING)
    new = {102: {"create_time": story.events[-1].wall + 150.0}}
    for each in ({102: None}, new, new):
        story.silent(100, busy=True, each=each)
        worker = ThreadStack(
            pid=102, thread="MainThread", active=None, frames=(frame("flip"), frame("<module>"))
        )
        story.captured(frame("get"), workers=(worker,) if each is new else ())
    assert story.codes() == ["DW104"]


def test_one_stack_in_a_usual_pause_is_slow(story, frame) -> None:
    for _ in range(3):  # A step takes 40 s here: 10 x 40 is more than the stall timeout.
        story.trains(1, every=80)
    story.stops_in(Phase.STEP)
    for _ in range(4):
        story.silent(95, busy=True).captured(frame("forward"))
    assert story.codes() == ["DW104"]
    assert story.silent(21, busy=True).codes() == ["DW114", "DW102"]


def test_one_stack_in_the_metrics_is_slow(story, frame) -> None:
    story.trains().stops_in(Phase.METRICS).wait(1).stops_in(Phase.METRICS)
    for _ in range(4):
        story.silent(100, busy=True).captured(frame("accumulate"))
    assert story.codes() == ["DW104"]


def test_one_stack_at_the_first_batch_is_slow(story, frame) -> None:
    story.stops_in(Phase.WAITING).sample()
    for _ in range(4):
        story.silent(100, busy=True).captured(frame("spawn"))
    assert story.codes() == ["DW104"]


def test_stacks_of_before_the_last_progress_prove_nothing(story, frame) -> None:
    story.trains().stops_in(Phase.STEP).wait(1).stops_in(Phase.STEP)
    story.silent(30, busy=True).captured(frame("spin"))
    story.silent(20, busy=True).captured(frame("spin")).stops_in(Phase.STEP)
    story.silent(300, busy=True).captured(frame("spin"))
    assert story.codes() == ["DW104"]


# --- learnt patience --------------------------------------------------------------------------


def test_the_timeout_grows_to_five_times_the_longest_healthy_pause(story) -> None:
    story.trains().wait(100).trains()  # One healthy pause of 100.5 s while waiting for a batch.
    assert story.silent(502).codes() == []
    assert story.silent(1).codes() == ["DW102"]


def test_a_long_pause_in_one_place_is_no_excuse_in_another(story) -> None:
    story.trains().stops_in(Phase.METRICS).wait(8601).trains()
    assert story.silent(300).codes() == ["DW102"]


def test_a_slow_first_batch_is_no_excuse_for_a_later_one(story) -> None:
    story.stops_in(Phase.WAITING, batch=0).wait(250).trains()
    assert story.silent(300).codes() == ["DW102"]


def test_a_new_attempt_learns_anew(story) -> None:
    story.trains().wait(200).trains().ended(exit_code=None, signal="SIGKILL")
    story.iteration = 0
    story.started(attempt=1).trains().silent(300)
    (found,) = story.judged()
    assert (found.code, found.attempt) == ("DW102", 1)


# --- not seen, stopped, paused ----------------------------------------------------------------


def test_a_stopped_process_is_never_stalled(story) -> None:
    story.trains().stops_in(Phase.WAITING).silent(299, status="stopped")
    assert story.codes() == []
    (found,) = story.silent(7200, status="stopped").judged()
    assert found.code == "DW115"
    assert found.severity is Severity.WARNING
    assert "pid 100" in found.evidence[1].text


def test_two_captures_at_one_moment_are_too_few(story, frame) -> None:
    story.trains().stops_in(Phase.STEP).wait(1).stops_in(Phase.STEP).silent(300, busy=True)
    story.captured(frame("spin")).wait(1).captured(frame("spin"))
    assert story.codes() == ["DW104"]
    assert story.wait(1).captured(frame("spin")).codes() == ["DW114", "DW102"]


def test_a_continued_process_has_its_time_before_it_is_judged_again(story) -> None:
    story.trains().stops_in(Phase.WAITING).silent(400, status="stopped").silent(5)
    # While it was stopped it could not work: that time is no idleness of its own.
    assert story.codes() == ["DW104"]
    assert story.silent(285).codes() == ["DW104"]
    assert story.silent(10).codes() == ["DW102"]
    assert story.trains(1).codes() == []


def test_a_process_under_a_debugger_is_told_as_such(story) -> None:
    story.trains().stops_in(Phase.STEP).silent(400, each={100: {"status": "tracing-stop"}})
    (found,) = story.judged()
    assert (found.code, found.severity) == ("DW115", Severity.WARNING)
    assert found.proof is Proof.TRACED
    assert "detach it from pid 100" in found.remedy
    assert "kill" not in found.remedy


def test_a_worker_alone_that_is_stopped_is_named_and_main_waits_for_it(story) -> None:
    story.trains().stops_in(Phase.WAITING).silent(400, each={102: {"status": "stopped"}})
    (found,) = story.judged()
    assert found.code == "DW115"
    assert found.proof is Proof.STOPPED
    assert "102" in found.evidence[1].text
    assert "kill -CONT 102" in found.remedy


@pytest.mark.parametrize("samples", [0, 1])
def test_without_two_samples_silence_stays_a_suspicion(new_story, samples) -> None:
    story = new_story().started().pulse(Phase.WAITING).wait(1).pulse(Phase.STEP)
    for _ in range(samples):
        story.sample()
    (found,) = story.wait(7200).pulse(Phase.STEP, moves=False).judged()
    assert found.severity is Severity.WARNING
    assert found.confidence == pytest.approx(0.3)


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.STEP, Phase.VAL_STEP])
def test_a_tree_that_cannot_be_read_is_not_acted_on(story, phase) -> None:
    story.trains().stops_in(phase).silent(3600, cpu_s=None, io_bytes=None)
    assert all(found.severity < Severity.ERROR for found in story.judged())


@pytest.mark.parametrize("phase", [Phase.BUILDING_DATA, Phase.METRICS, Phase.SAVING])
def test_a_patient_phase_that_cannot_be_read_is_not_acted_on(story, phase) -> None:
    story.trains().stops_in(phase).silent(3600, cpu_s=None, io_bytes=None)
    assert all(found.severity < Severity.ERROR for found in story.judged())


def test_what_cannot_be_read_is_not_told_as_work(story) -> None:
    story.trains().stops_in(Phase.STEP).silent(600, cpu_s=None, io_bytes=None)
    (found,) = story.judged()
    assert found.confidence <= 0.5


def test_a_sleep_of_the_machine_is_no_stall(story) -> None:
    story.trains().stops_in(Phase.STEP).paused(8 * 3600).silent(290)
    assert story.codes() == []
    assert story.silent(10).codes() == ["DW102"]


def test_a_busy_tree_is_not_stalled_because_the_machine_slept(story) -> None:
    story.trains().stops_in(Phase.METRICS).silent(400, busy=True)
    assert story.codes() == ["DW104"]
    assert story.paused(8 * 3600).sample(busy=True).codes() == ["DW104"]


def test_a_sleep_of_the_machine_teaches_no_patience(story) -> None:
    story.trains().paused(8 * 3600).trains().stops_in(Phase.WAITING).silent(300)
    assert story.codes() == ["DW102"]


# --- console and heartbeat ----------------------------------------------------------------------


def test_a_worker_that_prints_for_ever_is_no_progress_once_the_loop_runs(story) -> None:
    assert story.trains().stops_in(Phase.WAITING).prints(300).codes() == ["DW102"]


def test_what_is_printed_before_the_first_iteration_is_progress(story) -> None:
    assert story.stops_in(Phase.BUILDING_DATA).prints(900).codes() == []


def test_without_an_agent_the_console_is_the_progress(story) -> None:
    story.prints(50).line(loss=1.0).prints(900)
    assert story.codes() == []
    assert story.silent(300).codes() == ["DW102"]


@pytest.mark.parametrize(
    ("mode", "code"), [("train", "DW102"), ("val", "DW103"), (None, "DW101")], ids=str
)
def test_without_an_agent_the_log_says_what_stalls(story, mode, code) -> None:
    if mode is not None:
        story.line(loss=1.0)
    if mode == "val":
        story.line(mode="val", epoch=1)
    assert story.prints(5).silent(300).codes() == [code]


def test_the_same_heartbeat_again_is_no_progress(story) -> None:
    story.trains().stops_in(Phase.STEP)
    for _ in range(60):
        story.silent(5).pulse(Phase.STEP, moves=False)
    assert story.codes() == ["DW102"]


def test_after_new_progress_there_is_no_stall(story) -> None:
    story.trains().stops_in(Phase.WAITING).silent(400)
    assert story.codes() == ["DW102"]
    assert story.trains(1).codes() == []


def test_one_rank_that_stops_is_enough_and_is_named(story) -> None:
    story.trains().pulse(Phase.STEP, rank=1)
    for _ in range(60):
        story.silent(5).pulse(Phase.STEP)
    (found,) = story.judged()
    assert found.code == "DW102"
    assert "heartbeat of rank 1" in [e.source for e in found.evidence]


def test_two_ranks_that_move_are_well(story) -> None:
    story.trains()
    for _ in range(120):
        story.silent(5).pulse(Phase.STEP).pulse(Phase.STEP, rank=1)
    assert story.codes() == []


# --- nothing to judge -----------------------------------------------------------------------------


def test_a_finished_training_does_not_stall(story) -> None:
    assert story.trains().pulse(Phase.FINISHED).silent(3600).codes() == []


def test_an_ended_training_does_not_stall(story) -> None:
    assert story.trains().ended().wait(3600).sample().codes() == []


def test_nothing_is_judged_before_the_start(new_story) -> None:
    assert fold([]).started is None
    assert new_story().wait(3600).sample().codes() == []


# --- law 1: healthy twins that must never be acted on ---------------------------------------------


def never_acted_on(story) -> None:
    assert all(found.severity < Severity.ERROR for found in story.judged())


def test_a_silent_busy_evaluation_is_healthy(story, frame) -> None:
    story.trains().stops_in(Phase.METRICS)
    for _ in range(17):
        story.silent(100, busy=True).captured(frame("accumulate"), frame("compute_metrics"))
        never_acted_on(story)
    assert "--busy-timeout" in story.judged()[-1].remedy
    assert story.trains(1).codes() == []


def test_a_slow_checkpoint_that_gets_on_is_healthy(story, frame) -> None:
    story.trains().stops_in(Phase.SAVING)
    for second in range(0, 600, 5):
        # It sleeps in the kernel whenever we look, and has written more each time.
        written = {"status": "disk-sleep", "wchan": "folio_wait", "io_bytes": 10**6 * second}
        story.wait(5).sample(each={100: written})
        if second % 100 == 0:
            story.captured(frame("save"), frame("save_checkpoint"))
        never_acted_on(story)
    assert story.codes() == ["DW104"]
    assert story.trains(1).codes() == []


def test_one_rank_that_saves_is_healthy_although_the_others_stand_in_a_collective(
    story, frame
) -> None:
    story.trains().pulse(Phase.STEP, rank=1).wait(1).pulse(Phase.SAVING)
    for _ in range(6):
        story.silent(100, busy=True).captured(frame("save"), frame("save_checkpoint"))
        never_acted_on(story)
    assert story.codes() == ["DW104"]


def test_a_long_first_iteration_is_healthy(story, frame) -> None:
    story.stops_in(Phase.WAITING, batch=0).wait(60).pulse(Phase.STEP, batch=0)
    story.sample().silent(900, busy=True)
    for _ in range(3):
        story.captured(frame("conv2d"), frame("forward")).wait(2)
    never_acted_on(story)
    assert story.trains(1).codes() == []


def test_a_log_interval_of_500_is_healthy(new_story) -> None:
    story = new_story().started()
    for _ in range(4):  # No heartbeat, and a line in ten minutes: the tree works meanwhile.
        story.line(loss=1.0).prints(5).silent(600, busy=True)
        never_acted_on(story)


def test_an_advancing_loader_is_healthy(new_story) -> None:
    story = new_story().started().prints(5)
    story.tell(LogMilestone, name="dataloader-advancing", text="Advance dataloader 9000 steps")
    story.silent(900, busy=(101, 102))
    never_acted_on(story)
    assert story.codes() == ["DW104"]


def test_slow_data_with_advancing_lines_is_healthy(story, frame) -> None:
    for _ in range(8):
        story.trains(1, every=250).captured(frame("_try_get_data"))
        assert story.silent(1).codes() == []


def test_a_jump_of_the_clock_is_healthy(story) -> None:
    story.trains().stops_in(Phase.WAITING).paused(10_000)
    for _ in range(50):
        assert story.silent(5).codes() == []


# --- without a heartbeat: two looks at any tree ---------------------------------------------------

ASKS = ("poll", "_try_get_data", "_get_data", "_next_data", "run_epoch")


@pytest.mark.parametrize(
    ("functions", "code"),
    [
        (("poll", "_try_get_data", "_next_data"), "DW102"),
        (("linear", "forward", "train_step", "run_iter"), "DW102"),
        (("predict", "val_step", "run_iter"), "DW103"),
        (("dump", "save", "save_checkpoint", "after_train_epoch"), "DW105"),
    ],
)
def test_the_stack_says_where_a_training_without_a_heartbeat_stalls(
    new_story, frame, functions, code
) -> None:
    story = new_story().started().prints(10).line(loss=1.0).prints(5)
    story.wait(4000).sample().captured(*map(frame, functions))
    story.wait(2.5).sample().captured(*map(frame, functions))
    found = story.judged()[-1]
    assert (found.code, found.severity) == (code, Severity.ERROR)
    assert any("(phase " in e.text for e in found.evidence)


def test_two_looks_at_a_loop_that_has_logged_before_are_enough(new_story, frame) -> None:
    story = new_story().started()
    for _ in range(5):
        story.wait(10).line(loss=1.0).prints(5)
    story.wait(4000)
    for _ in range(2):
        story.wait(2.5).sample(busy=True).captured(frame("spin"), frame("train_step"))
    assert story.codes() == ["DW114", "DW102"]


def test_a_training_of_which_nothing_was_heard_is_a_suspect_at_most(new_story, frame) -> None:
    story = new_story().started().wait(9000)
    story.sample().captured(*map(frame, ASKS)).wait(2.5).sample().captured(*map(frame, ASKS))
    (found,) = story.judged()
    assert (found.code, found.severity) == ("DW101", Severity.WARNING)
    assert found.confidence == pytest.approx(0.5)
    assert "2 s" in found.evidence[1].text


def test_a_busy_training_of_which_nothing_was_heard_is_not_judged_by_its_age(
    new_story, frame
) -> None:
    story = new_story().started().wait(90_000)
    for _ in range(2):
        story.wait(2.5).sample(busy=True).captured(frame("forward"))
    assert story.codes() == ["DW104"]


def test_who_watched_all_the_time_knows_the_silence_of_a_mute_training(new_story, frame) -> None:
    story = new_story().started().sample()
    for _ in range(3):
        story.silent(100).captured(frame("loop"))
    (found,) = story.judged()
    assert (found.code, found.severity) == ("DW101", Severity.ERROR)


# --- ranks ----------------------------------------------------------------------------------------


def test_a_rank_that_has_finished_hides_no_stall_of_another(story) -> None:
    story.trains().pulse(Phase.FINISHED, rank=1).wait(1).pulse(Phase.STEP).silent(299)
    assert story.codes() == []
    assert story.silent(1).codes() == ["DW102"]


def test_a_rank_that_has_finished_does_not_stall(story) -> None:
    story.trains().pulse(Phase.FINISHED, rank=1)
    for _ in range(80):
        story.silent(5).pulse(Phase.STEP)
    assert story.codes() == []
