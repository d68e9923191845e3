"""The output of ``dualwatch check``: brief for what passed, detailed for what did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dualwatch.checks.document import CheckDocument, Entry
from dualwatch.checks.item import NotJudged
from dualwatch.report.terminal.console import painter, plain_text
from dualwatch.report.terminal.wrapping import clipped, wrapped

NARROWEST = 50
MOST_LINES = 6
MOST_EARLIER = 3

STAGES: Mapping[str, str] = {
    "preflight": "Before the start",
    "startup": "Start-up",
    "warmup": "Warm-up",
    "epoch-1": "End of epoch 1",
    "running": "While it runs",
}

_SIGNS = {"pass": "✓", "warn": "▲", "fail": "✗", "skip": "─", "pending": "…"}
_WORDS = {"pass": "ok  ", "warn": "warn", "fail": "FAIL", "skip": "skip", "pending": "wait"}
_STYLES = {"pass": "green", "warn": "yellow", "fail": "bold red", "skip": "dim", "pending": "cyan"}
_COUNTED = (
    ("pass", "passed"),
    ("fail", "failed"),
    ("warn", "warned"),
    ("pending", "pending"),
    ("skip", "skipped"),
)


def lines(
    document: CheckDocument,
    *,
    width: int,
    color: bool = False,
    fancy: bool = False,
    verbose: bool = False,
) -> Iterator[str]:
    """The checklist for people, line by line.

    Args:
        document: As ``check --json`` gives it.
        color: Whether to use escape sequences.
        fancy: Whether the stream's encoding has signs beyond ASCII.
        verbose: Also show what was observed for passed items.
    """
    sheet = _Sheet(max(width, NARROWEST), color, fancy, verbose)
    yield from sheet.head(document)
    for stage, title in STAGES.items():
        items = [item for item in document.entries if item.stage == stage]
        if items:
            yield ""
            yield sheet.paint(title, "bold")
            shown = [item for item in items if verbose or not _is_blocked_by_other(item)]
            for item in shown:
                yield from sheet.item(item)
            yield from sheet.rest([item for item in items if item not in shown])
    yield ""
    yield from sheet.causes(document)
    yield sheet.counts(document.counts)
    yield from sheet.hints(document)


def glance(
    document: CheckDocument,
    *,
    width: int,
    height: int,
    color: bool = False,
    fancy: bool = False,
) -> list[str]:
    """The checklist in at most ``height`` lines, for ``--watch``.

    Passed and skipped items are counted; failed, warned and pending ones have a line, the worst
    first where there are too many.
    """
    sheet = _Sheet(max(width, NARROWEST), color, fancy, verbose=False)
    head = [*sheet.head(document), ""]
    told = [item for item in document.entries if item.status in ("fail", "warn", "pending")]
    told.sort(key=lambda item: ("fail", "warn", "pending").index(item.status))
    room = max(1, height - len(head) - 3)
    shown = [sheet.short(item) for item in told[:room]]
    more = [f"  and {len(told) - room} more"] if len(told) > room else []
    return [*head, *shown, *more, "", sheet.counts(document.counts)]


def _is_blocked_by_other(item: Entry) -> bool:
    if item.blocked_by:
        return True
    # Before the start everything later waits for the same thing.
    is_later = item.stage not in ("preflight", "startup")
    return is_later and item.reason == NotJudged.NOT_BEGUN.value


class _Sheet:
    def __init__(self, width: int, color: bool, fancy: bool, verbose: bool) -> None:
        self._width, self.paint = width, painter(color)
        self._fancy, self._verbose = fancy, verbose

    def head(self, document: CheckDocument) -> Iterator[str]:
        target, profile = document.target, document.profile
        name = target.path or target.work_dir or target.log or target.kind
        yield self.paint(clipped(plain_text(str(name)), self._width), "bold")
        yield from self._wrapped(target.sentence, "  ")
        for start in target.earlier[-MOST_EARLIER:]:
            yield from self._wrapped(start.sentence, "  earlier: ")
        told = f"checklist: {profile.title or profile.name} ({profile.because})"
        yield from self._wrapped(told, "  ")

    def causes(self, document: CheckDocument) -> Iterator[str]:
        """What is wrong that no item reports as failed: the exit code is 1 for it."""
        failed = {item.code for item in document.entries if item.status == "fail"}
        for cause in document.causes:
            if cause.code not in failed:
                told = plain_text(f"{cause.code} {cause.name}: {cause.headline}")
                yield from self._wrapped(told, "something is wrong: ")

    def rest(self, items: Sequence[Entry]) -> Iterator[str]:
        """Counts items that are blocked by others."""
        for status, words in (
            ("pending", "pending"),
            ("skip", "skipped (blocked by a failed check)"),
        ):
            count = sum(item.status == status for item in items)
            if count:
                sign = (_SIGNS if self._fancy else _WORDS)[status]
                yield f"  {self.paint(sign, _STYLES[status])} {count} more {words}"

    def item(self, item: Entry) -> Iterator[str]:
        status = item.status
        sign = (_SIGNS if self._fancy else _WORDS)[status]
        lead = f"  {sign} "
        text = item.title
        if status in ("skip", "pending") or (status == "pass" and self._verbose):
            text += f": {item.observed}"
        first, *more = self._wrapped(text, lead)
        yield first.replace(sign, self.paint(sign, _STYLES[status]), 1)
        yield from more
        if status in ("fail", "warn"):
            yield from self._detail("observed", item.observed)
            yield from self._detail("expected", item.expected)
            yield from self._detail("do", item.remedy)
            if item.code:
                yield from self._detail("see", f"dualwatch explain {item.code}")

    def short(self, item: Entry) -> str:
        """An item in one line."""
        sign = (_SIGNS if self._fancy else _WORDS)[item.status]
        text = clipped(plain_text(f"{item.title}: {item.observed}"), self._width - 8)
        return f"  {self.paint(sign, _STYLES[item.status])} {text}"

    def _detail(self, name: str, text: str | None) -> Iterator[str]:
        if text:
            yield from self._wrapped(text, f"      {name:<10}")

    def counts(self, counts: Mapping[str, int]) -> str:
        return ", ".join(f"{counts[key]} {word}" for key, word in _COUNTED if counts[key])

    def hints(self, document: CheckDocument) -> Iterator[str]:
        if document.counts["pending"] and document.target.life == "alive":
            yield "`dualwatch check --watch` waits until every item is decided"

    def _wrapped(self, text: str, lead: str) -> list[str]:
        return wrapped(plain_text(text), self._width, lead, MOST_LINES)
