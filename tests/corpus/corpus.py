"""The corpus: every fault that a machine without a GPU can make, and trainings that are well."""

from __future__ import annotations

from tests.corpus.case import Case
from tests.corpus.table import deaths, healthy, metrics, stalls

FAULTY: tuple[Case, ...] = (*stalls.CASES, *deaths.CASES, *metrics.CASES)
HEALTHY: tuple[Case, ...] = healthy.CASES
CASES: tuple[Case, ...] = (*FAULTY, *HEALTHY)
BY_NAME = {case.name: case for case in CASES}

NOT_MADE = {
    "DW001": "a rule of dualwatch itself fails",
    "DW402": "needs a GPU whose memory another process holds",
    "DW404": "said wherever there is no GPU, and of no cause",
    "DW609": "dualwatch ends it after its verdict; tests/training/supervisor has such runs",
    "DW504": "needs a system that forbids reading stacks, which root may always do",
}
"""Codes that no case is made for, and why."""
