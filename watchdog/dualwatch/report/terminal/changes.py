"""Differences of a configuration as a small table: key, before, after, why."""

from __future__ import annotations

from collections.abc import Sequence

from dualwatch.events import Change


def changes_table(changes: Sequence[Change], *, reasons: bool = True) -> list[str]:
    """One aligned line per change: key, before, after and the reason."""
    width = max((len(change.key) for change in changes), default=0)
    return [
        f"  {c.key:<{width}}  {_shown(c.before)} -> {_shown(c.after)}"
        + (f"  ({c.why})" if reasons else "")
        for c in changes
    ]


def _shown(value: object) -> str:
    return "not set" if value is None else str(value)
