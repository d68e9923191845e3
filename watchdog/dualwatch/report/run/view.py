"""What every view of a run can do, and what all of them show of a fact."""

from __future__ import annotations

from typing import Protocol

from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    Decided,
    EvaluationLogged,
    Fact,
    Finding,
    FindingRaised,
    IterationLogged,
    OrderAnswered,
    RunEnded,
    Severity,
)
from dualwatch.protocol import Order
from dualwatch.report.terminal import format
from dualwatch.report.terminal.changes import changes_table
from dualwatch.report.terminal.console import plain_text
from dualwatch.state.snapshot import Snapshot


class View(Protocol):
    """A view of a run in progress. It only shows; a failing view must not harm the run."""

    def fact(self, fact: Fact, snapshot: Snapshot) -> None:
        """A fact was seen; the snapshot includes it."""

    def tick(self, snapshot: Snapshot) -> None:
        """Time has passed."""

    def note(self, text: str) -> None:
        """Something to tell that is no fact of the training."""

    def close(self) -> None:
        """The run is over."""


EVIDENCE_LENGTH = 150


class News:
    """Tells news from what was said: what cannot be seen is the same in every attempt."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def is_old(self, fact: Fact, text: str) -> bool:
        """Whether a fact's headline needs no saying again."""
        if text in self._said:
            return True
        if isinstance(fact, FindingRaised) and fact.finding.severity is Severity.INFO:
            self._said.add(text)
        return False


def details(fact: Fact) -> list[str]:
    """What belongs under the headline of a finding or a decision, indented."""
    if isinstance(fact, FindingRaised) and fact.finding.severity > Severity.INFO:
        shown = [_bounded(plain_text(e.text)) for e in fact.finding.evidence[1:7]]
        return [*(f"  - {text}" for text in shown), f"  see: dualwatch explain {fact.finding.code}"]
    if isinstance(fact, Decided):
        return [plain_text(line) for line in changes_table(fact.changes)]
    return []


def _bounded(text: str) -> str:
    return text if len(text) <= EVIDENCE_LENGTH else text[: EVIDENCE_LENGTH - 3] + "..."


def headline(fact: Fact) -> str | None:
    """A fact as one line for people; None for facts that are no change of state."""
    if isinstance(fact, AttemptStarted):
        again = f", resumed from {fact.resumed_from}" if fact.resumed_from else ""
        return plain_text(f"attempt {fact.attempt} started: pid {fact.pid}{again}")
    if isinstance(fact, AttemptEnded):
        how = fact.signal or f"exit code {fact.exit_code}"
        return plain_text(f"attempt {fact.attempt} ended: {how}")
    if isinstance(fact, FindingRaised):
        return finding_line(fact.finding)
    if isinstance(fact, Decided):
        return plain_text(f"decision: {fact.action}: {fact.reason}")
    if isinstance(fact, OrderAnswered):
        return _answer_line(fact)
    if isinstance(fact, EvaluationLogged):
        shown = [f"{k} {format.value(v)}" for k, v in fact.metrics.items() if "time" not in k]
        epoch = f" epoch {fact.epoch}" if fact.epoch is not None else ""
        return plain_text(f"{fact.mode}{epoch}: {', '.join(shown[:6])}")
    if isinstance(fact, RunEnded):
        return plain_text(f"{fact.outcome} (exit code {fact.exit_code}): {fact.reason}")
    return None


def _answer_line(fact: OrderAnswered) -> str | None:
    at = f"at iteration {fact.iteration}"
    if fact.order == Order.REPLACE:
        done = f"cured in place {at}: the loader goes on without workers, no sample is lost"
        return done if fact.done else plain_text(f"the loader was not replaced: {fact.why}")
    if fact.order == Order.SAVE_TOGETHER and fact.rank > 0 and fact.done:
        return None  # Its part is in the checkpoint that the first rank tells of.
    if fact.order in (Order.SAVE, Order.SAVE_TOGETHER):
        done = f"rescue checkpoint {at}: {fact.path}"
        return plain_text(done if fact.done else f"no rescue checkpoint: {fact.why}")
    return None


def finding_line(finding: Finding) -> str:
    """``DW102 stalled-training (error, very likely): ...``."""
    text = plain_text(finding.headline)
    return f"{finding.code} {finding.name} ({finding.severity.word}, {finding.certainty}): {text}"


def iteration_line(fact: IterationLogged) -> str:
    """``epoch 1, 50/200  loss_macl 0.41  loss 0.9  eta 0:10:00``; loss_macl first."""
    epoch = f"epoch {fact.epoch}, " if fact.epoch is not None else ""
    total = f"/{fact.total}" if fact.total else ""
    losses = losses_of(fact)
    shown = "  ".join(f"{name} {format.value(value)}" for name, value in losses)
    left = f"  eta {format.eta(fact.eta_s)}" if fact.eta_s is not None else ""
    return plain_text(f"{epoch}{fact.iteration}{total}  {shown}{left}")


def losses_of(fact: IterationLogged) -> list[tuple[str, float]]:
    """Losses and the gradient norm of a training line, MACL's first."""
    chosen = [
        (name, value)
        for name, value in fact.metrics.items()
        if "loss" in name or name.endswith("grad_norm")
    ]
    return sorted(chosen, key=lambda item: ("macl" not in item[0], item[0] == "grad_norm"))
