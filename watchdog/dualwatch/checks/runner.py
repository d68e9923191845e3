"""Runs a checklist: every item once, dependants after the items that they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dualwatch.checks.item import (
    STAGES,
    CheckResult,
    CheckSubject,
    Item,
    NotJudged,
    Reading,
    Status,
    failed,
    pending,
    skipped,
)
from dualwatch.checks.probes import PROBES
from dualwatch.rules.catalog import BY_CODE


def judge(
    items: Sequence[Item], subject: CheckSubject, ignored: Mapping[str, str] | None = None
) -> list[CheckResult]:
    """The result of every item, in order.

    Args:
        ignored: Id -> the user's reason for excluding it.
    """
    ignored = ignored or {}
    by_id = {item.id: item for item in items}
    results: dict[str, CheckResult] = {}

    def settle(item: Item, above: frozenset[str]) -> CheckResult:
        if item.id not in results:
            needs = [by_id[n] for n in item.needs if n in by_id and n not in above]
            needed = [settle(need, above | {item.id}) for need in needs]
            results[item.id] = _result(item, _reading(item, subject, needed, ignored))
        return results[item.id]

    return [settle(item, frozenset((item.id,))) for item in items]


def counts(results: Iterable[CheckResult]) -> dict[str, int]:
    """How many items have each status."""
    found = dict.fromkeys((status.value for status in Status), 0)
    for result in results:
        found[result.status.value] += 1
    return found


def _reading(
    item: Item, subject: CheckSubject, needed: Sequence[CheckResult], ignored: Mapping[str, str]
) -> Reading:
    if item.id in ignored:
        return replace(skipped(f"ignored: {ignored[item.id]}"), reason=NotJudged.IGNORED)
    if subject.elsewhere and PROBES[item.probe].local:
        why = f": {subject.elsewhere_why}" if subject.elsewhere_why else ""
        text = f"the log may be from another machine{why}"
        return replace(skipped(text), reason=NotJudged.ELSEWHERE)
    if subject.is_test and item.stage != STAGES[0] and item.probe != "ended-well":
        return replace(skipped("a test run, not a training"), reason=NotJudged.TEST)
    for need in needed:
        # One fault is reported once. A skipped item blocks nothing: whether the rest can be judged
        # without it, each check decides.
        name = need.item.id
        if need.status is Status.FAIL and need.blocks:
            reading = skipped(f"needs {name!r}, which failed")
            return replace(reading, reason=NotJudged.BLOCKED, blocked_by=name)
        if need.status is Status.PENDING:
            reading = pending(f"waits for {name!r}")
            return replace(reading, reason=NotJudged.WAITING, blocked_by=name)
    try:
        reading = PROBES[item.probe].run(subject, item)
    except Exception as error:
        # A check that raises is a finding of its own, never a pass.
        text = f"check {item.probe} failed: {type(error).__name__}: {error}"
        return failed(text, code="DW001", remedy="dualwatch explain DW001")
    if reading.status is Status.FAIL and item.worst == "warn":
        return replace(reading, status=Status.WARN)
    return reading


def _result(item: Item, reading: Reading) -> CheckResult:
    is_wrong = reading.status in (Status.FAIL, Status.WARN)
    code = (reading.code or item.code) if is_wrong else item.code
    remedy = ""
    if is_wrong:
        remedy = reading.remedy or item.remedy
        remedy = remedy or (BY_CODE[code].remedy if code in BY_CODE else "")
    return CheckResult(
        item,
        reading.status,
        reading.observed,
        reading.expected,
        remedy,
        code,
        reading.reason,
        reading.blocked_by,
        reading.blocks,
    )
