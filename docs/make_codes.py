"""Writes one page per finding code under ``docs/codes/``, from the registry.

Run from the repository root: ``python docs/make_codes.py``. A test holds the pages to the registry.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dualwatch.report.terminal.explanation import (
    advice,
    causes,
    special_remedies,
    symptoms,
)
from dualwatch.rules.catalog import CODES, Code

FOLDER = Path(__file__).parent / "codes"


def page(code: Code) -> str:
    """The page of one code."""
    return (
        f"# {code.code} {code.name}\n\n"
        f"Severity: {code.severity.word}\n\n"
        f"## What it means\n\n{code.means}\n\n"
        f"## Why it matters\n\n{code.matters}\n\n"
        f"## What to do\n\n{code.remedy}\n\n"
        f"{_advice(code)}"
        f"{_special(code)}"
        f"{_example(code)}"
        f"{_links('It explains', symptoms(code))}"
        f"{_links('Explained by', causes(code))}"
        f"In the terminal: `dualwatch explain {code.code}`\n"
    )


def _advice(code: Code) -> str:
    return "".join(f"{text}\n\n" for text in advice(code))


def _special(code: Code) -> str:
    listed = "".join(f"* {text}\n" for text in special_remedies(code))
    return f"{listed}\n" if listed else ""


def _example(code: Code) -> str:
    return f"## Example\n\n```text\n{code.example}\n```\n\n" if code.example else ""


def _links(title: str, others: Sequence[Code]) -> str:
    links = "".join(f"* [{other.code}]({other.code}.md) {other.name}\n" for other in others)
    return f"## {title}\n\n{links}\n" if links else ""


def pages() -> dict[str, str]:
    """File name -> text of every page."""
    listed = "".join(f"| [{c.code}]({c.code}.md) | {c.name} | {c.severity.word} |\n" for c in CODES)
    index = f"# Finding codes\n\n| code | name | severity |\n|---|---|---|\n{listed}"
    return {"README.md": index, **{f"{code.code}.md": page(code) for code in CODES}}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
