"""``summary.json``: a run in one document, folded from its events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dualwatch.core.files import write_atomically
from dualwatch.core.json_codec import plain
from dualwatch.events import RunEnded, RunStarted, journal
from dualwatch.history.run import AttemptHistory


def build(
    started: RunStarted,
    command: Sequence[str],
    attempts: Sequence[AttemptHistory],
    ended: RunEnded | None,
) -> dict[str, Any]:
    """The document; ``outcome`` and ``exit_code`` are None while the run is in progress."""
    metrics: dict[str, float] = {}
    for record in attempts:
        metrics |= {name: m.value for name, m in record.snapshot.metrics.items()}
    return {
        "schema_version": journal.SCHEMA_VERSION,
        "outcome": ended.outcome if ended is not None else None,
        "exit_code": ended.exit_code if ended is not None else None,
        "config": started.config,
        "script": started.script,
        "command": list(command),
        "started": started.wall,
        "ended": ended.wall if ended is not None else None,
        "required_metrics": list(started.required_metrics),
        "attempts": [_attempt(record) for record in attempts],
        "metrics": plain(metrics),
    }


def _attempt(record: AttemptHistory) -> dict[str, Any]:
    s = record.snapshot
    assert s.started is not None
    return {
        "number": s.started.attempt,
        "started": s.started.wall,
        "ended": record.ended_wall,
        "pid": s.started.pid,
        "exit_code": s.ended.exit_code if s.ended is not None else None,
        "signal": s.ended.signal if s.ended is not None else None,
        "overrides": s.started.overrides,
        "resumed_from": s.started.resumed_from,
        "first_iteration": s.first_iteration,
        "last_iteration": s.last_iteration,
        "rescued": s.replaced,
        "lost_iterations": record.lost_iterations or 0,
        "findings": [plain(finding) for finding in record.ranked],
    }


def write(path: Path, document: dict[str, Any]) -> None:
    """Writes ``summary.json``."""
    text = json.dumps(document, indent=1, ensure_ascii=False, default=str)
    write_atomically(path, f"{text}\n".encode())
