"""Signals to dualwatch are stop_requests: they wake the loop, which stops the training in order."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

ONE_WISH = 0.3
"""Seconds within which several signals are one wish: a job system signals a whole group, and the
parent in that group passes it on as well."""


class StopRequests:
    """What the user asked for by signals, and the bell that wakes the loop."""

    def __init__(self) -> None:
        self.signals: list[int] = []
        self._heard_at = 0.0
        self._bell = threading.Event()

    @property
    def to_stop(self) -> bool:
        """Ctrl-C or SIGTERM came."""
        return bool(self.signals)

    @property
    def force(self) -> bool:
        """A second one came: no more grace."""
        return len(self.signals) > 1

    @property
    def terminated(self) -> bool:
        """SIGTERM was among them."""
        return signal.SIGTERM in self.signals

    def ring(self) -> None:
        """Wakes the loop; from any thread."""
        self._bell.set()

    def sleep(self, seconds: float) -> None:
        """Sleeps until the bell rings or the time is over."""
        self._bell.wait(seconds)
        self._bell.clear()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Takes SIGINT and SIGTERM, and gives the old handlers back."""

        def heard(number: int, frame: FrameType | None) -> None:
            now = time.monotonic()
            if not self.signals or now - self._heard_at > ONE_WISH:
                self.signals.append(number)
            self._heard_at = now
            self.ring()

        previous = {
            number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)
        }
        hang_up = getattr(signal, "SIGHUP", None)
        if hang_up is not None:
            # A connection that drops at night ends neither the training nor its supervision.
            previous[hang_up] = signal.signal(hang_up, signal.SIG_IGN)
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def name_of(exit_code: int | None) -> str | None:
    """Name of the signal that ended a process, None where none did."""
    if exit_code is None or exit_code >= 0:
        return None
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"
