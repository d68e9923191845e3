"""The status of a training in one sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dualwatch.core import units
from dualwatch.events import LogClock, ProgressShown
from dualwatch.protocol import VALIDATION_PHASES, Phase
from dualwatch.rules import finished
from dualwatch.rules.deaths import error_patterns
from dualwatch.rules.deaths import place as deaths
from dualwatch.rules.deaths.place import Part, Place
from dualwatch.rules.finished import Due
from dualwatch.rules.stalls import context
from dualwatch.state.snapshot import Snapshot

UNKNOWN = "unknown"
"""The phase of what does not show one."""

_WORDS = {
    Phase.STARTING: "starting: imports and environment",
    Phase.BUILDING: "building the training from its configuration",
    Phase.BUILDING_DATA: "building its datasets",
    Phase.LOADING: "initialising weights or loading a checkpoint",
    Phase.WAITING: "between two iterations, waiting for a batch",
    Phase.TRAINING: "training",
    Phase.FIRST_ITERATION: "before its first training line: starting its loader, loading the first "
    "batch or in the first iteration",
    Phase.STEP: "inside a training step",
    Phase.VAL_WAITING: "in validation, waiting for a batch",
    Phase.VAL_STEP: "in validation",
    Phase.METRICS: "computing the metrics of a validation",
    Phase.SAVING: "saving a checkpoint",
    Phase.FINISHED: "finished",
    UNKNOWN: "no line in it shows a training",
}

_PARTS = {
    (Phase.STEP, Part.FORWARD): "in the forward pass of a training step",
    (Phase.STEP, Part.BACKWARD): "in the backward pass of a training step",
    (Phase.STEP, Part.OPTIMIZER): "in the optimizer's step",
    (Phase.VAL_STEP, Part.FORWARD): "in the forward pass of a validation",
    (Phase.WAITING, Part.WORKER): "loading a batch, in a loader worker",
    (Phase.WAITING, Part.SAMPLER): "loading a batch, in the sampler",
    (Phase.VAL_WAITING, Part.WORKER): "loading a batch of a validation, in a loader worker",
    (Phase.METRICS, Part.COLLECTING): "collecting the results of a validation",
}
"""What the frames of a traceback show besides the phase."""

_DUE = {Due.CHECKPOINT: "its last checkpoint", Due.VALIDATION: "its last validation"}

MOST_METRICS = 3

MOVING = 60.0
"""Seconds without progress up to which an alive training is called running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """The status of a training.

    Attributes:
        phase: A word of ``protocol.Phase``, or "unknown".
        sentence: For people.
        decided: Whether it is known to run, to have finished, or to be dead. A log that just ends
            shows neither a crash nor a hang.
    """

    phase: str
    sentence: str
    decided: bool


def not_run(*, tried: bool) -> RunStatus:
    """The status of a configuration of which no training is known.

    Args:
        tried: Whether it was loaded as the training loads it, and its parts were built as a trial:
            otherwise it is open whether it can start.
    """
    how = "it loads" if tried else "its parts were not built as a trial"
    return RunStatus(
        phase=Phase.NOT_RUN, sentence=f"a configuration, not run; {how}", decided=tried
    )


def of_empty_log() -> RunStatus:
    """The status of a start whose log holds nothing."""
    text = (
        "the log is empty: the newest start wrote no line; whether it crashed, hangs or still "
        "runs elsewhere: crash or hang is not decidable from the log alone"
    )
    return RunStatus(phase=Phase.STARTING, sentence=text, decided=False)


def run_status(s: Snapshot, *, alive: bool | None) -> RunStatus:
    """The status of the training of a snapshot.

    Args:
        alive: Whether its process runs; None where that cannot be known, as of a bare log, which
            may be of another machine.
    """
    if not alive and not s.progress_wall:
        return RunStatus(phase="unknown", sentence="no sign of a training was found", decided=False)
    if finished.is_finished(s):
        over = ", but its process has not ended" if alive else _afterwards(s)
        return RunStatus(phase=Phase.FINISHED, sentence=f"{_done(s)}{over}", decided=True)
    if alive:
        found = place(s)
        silence = s.silence(s.at)
        quiet = f"silent for {silence:.0f} s (since {units.clock(s.progress_wall)}), "
        text = f"alive, {quiet if silence >= MOVING else ''}{in_words(s, *found)}"
        return RunStatus(phase=found.phase, sentence=text, decided=True)
    when = time_of(s, s.progress_wall)
    if alive is None and s.ended is None:
        found = place(s)
        # The log ends the same way whether the training runs elsewhere, hangs or was killed.
        ends = f"the log ends at {when}," if when else "the log, which holds no times, ends:"
        if when and _is_untimed(s):
            ends = f"the log ends some time after {when},"
        text = (
            f"{ends} {in_words(s, *found)}{_before(s)}; whether it crashed, hangs "
            "or still runs elsewhere: crash or hang is not decidable from the log alone"
        )
        return RunStatus(phase=found.phase, sentence=text, decided=False)
    found = deaths.of_death(s) or place(s)
    since = f" since about {when}" if when else ""
    if when and _is_untimed(s):
        since = f", some time after {when}"
    sentence = f"dead{since}; it was {in_words(s, *found)}"
    return RunStatus(phase=found.phase, sentence=sentence, decided=True)


