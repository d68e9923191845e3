"""Finding codes in words, for ``dualwatch explain`` and the pages under ``docs/``."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from dualwatch.journal import SCHEMA_VERSION
from dualwatch.judge.codes import Code

WIDTH = 78


def document(codes: Sequence[Code]) -> dict[str, Any]:
    """The codes as one JSON-able document."""
    fields = ("code", "name", "means", "matters", "cure")
    return {
        "schema_version": SCHEMA_VERSION,
        "codes": [
            {**{name: getattr(code, name) for name in fields}, "severity": code.severity.word}
            for code in codes
        ],
    }


def text(codes: Sequence[Code], *, in_full: bool) -> str:
    """A list of one line a code, or the whole text."""
    if not in_full:
        return "".join(f"{c.code}  {c.name:<26} {c.severity.word}\n" for c in codes)
    return "\n".join(_full(code) for code in codes)


def _full(code: Code) -> str:
    parts = [f"{code.code} {code.name} ({code.severity.word})\n"]
    for title, body in (
        ("What it means", code.means),
        ("Why it matters", code.matters),
        ("How to cure it", code.cure),
    ):
        wrapped = textwrap.fill(body, WIDTH, initial_indent="  ", subsequent_indent="  ")
        parts.append(f"\n{title}\n{wrapped}\n")
    return "".join(parts)
