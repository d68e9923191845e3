"""What the training says: its console, its configuration, the agent inside it."""

from __future__ import annotations

import enum

from msgspec import Struct

from dualwatch.core.plain import PlainDict, PlainValue, as_dict
from dualwatch.events.base import Event
from dualwatch.events.defects import Defect


class ConsoleGrew(Event, frozen=True, kw_only=True, tag="console-grew"):
    """The console file grew; ``last_line`` is the newest whole line, bounded in length."""

    lines: int
    last_line: str


class IterationLogged(Event, frozen=True, kw_only=True, tag="iteration-logged"):
    """A progress line: ``Epoch(train) [1][50/200] ... loss: 0.3``.

    Attributes:
        mode: "train", "val" or "test".
        epoch: None for iteration-based loops.
        iteration: As logged, within the epoch for epoch-based loops.
        total: Iterations of the epoch (or of the run); None where the line has none.
        metrics: Everything after the bracket that is a number, lr and times included;
            nan and inf stay floats.
        eta_s: Seconds, None where the line has none.
        bar: Whether it is no line of a framework but made of a ``ProgressShown``.
    """

    mode: str
    epoch: int | None
    iteration: int
    total: int | None
    metrics: dict[str, float]
    eta_s: float | None = None
    bar: bool = False


class ProgressShown(Event, frozen=True, kw_only=True, tag="progress-shown"):
    """How far a training is by a progress bar, or by a line of no known framework.

    Attributes:
        label: The text before the bar, or the beginning of the line; bounded.
        bar: Whether it was a bar.
        mode: "train", "val" or "test"; "" where that does not show.
        epoch: As printed; some count from 0. None where it has none.
        epochs: Epochs in all, None where not printed.
        done: Iterations, of ``total``; None where their number is not printed.
        metrics: Numbers that it reports; nan and inf stay floats.
    """

    label: str
    bar: bool = True
    mode: str = ""
    epoch: int | None = None
    epochs: int | None = None
    done: int = 0
    total: int | None = None
    metrics: dict[str, float] = {}

    @property
    def line(self) -> IterationLogged | None:
        """It as a training line; None where it is of no training."""
        if self.mode != "train":
            return None
        return IterationLogged(
            at=self.at,
            wall=self.wall,
            mode=self.mode,
            epoch=self.epoch,
            iteration=self.done,
            total=self.total,
            metrics=self.metrics,
            bar=True,
        )


class LinesScreened(Event, frozen=True, kw_only=True, tag="lines-screened"):
    """Training lines between two that were taken apart: looked at, but not parsed.

    Of a log of a million lines, only some are parsed. All are searched for values that are not
    finite; where that changes, the lines on both sides are among the parsed ones.

    Attributes:
        lines: How many there were.
        non_finite: How many of them held a value that is not finite. Where all of them did, these
            were the same metrics as in the line before.
        seconds: Time between the parsed line before and the one after.
    """

    lines: int
    non_finite: int = 0
    seconds: float = 0.0


class EvaluationLogged(Event, frozen=True, kw_only=True, tag="evaluation-logged"):
    """The result line of a validation or test: ``Epoch(val) [1][10/10]  pascal_voc/mAP: 0.6``."""

    mode: str
    epoch: int | None
    iteration: int
    total: int | None
    metrics: dict[str, float]


class GoalAnnounced(Event, frozen=True, kw_only=True, tag="goal-announced"):
    """A log line that says how long the training is to last, besides its configuration.

    Attributes:
        epochs, iterations: None where it counts the other way.
    """

    epochs: int | None = None
    iterations: int | None = None


class LogMilestone(Event, frozen=True, kw_only=True, tag="milestone"):
    """A log line that marks a stage of the run.

    ``name`` is one of: "environment", "config-dump", "hooks-listed", "run-announced",
    "weights-initialised", "checkpoint-loaded", "resumed", "checkpoints-announced",
    "dataloader-advancing", "checkpoint-saving", "best-checkpoint-saved", "stopped-early",
    "results-computed", "annotations-loading", "results-empty" (an evaluation found nothing at all).

    Attributes:
        epochs, iterations: Of a checkpoint that is being saved or was resumed from, how far the
            training had come; None where the line does not say.
        file: Name of that checkpoint, "" where it is not known.
        host, work_dir: Machine and folder of the run, where the line names them.
    """

    name: str
    text: str
    epochs: int | None = None
    iterations: int | None = None
    file: str = ""
    host: str = ""
    work_dir: str = ""


