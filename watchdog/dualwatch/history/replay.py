"""What a journal tells of a run whose supervisor is gone: its attempts, its history, its state."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dualwatch.events import (
    Action,
    AttemptEnded,
    AttemptStarted,
    Decided,
    Fact,
    Finding,
    FindingRaised,
    Rung,
    RunStarted,
)
from dualwatch.remedies.decide import Tried
from dualwatch.report.run.summary import AttemptRecord
from dualwatch.rules import ranking
from dualwatch.state.snapshot import Snapshot, advance


@dataclass(slots=True)
class Restored:
    """A run, as far as its journal tells.

    Attributes:
        snapshot: Of the newest attempt.
        findings: Of the newest attempt.
        tried: Reruns so far, oldest first.
        rung: The remedy under which the newest attempt was started, None for the user's own.
        records: The attempts that are over.
    """

    started: RunStarted | None = None
    snapshot: Snapshot = field(default_factory=Snapshot)
    findings: list[Finding] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    rung: Rung | None = None
    records: list[AttemptRecord] = field(default_factory=list)


def of_journal(facts: Iterable[Fact], summary: Path) -> Restored:
    """Folds a journal of one run.

    Args:
        summary: ``summary.json`` of the same run, which alone knows what an attempt lost.
    """
    run = Restored()
    lost = lost_iterations(summary)
    pending: Rung | None = None
    for fact in facts:
        run.snapshot = advance(run.snapshot, fact)
        if isinstance(fact, RunStarted):
            run.started = run.started or fact
        elif isinstance(fact, AttemptStarted):
            run.findings, run.rung = [], pending
        elif isinstance(fact, FindingRaised):
            run.findings.append(fact.finding)
        elif isinstance(fact, Decided) and fact.action == Action.RERUN.value:
            run.tried.append(Tried(cause=fact.cause, rung=fact.rung))
            pending = _rung(fact)
        elif isinstance(fact, AttemptEnded):
            run.records.append(_record(run, fact, lost.get(fact.attempt, 0)))
    return run


def _rung(fact: Decided) -> Rung:
    return Rung(
        name=fact.rung,
        changes=fact.changes,
        stretch=fact.stretch,
        environment=fact.environment,
        older_checkpoint=fact.older_checkpoint,
    )


def _record(run: Restored, fact: AttemptEnded, lost: int) -> AttemptRecord:
    return AttemptRecord(
        snapshot=run.snapshot,
        findings=tuple(ranking.rank(run.findings)),
        ended_wall=fact.wall,
        lost_iterations=lost,
    )


def lost_iterations(summary: Path) -> dict[int, int]:
    """Attempt -> iterations that it lost; empty where no summary can be read."""
    try:
        attempts: Any = json.loads(summary.read_text(encoding="utf-8"))["attempts"]
        return {int(one["number"]): int(one["lost_iterations"]) for one in attempts}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
