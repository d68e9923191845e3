"""The items of a checklist, in the form of ``check --json``, for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dualwatch.report.terminal.console import one_line

STATUSES = ("pass", "fail", "warn", "skip", "pending")


@dataclass(slots=True)
class CheckItemView:
    """One item; every text is clean, what is odd is empty."""

    status: str
    title: str
    stage: str
    expected: str
    observed: str
    remedy: str
    code: str

    @property
    def css(self) -> str:
        """Its class in the style sheet."""
        return self.status if self.status in STATUSES else "pending"


def items(listed: Sequence[Mapping[str, Any]] | None) -> list[CheckItemView] | None:
    """The items, failed ones first; None where there is no checklist."""
    if listed is None:
        return None
    made = [_item(one) for one in listed if isinstance(one, Mapping)]
    order = {"fail": 0, "warn": 1, "pending": 2, "pass": 3, "skip": 4}
    return sorted(made, key=lambda item: order.get(item.status, 5))


def _item(one: Mapping[str, Any]) -> CheckItemView:
    def text(key: str) -> str:
        return one_line(one.get(key))

    return CheckItemView(
        status=text("status"),
        title=text("title") or text("id"),
        stage=text("stage"),
        expected=text("expected"),
        observed=text("observed"),
        remedy=text("remedy"),
        code=text("code"),
    )
