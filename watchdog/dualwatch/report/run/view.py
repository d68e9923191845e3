"""What every view of a run can do, and what all of them show of an event."""

from __future__ import annotations

from typing import Protocol

from dualwatch.core import units
from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    CommandAnswered,
    Decided,
    EvaluationLogged,
    Event,
    Finding,
    FindingRaised,
    IterationLogged,
    RunEnded,
    Severity,
)
from dualwatch.protocol import AgentCommand
from dualwatch.report.terminal.changes import changes_table
from dualwatch.report.terminal.console import plain_text
from dualwatch.state.snapshot import Snapshot


class View(Protocol):
    """A view of a run in progress. It only shows; a failing view must not harm the run."""

    def event(self, event: Event, snapshot: Snapshot) -> None:
        """An event was seen; the snapshot includes it."""

    def tick(self, snapshot: Snapshot) -> None:
        """Time has passed."""

    def note(self, text: str) -> None:
        """Something to tell that is no event of the training."""

    def close(self) -> None:
        """The run is over."""


EVIDENCE_LENGTH = 150


class FindingNews:
    """Tells news from what was said: what cannot be seen is the same in every attempt."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def is_old(self, event: Event, text: str) -> bool:
        """Whether an event's headline needs no saying again."""
        if text in self._said:
            return True
        if isinstance(event, FindingRaised) and event.finding.severity is Severity.INFO:
            self._said.add(text)
        return False


def details(event: Event) -> list[str]:
    """What belongs under the headline of a finding or a decision, indented."""
    if isinstance(event, FindingRaised) and event.finding.severity > Severity.INFO:
        shown = [_bounded(plain_text(e.text)) for e in event.finding.evidence[1:7]]
        return [
            *(f"  - {text}" for text in shown),
            f"  see: dualwatch explain {event.finding.code}",
        ]
    if isinstance(event, Decided):
        return [plain_text(line) for line in changes_table(event.changes)]
    return []


def _bounded(text: str) -> str:
    return text if len(text) <= EVIDENCE_LENGTH else text[: EVIDENCE_LENGTH - 3] + "..."


def headline(event: Event) -> str | None:
    """An event as one line for people; None for events that are no change of state."""
    if isinstance(event, AttemptStarted):
        again = f", resumed from {event.resumed_from}" if event.resumed_from else ""
        return plain_text(f"attempt {event.attempt} started: pid {event.pid}{again}")
    if isinstance(event, AttemptEnded):
        how = event.signal or f"exit code {event.exit_code}"
        return plain_text(f"attempt {event.attempt} ended: {how}")
    if isinstance(event, FindingRaised):
        return finding_line(event.finding)
    if isinstance(event, Decided):
        return plain_text(f"decision: {event.action}: {event.reason}")
    if isinstance(event, CommandAnswered):
        return _answer_line(event)
    if isinstance(event, EvaluationLogged):
        shown = [f"{k} {units.value(v)}" for k, v in event.metrics.items() if "time" not in k]
        epoch = f" epoch {event.epoch}" if event.epoch is not None else ""
        return plain_text(f"{event.mode}{epoch}: {', '.join(shown[:6])}")
    if isinstance(event, RunEnded):
        return plain_text(f"{event.outcome} (exit code {event.exit_code}): {event.reason}")
    return None


def _answer_line(event: CommandAnswered) -> str | None:
    at = f"at iteration {event.iteration}"
    if event.order == AgentCommand.REPLACE:
        done = f"cured in place {at}: the loader goes on without workers, no sample is lost"
        return done if event.done else plain_text(f"the loader was not replaced: {event.why}")
    if event.order == AgentCommand.SAVE_TOGETHER and event.rank > 0 and event.done:
        return None  # Its part is in the checkpoint that the first rank tells of.
    if event.order in (AgentCommand.SAVE, AgentCommand.SAVE_TOGETHER):
        done = f"rescue checkpoint {at}: {event.path}"
        return plain_text(done if event.done else f"no rescue checkpoint: {event.why}")
    return None


def finding_line(finding: Finding) -> str:
    """``DW102 stalled-training (error, very likely): ...``."""
    text = plain_text(finding.headline)
    return f"{finding.code} {finding.name} ({finding.severity.word}, {finding.certainty}): {text}"


def iteration_line(event: IterationLogged) -> str:
    """``epoch 1, 50/200  loss_macl 0.41  loss 0.9  eta 0:10:00``; loss_macl first."""
    epoch = f"epoch {event.epoch}, " if event.epoch is not None else ""
    total = f"/{event.total}" if event.total else ""
    losses = losses_of(event)
    shown = "  ".join(f"{name} {units.value(value)}" for name, value in losses)
    left = f"  eta {units.eta(event.eta_s)}" if event.eta_s is not None else ""
    return plain_text(f"{epoch}{event.iteration}{total}  {shown}{left}")


def losses_of(event: IterationLogged) -> list[tuple[str, float]]:
    """Losses and the gradient norm of a training line, MACL's first."""
    chosen = [
        (name, value)
        for name, value in event.metrics.items()
        if "loss" in name or name.endswith("grad_norm")
    ]
    return sorted(chosen, key=lambda item: ("macl" not in item[0], item[0] == "grad_norm"))
