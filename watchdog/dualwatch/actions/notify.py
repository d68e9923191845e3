"""Tells people who are not there: messages by apprise, from threads that nobody waits for.

Each address has a thread and a short queue of its own, so that a server which is slow, refuses or
never answers delays neither the run nor the other addresses.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
from collections.abc import Sequence
from typing import Any

from dualwatch.core import clock
from dualwatch.core.errors import DualwatchError
from dualwatch.core.text import clean
from dualwatch.core.urls import masked

PATIENCE = 10.0
"""Seconds that the last messages of a run may take to go out."""

WAITING = 50
"""Messages that wait for one address at most; what comes then is lost, and said to be."""

WHY_LENGTH = 200

_LOGGER = "apprise"


class _Reasons(logging.Handler):
    """Keeps what apprise last complained of in each thread: it tells no caller why it failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """A complaint; nothing of it goes to the terminal."""
        self.last[threading.get_ident()] = record.getMessage()


class _Address:
    """One place that messages go to."""

    def __init__(self, url: str, apprise: Any, reasons: _Reasons) -> None:
        self.shown = masked(url)
        self.trouble: str | None = None
        self._url = url
        self._apprise = apprise
        self._reasons = reasons
        self._queue: queue.Queue[tuple[str, str, str] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._work, name="dualwatch-notify", daemon=True)
        self._thread.start()

    def put(self, message: tuple[str, str, str] | None) -> None:
        """Hands over a message; None for the last."""
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self._complain(f"{WAITING} messages wait already; later ones are lost")

    def wait(self, seconds: float) -> None:
        """Waits until all is sent, a bounded time."""
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            self._complain("no answer before the end of the run")

    def _work(self) -> None:
        while (message := self._queue.get()) is not None:
            title, body, kind = message
            self._reasons.last.pop(threading.get_ident(), None)
            try:
                sent = self._apprise.notify(
                    body=body, title=title, notify_type=kind, body_format="text"
                )
            except Exception as error:  # Whatever a plugin does, the run goes on.
                self._complain(f"{type(error).__name__}: {error}")
                continue
            if not sent:
                heard = self._reasons.last.get(threading.get_ident(), "")
                self._complain(heard or "the message was not taken")

    def _complain(self, why: str) -> None:
        if self.trouble is None:  # The first is told; the next hundred say the same.
            self.trouble = clean(_without_secrets(why, self._url, self.shown), WHY_LENGTH)


class Notifier:
    """Brings messages to all addresses; never waits, never raises."""

    def __init__(self, addresses: Sequence[_Address]) -> None:
        self._addresses = addresses
        self._told: set[str] = set()

    def send(self, title: str, body: str, kind: str) -> None:
        """Hands a message over.

        Args:
            kind: apprise's word: "info", "success", "warning" or "failure".
        """
        for address in self._addresses:
            address.put((title, body, kind))

    def troubles(self) -> list[tuple[str, str]]:
        """Addresses that failed and were not yet told, masked, each with its reason."""
        fresh = [
            (address.shown, address.trouble)
            for address in self._addresses
            if address.trouble is not None and address.shown not in self._told
        ]
        self._told |= {shown for shown, _ in fresh}
        return fresh

    def close(self, patience: float = PATIENCE) -> None:
        """Lets the last messages go out; an impatient Ctrl-C ends the waiting."""
        for address in self._addresses:
            address.put(None)
        end = clock.now().at + patience
        try:
            for address in self._addresses:
                address.wait(end - clock.now().at)
        except KeyboardInterrupt:
            return


def notifier(urls: Sequence[str], source: str) -> Notifier | None:
    """The notifier for some URLs, None where there are none.

    Args:
        source: Where the URLs came from, for the error.

    Raises:
        DualwatchError: apprise is not installed, or does not understand one of them.
    """
    if not urls:
        return None
    try:
        import apprise
    except ImportError:
        raise DualwatchError(
            "notifications are sent by apprise, which is not installed",
            why=f"{len(urls)} to send to, from {source}",
            do="pip install 'dualwatch[notify]', or go without --notify",
        ) from None
    reasons = _Reasons()
    logger = logging.getLogger(_LOGGER)
    logger.handlers, logger.propagate = [reasons], False
    asset = _asset(apprise)
    services = {url: apprise.Apprise.instantiate(url, asset=asset) for url in urls}
    refused = [url for url, service in services.items() if service is None]
    if refused:
        raise DualwatchError(
            "a notification URL is not understood",
            why="\n".join(f"{masked(url)} (from {source}): {_why_refused(url)}" for url in refused),
            do="write it as https://github.com/caronc/apprise/wiki lists it; nothing was started",
        )
    addresses = []
    for url, service in services.items():
        carrier = apprise.Apprise(asset=asset)
        carrier.add(service)
        addresses.append(_Address(url, carrier, reasons))
    return Notifier(addresses)


def _asset(apprise: Any) -> Any:
    words: dict[str, Any] = {"app_id": "dualwatch", "app_desc": "dualwatch", "async_mode": False}
    try:
        # With a time limit of its own, it works in threads that Python waits for at its end.
        return apprise.AppriseAsset(**words, service_timeout=0)
    except (AttributeError, TypeError):
        return apprise.AppriseAsset(**words)  # An older one has none.


def _why_refused(url: str) -> str:
    scheme = url.partition("://")[0].lower()
    if scheme in ("http", "https"):
        return f"a webhook is written json{scheme[4:]}://HOST/PATH"
    return "apprise knows no such service, or a part of the URL is missing or wrong"


def _without_secrets(text: str, url: str, shown: str) -> str:
    """What a service said of its failure, without any part of its URL that is not shown."""
    parts = {part for part in re.split(r"[/:@?&=#,]+", url) if len(part) >= 4}
    for part in sorted(parts, key=len, reverse=True):
        if part not in shown:
            text = text.replace(part, "***")
    return text
