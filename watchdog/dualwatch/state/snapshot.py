"""The snapshot: everything known of an attempt, folded from events.

``advance(snapshot, event)`` is pure, so a night can be replayed from its journal, and a verdict can
be tested with a list of events instead of a process and a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import structs

from dualwatch.events import (
    Action,
    AgentReported,
    AttemptEnded,
    AttemptStarted,
    BatchSeen,
    CheckpointSeen,
    CommandAnswered,
    ConfigRead,
    ConsoleGrew,
    DataSeen,
    Decided,
    DeviceAssertSeen,
    EndKind,
    EndReported,
    ErrorSeen,
    EvaluationLogged,
    Event,
    FindingRaised,
    GpusSampled,
    HeartbeatRead,
    HostSampled,
    IterationLogged,
    LogMilestone,
    ModelSeen,
    NotObserved,
    ObserverPaused,
    OrphansSeen,
    ProcessesSampled,
    ProcessSample,
    Severity,
    StacksCaptured,
    SurroundingsSeen,
    TensorBoardSeen,
)
from dualwatch.protocol import STARTUP_PHASES, VALIDATION_PHASES, AgentCommand, Phase
from dualwatch.state import metric_series
from dualwatch.state.activity import Activity, measure
from dualwatch.state.metric_series import Metric
from dualwatch.state.pauses import AFTER_MILESTONE, LOOPS
from dualwatch.state.pauses import Gaps as Gaps
from dualwatch.state.repeated_errors import RepeatedError, noted

KEPT_ERRORS = 20
KEPT_ENDINGS = 40

_START = frozenset(
    ("environment", "config-dump", "hooks-listed", "checkpoints-announced", "weights-initialised")
)
"""Milestones after which a training begins: what was reported before them is not its end."""

STALLS = ("DW101", "DW102", "DW103", "DW105")

BUSY_GPU = 5
"""Percent of a device's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is known at ``at``.

    Attributes:
        progress_at: When the training last moved: a heartbeat or, before the first one and in
            trainings without an agent, a console line. For several ranks that of the slowest.
        busy_at: When the tree was last seen to use CPU or I/O.
        gaps: Usual pauses of this attempt, by ``place``.
        stacks: Captures since the last progress, oldest first.
        errors: The newest reports.
        repeats: Errors with their repetitions.
        endings: What others reported of the end, since the last training line; the first ones.
        device_asserts: Failed assertions of CUDA kernels, since the last training line.
        stopped: The decision of dualwatch to end this attempt.
        loading: The log line of the checkpoint that was loaded last.
        saving_to: The folder of its checkpoints, by its log.
        batches: The newest batch and losses of each rank.
        answers: Replies of the agents, oldest first.
        awaited: The samples of the missing batch.
        stall_reported: Whether a stall was reported since the last progress.
        host_before: The first sample of the machine; counters are compared with it.
    """

    at: float = 0.0
    wall: float = 0.0
    started: AttemptStarted | None = None
    ended: AttemptEnded | None = None
    agent: AgentReported | None = None
    pulses: Mapping[int, HeartbeatRead] = field(default_factory=dict)
    moved_at: Mapping[int, float] = field(default_factory=dict)
    progress_at: float = 0.0
    progress_wall: float = 0.0
    gaps: Mapping[str, Gaps] = field(default_factory=dict)
    logged_phase: str = Phase.STARTING
    console_lines: int = 0
    last_line: str = ""
    train_lines: int = 0
    last_train: IterationLogged | None = None
    last_evaluation: EvaluationLogged | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    first_iteration: int | None = None
    last_iteration: int | None = None
    processes: ProcessesSampled | None = None
    activity: Activity | None = None
    busy_at: float = 0.0
    stacks: tuple[StacksCaptured, ...] = ()
    gpus: GpusSampled | None = None
    not_observed: Mapping[str, NotObserved] = field(default_factory=dict)
    errors: tuple[ErrorSeen, ...] = ()
    repeats: tuple[RepeatedError, ...] = ()
    endings: tuple[EndReported, ...] = ()
    device_asserts: tuple[DeviceAssertSeen, ...] = ()
    stopped: Decided | None = None
    loading: str = ""
    saving_to: str = ""
    batches: Mapping[int, BatchSeen] = field(default_factory=dict)
    config: ConfigRead | None = None
    data: DataSeen | None = None
    checkpoint: CheckpointSeen | None = None
    surroundings: SurroundingsSeen | None = None
    model: ModelSeen | None = None
    tensorboard: TensorBoardSeen | None = None
    host: HostSampled | None = None
    host_before: HostSampled | None = None
    orphans: OrphansSeen | None = None
    raised: tuple[str, ...] = ()
    answers: tuple[CommandAnswered, ...] = ()
    awaited: tuple[str, ...] = ()
    stall_reported: bool = False

    @property
    def log(self) -> str:
        """Name of the file that the training's lines are read from."""
        return self.started.log if self.started is not None else "console.log"

    @property
    def replaced(self) -> int:
        """How often a stuck loader was replaced in the running training."""
        return sum(answer.done and answer.order == AgentCommand.REPLACE for answer in self.answers)

    @property
    def attempt(self) -> int | None:
        """Number of the attempt, None where none was started."""
        return self.started.attempt if self.started is not None else None

    @property
    def slowest(self) -> HeartbeatRead | None:
        """Heartbeat of the rank that moved longest ago; None without an agent.

        A finished rank does not count while others run.
        """
        if not self.pulses:
            return None
        return self.pulses[min(_running(self.pulses), key=lambda rank: self.moved_at[rank])]

    @property
    def phase(self) -> str:
        """The phase of the training, by heartbeat, else by log."""
        pulse = self.slowest
        return pulse.phase if pulse is not None else self.logged_phase

    @property
    def place(self) -> str:
        """The key of ``gaps`` for the present phase.

        Waiting for a batch and working on it share one: they alternate faster than they are
        sampled. The first batch of a loop has its own, since workers start before it.
        """
        pulse = self.slowest
        if pulse is None or pulse.phase not in LOOPS:
            return self.phase
        loop = LOOPS[pulse.phase]
        return f"{loop}:first" if pulse.batch == 0 else loop

    @property
    def process(self) -> dict[int, ProcessSample]:
        """The processes of the newest sample by their pid."""
        return {p.pid: p for p in self.processes.processes} if self.processes is not None else {}

    @property
    def starting(self) -> bool:
        """Whether no training iteration was done yet in this attempt."""
        if self.phase in VALIDATION_PHASES:
            return False
        return self.last_iteration is None or self.phase in STARTUP_PHASES

    def silence(self, now: float) -> float:
        """Seconds since the training last moved."""
        return now - self.progress_at

    def idle(self, now: float) -> float:
        """Seconds since the training last moved or its tree last worked."""
        return now - max(self.progress_at, self.busy_at)


