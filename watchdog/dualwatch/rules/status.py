"""The status of a training in one sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dualwatch.core import units
from dualwatch.protocol import Phase
from dualwatch.rules import finished
from dualwatch.rules.deaths import error_patterns
from dualwatch.rules.finished import Due
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


def run_status(s: Snapshot, *, alive: bool | None) -> RunStatus:
    """The status of the training of a snapshot.

    Args:
        alive: Whether its process runs; None where that cannot be known, as of a bare log, which
            may be of another machine.
    """
    phase = Phase.FINISHED if finished.is_finished(s) else context.phase(s)
    where = in_words(s, phase)
    if not alive and not s.progress_wall:
        return RunStatus(phase="unknown", sentence="no sign of a training was found", decided=False)
    if phase == Phase.FINISHED:
        over = ", but its process has not ended" if alive else _afterwards(s)
        sentence = f"{_done(s)}{over}"
        return RunStatus(phase=phase, sentence=sentence, decided=True)
    if alive:
        silence = s.silence(s.at)
        quiet = f"silent for {silence:.0f} s (since {units.clock(s.progress_wall)}), "
        text = f"alive, {quiet if silence >= MOVING else ''}{where}"
        return RunStatus(phase=phase, sentence=text, decided=True)
    if alive is None and s.ended is None:
        # The log ends the same way whether the training runs elsewhere, hangs or was killed.
        text = (
            f"the log ends at {units.clock(s.progress_wall)}, {where}{_before(s)}; "
            "whether it crashed, hangs or still runs elsewhere: crash or hang is not decidable "
            "from the log alone"
        )
        return RunStatus(phase=phase, sentence=text, decided=False)
    sentence = f"dead since about {units.clock(s.progress_wall)}; it was {where}"
    return RunStatus(phase=phase, sentence=sentence, decided=True)


def in_words(s: Snapshot, phase: str) -> str:
    """A phase in words, with the progress so far."""
    if finished.is_test(s):
        return f"in a test run{_progress(s)}"
    return f"{_WORDS.get(phase, phase)}{_progress(s)}"


def _done(s: Snapshot) -> str:
    """What a finished run did."""
    result = s.last_test or s.last_evaluation
    if finished.is_test(s) and result is not None:
        shown = [f"{key} {value:g}" for key, value in result.metrics.items() if "time" not in key]
        return f"a test run, finished: {', '.join(shown[:MOST_METRICS]) or 'without a metric'}"
    if s.last_train is None and s.resumed is not None:
        return "trained to the end before: it resumed where nothing was left to train"
    early = " by early stopping" if "stopped-early" in s.milestones else ""
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
        of = f" of {pulse.batches}" if pulse.batches else ""
        return f" ({epoch}batch {pulse.batch}{of}, iteration {pulse.iteration})"
    line = s.last_train
    if line is None and s.last_test is not None:
        return f" (last line: {s.last_test.iteration} of {s.last_test.total or '?'})"
    if line is None:
        return ""
    epoch = f"epoch {line.epoch}, " if line.epoch is not None else ""
    of = f" of {line.total}" if line.total else ""
    return f" (last line: {epoch}iteration {line.iteration}{of})"
