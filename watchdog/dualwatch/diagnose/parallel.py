"""Runs collectors in parallel, each with a time limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Collector:
    """One question.

    Attributes:
        ask: Returns the answer; an exception means not observed.
        limit: Seconds from the common start.
    """

    ask: Callable[[], Any]
    limit: float


class Once(Generic[Answer]):
    """An answer that several ask for at the same time; the first one who does works it out."""

    def __init__(self, ask: Callable[[], Answer]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._answers: list[Answer] = []

    def get(self) -> Answer:
        with self._lock:
            if not self._answers:
                self._answers.append(self._ask())
            return self._answers[0]


def collect(
    collectors: Mapping[str, Collector],
    collected: Callable[[str], None] = lambda name: None,
    *,
    one_by_one: bool = False,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Answers by name, and for those without one the reason.

    The threads are daemons: one that sits in a driver or on a dead network folder is left behind.

    Args:
        collected: Called with the name of each collector that is done, for a display.
        one_by_one: Let each wait for the one before it, in the order given.
    """
    answers: dict[str, Any] = {}
    failures: dict[str, str] = {}
    threads: dict[str, threading.Thread] = {}
    lock = threading.Lock()

    def work(name: str, ask: Callable[[], Any]) -> None:
        try:
            answer = ask()
        except Exception as error:
            with lock:
                failures[name] = f"failed: {type(error).__name__}: {error}"
        else:
            with lock:
                answers[name] = answer
        collected(name)

    start = time.monotonic()
    for name, collector in collectors.items():
        threads[name] = threading.Thread(
            target=work, args=(name, collector.ask), name=f"collect-{name}", daemon=True
        )
        threads[name].start()
        if one_by_one:
            threads[name].join(collector.limit)
    for name, collector in collectors.items():
        threads[name].join(max(0.0, start + collector.limit - time.monotonic()))
    with lock:
        # A late answer must not be added while they are read.
        late = set(collectors) - set(answers) - set(failures)
        given = dict(answers)
        reasons = dict(failures)
    reasons |= {name: f"no answer within {collectors[name].limit:g} s" for name in late}
    return given, reasons
