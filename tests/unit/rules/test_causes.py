"""Of all that is found the true cause comes first; and nothing that is seen makes a rule fail."""

from __future__ import annotations

import pytest
from dualwatch.events import (
    AttemptStarted,
    ConsoleGrew,
    Frame,
    HeartbeatRead,
    IterationLogged,
    NotObserved,
    ProcessesSampled,
    ProcessSample,
    StacksCaptured,
    ThreadStack,
)
from dualwatch.protocol import PHASES, Phase
from dualwatch.rules import ranking
from dualwatch.rules.catalog import BY_CODE
from dualwatch.rules.registry import judge
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import fold
from hypothesis import given, settings
from hypothesis import strategies as st

ASKS = ("poll", "_try_get_data", "_get_data", "_next_data", "__next__")
IN_DATASET = ("decode", "__getitem__", "fetch", "_worker_loop")
IDLE = ("poll", "get", "_worker_loop")
BUILDS = ("read", "load_data_list", "full_init", "build_dataloader")
REDUCES = (("all_reduce", "torch/distributed/distributed_c10d.py"), "parse_losses", "train_step")
LAUNCHES = (("_launch", "multiprocessing/popen_spawn_posix.py"), "_get_iterator")
FUTEX = {"wchan": "futex_do_wait"}
DISK = {"status": "disk-sleep", "wchan": "nfs_wait_bit_killable"}
RANK = {"role": "rank", "ppid": 1}


def frames(functions):
    pairs = (f if isinstance(f, tuple) else (f, f"/site/{f}.py") for f in functions)
    return tuple(Frame(function=name, file=file, line=1) for name, file in pairs)


def stacks(by_pid):
    return tuple(
        ThreadStack(pid=pid, thread="MainThread", active=None, frames=frames(functions))
        for pid, functions in by_pid.items()
    )


# What is silent in which phase, what its processes do, where they stand -> the cause.
SCENES = {
    "lock": (Phase.WAITING, {101: FUTEX, 102: FUTEX}, (), {100: ASKS, 101: IN_DATASET}, "DW111"),
    "worker loops": (
        *(Phase.WAITING, {101: {"status": "running"}}, (101,)),
        *({100: ASKS, 101: IN_DATASET, 102: IDLE}, "DW112"),
    ),
    "worker sleeps": (
        *(Phase.WAITING, {101: {"wchan": "hrtimer_nanosleep"}}, ()),
        *({100: ASKS, 101: IN_DATASET, 102: IDLE}, "DW112"),
    ),
    "dataset": (Phase.BUILDING_DATA, {101: None, 102: None}, (), {100: BUILDS}, "DW113"),
    "dataset on a dead disk": (
        *(Phase.BUILDING_DATA, {100: DISK, 101: None, 102: None}, (), {100: BUILDS}, "DW116"),
    ),
    "forward": (Phase.STEP, {}, (100,), {100: ("spin", "forward", "train_step")}, "DW114"),
    "sampler": (
        *(Phase.WAITING, {}, (100,), {100: ("__iter__", "_next_index", "_try_put_index")}),
        "DW114",
    ),
    "stopped": (Phase.WAITING, {101: {"status": "stopped"}}, (), {100: ASKS, 101: IDLE}, "DW115"),
    "worker on a dead disk": (
        *(Phase.WAITING, {101: DISK}, (), {100: ASKS, 101: IN_DATASET, 102: IDLE}, "DW116"),
    ),
    "checkpoint on a dead disk": (
        *(Phase.SAVING, {100: DISK}, (), {100: ("write", "save_checkpoint")}, "DW116"),
    ),
    "workers start": (Phase.WAITING, {}, (100,), {100: LAUNCHES}, "DW117"),
    "rank elsewhere": (
        *(Phase.STEP, {100: {**RANK, **FUTEX}, 1100: RANK}, ()),
        *({100: REDUCES, 1100: ("spin", "forward", "train_step")}, "DW118"),
    ),
    "rank without a batch": (
        Phase.STEP,
        {100: {**RANK, **FUTEX}, 1100: RANK, 1101: {"role": "worker", "ppid": 1100, **FUTEX}},
        (),
        {100: REDUCES, 1100: ASKS, 1101: IN_DATASET},
        "DW111",
    ),
    "nothing known": (Phase.WAITING, {}, (), {}, "DW102"),
    "slow": (Phase.METRICS, {}, (100,), {100: ("accumulate", "compute_metrics")}, "DW104"),
}


@pytest.mark.parametrize("name", SCENES)
def test_the_true_cause_comes_first(story, name) -> None:
    phase, each, busy, by_pid, code = SCENES[name]
    if phase == Phase.BUILDING_DATA or name == "workers start":
        story.stops_in(phase, batch=0).sample()
    else:
        story.trains()
        if 1100 in by_pid:
            story.pulse(Phase.WAITING, rank=1)
        story.wait(1).stops_in(phase)
    story.silent(305, each=each, busy=busy)
    for _ in range(3 if by_pid else 0):
        story.tell(StacksCaptured, stacks=stacks(by_pid))
    ranked = ranking.rank(story.judged())
    assert ranked[0].code == code, [f.code for f in ranked]
    assert [f.code for f in ranked if f.code == "DW001"] == []
    assert all(e.text and e.source for f in ranked for e in f.evidence)


