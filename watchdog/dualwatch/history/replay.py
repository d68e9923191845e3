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
    Event,
    Finding,
    FindingRaised,
    RerunStep,
    RunStarted,
    TriedStep,
)
from dualwatch.history.attempt_record import AttemptRecord
from dualwatch.rules import ranking
from dualwatch.state.snapshot import Snapshot, advance


@dataclass(slots=True)
class ReplayedRun:
    """A run, as far as its journal tells.

    Attributes:
        snapshot: Of the newest attempt.
        findings: Of the newest attempt.
        tried: Reruns so far, oldest first.
        step: The remedy under which the newest attempt was started, None for the user's own.
        records: The attempts that are over.
    """

    started: RunStarted | None = None
    snapshot: Snapshot = field(default_factory=Snapshot)
    findings: list[Finding] = field(default_factory=list)
    tried: list[TriedStep] = field(default_factory=list)
    step: RerunStep | None = None
    records: list[AttemptRecord] = field(default_factory=list)


def replay_journal(events: Iterable[Event], summary: Path) -> ReplayedRun:
    """Folds a journal of one run.

    Args:
        summary: ``summary.json`` of the same run, which alone knows what an attempt lost.
    """
    run = ReplayedRun()
    lost = lost_iterations(summary)
    pending: RerunStep | None = None
    for event in events:
        run.snapshot = advance(run.snapshot, event)
        if isinstance(event, RunStarted):
            run.started = run.started or event
        elif isinstance(event, AttemptStarted):
            run.findings, run.step = [], pending
        elif isinstance(event, FindingRaised):
            run.findings.append(event.finding)
        elif isinstance(event, Decided) and event.action == Action.RERUN.value:
            run.tried.append(TriedStep(cause=event.cause, step=event.step))
            pending = _rung(event)
        elif isinstance(event, AttemptEnded):
            run.records.append(_record(run, event, lost.get(event.attempt, 0)))
    return run


def _rung(event: Decided) -> RerunStep:
    return RerunStep(
        name=event.step,
        changes=event.changes,
        stretch=event.stretch,
        environment=event.environment,
        older_checkpoint=event.older_checkpoint,
    )


def _record(run: ReplayedRun, event: AttemptEnded, lost: int) -> AttemptRecord:
    return AttemptRecord(
        snapshot=run.snapshot,
        findings=tuple(ranking.rank(run.findings)),
        ended_wall=event.wall,
        lost_iterations=lost,
    )


def lost_iterations(summary: Path) -> dict[int, int]:
    """Attempt -> iterations that it lost; empty where no summary can be read."""
    try:
        attempts: Any = json.loads(summary.read_text(encoding="utf-8"))["attempts"]
        return {int(one["number"]): int(one["lost_iterations"]) for one in attempts}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