def fold(events: Iterable[Event], start: Snapshot | None = None) -> Snapshot:
    """Folds events into a snapshot."""
    snapshot = start or Snapshot()
    for event in events:
        snapshot = advance(snapshot, event)
    return snapshot


def advance(snapshot: Snapshot, event: Event) -> Snapshot:
    """The snapshot after one more event."""
    step = _STEPS.get(type(event))
    after = step(snapshot, event) if step is not None else snapshot
    return replace(after, at=event.at, wall=event.wall)


def _moved(s: Snapshot, event: Event, at: float, **changes: Any) -> Snapshot:
    """Progress: records the pause that ended, and drops the captures made during it.

    The pause of a stall that was recovered does not count as a healthy one.
    """
    if at <= s.progress_at:
        return replace(s, **changes)
    gaps = s.gaps
    if not s.stall_reported:
        gap = at - s.progress_at
        gaps = {**s.gaps, s.place: s.gaps.get(s.place, Gaps()).with_gap(gap)}
    changes = {"stacks": (), "awaited": (), "stall_reported": False, **changes}
    return replace(s, progress_at=at, progress_wall=event.wall, gaps=gaps, **changes)


def advance_lines(s: Snapshot, lines: Sequence[IterationLogged]) -> Snapshot:
    """The snapshot after some training lines, as ``advance`` gives it line by line."""
    number, metrics = s.train_lines, s.metrics
    for line in lines:
        number += 1
        metrics = metric_series.trained(metrics, line, number)
    newest = lines[-1]
    changes: dict[str, Any] = {}
    if not s.pulses:
        first = s.first_iteration
        changes["first_iteration"] = first if first is not None else metric_series.done(lines[0])
        changes["last_iteration"] = metric_series.done(newest)
    return replace(
        s,
        at=newest.at,
        wall=newest.wall,
        train_lines=number,
        last_train=newest,
        metrics=metrics,
        logged_phase=Phase.WAITING,
        endings=(),
        device_asserts=(),
        **changes,
    )


