"""Compares an answer with the truth, field by field."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from tests.strangers.answers import Answer, holds
from tests.strangers.case import Case, Outcome, Truth

NOTES = "info"


class Grade(str, enum.Enum):
    """How good an answer is, best first; the last four for sick inputs only."""

    RIGHT = "right"
    PARTLY = "partly"
    WRONG = "wrong"
    MISSED = "missed"
    ALL_CLEAR = "false all-clear"
    CRASH = "crash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """A case, what was answered, and what is wrong with that.

    Attributes:
        faults: One line each: field, what it is, what it should be. Empty where all is right.
        accused: Whether something is held against it that is not so.
    """

    case: Case
    answer: Answer
    grade: Grade
    faults: tuple[str, ...] = ()
    accused: bool = False


def grade(case: Case, answer: Answer) -> Graded:
    """The case with its grade."""
    faults = _faults(case.truth, answer)
    return Graded(
        case=case,
        answer=answer,
        grade=_grade(case.truth, answer, faults),
        faults=tuple(faults),
        accused=bool(_accusations(case.truth, answer)),
    )


def _grade(truth: Truth, answer: Answer, faults: list[str]) -> Grade:
    if answer.crashed:
        return Grade.CRASH
    if not faults:
        return Grade.RIGHT
    if _clears(truth, answer):
        return Grade.ALL_CLEAR
    named = [
        cause for cause in answer.causes if cause.severity != NOTES and cause.code not in truth.may
    ]
    if truth.cause and not named:
        return Grade.MISSED
    if named and named[0].code not in truth.cause:
        return Grade.WRONG
    if answer.outcome is not truth.outcome and Outcome.DEAD in (answer.outcome, truth.outcome):
        return Grade.WRONG if answer.outcome is not Outcome.UNDECIDED else Grade.PARTLY
    return Grade.PARTLY


def _clears(truth: Truth, answer: Answer) -> bool:
    """Whether a command says that all is well when it is not."""
    if 0 not in truth.exit and answer.exit == 0:
        return True
    passed_its_end = answer.check_exit == 0 and answer.checks.get("alive") == "pass"
    unheard = truth.outcome is Outcome.CONFIGURATION and answer.check_exit == 0
    return 0 not in truth.check_exit and (passed_its_end or unheard)


def _accusations(truth: Truth, answer: Answer) -> list[str]:
    """What is held against an input though it is not so."""
    lines = [
        f"cause {cause.code}: {cause.text.splitlines()[0][:100]}"
        for cause in answer.causes
        if not truth.cause and cause.severity != NOTES and cause.code not in truth.may
    ]
    if answer.check_exit not in truth.check_exit and answer.check_exit in (1, 2):
        failed = ", ".join(sorted(answer.having("fail")))
        lines.append(f"check exits with {answer.check_exit}: {failed}")
    if answer.exit not in truth.exit and answer.exit in (1, 2):
        lines.append(f"diagnose exits with {answer.exit}")
    return lines


def _faults(truth: Truth, answer: Answer) -> list[str]:
    if answer.crashed:
        return [f"crash: {answer.crashed}"]
    faults = [] if truth.cause else _accusations(truth, answer)
    if answer.refused or answer.check_refused:
        faults.append(f"refused: {answer.refused or answer.check_refused}")
        return faults
    faults += _of_the_end(truth, answer)
    faults += _of_the_cause(truth, answer)
    faults += _of_the_checks(truth, answer)
    return faults


def _of_the_end(truth: Truth, answer: Answer) -> list[str]:
    faults = []
    if answer.outcome is not truth.outcome:
        faults.append(f"outcome {_name(answer.outcome)}, should be {truth.outcome.value}")
    if answer.exit not in truth.exit:
        faults.append(f"diagnose exits with {answer.exit}, should be {_any(truth.exit)}")
    if answer.check_exit not in truth.check_exit:
        faults.append(f"check exits with {answer.check_exit}, should be {_any(truth.check_exit)}")
    if truth.place is not None and answer.place != truth.place:
        faults.append(f"place {answer.place}, should be {truth.place}")
    if truth.phases and answer.phase not in truth.phases:
        faults.append(f"phase {answer.phase}, should be {_any(truth.phases)}")
    return faults


def _of_the_cause(truth: Truth, answer: Answer) -> list[str]:
    faults = []
    first = answer.first
    noted = truth.mild and any(one.code in truth.cause for one in answer.findings)
    if truth.cause and not noted and (first is None or first.code not in truth.cause):
        said = f"{first.code}: {first.text.splitlines()[0][:100]}" if first is not None else "none"
        faults.append(f"cause {said}, should be {_any(truth.cause)}")
    if truth.mild and first is not None and first.severe:
        faults.append(f"{first.code} is {first.severity}, should be milder")
    codes = {found.code for found in answer.findings} | {one.code for one in answer.causes}
    faults += [f"{code} is not among the findings" for code in truth.also if code not in codes]
    accused = {one.code for one in answer.findings if one.severity != NOTES}
    faults += [f"{code} is found and is not so" for code in truth.never if code in accused]
    return faults + _of_the_facts(truth, answer)


def _of_the_facts(truth: Truth, answer: Answer) -> list[str]:
    alike = [one.text for one in answer.findings if one.code in (*truth.cause, *truth.may)]
    shown = "\n".join([*alike, answer.check_text, answer.sentence])
    said = "\n".join([*(one.text for one in answer.findings), answer.check_text, answer.sentence])
    return [
        *(f"{fact!r} is in no evidence" for fact in truth.facts if not holds(fact, shown)),
        *(f"{one!r} is in an answer" for one in truth.untrue if holds(one, said)),
        *(f"{word!r} is in the bundle" for word in truth.hidden if word in answer.bundle),
    ]


def _of_the_checks(truth: Truth, answer: Answer) -> list[str]:
    faults = []
    blamed = answer.having("fail", "warn")
    faults += [f"check {name} does not fail" for name in truth.fails if name not in blamed]
    failed = answer.having("fail")
    faults += [f"check {name} fails" for name in truth.spared if name in failed]
    passed = answer.having("pass")
    faults += [f"check {name} passes" for name in truth.unpassed if name in passed]
    return faults


def _any(values: tuple[object, ...]) -> str:
    return " or ".join(str(value) for value in values)


def _name(outcome: Outcome | None) -> str:
    return outcome.value if outcome is not None else "not known"
