"""What the training prints and logs."""

from __future__ import annotations

import enum
import math

from dualwatch.events.base import Event


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
    def is_odd(self) -> bool:
        """Whether a number is not finite."""
        return not all(map(math.isfinite, self.metrics.values()))

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


class StepSkipped(Event, frozen=True, kw_only=True, tag="step-skipped"):
    """The scaler of mixed precision left out a step, whose gradient was not finite.

    Attributes:
        scale: The loss scale that it goes on with.
    """

    scale: float


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


class KeysState(str, enum.Enum):
    """``MISSING``: of the model, and not in the checkpoint. ``UNEXPECTED``: of the checkpoint, and
    not in the model. ``RESHAPED``: in both, with different shapes."""

    MISSING = "missing"
    UNEXPECTED = "unexpected"
    RESHAPED = "reshaped"


class KeysReported(Event, frozen=True, kw_only=True, tag="keys-reported"):
    """A log line about weights of a checkpoint that do not fit the model.

    Attributes:
        load: Counts the checkpoints that the log reports on: lines of one number belong together.
        keys: Names, bounded.
        is_cut: Whether the line names more than these.
        shapes: Of a single key, its shape in the checkpoint and in the model: "81x9", "7x9".
    """

    load: int
    state: KeysState
    keys: tuple[str, ...]
    is_cut: bool = False
    shapes: tuple[str, str] | None = None
