"""Requests the heartbeat URL while the training is observed alive."""

from __future__ import annotations

from collections.abc import Callable

from dualwatch.events import Event, ProcessesSampled
from dualwatch.state.snapshot import Snapshot

INTERVAL = 60.0
"""Seconds between two requests, at least."""


class AliveView:
    """A view that asks for a request after a sample of the processes that holds a living one.

    A sample that could not be taken is no event, and one without a living process asks for nothing:
    both are silence at the other end. A stalled training is alive; ``--notify`` reports stalls.

    Args:
        shown: The address, masked.
        request: Asks for one request.
        trouble: Returns why requests fail, once.
        unseen: Records that they fail.
    """

    def __init__(
        self,
        shown: str,
        request: Callable[[], None],
        trouble: Callable[[], str | None],
        unseen: Callable[[str, str], None],
    ) -> None:
        self._shown = shown
        self._request = request
        self._trouble = trouble
        self._unseen = unseen
        self._next = float("-inf")

    def event(self, event: Event, snapshot: Snapshot) -> None:
        """Asks for a request, at most once a minute."""
        if not isinstance(event, ProcessesSampled) or event.at < self._next:
            return
        if any(process.status != "zombie" for process in event.processes):
            self._next = event.at + INTERVAL
            self._request()

    def tick(self, snapshot: Snapshot) -> None:
        """Reports that requests fail, once."""
        why = self._trouble()
        if why is not None:
            self._unseen(f"request of {self._shown}", why)

    def note(self, text: str) -> None:
        """Ignored: notes are for a terminal."""

    def close(self) -> None:
        """Nothing to end: silence is what the other end waits for."""
