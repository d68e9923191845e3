"""The journal: every kind of event comes back as it was, whatever happened to the file."""

from __future__ import annotations

import json
import math
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from dualwatch import events
from dualwatch.core.json_codec import encode, plain
from dualwatch.events import (
    AgentReported,
    AttemptEnded,
    AttemptStarted,
    BatchSeen,
    BuildLock,
    BuildLocksSeen,
    Change,
    CheckpointSeen,
    CommandAnswered,
    ConfigRead,
    ConsoleGrew,
    DataSeen,
    DataSet,
    Decided,
    DeviceAssertSeen,
    EndKind,
    EndReported,
    EndReporter,
    ErrorFate,
    ErrorSeen,
    EvaluationLogged,
    Event,
    Evidence,
    FileLock,
    FileLocksSeen,
    Finding,
    FindingRaised,
    Frame,
    GoalAnnounced,
    GpuHolder,
    GpuSample,
    GpusSampled,
    HeartbeatRead,
    HostSampled,
    IterationLogged,
    KeysReported,
    KeysState,
    LearningSeen,
    LinesScreened,
    LogMilestone,
    ModelPart,
    ModelSeen,
    NonFiniteSeen,
    NonFiniteTerm,
    NotObserved,
    ObserverPaused,
    OrphansSeen,
    PartLearning,
    ProcessesSampled,
    ProcessSample,
    ProgressShown,
    RunEnded,
    RunStarted,
    Severity,
    StacksCaptured,
    StepSkipped,
    StopKind,
    SurroundingsSeen,
    TensorBoardSeen,
    ThreadStack,
    TrainingStopped,
    Transfer,
    TransfersSeen,
    WeightsLoaded,
    WeightsPart,
    WorkersChanged,
    journal,
)
from dualwatch.events.journal import Journal, event_of, newest, read
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

NOW = {"at": 12.5, "wall": 1_700_000_000.25}

CHANGE = Change(key="train_dataloader.num_workers", before=2, after=0, why="no worker")
FINDING = Finding(
    code="DW102",
    name="stalled-training",
    severity=Severity.CRITICAL,
    confidence=0.95,
    evidence=(
        Evidence(text="silence 中", source="heartbeat", wall=1.0),
        Evidence(text="", source=""),
    ),
    remedy="rerun",
    attempt=0,
    rank=None,
    pid=7,
)
PROCESS = ProcessSample(
    pid=1,
    create_time=2.5,
    ppid=0,
    role="main",
    status="sleeping",
    cpu_s=None,
    io_bytes=5,
    rss=None,
    threads=3,
    wchan="futex_wait_queue",
    command="python train.py",
)

