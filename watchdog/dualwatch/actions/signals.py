"""Turns signals into requests to stop, which wake the loop."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

from dualwatch.actions import console_close
from dualwatch.actions.console_close import ConsoleEnd

ONE_REQUEST = 0.3
"""Seconds within which several signals are one request: a job system signals a whole group, and the
parent in that group passes its signal on as well."""


class StopRequests:
    """The signals received, and the event that wakes the loop.

    Attributes:
        console_end: What ended the console of Windows; None where it is there.
    """

    def __init__(self) -> None:
        self.signals: list[int] = []
        self.console_end: ConsoleEnd | None = None
        self._last_at = 0.0
        self._bell = threading.Event()

    @property
    def to_stop(self) -> bool:
        """Whether Ctrl-C or SIGTERM came."""
        return bool(self.signals)

    @property
    def force(self) -> bool:
        """Whether a second one came: no more grace."""
        return len(self.signals) > 1

    @property
    def terminated(self) -> bool:
        """Whether SIGTERM was among them, or Ctrl-Break, which programs of Windows send for it."""
        return bool({signal.SIGTERM, getattr(signal, "SIGBREAK", None)} & set(self.signals))

    @property
    def name(self) -> str:
        """What came, for people."""
        if self.console_end is not None:
            return self.console_end.words
        if signal.SIGTERM in self.signals:
            return "SIGTERM"
        return "Ctrl-Break" if self.terminated else "Ctrl-C (SIGINT)"

    def ring(self) -> None:
        """Wakes the loop; from any thread."""
        self._bell.set()

    def sleep(self, seconds: float) -> None:
        """Sleeps until woken, at most ``seconds``."""
        self._bell.wait(seconds)
        self._bell.clear()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Handles SIGINT, SIGTERM, Ctrl-Break and the end of the console, then restores."""

        def receive(number: int, frame: FrameType | None) -> None:
            now = time.monotonic()
            if not self.signals or now - self._last_at > ONE_REQUEST:
                self.signals.append(number)
            self._last_at = now
            self.ring()

        def console_ended(end: ConsoleEnd) -> None:
            self.console_end = end
            receive(signal.SIGTERM, None)

        numbers = (signal.SIGINT, signal.SIGTERM)
        with handled(numbers, receive), console_close.listening(console_ended):
            yield


@contextlib.contextmanager
def handled(
    numbers: Iterable[int], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Handles signals, and Ctrl-Break with them; ignores the end of the terminal; then restores."""
    numbers = [*numbers]
    if sys.platform == "win32":
        numbers.append(signal.SIGBREAK)
    previous = {number: signal.signal(number, handler) for number in numbers}
    hang_up = getattr(signal, "SIGHUP", None)
    if hang_up is not None:
        # A dropped connection ends neither the training nor its supervision.
        previous[hang_up] = signal.signal(hang_up, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def name_of(exit_code: int | None) -> str | None:
    """The name of the signal that ended a process, None without one."""
    if exit_code is None or exit_code >= 0:
        return None
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"
