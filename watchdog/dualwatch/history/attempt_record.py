"""One attempt when it was over."""

from __future__ import annotations

from dataclasses import dataclass

from dualwatch.events import Finding
from dualwatch.state.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One attempt when it was over.

    Attributes:
        lost_iterations: Iterations of this attempt that no checkpoint held when it ended.
    """

    snapshot: Snapshot
    findings: tuple[Finding, ...]
    ended_wall: float | None
    lost_iterations: int = 0