FACTS: tuple[Event, ...] = (
    RunStarted(
        **NOW,
        config="c.py",
        script="t.py",
        work_dir="w",
        required_metrics=("loss_macl",),
        required_because="flag",
        version="1",
    ),
    AttemptStarted(
        **NOW,
        attempt=1,
        pid=5,
        create_time=1.5,
        command=("python", "t.py"),
        overrides={"a.b": None, "c": [1, 2.5, "x"], "d": {"e": True}},
        changes=(CHANGE,),
        resumed_from="epoch_1.pth",
    ),
    AttemptEnded(**NOW, attempt=1, exit_code=-9, signal="SIGKILL", survivors=(3, 4)),
    AttemptEnded(**NOW, attempt=1, exit_code=None, signal=None),
    BuildLocksSeen(**NOW, locks=(BuildLock(pid=7, file="/ext/lock", created=1.5, holders=(8,)),)),
    TransfersSeen(**NOW, transfers=(Transfer(pid=7, peer="[::1]:443", quiet=2.5, size=0),)),
    FileLocksSeen(**NOW, locks=(FileLock(pid=7, file="/tmp/a.lock", waits=True),)),
    TrainingStopped(
        **NOW, why=StopKind.UNWANTED, reason="as you asked", cause="DW201", action="stop"
    ),
    RunEnded(**NOW, outcome="completed", exit_code=0, reason="well"),
    ConsoleGrew(**NOW, lines=3, last_line='quotes " and \\ and \x1b[0m and 中文 and \u2028'),
    IterationLogged(
        **NOW,
        mode="train",
        epoch=None,
        iteration=50,
        total=None,
        metrics={"loss": 0.5, "n": 3.0, "big": 1e300, "tiny": 5e-324},
        eta_s=None,
    ),
    EvaluationLogged(**NOW, mode="val", epoch=1, iteration=2, total=2, metrics={}),
    StepSkipped(**NOW, scale=0.5),
    ProgressShown(**NOW, label="Epoch 1", mode="train", epoch=1, done=2, total=9),
    GoalAnnounced(**NOW, epochs=12),
    LogMilestone(**NOW, name="resumed", text="resumed epoch: 1"),
    LinesScreened(**NOW, lines=900, non_finite=3, seconds=4500.0),
    AgentReported(
        **NOW,
        pid=5,
        rank=1,
        applied={"a": 1},
        refused={"b": "built"},
        work_dir="w",
        versions={"torch": "2"},
    ),
    HeartbeatRead(
        **NOW,
        rank=0,
        pid=5,
        phase="train-step",
        beats=9,
        epoch=0,
        begun=-1,
        iteration=4,
        batch=4,
        batches=8,
        max_epochs=2,
        max_iterations=16,
    ),
    ProcessesSampled(**NOW, processes=(PROCESS, structs.replace(PROCESS, pid=2))),
    GpusSampled(
        **NOW, gpus=(GpuSample(index=0, name="G", used=None, total=1, tree=0, utilisation=None),)
    ),
    GpusSampled(**NOW, gpus=()),
    GpusSampled(
        **NOW,
        gpus=(
            GpuSample(
                index=1,
                name="G",
                used=1,
                total=2,
                tree=None,
                utilisation=3,
                holders=(GpuHolder(pid=9, used=None, name="", ours=False),),
                errors=("ECC",),
            ),
        ),
    ),
    BatchSeen(
        **NOW, rank=1, iteration=3, outline=("inputs: Tensor 2x3x8x8",), losses=("loss", "loss_cls")
    ),
    ConfigRead(
        **NOW,
        path="c.py",
        how="read",
        loaders={"train_dataloader": {"num_workers": 2, "batch_size": None}},
        paired=True,
        missing={"train_dataloader.dataset.data_root": "data/llvip"},
        unpaired=("1.jpg",),
        looked_at=5,
    ),
    DataSeen(
        **NOW,
        sets=(DataSet(key="train_dataloader.dataset", kind="LLVIP", images=9, absent=("a.jpg",)),),
    ),
    CheckpointSeen(**NOW, path="a.pth", exists=True, whole=None, why="not looked at"),
    SurroundingsSeen(**NOW, stacks_readable=None, stacks_why="", console_encoding="cp936"),
    ModelSeen(
        **NOW,
        rank=0,
        parts=(ModelPart(path="macl", kind="MACLHead", parameters=9, trainable=5, optimised=None),),
    ),
    WeightsLoaded(
        **NOW,
        rank=0,
        keys=3,
        missing=1,
        reshaped=1,
        unexpected=1,
        parts=(WeightsPart(path="neck", keys=3, missing=1, reshaped=1, unexpected=1),),
        strangers=("neck.old",),
    ),
    KeysReported(
        **NOW, load=1, state=KeysState.RESHAPED, keys=("head.fc.weight",), shapes=("81x9", "7x9")
    ),
    NonFiniteSeen(
        **NOW,
        rank=0,
        iteration=42,
        running=2,
        terms=(NonFiniteTerm(name="loss_cls", value="nan", first=41, newest=42, times=2),),
        weights_at=41,
        weights=("neck",),
    ),
    LearningSeen(
        **NOW,
        rank=0,
        first=1,
        iteration=4,
        steps=4,
        cleared=3,
        uncleared=0,
        parts=(
            PartLearning(
                path="neck",
                kind="FPN",
                parameters=9,
                trainable=9,
                optimised=None,
                rated=9,
                rising=0,
                gradient=9,
                looks=4,
                sampled=2,
                changed=2,
                moves=2,
                called=True,
                evaluating=0,
            ),
        ),
    ),
    TensorBoardSeen(
        **NOW, url="http://localhost:6006/", alive=None, answers=False, tags=("train/loss",)
    ),
    OrphansSeen(**NOW, processes=(PROCESS,)),
    HostSampled(**NOW, memory_total=5, shm_free=0, container="", kernel=("Out of memory",)),
    StacksCaptured(
        **NOW,
        stacks=(
            ThreadStack(
                pid=5,
                thread="MainThread",
                active=None,
                frames=(Frame(function="C.f", file="a b.py", line=3),) * 2,
            ),
            ThreadStack(pid=6, thread="", active=False, frames=()),
        ),
        path="stacks/1.txt",
    ),
    NotObserved(**NOW, what="gpu", why="no driver"),
    ObserverPaused(**NOW, seconds=30.5),
    CommandAnswered(
        **NOW,
        rank=0,
        number=1,
        order="save",
        done=True,
        path="rescue.pth",
        iteration=7,
        awaited=("index 3",),
    ),
    WorkersChanged(
        **NOW,
        rank=0,
        iteration=40,
        validation=False,
        step="gain",
        reason="waits",
        workers=2,
        before_s=0.17,
        without_s=0.45,
        fresh_s=0.18,
        waiting=0.1,
        relapses=1,
    ),
    Decided(**NOW, action="rerun", reason="stalled", changes=(CHANGE, CHANGE)),
    EndReported(
        **NOW,
        by=EndReporter.TORCHRUN,
        what=EndKind.SIGNAL,
        text="failed (exitcode: -9) local_rank: 1 (pid: 7)",
        signal="SIGKILL",
        exit_code=-9,
        pid=7,
        rank=1,
        since=5.0,
    ),
    DeviceAssertSeen(
        **NOW, place="Loss.cu:250", kernel="nll_loss", assertion="t < n_classes", text="..."
    ),
    FindingRaised(**NOW, finding=FINDING),
)
ERROR = ErrorSeen(
    **NOW,
    exception="ValueError",
    message="bad [bold]",
    where="m.py:1 in f",
    excerpt=("Traceback", "ValueError: bad"),
    worker=2,
    causes=("KeyError: 'x'",),
    fate=ErrorFate.THREAD,
)


