"""A stranger's input and the truth about it.

The truth is what an expert would say who has nothing but the input. It is typed: codes, exit codes,
places, ids of checks. Where a fact has no field of its own, a number or a name is looked for in the
evidence of the cause, never a sentence.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class Kind(str, enum.Enum):
    """The kinds of input that a stranger's trainings bring."""

    ALL_CLEAR = "A"
    ENDED_BY = "B"
    CONSEQUENCE = "C"
    FINISHED = "D"
    SINCE_WHEN = "E"
    PHASE = "F"
    ELSEWHERE = "G"
    RECORDS = "H"
    CONFIG = "I"
    BUNDLE = "J"
    SPEED = "K"


TITLES = {
    Kind.ALL_CLEAR: "told that all is well when it is not",
    Kind.ENDED_BY: "who ended it is written there",
    Kind.CONSEQUENCE: "the consequence is named, not the cause",
    Kind.FINISHED: "finished or not",
    Kind.SINCE_WHEN: "since when: NaN, divergence",
    Kind.PHASE: "phase and clock",
    Kind.ELSEWHERE: "this machine as evidence for another one's log",
    Kind.RECORDS: "records without a log, several starts",
    Kind.CONFIG: "configurations that cannot train",
    Kind.BUNDLE: "names left in the bundle",
    Kind.SPEED: "speed",
}


class Outcome(str, enum.Enum):
    """What can be said of the newest start."""

    FINISHED = "finished"
    UNDECIDED = "undecided"
    DEAD = "dead"
    TESTED = "tested"
    """A test run, no training."""
    CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What must be answered.

    Attributes:
        cause: Codes of which one must be named first; empty where no cause may be named.
        exit: Exit codes of ``diagnose`` that are right.
        check_exit: Exit codes of ``check`` that are right.
        place: Epoch and iteration of the last training line.
        phases: Words of ``protocol.Phase``, one of which is right; empty for any.
        may: Codes that may be named, and need not be.
        also: Codes that must be among the findings.
        never: Codes that may not be among the findings.
        facts: Patterns in evidence or remedy of the cause, or in a check that fails: numbers and
            names of the input.
        untrue: Patterns that may be in no evidence, no remedy, and in no name of a folder.
        fails: Ids of checks that must fail or warn.
        spared: Ids of checks that may not fail.
        unpassed: Ids of checks that may not pass.
        mild: Whether the cause may not be severe; then it may also be a finding that is no cause.
        hidden: Words that may be in no file of the redacted bundle.
    """

    outcome: Outcome
    cause: tuple[str, ...] = ()
    exit: tuple[int, ...]
    check_exit: tuple[int, ...]
    place: tuple[int | None, int | None] | None = None
    phases: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    untrue: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    unpassed: tuple[str, ...] = ()
    mild: bool = False
    hidden: tuple[str, ...] = ()


Place = tuple[int | None, int | None]


def dead(*cause: str, place: Place | None = None, **more: Any) -> Truth:
    """It died of one of these causes, and both commands report it."""
    return Truth(outcome=Outcome.DEAD, cause=cause, exit=(1,), check_exit=(1,), place=place, **more)


def finished(*, place: Place | None = None, **more: Any) -> Truth:
    """It trained to its end, and nothing is wrong."""
    return Truth(outcome=Outcome.FINISHED, exit=(0,), check_exit=(0,), place=place, **more)


def flawed(*cause: str, place: Place | None = None, **more: Any) -> Truth:
    """It trained to its end, and something is wrong with the result, be it mild."""
    return Truth(
        outcome=Outcome.FINISHED, cause=cause, exit=(1,), check_exit=(1,), place=place, **more
    )


def open_end(*, place: Place | None = None, **more: Any) -> Truth:
    """Crashed, hung or still running elsewhere: not decidable, and nothing else is wrong."""
    return Truth(outcome=Outcome.UNDECIDED, exit=(3,), check_exit=(0, 3), place=place, **more)


def ailing(*cause: str, place: Place | None = None, **more: Any) -> Truth:
    """How it ended is not decidable; what is wrong until there is."""
    return Truth(
        outcome=Outcome.UNDECIDED, cause=cause, exit=(1,), check_exit=(1,), place=place, **more
    )


def tested(**more: Any) -> Truth:
    """A test run that came to its end."""
    return Truth(outcome=Outcome.TESTED, exit=(0,), check_exit=(0, 3), **more)


def configured(**more: Any) -> Truth:
    """A configuration that can be trained."""
    return Truth(outcome=Outcome.CONFIGURATION, exit=(0, 3), check_exit=(0,), **more)


def suspect(**more: Any) -> Truth:
    """A configuration with something that a check must at least warn of."""
    return Truth(outcome=Outcome.CONFIGURATION, exit=(0, 1, 3), check_exit=(0, 1), **more)


def unfit(*cause: str, check: tuple[int, ...] = (1, 2), **more: Any) -> Truth:
    """A configuration that cannot be trained, or trains something else than was meant."""
    return Truth(outcome=Outcome.CONFIGURATION, cause=cause, exit=(1,), check_exit=check, **more)


Files = Mapping[str, str | bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One input.

    Attributes:
        files: Path in its folder -> contents, made when asked for.
        target: Path in its folder that the command is given; "" for the folder itself.
        old: Path -> days by which its modification time is set back.
        twin: Whether it is sound: the healthy form of the case of the same name before " / ".
        needs: Modules of the training's Python without which it cannot be asked.
        light: Whether the training's Python is said to be one without any framework.
    """

    name: str
    kind: Kind
    files: Callable[[], Files]
    target: str
    truth: Truth
    old: Mapping[str, float] = field(default_factory=dict)
    twin: bool = False
    needs: tuple[str, ...] = ()
    light: bool = False


def pair(
    kind: Kind,
    name: str,
    *,
    sick: Callable[[], str | bytes],
    truth: Truth,
    sound: Callable[[], str | bytes],
    health: Truth,
    file: str = "train.txt",
) -> tuple[Case, Case]:
    """A case of one file and its sound twin."""
    return (
        Case(name=name, kind=kind, files=lambda: {file: sick()}, target=file, truth=truth),
        Case(
            name=f"{name} / sound",
            kind=kind,
            files=lambda: {file: sound()},
            target=file,
            truth=health,
            twin=True,
        ),
    )