def _shows_nothing(s: Snapshot) -> bool:
    """Whether a log, of which nothing else is known, states nothing of a training."""
    seen = (s.last_train, s.last_evaluation, s.last_test, s.announced, s.processes)
    return not (s.pulses or s.milestones or s.errors or any(one is not None for one in seen))


def _is_untimed(s: Snapshot) -> bool:
    """Whether its last progress is a bar, which has no time, behind the last line that has one."""
    return s.shown is not None and not s.pulses and s.shown.wall >= s.progress_wall


def place(s: Snapshot) -> Place:
    """Where the training is, as far as it is known.

    A heartbeat and a stack show what it does. A line in fifty iterations shows that it trained, not
    what it did since.
    """
    if finished.is_finished(s):
        return Place(Phase.FINISHED)
    phase = context.phase(s)
    if phase == Phase.STARTING and not context.is_seen(s) and _shows_nothing(s):
        return Place(UNKNOWN)
    if phase == Phase.WAITING and not context.is_seen(s):
        return Place(Phase.TRAINING if s.last_train is not None else Phase.FIRST_ITERATION)
    return Place(phase)


def time_of(s: Snapshot, wall: float) -> str:
    """A time in words, as far as the log has it: without a year that it does not show."""
    known = s.started.clock if s.started is not None else LogClock.FULL
    if known is LogClock.NONE:
        return ""
    return units.clock(wall) if known is LogClock.FULL else units.clock(wall)[5:]


def in_words(s: Snapshot, phase: str, part: Part = Part.NONE) -> str:
    """A phase in words, with the progress so far."""
    if finished.is_test(s):
        return f"in a test run{_progress(s)}"
    words = _PARTS.get((phase, part)) or _WORDS.get(phase, phase)
    if phase == UNKNOWN and s.shown is not None:
        words = "at a progress bar that does not show what for"
    if phase == Phase.TRAINING and s.validations.is_last:
        words = "after a validation"
    shown = s.shown
    if phase in VALIDATION_PHASES and shown is not None and shown.mode in ("val", "test"):
        words += f", {shown.done}{_of(shown.total)} by its progress bar"
    return f"{words}{_progress(s)}"


def _done(s: Snapshot) -> str:
    """What a finished run did."""
    result = s.last_test or s.last_evaluation
    if finished.is_test(s) and result is not None:
        shown = [f"{key} {value:g}" for key, value in result.metrics.items() if "time" not in key]
        return f"a test run, finished: {', '.join(shown[:MOST_METRICS]) or 'without a metric'}"
    if s.last_train is None and s.resumed is not None:
        return "trained to the end before: it resumed where nothing was left to train"
    is_early = s.closed is not None and s.closed.name == "stopped-early"
    early = " by early stopping" if is_early else ""
    return f"trained to the end{early}{_progress(s)}"


def _afterwards(s: Snapshot) -> str:
    """The error of what ran after the training."""
    error = finished.afterwards(s)
    if error is None:
        return ""
    text = error_patterns.text_of(error).partition("\n")[0]
    return f"; afterwards {text}" + (f" ({error.where})" if error.where else "")


def _before(s: Snapshot) -> str:
    """What was still to come after the last iteration."""
    due = finished.outstanding(s) if finished.has_trained_all(s) else ()
    return (
        f", after its last iteration and before {' and '.join(_DUE[one] for one in due)}"
        if due
        else ""
    )


def _progress(s: Snapshot) -> str:
    pulse = s.slowest
    if pulse is not None and pulse.iteration > 0:
        epoch = f"epoch {pulse.epoch + 1}, " if pulse.max_epochs else ""
        of = _of(pulse.batches)
        return f" ({epoch}batch {pulse.batch}{of}, iteration {pulse.iteration})"
    line, shown = s.last_train, s.shown
    if line is None and s.last_test is not None:
        return f" (last line: {s.last_test.iteration}{_of(s.last_test.total)})"
    if line is None:
        return f" (its last bar: {_bar(shown)})" if shown is not None and not shown.mode else ""
    epoch = f"epoch {line.epoch}, " if line.epoch is not None else ""
    if line.bar and not line.iteration and not line.total:
        return f" (epoch {line.epoch}, by its last line)"
    if not line.bar:
        return f" (last line: {epoch}iteration {line.iteration}{_of(line.total)})"
    if shown is not None and shown.line is not None and shown.epochs:
        epoch = f"epoch {line.epoch} of {shown.epochs}, "
    how = "by its progress bars" if shown is None or shown.bar else "by its last line"
    return f" ({epoch}{line.iteration}{_of(line.total)}, {how})"


def _bar(shown: ProgressShown) -> str:
    label = f"{shown.label.rstrip(': ')}, " if shown.label else ""
    return f"{label}{shown.done}{_of(shown.total)}"


def _of(total: int | None) -> str:
    return f" of {total}" if total else ""