class ErrorFate(str, enum.Enum):
    """What became of an exception, by what Python prints before its traceback.

    ``RAISED``: nothing special. ``IGNORED``: it came from a destructor or a callback. ``LOGGING``:
    it was raised inside a call of the logging module, which continues. ``THREAD``: it ended one
    thread. ``AT_EXIT``: it came while the interpreter exited. Only the first can end a training.
    """

    RAISED = "raised"
    IGNORED = "ignored"
    LOGGING = "logging"
    THREAD = "thread"
    AT_EXIT = "at-exit"


class ErrorSeen(Event, frozen=True, kw_only=True, tag="error-seen"):
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
        fate: What became of it, by the line before its traceback.
    """

    exception: str
    message: str
    where: str = ""
    excerpt: tuple[str, ...] = ()
    worker: int | None = None
    causes: tuple[str, ...] = ()
    fate: ErrorFate = ErrorFate.RAISED


class AgentReported(Event, frozen=True, kw_only=True, tag="agent-reported"):
    """The inside agent met a Runner and says what it did.

    Attributes:
        applied: Overrides that are in force.
        refused: Override -> why it could not be applied.
        work_dir: The Runner's own work dir.
    """

    pid: int
    rank: int
    applied: dict[str, object]
    refused: dict[str, str]
    work_dir: str
    versions: dict[str, str] = {}


class HeartbeatRead(Event, frozen=True, kw_only=True, tag="pulse"):
    """One reading of a rank's heartbeat record.

    Attributes:
        phase: One of ``protocol.Phase``.
        beats: Counts every change of phase; two equal readings mean nothing moved.
        epoch: Epochs completed.
        begun: Iterations that were done when this process began to train; -1 before.
        iteration: Iterations completed since the very first.
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


class UnusualBatch(Struct, frozen=True, kw_only=True):
    """An iteration of one of several ranks that was not like its others.

    Attributes:
        iteration: Iterations completed, this one included.
        empty: Parts of the batch without any element: "targets[0].boxes".
        missing: Losses that were returned before, and not for it.
    """

    iteration: int
    empty: tuple[str, ...]
    missing: tuple[str, ...]


class BatchSeen(Event, frozen=True, kw_only=True, tag="batch-seen"):
    """What a training iteration was given and what the model made of it, as the agent saw it.

    Written at the first iteration and whenever one of the two changes its form.

    Attributes:
        iteration: Iterations completed, this one included.
        outline: The parts of the batch, "inputs.visible: Tensor 2x3x512x640", bounded.
        losses: Names that the model returned, in their order.
        logged: Names of all that had been logged by then, by whatever code; None where that is
            not known.
        unusual: The newest unusual iterations of this rank, oldest first; of several ranks.
    """

    rank: int
    iteration: int
    outline: tuple[str, ...]
    losses: tuple[str, ...]
    logged: tuple[str, ...] | None = None
    unusual: tuple[UnusualBatch, ...] = ()


class NotFollowed(Struct, frozen=True, kw_only=True):
    """A part of a configuration that is not known, because it was read as text.

    Attributes:
        what: Dotted key; "_base_" for files that it builds on.
        why: One clause.
        about: What it concerns, of "loaders", "data", "model", "start", "goal", "backends"; empty
            where it may concern anything.
    """

    what: str
    why: str
    about: tuple[str, ...] = ()


