"""``summary.json``: a run in one document, folded from its events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from dualwatch.core.files import write_atomically
from dualwatch.core.json_codec import stored
from dualwatch.events import Finding, RunEnded, RunStarted, journal
from dualwatch.history.run import AttemptHistory
from dualwatch.history.withheld import WithheldDecision


class AttemptSummary(Struct, kw_only=True):
    """One attempt.

    Attributes:
        rescued: How often a stuck loader was replaced in place.
    """

    number: int
    started: float
    ended: float | None
    pid: int
    exit_code: int | None
    signal: str | None
    overrides: dict[str, Any]
    resumed_from: str | None
    first_iteration: int | None
    last_iteration: int | None
    rescued: int
    lost_iterations: int
    findings: tuple[Finding, ...]


class Summary(Struct, kw_only=True):
    """The document; ``outcome`` and ``exit_code`` are None while the run is not over.

    Attributes:
        metrics: The last value of each.
        would_have: What would have been done, had stalls not been reported only.
    """

    schema_version: int = journal.SCHEMA_VERSION
    outcome: str | None
    exit_code: int | None
    config: str
    script: str
    command: tuple[str, ...]
    started: float
    ended: float | None
    required_metrics: tuple[str, ...]
    attempts: list[AttemptSummary]
    metrics: dict[str, float]
    would_have: list[WithheldDecision]


def build(
    started: RunStarted,
    command: Sequence[str],
    attempts: Sequence[AttemptHistory],
    ended: RunEnded | None,
    withheld: Sequence[WithheldDecision] = (),
) -> Summary:
    """The summary of a run so far."""
    metrics: dict[str, float] = {}
    for record in attempts:
        metrics |= {name: m.value for name, m in record.snapshot.metrics.items()}
    return Summary(
        outcome=ended.outcome if ended is not None else None,
        exit_code=ended.exit_code if ended is not None else None,
        config=started.config,
        script=started.script,
        command=tuple(command),
        started=started.wall,
        ended=ended.wall if ended is not None else None,
        required_metrics=started.required_metrics,
        attempts=[_attempt(record) for record in attempts],
        metrics=metrics,
        would_have=list(withheld),
    )


def _attempt(record: AttemptHistory) -> AttemptSummary:
    s = record.snapshot
    assert s.started is not None
    return AttemptSummary(
        number=s.started.attempt,
        started=s.started.wall,
        ended=record.ended_wall,
        pid=s.started.pid,
        exit_code=s.ended.exit_code if s.ended is not None else None,
        signal=s.ended.signal if s.ended is not None else None,
        overrides=s.started.overrides,
        resumed_from=s.started.resumed_from,
        first_iteration=s.first_iteration,
        last_iteration=s.last_iteration,
        rescued=s.replaced,
        lost_iterations=record.lost_iterations or 0,
        findings=tuple(record.ranked),
    )


def write(path: Path, document: Summary) -> None:
    """Writes ``summary.json``."""
    write_atomically(path, stored(document))
