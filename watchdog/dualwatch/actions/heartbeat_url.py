"""Requests a URL by GET while a run is alive, from a background thread: a dead-man's switch.

The service at the other end raises the alarm when the requests stop. A server that is slow or gone
delays nothing: a request that is due while another is under way is left out.
"""

from __future__ import annotations

import queue
import threading
import urllib.error
import urllib.request

from dualwatch import __version__
from dualwatch.core.errors import DualwatchError
from dualwatch.core.text import clean
from dualwatch.core.urls import masked, without_secrets

TIMEOUT = 10.0
"""Seconds for one request."""

WHY_LENGTH = 200


class HeartbeatUrl:
    """One address and its thread; never waits, never raises."""

    def __init__(self, url: str) -> None:
        self.shown = masked(url)
        self._url = url
        self._trouble: str | None = None
        self._was_given = False
        self._due: queue.Queue[bool] = queue.Queue(1)
        self._thread = threading.Thread(target=self._work, name="dualwatch-heartbeat", daemon=True)
        self._thread.start()

    def request(self) -> None:
        """Asks for a request now."""
        try:
            self._due.put_nowait(True)
        except queue.Full:
            return

    def trouble(self) -> str | None:
        """Why the first request failed that did, given once."""
        if self._trouble is None or self._was_given:
            return None
        self._was_given = True
        return self._trouble

    def _work(self) -> None:
        wanted = urllib.request.Request(
            self._url, headers={"User-Agent": f"dualwatch/{__version__}"}
        )
        while self._due.get():
            try:
                with urllib.request.urlopen(wanted, timeout=TIMEOUT) as answer:
                    answer.read(1)
            except Exception as error:  # http.client and ssl raise many types.
                if self._trouble is None:
                    why = without_secrets(_why(error), self._url)
                    self._trouble = clean(why, WHY_LENGTH)


def _why(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    reason = getattr(error, "reason", None) or error
    return f"{type(reason).__name__}: {reason}"


def heartbeat_url(url: str | None, source: str) -> HeartbeatUrl | None:
    """The requester of a URL, None without one.

    Args:
        source: Where the URL came from, for the error.

    Raises:
        DualwatchError: It cannot be requested.
    """
    if url is None:
        return None
    try:
        urllib.request.Request(url).host.encode("ascii")
    except (ValueError, UnicodeError, AttributeError):
        raise DualwatchError(
            "the heartbeat URL is not valid",
            why=f"{masked(url)} (from {source})",
            do="use https://HOST/PATH; nothing was started",
        ) from None
    return HeartbeatUrl(url)