class ConfigRead(Event, frozen=True, kw_only=True, tag="config-read"):
    """A configuration, loaded as the training loads it or read without executing it.

    Attributes:
        path: The file.
        how: "loaded" or "read".
        loaders: Name of each loader -> its settings (batch_size, ...), its dataset left out; those
            of the training first, with names that begin with "train".
        start_method: Of worker processes, None for the platform's own.
        platform: ``sys.platform`` of the training.
        paired: Whether it names two modalities; None where that cannot be told.
        missing: Dotted key -> path that is not there.
        unpaired: Images without a partner in the other modality, bounded; ``looked_at`` of them
            all were compared.
        model_words: Keys and types of its model, by which its domain is known.
        classes: How many its model tells apart; None where unknown, or where its parts differ.
        epochs, iterations: How long it is to train; None where unknown or counted the other way.
        validates_every: Epochs from one validation to the next; None where unknown.
        due_at_end: What must come after its last iteration: "checkpoint", "validation".
        validates: Whether it validates while it trains; None where that is not known.
        preprocessor: Type of the model's data preprocessor, "" where none is named.
        backends: Types of the visualizer's backends; None where that cannot be told.
        load_from: Checkpoint that it starts from, "" for none.
        pretrained: Dotted key -> file on a local disk from which a part of its model is filled.
        resumes: Whether it goes on with the state of that checkpoint, or of the newest one.
        error: Why it does not load; "" where it does.
        error_remedy: What to do about that, "" where nothing is known.
        framework: Name of the adapter that read it; "" in older journals.
        timed_out: It does not load because loading did not finish.
        not_followed: What of it is not known; bounded.
        folders, files: Data folders and annotation files that exist.
        passed_over: Dotted key -> why that path was not looked for; bounded.
        defects: What is wrong with it, although it loads.
        whole: Whether its sections are known well enough to say that they make a training.
        built: Parts of the training that were built from it, as a trial.
        not_built: Part -> why it could not be tried.
        compared: What was compared for its number of classes.
    """

    path: str
    how: str
    loaders: dict[str, PlainValue]
    start_method: str | None = None
    platform: str = ""
    paired: bool | None = None
    missing: dict[str, str] = {}
    unpaired: tuple[str, ...] = ()
    looked_at: int = 0
    model_words: tuple[str, ...] = ()
    epochs: int | None = None
    iterations: int | None = None
    due_at_end: tuple[str, ...] = ()
    validates_every: int | None = None
    validates: bool | None = None
    preprocessor: str = ""
    backends: tuple[str, ...] | None = None
    load_from: str = ""
    pretrained: dict[str, str] = {}
    resumes: bool = False
    error: str = ""
    error_remedy: str = ""
    framework: str = ""
    timed_out: bool = False
    not_followed: tuple[NotFollowed, ...] = ()
    classes: int | None = None
    folders: int = 0
    files: int = 0
    passed_over: dict[str, str] = {}
    defects: tuple[Defect, ...] = ()
    whole: bool = False
    built: tuple[str, ...] = ()
    not_built: dict[str, str] = {}
    compared: tuple[str, ...] = ()

    @property
    def training_loader(self) -> PlainDict | None:
        """Settings of the training's loader; None where they are not known."""
        found = (one for name, one in self.loaders.items() if name.startswith("train"))
        loader = next(found, None)
        return as_dict(loader) if loader is not None else None

    def unknown(self, about: str) -> str | None:
        """Why what it does not name about something is not known; None where it is."""
        found = next((n for n in self.not_followed if not n.about or about in n.about), None)
        return f"{found.what} was not followed: {found.why}" if found is not None else None


class CaughtException(Struct, frozen=True, kw_only=True):
    """An exception of one traced iteration that the training caught.

    Attributes:
        raised: ``file:line in function`` where it was raised.
        caught: Where it was last seen: the line that caught it.
        handler: Source of that line; "" where no Python code caught it, as behind ``hasattr``.
        foreign: Whether an installed package caught it.
        path: Functions from where it was raised outwards, as "Head.loss (head.py)".
    """

    exception: str
    message: str
    raised: str
    caught: str
    handler: str = ""
    foreign: bool = False
    path: tuple[str, ...] = ()


class CommandAnswered(Event, frozen=True, kw_only=True, tag="order-answered"):
    """The agent did what it was asked for, or says why not. See ``protocol.Order``.

    Attributes:
        number: Of the order; 0 where the agent did it of itself, before the training died.
        order: "replace", "save", "save-together", "tell" or "trace".
        path: The checkpoint that was saved, "" for none.
        iteration: Iterations completed when it was done.
        awaited: The sample that the loader waits for, as "index 17: images/0017.png", those of
            the batch that did not come; bounded.
        caught: Exceptions of the traced iteration.
    """

    rank: int
    number: int
    order: str
    done: bool
    why: str = ""
    path: str = ""
    iteration: int = 0
    awaited: tuple[str, ...] = ()
    caught: tuple[CaughtException, ...] = ()