def through_a_file(tmp_path: Path, *events: Event) -> list[Event]:
    path = tmp_path / "journal.jsonl"
    written = Journal(path)
    for event in events:
        written.append(event)
    written.close()
    assert written.lost == 0
    return list(read(path))


# --- there and back --------------------------------------------------------------------------


@pytest.mark.parametrize("event", FACTS, ids=lambda event: type(event).__name__)
def test_a_fact_comes_back_equal(tmp_path, event) -> None:
    assert through_a_file(tmp_path, event) == [event]


def test_an_error_comes_back_equal(tmp_path) -> None:
    assert through_a_file(tmp_path, ERROR) == [ERROR]


def test_every_kind_of_fact_is_among_them() -> None:
    known = {getattr(events, name) for name in events.__all__}
    kinds = {kind for kind in known if issubclass(kind, Event) and kind is not Event}
    assert {type(event) for event in (*FACTS, ERROR)} == kinds


PUBLISHED = (
    "agent-reported attempt-ended attempt-started batch-seen checkpoint-seen config-read "
    "console-grew data-seen decided error-seen evaluation-logged finding-raised gpus-sampled "
    "host-sampled iteration-logged milestone model-seen not-observed observer-paused "
    "order-answered orphans-seen processes-sampled pulse run-ended run-started stacks-captured "
    "surroundings-seen tensor-board-seen"
)
"""Kinds of journal v1: old journals hold them."""