def _attempt_started(s: Snapshot, event: AttemptStarted) -> Snapshot:
    # A new attempt starts from nothing: state of the last one would be judged again.
    return Snapshot(started=event, progress_at=event.at, progress_wall=event.wall, busy_at=event.at)


def _pulse(s: Snapshot, event: HeartbeatRead) -> Snapshot:
    before = s.pulses.get(event.rank)
    pulses = {**s.pulses, event.rank: event}
    if before is not None and before.beats == event.beats and before.pid == event.pid:
        return replace(s, pulses=pulses)
    moved_at = {**s.moved_at, event.rank: event.at}
    changes: dict[str, Any] = {"pulses": pulses, "moved_at": moved_at}
    if 0 <= event.begun < event.iteration:
        changes["first_iteration"] = event.begun + 1
        changes["last_iteration"] = event.iteration
    after = _moved(s, event, min(moved_at[rank] for rank in _running(pulses)), **changes)
    # The samples that one rank waited for are not those of the next.
    return after if _is_same_rank(s.slowest, after.slowest) else replace(after, awaited=())


def _is_same_rank(one: HeartbeatRead | None, other: HeartbeatRead | None) -> bool:
    return one is None or other is None or one.rank == other.rank


def _running(pulses: Mapping[int, HeartbeatRead]) -> list[int]:
    """The ranks that have not finished; all of them where all have."""
    running = [rank for rank, pulse in pulses.items() if pulse.phase != Phase.FINISHED]
    return running or list(pulses)


def _console(s: Snapshot, event: ConsoleGrew) -> Snapshot:
    changes: dict[str, Any] = {"console_lines": event.lines, "last_line": event.last_line}
    # Once the loop runs, only the heartbeat counts: a worker that keeps printing is no progress.
    if s.pulses and s.last_iteration is not None:
        return replace(s, **changes)
    return _moved(s, event, event.at, **changes)


def _iteration(s: Snapshot, event: IterationLogged) -> Snapshot:
    if event.mode != "train":
        return replace(s, logged_phase=Phase.VAL_STEP)
    return advance_lines(s, (event,))


def _evaluation(s: Snapshot, event: EvaluationLogged) -> Snapshot:
    metrics = metric_series.evaluated(s.metrics, event)
    return replace(s, last_evaluation=event, metrics=metrics, logged_phase=Phase.WAITING)


def _error(s: Snapshot, event: ErrorSeen) -> Snapshot:
    repeats = noted(s.repeats, event, lines=s.train_lines, phase=s.phase)
    return replace(s, errors=(*s.errors, event)[-KEPT_ERRORS:], repeats=repeats)


def _end_reported(s: Snapshot, event: EndReported) -> Snapshot:
    if event.what is EndKind.RESTARTED:
        return replace(s, endings=())  # The ranks start again.
    return replace(s, endings=(*s.endings, event)[:KEPT_ENDINGS])


def _device_assert(s: Snapshot, event: DeviceAssertSeen) -> Snapshot:
    return replace(s, device_asserts=(*s.device_asserts, event)[:KEPT_ENDINGS])


def _decided(s: Snapshot, event: Decided) -> Snapshot:
    ends = event.action in (Action.STOP, Action.GIVE_UP, Action.RERUN)
    # A decision about a training that has ended did not end it.
    return replace(s, stopped=event) if ends and s.ended is None else s


