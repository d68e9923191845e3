"""Sends notifications through apprise, from background threads.

Each address has its own thread and bounded queue, so that a slow, refusing or silent server delays
neither the run nor the other addresses.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from typing import Any

from dualwatch.core import clock
from dualwatch.core.errors import DualwatchError
from dualwatch.core.text import clean
from dualwatch.core.urls import masked, without_secrets

PATIENCE = 10.0
"""Seconds for sending the last messages of a run."""

WAITING = 50
"""Messages queued per address; further ones are dropped, which is reported."""

WHY_LENGTH = 200

_LOGGER = "apprise"


class _Reasons(logging.Handler):
    """Keeps apprise's last log message of each thread: the reason of a failure."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Records a message; nothing goes to the terminal."""
        self.last[threading.get_ident()] = record.getMessage()


class _Address:
    """One address, with its thread and queue."""

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
        """Queues a message; None ends the thread."""
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self._complain(f"{WAITING} messages are queued already; later ones are dropped")

    def wait(self, seconds: float) -> None:
        """Waits until everything is sent, at most ``seconds``."""
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
            except Exception as error:  # A plug-in may raise anything.
                self._complain(f"{type(error).__name__}: {error}")
                continue
            if not sent:
                heard = self._reasons.last.get(threading.get_ident(), "")
                self._complain(heard or "the message was refused")

    def _complain(self, why: str) -> None:
        if self.trouble is None:  # Later ones repeat the first.
            self.trouble = clean(without_secrets(why, self._url), WHY_LENGTH)


class Notifier:
    """Sends messages to all addresses; never waits, never raises."""

    def __init__(self, addresses: Sequence[_Address]) -> None:
        self._addresses = addresses
        self._told: set[str] = set()

    def send(self, title: str, body: str, kind: str) -> None:
        """Queues a message.

        Args:
            kind: apprise's word: "info", "success", "warning" or "failure".
        """
        for address in self._addresses:
            address.put((title, body, kind))

    def troubles(self) -> list[tuple[str, str]]:
        """Addresses that failed since the last call, masked, each with its reason."""
        fresh = [
            (address.shown, address.trouble)
            for address in self._addresses
            if address.trouble is not None and address.shown not in self._told
        ]
        self._told |= {shown for shown, _ in fresh}
        return fresh

    def close(self, patience: float = PATIENCE) -> None:
        """Sends the remaining messages; Ctrl-C ends the wait."""
        for address in self._addresses:
            address.put(None)
        end = clock.now().at + patience
        try:
            for address in self._addresses:
                address.wait(end - clock.now().at)
        except KeyboardInterrupt:
            return


def notifier(urls: Sequence[str], source: str) -> Notifier | None:
    """The notifier of some URLs, None without any.

    Args:
        source: Where the URLs came from, for the error.

    Raises:
        DualwatchError: apprise is not installed, or one of them is not valid.
    """
    if not urls:
        return None
    try:
        import apprise
    except ImportError:
        raise DualwatchError(
            "apprise is not installed, which sends the notifications",
            why=f"notification URLs: {len(urls)}, from {source}",
            do="pip install 'dualwatch[notify]', or leave out --notify",
        ) from None
    reasons = _Reasons()
    logger = logging.getLogger(_LOGGER)
    logger.handlers, logger.propagate = [reasons], False
    asset = _asset(apprise)
    services = {url: apprise.Apprise.instantiate(url, asset=asset) for url in urls}
    refused = [url for url, service in services.items() if service is None]
    if refused:
        raise DualwatchError(
            "a notification URL is not valid",
            why="\n".join(f"{masked(url)} (from {source}): {_why_refused(url)}" for url in refused),
            do="use a form of https://github.com/caronc/apprise/wiki; nothing was started",
        )
    addresses = []
    for url, service in services.items():
        carrier = apprise.Apprise(asset=asset)
        carrier.add(service)
        addresses.append(_Address(url, carrier, reasons))
    return Notifier(addresses)


def _asset(apprise: Any) -> Any:
    words: dict[str, object] = {"app_id": "dualwatch", "app_desc": "dualwatch", "async_mode": False}
    try:
        # With its own time limit it would use threads that Python waits for at exit.
        return apprise.AppriseAsset(**words, service_timeout=0)
    except (AttributeError, TypeError):
        return apprise.AppriseAsset(**words)  # An older version.


def _why_refused(url: str) -> str:
    scheme = url.partition("://")[0].lower()
    if scheme in ("http", "https"):
        return f"for a webhook use json{scheme[4:]}://HOST/PATH"
    return "unknown service, or a part of the URL is missing or wrong"
