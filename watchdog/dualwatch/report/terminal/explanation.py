"""Finding codes in words, for ``dualwatch explain`` and the pages under ``docs/``."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from msgspec import Struct

from dualwatch import domains, frameworks
from dualwatch.events.journal import SCHEMA_VERSION
from dualwatch.rules.catalog import BY_CODE, CODES, Code

WIDTH = 78


class CodeDocument(Struct, kw_only=True):
    """One code; its remedy includes the advice of frameworks and domains.

    Attributes:
        cures: Circumstance -> the remedy that fits it better.
    """

    code: str
    name: str
    means: str
    matters: str
    example: str
    cure: str
    cures: dict[str, str]
    severity: str
    explains: list[str]
    explained_by: list[str]


class CodesDocument(Struct, kw_only=True):
    """What ``explain --json`` prints."""

    schema_version: int = SCHEMA_VERSION
    codes: list[CodeDocument]


def document(codes: Sequence[Code]) -> CodesDocument:
    """The codes as one document for ``--json``."""
    return CodesDocument(codes=[_code_document(code) for code in codes])


def _code_document(code: Code) -> CodeDocument:
    return CodeDocument(
        code=code.code,
        name=code.name,
        means=code.means,
        matters=code.matters,
        example=code.example,
        cure=" ".join((code.remedy, *advice(code))),
        cures={what.value: text for what, text in code.remedies.items()},
        severity=code.severity.word,
        explains=[symptom.code for symptom in symptoms(code)],
        explained_by=[cause.code for cause in causes(code)],
    )


def text(codes: Sequence[Code], *, in_full: bool) -> str:
    """A list of one line a code, or the whole text."""
    if not in_full:
        return "".join(f"{c.code}  {c.name:<26} {c.severity.word}\n" for c in codes)
    return "\n".join(_full(code) for code in codes)


def address(code: str) -> str:
    """Where the page of a code is on the net, "" where this installation names no such place."""
    from importlib import metadata

    try:
        links = metadata.metadata("dualwatch").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return ""
    named = dict(link.partition(", ")[::2] for link in links)
    place = named.get("Documentation", "").rstrip("/")
    return f"{place}/codes/{code}/" if place.startswith("https://") else ""


def advice(code: Code) -> list[str]:
    """What the installed frameworks and domains advise beside the remedy."""
    own = [
        f"With {one.name}: {one.advice[code.code]}"
        for one in frameworks.installed()
        if code.code in one.advice
    ]
    return own + [one.advice[code.code] for one in domains.installed() if code.code in one.advice]


def special_remedies(code: Code) -> list[str]:
    """The remedies of single circumstances, each with its name."""
    found = []
    for what, remedy in code.remedies.items():
        key = f"{code.code} {what.value}"
        more = [one.advice[key] for one in frameworks.installed() if key in one.advice]
        found.append(f"{what.value.replace('-', ' ')}: {' '.join((remedy, *more))}")
    return found


def symptoms(code: Code) -> list[Code]:
    """The codes of which this one is a cause, where both are found."""
    return [BY_CODE[other] for other in code.explains]


def causes(code: Code) -> list[Code]:
    """The codes that are a cause of this one."""
    return [other for other in CODES if code.code in other.explains]


def _full(code: Code) -> str:
    parts = [f"{code.code} {code.name} ({code.severity.word})\n"]
    for title, body in (
        ("What it means", code.means),
        ("Why it matters", code.matters),
        ("What to do", "\n".join((code.remedy, *advice(code), *special_remedies(code)))),
    ):
        parts.append(f"\n{title}\n{_wrapped(body)}\n")
    if code.example:
        lines = "\n".join(_hanging(line) for line in code.example.splitlines())
        parts.append(f"\nExample\n{lines}\n")
    for title, others in (("It explains", symptoms(code)), ("Explained by", causes(code))):
        if others:
            # A code stays on one line with its name.
            body = ", ".join(f"{other.code}\xa0{other.name}" for other in others)
            parts.append(f"\n{title}\n{_wrapped(body)}\n".replace("\xa0", " "))
    return "".join(parts)


def _wrapped(body: str) -> str:
    fill = textwrap.TextWrapper(
        WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    ).fill
    return "\n".join(fill(line) for line in body.splitlines())


def _hanging(line: str) -> str:
    """A line of an example, whose own indent stays."""
    indent = "  " + line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.lstrip(),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "    ",
        break_on_hyphens=False,
    )
