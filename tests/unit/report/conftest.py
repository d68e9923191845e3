"""Facts of a small run, and the views that show them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from dualwatch.events import AttemptStarted, Change, Event, Evidence, FindingRaised, Severity
from dualwatch.report.diagnosis import Diagnosis
from dualwatch.rules.catalog import finding
from dualwatch.state.snapshot import Snapshot, advance

EPOCH = 1_700_000_000.0


class Teller:
    """Shows events to a view, each with the snapshot that includes it."""

    def __init__(self, view: Any) -> None:
        self.view = view
        self.events: list[Event] = []
        self.snapshot = Snapshot()
        self.t = 0.0

    def tell(self, kind: type[Event], /, **fields: Any) -> Teller:
        event = kind(at=self.t, wall=EPOCH + self.t, **fields)
        self.events.append(event)
        self.snapshot = advance(self.snapshot, event)
        self.view.event(event, self.snapshot)
        return self

    def wait(self, seconds: float) -> Teller:
        """Time passes; the view may say that it is alive."""
        self.t += seconds
        self.snapshot = replace(self.snapshot, at=self.t, wall=EPOCH + self.t)
        self.view.tick(self.snapshot)
        return self

    def started(self, attempt: int = 0, **fields: Any) -> Teller:
        known = {
            "attempt": attempt,
            "pid": 100,
            "create_time": 1.0,
            "command": ("python", "train.py"),
            "overrides": {},
        }
        return self.tell(AttemptStarted, **{**known, **fields})

    def found(self, code: str, *texts: str, severity: Severity | None = None) -> Teller:
        evidence = [Evidence(text=text, source="console.log", wall=EPOCH) for text in texts]
        raised = finding(code, evidence, confidence=0.9, severity=severity, attempt=0)
        return self.tell(FindingRaised, finding=raised)


DEADLOCK = Path(__file__).parent / "documents" / "deadlock.json"


def diagnosis_of(document: dict[str, Any]) -> Diagnosis:
    """A published document as its type; what it lacks has its default."""
    config = document.get("config")
    if config is not None:
        config = {"loader_name": "train_dataloader", **config}
        document = {**document, "config": {**config, "loader": config.pop("train_dataloader")}}
    return msgspec.convert(document, Diagnosis)


@pytest.fixture
def deadlock() -> Diagnosis:
    """The diagnosis of a deadlock, everything in it."""
    return diagnosis_of(json.loads(DEADLOCK.read_text(encoding="utf-8")))


@pytest.fixture
def telling() -> Callable[[Any], Teller]:
    """Makes the teller of a view."""
    return Teller


@pytest.fixture
def change() -> Change:
    return Change(key="train_dataloader.num_workers", before=2, after=0, why="no worker can block")


# Rich markup, colours, a window title, a bell, a cursor movement, C1, and a direction override.
HOSTILE = "[bold]x[/bold] [red \x1b[31mred\x1b[0m \x1b]0;owned\x07 \r\x08 \x9b2J \u202e\x00 \n2"


@pytest.fixture
def hostile() -> str:
    """Text as a hostile or broken training could print it."""
    return HOSTILE


def _is_tame(text: str) -> bool:
    """Whether a terminal would show the text and do nothing else."""
    return all(character.isprintable() or character in "\n\t" for character in text)


@pytest.fixture
def is_tame() -> Callable[[str], bool]:
    return _is_tame


@pytest.fixture
def utc(monkeypatch) -> Iterator[None]:
    """Makes UTC the time zone of this process; skips where a process cannot choose it."""
    if not hasattr(time, "tzset"):
        if time.timezone:
            pytest.skip("the expected moments are UTC's, and Windows has the machine's time zone")
        yield
        return
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
