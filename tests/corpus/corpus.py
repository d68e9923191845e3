"""The corpus: every fault that a machine without a GPU can make, and trainings that are well."""

from __future__ import annotations

from tests.corpus.case import Case
from tests.corpus.table import deaths, healthy, metrics, silent, stalls

FAULTY: tuple[Case, ...] = (*stalls.CASES, *deaths.CASES, *metrics.CASES, *silent.CASES)
HEALTHY: tuple[Case, ...] = (*healthy.CASES, *silent.HEALTHY)
CASES: tuple[Case, ...] = (*FAULTY, *HEALTHY)
BY_NAME = {case.name: case for case in CASES}

NOT_MADE = {
    "DW001": "a rule of dualwatch itself fails",
    "DW309": "needs a GPU",
    "DW206": "needs a loss that does not fall over a thousand iterations; judged on written logs",
    "DW207": "needs a training that is half done without any result; judged on written logs",
    "DW208": "needs a training that becomes slower over hours; judged on written logs",
    "DW209": "a matter of the machine's speed: an added fault would not be more than one",
    "DW216": "a note on validations, and no fault",
    "DW402": "needs a GPU whose memory another process holds",
    "DW404": "said wherever there is no GPU, and of no cause",
    "DW405": "needs a GPU whose software does not fit",
    "DW504": "needs a system that forbids reading stacks, which root may always do",
    "DW607": "a package that is not installed; tests of the text show it",
    "DW610": "a configuration that never starts; unit tests of the adapter have such files",
    "DW611": "a configuration that is answered before it starts; the same",
}
"""Codes that no case is made for, and why."""
