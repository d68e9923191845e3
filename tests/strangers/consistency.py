"""The one rule by which two answers about one input contradict each other.

``diagnose`` and ``check`` look at the same run with the same rules. So:

1. A command that could not look at it and one that could are a contradiction.
2. A cause of ``diagnose`` makes ``check`` exit with 1 or more, and a failed check about
   the training keeps ``diagnose`` from exiting with 0. Checks about this machine are left out, and
   those that a profile adds: they are its own targets, which a diagnosis does not ask for.
3. The one verdict: where ``diagnose`` calls the training finished, ``check`` does not fail
   "alive"; where it calls it dead, "alive" is not passed.
"""

from __future__ import annotations

import enum

from dualwatch.checks import profiles

from tests.strangers.answers import Answer
from tests.strangers.case import Outcome

OF_THIS_MACHINE = frozenset(
    {
        "disk",
        "shared-memory",
        "memory",
        "open-files",
        "stacks",
        "console-encoding",
        "tensorboard",
        "tensorboard-backend",
        "tensorboard-tags",
    }
)

OF_THE_TRAINING = (
    frozenset(item.id for item in profiles.load(profiles.NEUTRAL).all_items) - OF_THIS_MACHINE
)
"""Checks that both commands answer, each in its own way."""


class Contradiction(enum.Enum):
    """How two answers contradict each other."""

    ONE_REFUSES = "one command has a document, the other has none"
    CAUSE_BUT_CHECKED_OK = "diagnose names a cause, check finds nothing wrong"
    CLEAR_BUT_CHECK_FAILS = "diagnose exits with 0, a check of the training fails"
    FINISHED_BUT_NOT_ALIVE = "diagnose: finished; check fails alive"
    DEAD_BUT_ALIVE = "diagnose: dead; check passes alive"


def contradictions(answer: Answer) -> set[Contradiction]:
    """All of them; empty where both give one verdict."""
    found: set[Contradiction] = set()
    if bool(answer.refused) != bool(answer.check_refused):
        return {Contradiction.ONE_REFUSES}
    if answer.refused or answer.crashed:
        return found
    failed = answer.having("fail") & OF_THE_TRAINING
    if answer.causes and answer.check_exit in (0, 3):
        found.add(Contradiction.CAUSE_BUT_CHECKED_OK)
    if answer.exit == 0 and failed:
        found.add(Contradiction.CLEAR_BUT_CHECK_FAILS)
    alive = answer.checks.get("alive")
    if answer.outcome is Outcome.FINISHED and alive == "fail":
        found.add(Contradiction.FINISHED_BUT_NOT_ALIVE)
    if answer.outcome is Outcome.DEAD and alive == "pass":
        found.add(Contradiction.DEAD_BUT_ALIVE)
    return found
