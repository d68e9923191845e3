"""What dualwatch said about a case, read from its journal by dualwatch's own means. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dualwatch.events import (
    AttemptStarted,
    Decided,
    Event,
    Finding,
    FindingRaised,
    HeartbeatRead,
    IterationLogged,
    LogMilestone,
    Severity,
)
from dualwatch.rules import catalog, ranking

from tests.corpus.case import Case

IN_PLACE = ("replace", "replace-pool", "end-workers", "drop-logs", "wake")
ACTED = (*IN_PLACE, "rerun", "give-up", "stop")
_PROGRESS = (AttemptStarted, LogMilestone, HeartbeatRead, IterationLogged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The outcome of one case.

    Attributes:
        first: The first cause, None where none was named.
        confidence: Of the first cause.
        codes: All that was found, in the order in which it was said.
        suspected, named: Seconds from the last progress to the first finding about it, and to the
            true cause; None where that was not found.
        continued: Seconds from the last progress before the first decision to act, to the next one
            of the same process; None where it did not continue.
        acted: What was decided, other than to report.
        severe: Codes of severity error and above.
        skipped: Why the case could not be run; "" where it was.
        trouble: What went wrong with the case itself: it did not end in time.
    """

    case: Case
    first: str | None = None
    confidence: float = 0.0
    codes: tuple[str, ...] = ()
    suspected: float | None = None
    named: float | None = None
    continued: float | None = None
    acted: tuple[str, ...] = ()
    severe: tuple[str, ...] = ()
    exit_code: int | None = None
    skipped: str = ""
    trouble: str = ""

    @property
    def false_alarm(self) -> bool:
        """Whether a healthy training was acted on or accused."""
        return self.case.healthy and bool(self.acted or self.severe)

    @property
    def right(self) -> bool:
        """Whether the true cause stands first, and a healthy training was left alone."""
        if self.skipped or self.trouble:
            return False
        if self.case.healthy:
            told = not self.case.expected or bool(set(self.case.expected) & set(self.codes))
            # Whoever has fallen over, or whose training has, raises no false alarm either.
            return told and not self.false_alarm and self.exit_code == 0
        return self.first in self.case.expected


def judged(case: Case, events: Sequence[Event], exit_code: int | None, trouble: str = "") -> Judged:
    """Reads the verdict on the first attempt out of a run's events."""
    told = _first_attempt(events)
    findings = [event.finding for event in told if isinstance(event, FindingRaised)]
    causes = ranking.causes(findings)
    suspected, named = _times(told, case.expected)
    continued = _continued(events, told)
    return Judged(
        case=case,
        first=causes[0].code if causes else None,
        confidence=causes[0].confidence if causes else 0.0,
        codes=tuple(dict.fromkeys(finding.code for finding in findings)),
        suspected=suspected,
        named=named,
        continued=continued,
        acted=tuple(f.action for f in events if isinstance(f, Decided) and f.action in ACTED),
        severe=_severe(events),
        exit_code=exit_code,
        trouble=trouble,
    )


def printed(case: Case, text: str, exit_code: int | None) -> Judged:
    """The verdict as a user reads it, where there is no whole journal.

    That is where a training was not even started, or where its disk is full.
    """
    findings = [
        catalog.finding(code, [], confidence=1.0, severity=Severity[word.upper()])
        for code, word in _TOLD.findall(text)
    ]
    findings += [catalog.finding(code, [], confidence=1.0) for code in _REFUSED.findall(text)]
    causes = ranking.causes(findings)
    return Judged(
        case=case,
        first=causes[0].code if causes else None,
        confidence=causes[0].confidence if causes else 0.0,
        codes=tuple(dict.fromkeys(finding.code for finding in findings)),
        severe=tuple(dict.fromkeys(f.code for f in findings if f.severity >= Severity.ERROR)),
        exit_code=exit_code,
    )


_TOLD = re.compile(r"^\S+ \S+ (DW\d+) [\w-]+ \((info|warning|error|critical), ", re.MULTILINE)
_REFUSED = re.compile(r"^dualwatch: .*\[(DW\d+)\]$", re.MULTILINE)


def _first_attempt(events: Sequence[Event]) -> list[Event]:
    """The events up to the first decision to act, or to the end of the first attempt."""
    kept: list[Event] = []
    for event in events:
        if isinstance(event, AttemptStarted) and event.attempt > 0:
            break
        if isinstance(event, Decided) and event.action in ACTED:
            break
        kept.append(event)
    return kept


def _times(told: Sequence[Event], expected: Sequence[str]) -> tuple[float | None, float | None]:
    verdict = next((f for f in told if _says(f, expected)), None)
    if verdict is None:
        return None, None
    before = [f.at for f in told if isinstance(f, _PROGRESS) and f.at <= verdict.at]
    progress = before[-1] if before else told[0].at
    suspicion = next(f for f in told if isinstance(f, FindingRaised) and f.at >= progress)
    return suspicion.at - progress, verdict.at - progress


def _continued(events: Sequence[Event], told: Sequence[Event]) -> float | None:
    before = next((e for e in reversed(told) if isinstance(e, HeartbeatRead)), None)
    if before is None or len(told) == len(events):
        return None
    progress = [e.at for e in told if isinstance(e, _PROGRESS)][-1]
    after = (e for e in events[len(told) :] if isinstance(e, HeartbeatRead))
    first = next((e for e in after if e.pid == before.pid and e.beats > before.beats), None)
    return first.at - progress if first is not None else None


def _says(event: Event, expected: Sequence[str]) -> bool:
    return isinstance(event, FindingRaised) and event.finding.code in expected


def _severe(events: Sequence[Event]) -> tuple[str, ...]:
    findings: list[Finding] = [f.finding for f in events if isinstance(f, FindingRaised)]
    return tuple(dict.fromkeys(f.code for f in findings if f.severity >= Severity.ERROR))
