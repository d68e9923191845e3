"""What is known of a training from its files: our journal of it, or the log of any other one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from dualwatch import frameworks
from dualwatch.core.clock import Moment
from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    ConsoleGrew,
    Event,
    Finding,
    FindingRaised,
    RunEnded,
    RunStarted,
    journal,
)
from dualwatch.history.training_record import TrainingRecord

KEPT = 20_000
"""Training rows that are folded, the newest: a million rows show no more than these."""

SAME_CLOCK_S = 5.0


@dataclass(slots=True)
class EventWindow:
    """What a journal says of a whole run, over all its attempts.

    Attributes:
        raised: Findings that the journal holds of the newest attempt.
        earlier: Findings of the attempts before it, which were overcome or not.
        course: Of all its attempts.
        run: How the run was started and how it ended, where dualwatch supervised it.
    """

    raised: list[Finding] = field(default_factory=list)
    earlier: list[Finding] = field(default_factory=list)
    course: TrainingRecord = field(default_factory=TrainingRecord)
    run: RunStarted | None = None
    run_ended: RunEnded | None = None

    def take(self, event: Event) -> None:
        """One more event, in the order of time."""
        self.course.take(event)
        if isinstance(event, RunStarted):
            self.run = event
        elif isinstance(event, RunEnded):
            self.run_ended = event
        elif isinstance(event, FindingRaised):
            self.raised.append(event.finding)
        elif isinstance(event, AttemptStarted):
            self.earlier += self.raised
            self.raised = []


@dataclass(slots=True)
class AttemptWindow(EventWindow):
    """The same with the events of the newest attempt, oldest first, ``at`` on our own clock."""

    events: list[Event] = field(default_factory=list)

    @property
    def has_ended(self) -> bool:
        """Whether the end of the newest attempt is on record."""
        return any(isinstance(event, AttemptEnded) for event in self.events)


def of_journal(path: Path, now: Moment) -> AttemptWindow:
    """The newest attempt of a supervised run."""
    past = AttemptWindow()
    for told in journal.read(path, journal.newest(path, RunStarted)):
        event = _on_our_clock(told, now)
        past.take(event)
        if isinstance(event, AttemptStarted):
            past.events = [event]
        elif not isinstance(event, (RunStarted, RunEnded, FindingRaised)):
            past.events.append(event)
    return past


def of_log(
    events: Sequence[Event], now: Moment, started: AttemptStarted, begun: float | None = None
) -> list[Event]:
    """The events of a log as those of an attempt: when it moved is when it logged.

    Args:
        events: As the reader of logs gives them, with the wall times of their lines.
        started: Who trains; a log says nothing of it.
        begun: Wall time of the log's first stamp, which may be of a line that is no event.
    """
    first = events[0].wall if events else started.wall
    wall = min(first, started.wall, begun if begun is not None else first)
    shifted = [replace(event, at=_at(event.wall, now)) for event in events]
    return [replace(started, at=_at(wall, now), wall=wall), *_with_growth(shifted)]


def of_scalars(path: Path) -> list[Event]:
    """The events of a ``scalars.json``, whose rows have no times: that of the file stands for them.

    Raises:
        OSError: It cannot be read.
    """
    return [event for one in frameworks.installed() for event in one.scalars(path, KEPT)]


def since(events: Iterable[Event], wall: float) -> list[Event]:
    """Facts that are newer than a wall time."""
    return [event for event in events if event.wall > wall]


def _with_growth(events: Sequence[Event]) -> Iterator[Event]:
    """Every line is a sign of life of a training that has no heartbeat."""
    for number, event in enumerate(events, start=1):
        yield event
        if number == len(events) or events[number].wall > event.wall:
            yield ConsoleGrew(at=event.at, wall=event.wall, lines=number, last_line="")


def _on_our_clock(event: Event, now: Moment) -> Event:
    """A monotonic time means something on the machine and the boot that it was read on only."""
    at = _at(event.wall, now)
    return event if abs(event.at - at) < SAME_CLOCK_S else replace(event, at=at)


def _at(wall: float, now: Moment) -> float:
    return now.at - (now.wall - wall)