@pytest.mark.parametrize("code", [c for c in BY_CODE if c.startswith("DW1")])
def test_every_stall_shows_what_it_looks_like(code) -> None:
    lines = BY_CODE[code].example.splitlines()
    assert 2 <= len(lines) <= 6
    assert lines[0].startswith(f"{code} {BY_CODE[code].name}")


# --- whatever is seen, no rule raises -------------------------------------------------------------

PIDS = st.sampled_from([100, 101, 102, 1100])
NAMES = st.sampled_from(
    [
        *(*ASKS, *IN_DATASET, *BUILDS, "get", "all_reduce", "_engine_run_backward", "_launch"),
        *("forward", "step", "_wrap", "_main", "run", "run_epoch", "acquire", "save_checkpoint"),
        *("A.b.<locals>.<listcomp>", "", ".", "evaluate"),
    ]
)
FILES = st.sampled_from(
    [
        *("torch/utils/data/dataloader.py", "torch/distributed/distributed_c10d.py"),
        *("multiprocessing/spawn.py", "multiprocessing/popen_spawn_posix.py", "runner/loops.py"),
        *("multiprocessing/popen_fork.py", "torch/multiprocessing/spawn.py", "threading.py"),
        *("/v/site-packages/cv2/x.py", "", "C:\\a\\b.py", "/", "evaluator.py"),
    ]
)
FRAMES = st.one_of(
    st.lists(st.builds(Frame, function=NAMES, file=FILES, line=st.integers(-1, 9)), max_size=6).map(
        tuple
    ),
    st.sampled_from(
        [ASKS, IN_DATASET, IDLE, BUILDS, REDUCES, LAUNCHES, ("spin", "train_step")]
    ).map(frames),
)
THREADS = st.builds(
    ThreadStack,
    pid=PIDS,
    thread=st.sampled_from(["MainThread", "QueueFeederThread", ""]),
    active=st.none(),
    frames=FRAMES,
)
SAMPLES = st.builds(
    ProcessSample,
    pid=PIDS,
    create_time=st.sampled_from([0.0, 1.0, 1e12]),
    ppid=st.sampled_from([0, 1, 100, 1100]),
    role=st.sampled_from(["main", "rank", "worker", "tracker", "other"]),
    status=st.sampled_from(
        [*["sleeping"] * 6, "running", "disk-sleep", "stopped", "tracing-stop", "zombie", "?"]
    ),
    cpu_s=st.sampled_from([*[0.0] * 6, None, 5.0, 1e9]),
    io_bytes=st.sampled_from([None, 0, 10**9]),
    rss=st.none(),
    threads=st.sampled_from([None, 1, 2, 3]),
    wchan=st.sampled_from(["", "futex_do_wait", "poll_schedule_timeout", "nfs_x", "pipe_write"]),
    command=st.just("python"),
)

TREES = st.lists(SAMPLES, min_size=1, max_size=5, unique_by=lambda process: process.pid)
STACKS = st.lists(THREADS, max_size=5)


def pulses(at: float):
    return st.builds(
        HeartbeatRead,
        at=st.just(at),
        wall=st.just(at),
        rank=st.integers(0, 2),
        pid=PIDS,
        phase=st.sampled_from(PHASES),
        beats=st.integers(0, 3),
        **{name: st.integers(-1, 3) for name in ("epoch", "begun", "iteration", "batch")},
        **{name: st.integers(0, 3) for name in ("batches", "max_epochs", "max_iterations")},
    )


@st.composite
def histories(draw):
    events = [
        AttemptStarted(
            at=0.0, wall=0.0, attempt=0, pid=100, create_time=1.0, command=(), overrides={}
        )
    ]
    if draw(st.booleans()):
        events += draw(st.lists(pulses(1.0), max_size=3))
    if draw(st.booleans()):
        line = {"mode": "train", "epoch": 1, "iteration": 3, "total": 9, "metrics": {}}
        events.append(IterationLogged(at=2.0, wall=2.0, **line))
        events.append(ConsoleGrew(at=2.0, wall=2.0, lines=1, last_line="a line"))
    if draw(st.booleans()):
        events.append(NotObserved(at=2.0, wall=2.0, what="stacks of pid 100", why="refused"))
    late = draw(st.sampled_from([3.0, 400.0, 9000.0]))
    tree, seen = draw(TREES), draw(STACKS)
    for number in range(draw(st.integers(0, 4))):
        at = late + 3.0 * number
        # Mostly the same again: a stall is what does not change.
        tree = draw(TREES) if draw(st.integers(0, 4)) == 4 else tree
        seen = draw(STACKS) if draw(st.integers(0, 4)) == 4 else seen
        events.append(ProcessesSampled(at=at, wall=at, processes=tuple(tree)))
        if draw(st.integers(0, 4)) < 4:
            events.append(StacksCaptured(at=at, wall=at, stacks=tuple(seen)))
    return events


@settings(max_examples=150, deadline=None)
@given(histories(), st.sampled_from([1.0, 20.0, 300.0]))
def test_no_rule_raises_whatever_is_seen(events, stall_timeout) -> None:
    found = judge(fold(events), Thresholds(stall_timeout=stall_timeout))
    assert [f.headline for f in found if f.code == "DW001"] == []
    codes = [f.code for f in found]
    # One verdict on the silence at most, and nothing is said twice.
    assert len(codes) == len(set(codes))
    assert sum(code in ("DW101", "DW102", "DW103", "DW104", "DW105", "DW115") for code in codes) < 2
    for finding in ranking.rank(found):
        assert 0.0 <= finding.confidence <= 1.0
        assert finding.evidence
        assert finding.remedy
