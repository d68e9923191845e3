"""Everything known of an attempt at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dualwatch.events import (
    AgentReported,
    AttemptEnded,
    AttemptStarted,
    BatchSeen,
    BuildLock,
    CaughtException,
    CheckpointSeen,
    CommandAnswered,
    ConfigRead,
    DataSeen,
    ErrorSeen,
    EvaluationLogged,
    FileLock,
    GoalAnnounced,
    GpusSampled,
    HeartbeatRead,
    HostSampled,
    IterationLogged,
    LearningSeen,
    LogMilestone,
    ModelSeen,
    NonFiniteSeen,
    NotObserved,
    OrphansSeen,
    ProcessesSampled,
    ProcessSample,
    ProgressShown,
    StacksCaptured,
    SurroundingsSeen,
    TensorBoardSeen,
    TrainingStopped,
    Transfer,
    WeightsLoaded,
)
from dualwatch.protocol import STARTUP_PHASES, VALIDATION_PHASES, AgentCommand, Phase
from dualwatch.state.activity import Activity
from dualwatch.state.cpu_use import CpuUse
from dualwatch.state.evaluations import Results
from dualwatch.state.last_words import NO_WORDS, LastWords
from dualwatch.state.memory_trace import MemoryTraces, TrainedSoFar
from dualwatch.state.metric_series import Metric
from dualwatch.state.pauses import LOOPS
from dualwatch.state.pauses import Gaps as Gaps
from dualwatch.state.recurrence import NEVER, Recurrence
from dualwatch.state.repeated_errors import RepeatedError
from dualwatch.state.reported_keys import ReportedKeys
from dualwatch.state.skipped_steps import NO_SKIPS, SkippedSteps


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is known at ``at``.

    Attributes:
        progress_at: When the training last moved: a heartbeat or, before the first one and in
            trainings without an agent, a console line. For several ranks that of the slowest.
        busy_at: When the tree was last seen to use CPU or I/O.
        gaps: Usual pauses of this attempt, by ``place``.
        train_lines: Training lines, those included that were looked at and not parsed.
        shown: The newest progress bar, or line of no known framework.
        stacks: Captures since the last progress, oldest first.
        errors: The newest reports.
        last_test: The newest line of a test, which may be all that a log has.
        milestones: Names of the milestones that were seen.
        resumed: The newest line that names the state from which it continues.
        closed: The line by which it reports its own end, None where training lines followed it.
        saves, validations: When checkpoints and validations came, by its log.
        repeats: Errors with their repetitions.
        last_words: What others reported of the end since the last training line.
        saving_to: The folder of its checkpoints, by its log.
        batches: The newest batch and losses of each rank.
        keys: What the log reports of a checkpoint whose keys did not fit.
        non_finite: What was not finite in the iterations of each rank that had such values.
        answers: Replies of the agents, oldest first.
        awaited: The samples of the missing batch.
        stall_reported: Whether a stall was reported since the last progress.
        file_locks: File locks that are waited for since the last progress, with their holders.
        build_locks: Lock files of extension builds that are waited for since the last progress.
        transfers: What processes that read from the network received, since the last progress.
        stopped: dualwatch stops the training, or has stopped it; None where it did not.
        host_before: The first sample of the machine; counters are compared with it.
        memory: Memory after iterations of training.
        cpu_uses: The newest uses of the CPUs while it trains, oldest first.
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
    last_test: IterationLogged | EvaluationLogged | None = None
    milestones: frozenset[str] = frozenset()
    resumed: LogMilestone | None = None
    closed: LogMilestone | None = None
    saves: Recurrence = NEVER
    validations: Recurrence = NEVER
    shown: ProgressShown | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    results: Results = field(default_factory=Results)
    skipped: SkippedSteps = NO_SKIPS
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
    last_words: LastWords = NO_WORDS
    saving_to: str = ""
    batches: Mapping[int, BatchSeen] = field(default_factory=dict)
    config: ConfigRead | None = None
    announced: GoalAnnounced | None = None
    data: DataSeen | None = None
    checkpoint: CheckpointSeen | None = None
    surroundings: SurroundingsSeen | None = None
    model: ModelSeen | None = None
    learning: LearningSeen | None = None
    weights: WeightsLoaded | None = None
    keys: ReportedKeys | None = None
    non_finite: Mapping[int, NonFiniteSeen] = field(default_factory=dict)
    tensorboard: TensorBoardSeen | None = None
    host: HostSampled | None = None
    host_before: HostSampled | None = None
    orphans: OrphansSeen | None = None
    raised: tuple[str, ...] = ()
    answers: tuple[CommandAnswered, ...] = ()
    awaited: tuple[str, ...] = ()
    stall_reported: bool = False
    stopped: TrainingStopped | None = None
    file_locks: tuple[FileLock, ...] = ()
    memory: MemoryTraces = field(default_factory=MemoryTraces)
    cpu_uses: tuple[CpuUse, ...] = ()
    build_locks: tuple[BuildLock, ...] = ()
    transfers: tuple[Transfer, ...] = ()

    @property
    def log(self) -> str:
        """Name of the file that the training's lines are read from."""
        return self.started.log if self.started is not None else "console.log"

    @property
    def replaced(self) -> int:
        """How often a stuck loader was replaced in the running training."""
        return sum(answer.done and answer.order == AgentCommand.REPLACE for answer in self.answers)

    @property
    def goal(self) -> tuple[int | None, int | None]:
        """Epochs and iterations that it is to do, None where unknown or counted the other way.

        What the training itself announced comes before a configuration, which may be another's.
        """
        said = self.announced or self.config
        return (said.epochs, said.iterations) if said is not None else (None, None)

    @property
    def caught(self) -> tuple[CaughtException, ...]:
        """The exceptions that the training caught in a traced iteration."""
        return tuple(one for answer in self.answers for one in answer.caught)

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
        return self.pulses[min(running_ranks(self.pulses), key=lambda rank: self.moved_at[rank])]

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

    @property
    def trained_so_far(self) -> TrainedSoFar | None:
        """Where the training is; None while it starts, validates or ends."""
        if self.starting or self.phase in VALIDATION_PHASES or self.last_iteration is None:
            return None
        if self.stopped is not None or self.ended is not None:
            return None
        pulse, line = self.slowest, self.last_train
        epoch = pulse.epoch if pulse is not None else line.epoch if line is not None else None
        return TrainedSoFar(epoch, self.last_iteration)

    def silence(self, now: float) -> float:
        """Seconds since the training last moved."""
        return now - self.progress_at

    def idle(self, now: float) -> float:
        """Seconds since the training last moved or its tree last worked."""
        return now - max(self.progress_at, self.busy_at)


def running_ranks(pulses: Mapping[int, HeartbeatRead]) -> list[int]:
    """The ranks that have not finished; all of them where all have."""
    running = [rank for rank, pulse in pulses.items() if pulse.phase != Phase.FINISHED]
    return running or list(pulses)
