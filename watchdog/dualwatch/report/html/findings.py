"""Findings in reading order: causes first, repeated ones once, notes last."""

from __future__ import annotations

from dataclasses import dataclass

from dualwatch.core import units
from dualwatch.events import Finding, Severity
from dualwatch.history.reported_run import ReportedRun
from dualwatch.rules import ranking
from dualwatch.rules.catalog import BY_CODE

MOST = 40
MOST_EVIDENCE = 12


@dataclass(slots=True)
class FindingView:
    """A finding.

    Attributes:
        times: How often it was raised.
        symptom: Another finding explains it.
        means: What its code means.
    """

    finding: Finding
    times: int
    symptom: bool
    about: str
    evidence: list[tuple[str, str]]
    means: str

    @property
    def severity(self) -> str:
        """As a word."""
        return self.finding.severity.word


@dataclass(slots=True)
class Findings:
    """Findings above info, and notes."""

    shown: list[FindingView]
    notes: list[FindingView]
    left_out: int


def findings(run: ReportedRun) -> Findings:
    """All of a run, each code of an attempt once."""
    newest: dict[tuple[int | None, str, int | None], Finding] = {}
    times: dict[tuple[int | None, str, int | None], int] = {}
    for finding in run.findings:
        key = (finding.attempt, finding.code, finding.rank)
        newest[key] = finding
        times[key] = times.get(key, 0) + 1
    shown: list[FindingView] = []
    notes: dict[str, FindingView] = {}
    for attempt in dict.fromkeys(key[0] for key in newest):
        ranked = ranking.rank([f for key, f in newest.items() if key[0] == attempt])
        for finding in ranked:
            count = times[(finding.attempt, finding.code, finding.rank)]
            one = _view(run, finding, count, ranking.explained(finding, ranked))
            if finding.severity > Severity.INFO:
                shown.append(one)
            elif finding.code in notes:
                notes[finding.code].times += count
            else:
                notes[finding.code] = one
    return Findings(shown[:MOST], list(notes.values())[:MOST], max(0, len(shown) - MOST))


def _view(run: ReportedRun, finding: Finding, times: int, symptom: bool) -> FindingView:
    about = []
    if finding.attempt is not None and run.supervised and len(run.attempts) > 1:
        about.append(f"attempt {finding.attempt}")
    if finding.rank is not None:
        about.append(f"rank {finding.rank}")
    if finding.pid is not None and run.supervised:
        about.append(f"process {finding.pid}")
    evidence = [
        (
            one.text,
            one.source + (f", {units.time_of_day(one.wall)}" if one.wall is not None else ""),
        )
        for one in finding.evidence[:MOST_EVIDENCE]
    ]
    code = BY_CODE.get(finding.code)
    return FindingView(
        finding, times, symptom, ", ".join(about), evidence, code.means if code else ""
    )
