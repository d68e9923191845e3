"""How long pauses usually take, by phase. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dualwatch.protocol import Phase

LOOPS = {
    Phase.WAITING: "train",
    Phase.STEP: "train",
    Phase.VAL_WAITING: "val",
    Phase.VAL_STEP: "val",
}


AFTER_MILESTONE = {
    "environment": Phase.STARTING,
    "config-dump": Phase.BUILDING,
    "hooks-listed": Phase.BUILDING_DATA,
    "annotations-loading": Phase.BUILDING_DATA,
    "weights-initialised": Phase.LOADING,
    "checkpoint-loaded": Phase.LOADING,
    "resumed": Phase.LOADING,
    "checkpoints-announced": Phase.WAITING,
    "run-announced": Phase.WAITING,
    "dataloader-advancing": Phase.WAITING,
    "results-computed": Phase.METRICS,
    "checkpoint-saving": Phase.SAVING,
    "best-checkpoint-saved": Phase.WAITING,
}
"""The phase of a training after a log line; for trainings without a heartbeat."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """Pauses between two signs of progress in one phase."""

    count: int = 0
    mean: float = 0.0
    longest: float = 0.0

    def with_gap(self, gap: float) -> Gaps:
        """These gaps and one more."""
        count = self.count + 1
        mean = self.mean + (gap - self.mean) / count
        return Gaps(count, mean, max(self.longest, gap))
