"""What is known of a training from its files: our journal of it, or the log of any other one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dualwatch.core.clock import Moment
from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    ConsoleGrew,
    Fact,
    Finding,
    FindingRaised,
    IterationLogged,
    RunEnded,
    RunStarted,
    journal,
)
from dualwatch.frameworks.mmengine.logs.scalars_file import Scalars
from dualwatch.history.training_record import Course

KEPT = 20_000
"""Rows that are folded; of a longer file the newest, and all that is no training row."""

SAME_CLOCK_S = 5.0


@dataclass(slots=True)
class Roll:
    """What a journal says of a whole run, over all its attempts.

    Attributes:
        raised: Findings that the journal holds of the newest attempt.
        earlier: Findings of the attempts before it, which were overcome or not.
        course: Of all its attempts.
        run: How the run was started and how it ended, where dualwatch supervised it.
    """

    raised: list[Finding] = field(default_factory=list)
    earlier: list[Finding] = field(default_factory=list)
    course: Course = field(default_factory=Course)
    run: RunStarted | None = None
    run_ended: RunEnded | None = None

    def take(self, fact: Fact) -> None:
        """One more fact, in the order of time."""
        self.course.take(fact)
        if isinstance(fact, RunStarted):
            self.run = fact
        elif isinstance(fact, RunEnded):
            self.run_ended = fact
        elif isinstance(fact, FindingRaised):
            self.raised.append(fact.finding)
        elif isinstance(fact, AttemptStarted):
            self.earlier += self.raised
            self.raised = []


@dataclass(slots=True)
class Past(Roll):
    """The same with the facts of the newest attempt, oldest first, ``at`` on our own clock."""

    facts: list[Fact] = field(default_factory=list)

    @property
    def has_ended(self) -> bool:
        """Whether the end of the newest attempt is on record."""
        return any(isinstance(fact, AttemptEnded) for fact in self.facts)


def of_journal(path: Path, now: Moment) -> Past:
    """The newest attempt of a supervised run."""
    past = Past()
    for told in journal.read(path, journal.newest(path, RunStarted)):
        fact = _on_our_clock(told, now)
        past.take(fact)
        if isinstance(fact, AttemptStarted):
            past.facts = [fact]
        elif not isinstance(fact, (RunStarted, RunEnded, FindingRaised)):
            past.facts.append(fact)
    return past


def of_log(
    facts: Sequence[Fact], now: Moment, started: AttemptStarted, begun: float | None = None
) -> list[Fact]:
    """The facts of a log as those of an attempt: when it moved is when it logged.

    Args:
        facts: As the reader of logs gives them, with the wall times of their lines.
        started: Who trains; a log says nothing of it.
        begun: Wall time of the log's first stamp, which may be of a line that is no fact.
    """
    first = facts[0].wall if facts else started.wall
    wall = min(first, started.wall, begun if begun is not None else first)
    shifted = [replace(fact, at=_at(fact.wall, now)) for fact in facts]
    return [replace(started, at=_at(wall, now), wall=wall), *_with_growth(shifted)]


def of_scalars(path: Path) -> list[Fact]:
    """The facts of a ``scalars.json``, whose rows have no times: that of the file stands for them.

    Raises:
        OSError: It cannot be read.
    """
    rows, modified = Scalars(path), path.stat().st_mtime
    facts: list[Fact] = []
    while more := rows.poll(0.0, modified):
        facts += more
    return _thin(facts)


def since(facts: Iterable[Fact], wall: float) -> list[Fact]:
    """Facts that are newer than a wall time."""
    return [fact for fact in facts if fact.wall > wall]


def _thin(facts: Sequence[Fact]) -> list[Fact]:
    """Bounds the work of folding: a million rows tell no more than the newest of them."""
    lines = sum(isinstance(fact, IterationLogged) for fact in facts)
    to_drop = max(0, lines - KEPT)
    kept: list[Fact] = []
    for fact in facts:
        if to_drop > 0 and isinstance(fact, IterationLogged):
            to_drop -= 1
            continue
        kept.append(fact)
    return kept


def _with_growth(facts: Sequence[Fact]) -> Iterator[Fact]:
    """Every line is a sign of life of a training that has no heartbeat."""
    for number, fact in enumerate(facts, start=1):
        yield fact
        if number == len(facts) or facts[number].wall > fact.wall:
            yield ConsoleGrew(at=fact.at, wall=fact.wall, lines=number, last_line="")


def _on_our_clock(fact: Fact, now: Moment) -> Fact:
    """A monotonic time means something on the machine and the boot that it was read on only."""
    at = _at(fact.wall, now)
    return fact if abs(fact.at - at) < SAME_CLOCK_S else replace(fact, at=at)


def _at(wall: float, now: Moment) -> float:
    return now.at - (now.wall - wall)