def _milestone(s: Snapshot, event: LogMilestone) -> Snapshot:
    changes: dict[str, Any] = {}
    if event.name in _START:
        changes = {"endings": (), "device_asserts": ()}
    if event.name == "checkpoint-loaded":
        changes["loading"] = event.text
    if event.name == "checkpoints-announced":
        changes["saving_to"] = event.text.rpartition(" to ")[2].split(" by ")[0].strip(" .")
    phase = AFTER_MILESTONE.get(event.name, s.logged_phase)
    return replace(s, logged_phase=phase, **changes)


def _processes(s: Snapshot, event: ProcessesSampled) -> Snapshot:
    if s.processes is not None and event.at <= s.processes.at:
        return replace(s, processes=event)  # Two samples at one moment measure nothing.
    activity = measure(s.processes, event, s.activity)
    if activity is None:
        return replace(s, processes=event)  # The first after a pause: nothing to compare with.
    busy_at = event.at if activity.busy else s.busy_at
    return replace(s, processes=event, activity=activity, busy_at=busy_at)


def _gpus(s: Snapshot, event: GpusSampled) -> Snapshot:
    """A running GPU kernel is activity, also while the main process sleeps until it is done.

    Only on a GPU that holds memory of this training.
    """
    ours = any((gpu.tree or 0) > 0 and (gpu.utilisation or 0) > BUSY_GPU for gpu in event.gpus)
    return replace(s, gpus=event, busy_at=event.at if ours else s.busy_at)


def _host(s: Snapshot, event: HostSampled) -> Snapshot:
    """The kernel log is read less often than the rest: its last lines are kept."""
    if not event.kernel and s.host is not None:
        event = structs.replace(event, kernel=s.host.kernel)
    return replace(s, host=event, host_before=s.host_before or event)


def _answered(s: Snapshot, event: CommandAnswered) -> Snapshot:
    awaited = event.awaited if event.order == AgentCommand.TELL else s.awaited
    return replace(s, answers=(*s.answers, event), awaited=awaited)


def _raised(s: Snapshot, event: FindingRaised) -> Snapshot:
    found = event.finding
    is_stall = found.code in STALLS and found.severity >= Severity.ERROR
    raised = (*s.raised, found.code)
    return replace(s, raised=raised, stall_reported=s.stall_reported or is_stall)


def _paused(s: Snapshot, event: ObserverPaused) -> Snapshot:
    """dualwatch itself did not run (a laptop's sleep, SIGSTOP): that time does not count."""
    return replace(
        s,
        progress_at=s.progress_at + event.seconds,
        busy_at=s.busy_at + event.seconds,
        moved_at={rank: at + event.seconds for rank, at in s.moved_at.items()},
        # The next sample must not be measured against one from before the pause.
        processes=None,
    )


_STEPS: dict[type[Event], Callable[[Snapshot, Any], Snapshot]] = {
    AttemptStarted: _attempt_started,
    AttemptEnded: lambda s, event: replace(s, ended=event),
    AgentReported: lambda s, event: replace(s, agent=event) if event.rank == 0 else s,
    HeartbeatRead: _pulse,
    ConsoleGrew: _console,
    IterationLogged: _iteration,
    EvaluationLogged: _evaluation,
    ProcessesSampled: _processes,
    StacksCaptured: lambda s, event: replace(s, stacks=(*s.stacks, event)),
    GpusSampled: _gpus,
    NotObserved: lambda s, event: replace(s, not_observed={**s.not_observed, event.what: event}),
    ErrorSeen: _error,
    BatchSeen: lambda s, event: replace(s, batches={**s.batches, event.rank: event}),
    ConfigRead: lambda s, event: replace(s, config=event),
    DataSeen: lambda s, event: replace(s, data=event),
    CheckpointSeen: lambda s, event: replace(s, checkpoint=event),
    SurroundingsSeen: lambda s, event: replace(s, surroundings=event),
    ModelSeen: lambda s, event: replace(s, model=event) if event.rank == 0 else s,
    TensorBoardSeen: lambda s, event: replace(s, tensorboard=event),
    HostSampled: _host,
    LogMilestone: _milestone,
    EndReported: _end_reported,
    DeviceAssertSeen: _device_assert,
    Decided: _decided,
    CommandAnswered: _answered,
    OrphansSeen: lambda s, event: replace(s, orphans=event),
    FindingRaised: _raised,
    ObserverPaused: _paused,
}
