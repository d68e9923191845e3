"""The status of a training in one sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dualwatch.core import units
from dualwatch.events import LogClock, ProgressShown
from dualwatch.protocol import VALIDATION_PHASES, Phase
from dualwatch.rules.deaths import place as deaths
from dualwatch.rules.deaths.place import Part, Place
from dualwatch.rules.stalls import context
from dualwatch.state.snapshot import Snapshot

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


def not_run() -> RunStatus:
    """The status of a configuration of which no training is known."""
    return RunStatus(phase=Phase.NOT_RUN, sentence="a configuration, not run", decided=False)


def run_status(s: Snapshot, *, alive: bool | None) -> RunStatus:
    """The status of the training of a snapshot.

    Args:
        alive: Whether its process runs; None where that cannot be known, as of a bare log, which
            may be of another machine.
    """
    if not alive and not s.progress_wall:
        return RunStatus(phase="unknown", sentence="no sign of a training was found", decided=False)
    if is_finished(s):
        over = ", but its process has not ended" if alive else ""
        sentence = f"trained to the end{_progress(s)}{over}"
        return RunStatus(phase=Phase.FINISHED, sentence=sentence, decided=True)
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
            f"{ends} {in_words(s, *found)}; whether it crashed, hangs "
            "or still runs elsewhere: crash or hang is not decidable from the log alone"
        )
        return RunStatus(phase=found.phase, sentence=text, decided=False)
    found = deaths.of_death(s) or place(s)
    since = f" since about {when}" if when else ""
    if when and _is_untimed(s):
        since = f", some time after {when}"
    sentence = f"dead{since}; it was {in_words(s, *found)}"
    return RunStatus(phase=found.phase, sentence=sentence, decided=True)


def _is_untimed(s: Snapshot) -> bool:
    """Whether its last progress is a bar, which has no time, behind the last line that has one."""
    return s.shown is not None and not s.pulses and s.shown.wall >= s.progress_wall


def place(s: Snapshot) -> Place:
    """Where the training is, as far as it is known.

    A heartbeat and a stack show what it does. A line in fifty iterations shows that it trained, not
    what it did since.
    """
    if is_finished(s):
        return Place(Phase.FINISHED)
    phase = context.phase(s)
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
    words = _PARTS.get((phase, part)) or _WORDS.get(phase, phase)
    trained, evaluated = s.last_train, s.last_evaluation
    if phase == Phase.TRAINING and trained is not None and evaluated is not None:
        words = "after a validation" if evaluated.at > trained.at else words
    shown = s.shown
    if phase in VALIDATION_PHASES and shown is not None and shown.mode in ("val", "test"):
        words += f", {shown.done}{_of(shown.total)} by its progress bar"
    return f"{words}{_progress(s)}"


def is_finished(s: Snapshot) -> bool:
    """Whether the training did everything that it was configured for, by its log."""
    if s.phase == Phase.FINISHED:
        return True
    if s.pulses:
        return False
    if s.last_train is None:
        # Of a loop that logs no lines only the exit code is known.
        return s.ended is not None and s.ended.exit_code == 0
    if s.last_train.bar:
        return False  # A full bar does not show what comes after it.
    line, (epochs, iterations) = s.last_train, s.goal
    if line.total is None or line.iteration < line.total:
        return _evaluated_last(s)
    if line.epoch is None:
        return iterations is None or line.iteration >= iterations
    return epochs is not None and line.epoch >= epochs


def _evaluated_last(s: Snapshot) -> bool:
    """The last epoch's last line may be cut by the log interval; its evaluation is then the end."""
    last, line, goal = s.last_evaluation, s.last_train, s.goal
    assert line is not None
    if last is None or last.wall < line.wall or goal[0] is None:
        return False
    return line.epoch == goal[0] and (last.epoch is None or last.epoch == goal[0])


def _progress(s: Snapshot) -> str:
    pulse = s.slowest
    if pulse is not None and pulse.iteration > 0:
        epoch = f"epoch {pulse.epoch + 1}, " if pulse.max_epochs else ""
        of = _of(pulse.batches)
        return f" ({epoch}batch {pulse.batch}{of}, iteration {pulse.iteration})"
    line, shown = s.last_train, s.shown
    if line is None:
        return f" (its last bar: {_bar(shown)})" if shown is not None and not shown.mode else ""
    epoch = f"epoch {line.epoch}, " if line.epoch is not None else ""
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
