"""The status of a training in one sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dualwatch.core import units
from dualwatch.protocol import Phase
from dualwatch.rules.stalls import context
from dualwatch.state.snapshot import Snapshot

_WORDS = {
    Phase.STARTING: "starting: imports and environment",
    Phase.BUILDING: "building the training from its configuration",
    Phase.BUILDING_DATA: "building its datasets",
    Phase.LOADING: "initialising weights or loading a checkpoint",
    Phase.WAITING: "between two iterations, waiting for a batch",
    Phase.STEP: "inside a training step",
    Phase.VAL_WAITING: "in validation, waiting for a batch",
    Phase.VAL_STEP: "in validation",
    Phase.METRICS: "computing the metrics of a validation",
    Phase.SAVING: "saving a checkpoint",
    Phase.FINISHED: "finished",
}

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


def run_status(s: Snapshot, *, alive: bool | None) -> RunStatus:
    """The status of the training of a snapshot.

    Args:
        alive: Whether its process runs; None where that cannot be known, as of a bare log, which
            may be of another machine.
    """
    phase = Phase.FINISHED if is_finished(s) else context.phase(s)
    where = in_words(s, phase)
    if not alive and not s.progress_wall:
        return RunStatus(phase="unknown", sentence="no sign of a training was found", decided=False)
    if phase == Phase.FINISHED:
        over = ", but its process has not ended" if alive else ""
        sentence = f"trained to the end{_progress(s)}{over}"
        return RunStatus(phase=phase, sentence=sentence, decided=True)
    if alive:
        silence = s.silence(s.at)
        quiet = f"silent for {silence:.0f} s (since {units.clock(s.progress_wall)}), "
        text = f"alive, {quiet if silence >= MOVING else ''}{where}"
        return RunStatus(phase=phase, sentence=text, decided=True)
    if alive is None and s.ended is None:
        # The log ends the same way whether the training runs elsewhere, hangs or was killed.
        text = (
            f"the log ends at {units.clock(s.progress_wall)}, {where}; whether it crashed, hangs "
            "or still runs elsewhere: crash or hang is not decidable from the log alone"
        )
        return RunStatus(phase=phase, sentence=text, decided=False)
    sentence = f"dead since about {units.clock(s.progress_wall)}; it was {where}"
    return RunStatus(phase=phase, sentence=sentence, decided=True)


def in_words(s: Snapshot, phase: str) -> str:
    """A phase in words, with the progress so far."""
    return f"{_WORDS.get(phase, phase)}{_progress(s)}"


def is_finished(s: Snapshot) -> bool:
    """Whether the training did everything that it was configured for, by its log."""
    if s.phase == Phase.FINISHED:
        return True
    if s.pulses:
        return False
    if s.last_train is None:
        # Of a loop that logs no lines only the exit code is known.
        return s.ended is not None and s.ended.exit_code == 0
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
        of = f" of {pulse.batches}" if pulse.batches else ""
        return f" ({epoch}batch {pulse.batch}{of}, iteration {pulse.iteration})"
    line = s.last_train
    if line is None:
        return ""
    epoch = f"epoch {line.epoch}, " if line.epoch is not None else ""
    of = f" of {line.total}" if line.total else ""
    return f" (last line: {epoch}iteration {line.iteration}{of})"
