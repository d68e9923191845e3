"""A training that somebody else started: no child of ours, so that its exit code stays unknown."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psutil

from dualwatch.actions import terminate


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedTraining:
    """A training that we did not start. Its identity is (pid, create time)."""

    pid: int
    create_time: float
    marker: str = ""
    job: None = None

    def is_over(self) -> bool:
        """Whether it has ended."""
        return not terminate.alive({(self.pid, self.create_time)})

    def exit_code(self) -> int | None:
        """Told to its parent alone."""
        return None

    def wait(self, timeout: float) -> None:
        """Waits for its end, a bounded time."""
        running = terminate.alive({(self.pid, self.create_time)})
        if running:
            with contextlib.suppress(psutil.Error):
                running[0].wait(timeout=timeout)
