"""What was seen, each with a monotonic and a wall time.

A fact is what the journal keeps, one JSON object a line; the snapshot is a fold over facts.
``at`` is for durations (it never jumps), ``wall`` is for people.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dualwatch.facts.decisions import Change
from dualwatch.facts.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Base of all facts.

    Attributes:
        at: Monotonic seconds of the observer.
        wall: Seconds since the epoch.
    """

    at: float
    wall: float


# --- the run and its attempts ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Fact):
    """A supervised run began."""

    config: str
    script: str
    work_dir: str
    required_metrics: tuple[str, ...]
    required_because: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted(Fact):
    """The training process was launched. ``create_time`` with ``pid`` is its identity."""

    attempt: int
    pid: int
    create_time: float
    command: tuple[str, ...]
    overrides: dict[str, Any]
    changes: tuple[Change, ...] = ()
    resumed_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded(Fact):
    """The training process is gone. ``signal`` is its name ("SIGKILL") where one ended it."""

    attempt: int
    exit_code: int | None
    signal: str | None
    survivors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Fact):
    """The run is over; ``reason`` in one sentence."""

    outcome: str
    exit_code: int
    reason: str


# --- what the training says --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleGrew(Fact):
    """The console file grew; ``last_line`` is the newest whole line, bounded in length."""

    lines: int
    last_line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationLogged(Fact):
    """A progress line: ``Epoch(train) [1][50/200] ... loss: 0.3``.

    Attributes:
        mode: "train", "val" or "test".
        epoch: None for iteration-based loops.
        iteration: As logged, within the epoch for epoch-based loops.
        total: Iterations of the epoch (or of the run); None where the line has none.
        metrics: Everything after the bracket that is a number, lr and times included;
            nan and inf stay floats.
        eta_s: Seconds, None where the line has none.
    """

    mode: str
    epoch: int | None
    iteration: int
    total: int | None
    metrics: dict[str, float]
    eta_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationLogged(Fact):
    """The result line of a validation or test: ``Epoch(val) [1][10/10]  pascal_voc/mAP: 0.6``."""

    mode: str
    epoch: int | None
    iteration: int
    total: int | None
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone(Fact):
    """A line that tells where the run stands.

    ``name`` is one of: "environment", "config-dump", "hooks-listed", "weights-initialised",
    "checkpoint-loaded", "resumed", "checkpoints-announced", "dataloader-advancing",
    "checkpoint-saving", "best-checkpoint-saved".
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSeen(Fact):
    """An exception on the console.

    Attributes:
        exception: "ValueError", "torch.OutOfMemoryError"; the last of a chain. Empty where a line
            tells of an error without naming one.
        message: Text after the colon, bounded.
        where: Innermost ``file:line in function`` of the traceback, "" where there is none.
        excerpt: The traceback's lines as printed, bounded (the newest kept).
        worker: Index of the loader worker that raised it, None for the main process.
        causes: The earlier exceptions of its chain as "Kind: message", first one first, bounded:
            "RuntimeError: DataLoader worker (pid 12) is killed by signal: Killed." stands here.
    """

    exception: str
    message: str
    where: str = ""
    excerpt: tuple[str, ...] = ()
    worker: int | None = None
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReported(Fact):
    """The inside agent met a Runner and says what it did.

    Attributes:
        applied: Overrides that are in force.
        refused: Override -> why it could not be applied.
        work_dir: The Runner's own work dir.
    """

    pid: int
    rank: int
    applied: dict[str, Any]
    refused: dict[str, str]
    work_dir: str
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse(Fact):
    """One reading of a rank's heartbeat record.

    Attributes:
        phase: One of ``wire.Phase``.
        beats: Counts every change of phase; two equal readings mean nothing moved.
        epoch: Epochs completed.
        begun: Iterations that were done when this process began to train; -1 before.
        iteration: Iterations completed since the very first (mmengine's ``runner.iter``).
        batch: Index of the batch in the present loop, completed ones.
        batches: Batches of the present loop, 0 where unknown.
        max_epochs: 0 where the loop counts iterations.
        max_iterations: 0 where unknown.
    """

    rank: int
    pid: int
    phase: str
    beats: int
    epoch: int
    begun: int
    iteration: int
    batch: int
    batches: int
    max_epochs: int
    max_iterations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSeen(Fact):
    """What a training iteration was given and what the model made of it, as the agent saw it.

    Written at the first iteration and whenever one of the two changes its form.

    Attributes:
        iteration: Iterations completed, this one included.
        outline: The parts of the batch, "inputs.visible: Tensor 2x3x512x640", bounded.
        losses: Names that the model returned, in their order.
    """

    rank: int
    iteration: int
    outline: tuple[str, ...]
    losses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRead(Fact):
    """A configuration, loaded as the training loads it or read without executing it.

    Attributes:
        path: The file.
        how: "loaded" or "read".
        loaders: "train_dataloader" -> its settings (batch_size, num_workers, ...), dataset left out.
        start_method: Of worker processes, None for the platform's own.
        platform: ``sys.platform`` of the training.
        paired: Whether it names two modalities; None where that cannot be told.
        missing: Dotted key -> path that is not there.
        unpaired: Images without a partner in the other modality, bounded; ``looked_at`` of them
            all were compared.
        model_words: Keys and types of its model: what a MACL model is known by.
        epochs, iterations: How long it is to train; None where unknown or counted the other way.
        error: Why it does not load; "" where it does.
    """

    path: str
    how: str
    loaders: dict[str, Any]
    start_method: str | None = None
    platform: str = ""
    paired: bool | None = None
    missing: dict[str, str] = field(default_factory=dict)
    unpaired: tuple[str, ...] = ()
    looked_at: int = 0
    model_words: tuple[str, ...] = ()
    epochs: int | None = None
    iterations: int | None = None
    error: str = ""


# --- what the machine shows --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSample:
    """One process of the training's tree. None means: could not be read.

    Attributes:
        role: "main", "rank", "worker", "tracker" (multiprocessing's helpers) or "other".
        status: psutil's word: "running", "sleeping", "disk-sleep", "stopped", "zombie", ...
        cpu_s: User + system seconds since its start.
        io_bytes: Bytes read + written since its start, page cache and pipes included.
        wchan: Kernel function that it sleeps in, "" where none is shown.
        open_files: Descriptors (handles on Windows) that it holds.
    """

    pid: int
    create_time: float
    ppid: int
    role: str
    status: str
    cpu_s: float | None
    io_bytes: int | None
    rss: int | None
    threads: int | None
    wchan: str
    command: str
    open_files: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessesSampled(Fact):
    """The whole tree at one moment, main first."""

    processes: tuple[ProcessSample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphansSeen(Fact):
    """Processes of an earlier, dead training that are still alive."""

    processes: tuple[ProcessSample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSampled(Fact):
    """The machine around the training. None means: could not be read, or has no such thing.

    Attributes:
        memory_total, memory_available: Bytes of the whole machine.
        cgroup_limit, cgroup_used: Bytes that our container or job may use, and uses.
        cgroup_oom_kills: Processes that the kernel killed for memory in that cgroup so far.
        shm_total, shm_free: Bytes of /dev/shm.
        disk: Folder whose file system was looked at (the work dir).
        disk_total, disk_free: Bytes of it.
        open_files_limit: Soft limit of the training's main process.
        container: Kind of container, "" for none.
        kernel: Lines of the kernel's log on OOM kills and GPU errors, newest last, bounded.
    """

    memory_total: int | None = None
    memory_available: int | None = None
    cgroup_limit: int | None = None
    cgroup_used: int | None = None
    cgroup_oom_kills: int | None = None
    shm_total: int | None = None
    shm_free: int | None = None
    disk: str = ""
    disk_total: int | None = None
    disk_free: int | None = None
    open_files_limit: int | None = None
    container: str | None = None
    kernel: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuHolder:
    """A process that holds memory of a device.

    Attributes:
        used: Bytes, None where the driver does not say.
        name: Its command line, bounded; "" where it cannot be seen (dead, another namespace).
        ours: Whether it belongs to the training's tree.
    """

    pid: int
    used: int | None
    name: str
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSample:
    """One device. None means: could not be read, never 0.

    Attributes:
        used, total: Bytes of device memory.
        tree: Bytes held by the training's tree; None where the driver does not say.
        utilisation: Percent.
        holders: Processes that hold memory of it, the greatest first; empty where not told.
        errors: What the device complains of: lost, ECC errors, rows that failed to remap.
    """

    index: int
    name: str
    used: int | None
    total: int | None
    tree: int | None
    utilisation: int | None
    holders: tuple[GpuHolder, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GpusSampled(Fact):
    """All devices at one moment."""

    gpus: tuple[GpuSample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One Python frame, innermost first in a stack.

    Attributes:
        function: As the reader gives it: "fetch" or "_MapDatasetFetcher.fetch".
    """

    function: str
    file: str
    line: int

    @property
    def bare(self) -> str:
        """The function's name without its class, which only some readers give."""
        return self.function.rsplit(".", 1)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadStack:
    """The stack of one thread; ``active`` is what the reader believes of its running."""

    pid: int
    thread: str
    active: bool | None
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StacksCaptured(Fact):
    """Stacks of the tree at one moment. ``path`` is the file that holds them in full."""

    stacks: tuple[ThreadStack, ...]
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotObserved(Fact):
    """Something that could not be looked at, and why. Unknown is not well."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverPaused(Fact):
    """We ourselves did not run for a while: a laptop's sleep, a SIGSTOP, a debugger."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Fact):
    """A decision, kept in the journal with its reason."""

    action: str
    reason: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRaised(Fact):
    """A verdict, kept in the journal beside what it rests on."""

    finding: Finding