def test_a_published_kind_keeps_its_word() -> None:
    assert {plain(event)["kind"] for event in (*FACTS, ERROR)} >= set(PUBLISHED.split())


def test_the_kind_comes_first_and_lists_stay_in_order(tmp_path) -> None:
    assert through_a_file(tmp_path, *FACTS) == list(FACTS)
    lines = (tmp_path / "journal.jsonl").read_bytes().splitlines()
    assert [next(iter(json.loads(line))) for line in lines] == ["kind"] * len(FACTS)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
@pytest.mark.parametrize("kind", [IterationLogged, EvaluationLogged])
def test_metrics_that_are_no_numbers_stay_what_they_are(tmp_path, kind, value) -> None:
    event = kind(**NOW, mode="val", epoch=1, iteration=1, total=1, metrics={"loss": value})
    (again,) = through_a_file(tmp_path, event)
    assert str(again.metrics["loss"]) == str(value)
    assert isinstance(again.metrics["loss"], float)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text(max_size=20), st.floats(), max_size=5),
    st.text(max_size=60),
)
def test_any_metric_and_any_text(metrics, text) -> None:
    line = IterationLogged(**NOW, mode=text, epoch=1, iteration=1, total=1, metrics=metrics)
    again = event_of(encode(line))
    assert repr(again) == repr(line)


def test_every_line_is_json_as_the_standard_has_it(tmp_path) -> None:
    event = IterationLogged(
        **NOW, mode="train", epoch=1, iteration=1, total=1, metrics={"loss": math.nan}
    )
    through_a_file(tmp_path, event)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    text = (tmp_path / "journal.jsonl").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse)["metrics"] == {"loss": "nan"}


def test_text_that_no_encoding_holds_is_kept_readable(tmp_path) -> None:
    event = LogMilestone(**NOW, name="n", text="lone \udc80 surrogate")
    (again,) = through_a_file(tmp_path, event)
    assert again.text.startswith("lone ")
    assert again.text.endswith(" surrogate")


OLD_LINES = (
    (
        '{"kind": "pulse", "at": 1, "wall": 2.0, "rank": 0, "pid": 5, "phase": "train-step", '
        '"beats": 9, "epoch": 0, "begun": -1, "iteration": 4, "batch": 4, "batches": 8, '
        '"max_epochs": 2, "max_iterations": 16}',
        HeartbeatRead,
    ),
    ('{"kind": "milestone", "at": 1, "wall": 2, "name": "n", "text": "\\udc80"}', LogMilestone),
    (
        '{"kind": "iteration-logged", "at": 1.5, "wall": 2, "mode": "train", "epoch": null, '
        '"iteration": 3, "total": null, "metrics": {"loss": NaN, "lr": 1}, "eta_s": null}',
        IterationLogged,
    ),
    (
        '{"kind": "decided", "at": 1.5, "wall": 2, "action": "rerun", "reason": "r", '
        '"changes": [{"key": "a", "before": 2, "after": null, "why": "w"}], "rung": "half"}',
        Decided,
    ),
    (
        '{"kind": "order-answered", "at": 1.5, "wall": 2, "rank": 0, "number": 1, '
        '"order": "save", "done": true}',
        CommandAnswered,
    ),
)


