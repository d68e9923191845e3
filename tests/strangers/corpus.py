"""All cases, by kind."""

from __future__ import annotations

from tests.strangers.case import Case
from tests.strangers.kinds import (
    all_clear,
    bundle_and_speed,
    configurations,
    consequence,
    elsewhere,
    ended_by,
    finished_or_not,
    phase_and_clock,
    records,
    scripts,
    second_causes,
    second_configurations,
    second_ends,
    second_records,
    since_when,
    third_configurations,
)

CASES: tuple[Case, ...] = (
    *all_clear.CASES,
    *ended_by.CASES,
    *consequence.CASES,
    *finished_or_not.CASES,
    *since_when.CASES,
    *phase_and_clock.CASES,
    *elsewhere.CASES,
    *records.CASES,
    *configurations.CASES,
    *bundle_and_speed.CASES,
    *second_ends.CASES,
    *second_causes.CASES,
    *second_records.CASES,
    *second_configurations.CASES,
    *third_configurations.CASES,
    *scripts.CASES,
)
