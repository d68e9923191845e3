"""Calls with a time limit, for what may hang in a driver or on a dead network drive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class TimedCall:
    """Calls functions in a daemon thread, one at a time, each with a time limit.

    A call that is late is left behind; until it returns, every further one fails at once, so that
    hanging threads do not pile up.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._late: threading.Thread | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether an earlier call has not returned yet."""
        return self._late is not None and self._late.is_alive()

    def __call__(self, ask: Callable[[], T], seconds: float) -> T:
        """The answer, or the exception of ``ask``.

        Raises:
            TimeoutError: It did not come in time, or an earlier call still hangs.
        """
        if self.is_stuck:
            raise TimeoutError
        answers: list[T] = []
        failures: list[BaseException] = []

        def work() -> None:
            try:
                answers.append(ask())
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work, name=self._name, daemon=True)
        thread.start()
        thread.join(seconds)
        if failures:
            raise failures[0]
        if not answers:
            self._late = thread
            raise TimeoutError
        return answers[0]