@pytest.mark.parametrize(
    ("line", "kind"), OLD_LINES, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_line_of_an_earlier_version_is_read(line, kind) -> None:
    event = event_of(line.encode())
    assert type(event) is kind
    assert event.wall == 2.0
    assert getattr(event, "step", "half") == "half"


# --- damage ----------------------------------------------------------------------------------

GOOD = [LogMilestone(**NOW, name="n", text=str(number)) for number in range(3)]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\n",
        b"not json\n",
        b"\xff\xfe\x00\n",
        b"{}\n",
        b"[1, 2]\n",
        b"null\n",
        b'"text"\n',
        b'{"kind": "from-a-later-version", "at": 1}\n',
        b'{"kind": ["milestone"]}\n',
        b'{"kind": "milestone"}\n',
        b'{"kind": "milestone", "at": 1.0, "wall": 1.0, "name": "cut\n',
        b'{"kind": "attempt-ended", "at": 1, "wall": 1, "survivors": 5}\n',
    ],
    ids=repr,
)
def test_a_damaged_line_is_passed_over(tmp_path, damage) -> None:
    through_a_file(tmp_path, *GOOD)
    path = tmp_path / "journal.jsonl"
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + damage + b"".join(rest))
    assert list(read(path)) == GOOD


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "iteration-logged", **NOW, "metrics": [1]},
        {"kind": "finding-raised", **NOW, "finding": {"severity": 3}},
    ],
    ids=["metrics are no table", "severity is no word"],
)
def test_a_line_of_another_shape_is_passed_over(tmp_path, damage) -> None:
    through_a_file(tmp_path, *GOOD)
    path = tmp_path / "journal.jsonl"
    path.write_text(json.dumps(damage) + "\n" + path.read_text())
    assert list(read(path)) == GOOD


def test_a_field_of_a_later_version_is_passed_over() -> None:
    assert event_of(encode({**plain(GOOD[0]), "added_later": {"x": 1}})) == GOOD[0]


@pytest.mark.parametrize("kept", range(0, 60, 7))
def test_a_cut_last_line_costs_that_line_only(tmp_path, kept) -> None:
    through_a_file(tmp_path, *GOOD)
    path = tmp_path / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:kept])
    assert list(read(path)) == GOOD[:2]


def test_after_a_cut_last_line_the_next_fact_is_whole(tmp_path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"kind": "milestone", "at": 1.0, "wa')
    assert through_a_file(tmp_path, *GOOD) == GOOD


# --- the file --------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="the permissions are those of POSIX")
def test_only_its_owner_can_read_it(tmp_path) -> None:
    before = os.umask(0)
    try:
        through_a_file(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "journal.jsonl").stat().st_mode) == 0o600


def test_a_reader_sees_each_fact_at_once(tmp_path) -> None:
    written = Journal(tmp_path / "journal.jsonl")
    for count, event in enumerate(GOOD, 1):
        written.append(event)
        assert list(read(written.path)) == GOOD[:count]
    written.close()


def test_it_is_append_only(tmp_path) -> None:
    through_a_file(tmp_path, GOOD[0])
    assert through_a_file(tmp_path, *GOOD[1:]) == GOOD


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_loses_facts_and_counts_them() -> None:
    written = Journal(Path("/dev/full"))
    for event in GOOD:
        written.append(event)
    written.close()
    assert written.lost == 3
    assert "space" in written.lost_because


DISK_THAT_FILLS_UP = """
import json, resource, sys
from pathlib import Path
from dualwatch.events import LogMilestone
from dualwatch.events.journal import Journal, read

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

written = Journal(Path(sys.argv[1]))
for number, size in enumerate([10**6, 100, 100, 10**6, 10**6]):
    limit(size)
    written.append(LogMilestone(at=0.0, wall=0.0, name="n", text=str(number) * 20))
print(json.dumps([[event.text[0] for event in read(written.path)], written.lost]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="only POSIX limits the size of files")
def test_a_disk_that_fills_up_in_the_middle_of_a_line(tmp_path) -> None:
    watchdog = Path(journal.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", DISK_THAT_FILLS_UP, str(tmp_path / "journal.jsonl")],
        env={**os.environ, "PYTHONPATH": str(watchdog)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [["0", "3", "4"], 2]


def test_a_journal_that_is_not_there(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read(tmp_path / "journal.jsonl"))


def test_the_newest_event_of_a_kind_is_found(tmp_path):
    path = tmp_path / "journal.jsonl"
    kept = Journal(path)
    paused = ObserverPaused(**NOW, seconds=1.0)
    note = NotObserved(**NOW, what="gpu", why="no driver")
    for event in (paused, note, paused, note, note):
        kept.append(event)
    kept.close()
    assert list(read(path, newest(path, ObserverPaused))) == [paused, note, note]
    assert newest(path, StacksCaptured) == 0
