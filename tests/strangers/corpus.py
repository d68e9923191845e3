"""All cases, by kind."""

from __future__ import annotations

from tests.strangers.case import Case
from tests.strangers.kinds import all_clear, consequence, ended_by

CASES: tuple[Case, ...] = (
    *all_clear.CASES,
    *ended_by.CASES,
    *consequence.CASES,
)
