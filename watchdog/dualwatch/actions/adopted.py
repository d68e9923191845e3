"""A training that dualwatch did not start: not a child, so its exit code stays unknown."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psutil

from dualwatch.actions import terminate


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedTraining:
    """A training that dualwatch did not start, identified by (pid, create time)."""

    pid: int
    create_time: float
    marker: str = ""
    job: None = None

    def is_over(self) -> bool:
        """Whether it has ended."""
        return not terminate.alive({(self.pid, self.create_time)})

    def exit_code(self) -> int | None:
        """None: only the parent learns it."""
        return None

    def wait(self, timeout: float) -> None:
        """Waits until it has ended, at most ``timeout`` seconds."""
        running = terminate.alive({(self.pid, self.create_time)})
        if running:
            with contextlib.suppress(psutil.Error):
                running[0].wait(timeout=timeout)
