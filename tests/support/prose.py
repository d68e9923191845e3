"""A lint for English: words that this project does not use, in all that people read.

Looks at messages (string literals), first lines of docstrings, data files and pages. Codes and
decisions are left out: the former are made from the catalogue, the latter are history.

``python -m tests.support.prose [PATH ...]`` lists the uses, ``--update`` writes the allow-list:
how many are left in each file. It only ever shrinks.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT

ALLOWED = Path(__file__).with_name("prose_allowed.txt")
FOLDERS = ("watchdog", "docs", "benchmarks")
DATA = (".toml", ".jinja", ".html")
SKIPPED = ("docs/codes/", "docs/decisions/", "docs/pictures/")

WORDS = re.compile(
    r"""
    \b(?: tells? | told | telling | untold
      | stands? | stood | standing
      | mend(?:s|ed|ing)?
      | put[s]?\ (?:down|aside) | taken?\ down
      | by\ (?:it|them)sel(?:f|ves)
      | of\ ours | in\ our\ care | in\ care
      | go(?:es|ing|ne)?\ on | went\ on
      | whoever | that\ which | nobody | somebody | who\ is\ new
      | acquit\w* | spoilt | (?:un)?learnt | awaited
      | cure[sd]? | rungs? | climb(?:s|ed|ing)?
    )\b
    | (?<!there\ )\bis\ no\ (?!longer\b|more\b|need\b|way\b)
    """,
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Use:
    """A word to avoid, and where."""

    path: str
    line: int
    word: str
    text: str


def uses(root: Path = ROOT) -> Iterator[Use]:
    """Every use below a checkout."""
    files = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*"))]
    for path in (*root.glob("*.py"), *root.glob("*.md"), *files):
        if path.suffix in (".py", ".md", *DATA):
            yield from _of_file(path, path.relative_to(root).as_posix())


def _of_file(path: Path, name: str) -> Iterator[Use]:
    if name.startswith(SKIPPED):
        return
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        texts = _literals(ast.parse(source))
    elif path.suffix == ".md":
        without_code = re.sub(r"^```.*?^```$|`[^`\n]+`", _blank, source, flags=re.M | re.S)
        texts = enumerate(without_code.splitlines(), 1)
    else:
        without_names = re.sub(r"\.\w+", "", source)  # Attributes in templates.
        texts = enumerate(without_names.splitlines(), 1)
    for line, text in texts:
        for found in WORDS.finditer(text):
            yield Use(name, line, found.group().strip(), " ".join(text.split()))


def _blank(block: re.Match[str]) -> str:
    return "\n" * block.group().count("\n")


def _literals(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Sentences among the string literals; of a docstring the first line."""
    nodes = list(ast.walk(tree))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in nodes:
        if isinstance(node, documented) and (doc := ast.get_docstring(node)):
            yield node.body[0].lineno, doc.split("\n")[0]
    # Other statements that are a string describe the name above them: comments.
    statements = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in statements and " " in node.value.strip():
            yield node.lineno, node.value


def counts(root: Path = ROOT) -> Counter[str]:
    """Uses by file."""
    return Counter(use.path for use in uses(root))


def allowed() -> Counter[str]:
    """The allow-list: how many uses are left in each file."""
    rows = (line.rsplit(" ", 1) for line in ALLOWED.read_text(encoding="utf-8").splitlines())
    return Counter({path: int(count) for path, count in rows})


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("paths", nargs="*", help="only files whose path starts so")
    parser.add_argument("--update", action="store_true", help="write the allow-list")
    arguments = parser.parse_args()
    if arguments.update:
        rows = [f"{path} {count}\n" for path, count in sorted(counts().items())]
        ALLOWED.write_text("".join(rows), encoding="utf-8")
        return
    for use in uses():
        if use.path.startswith(tuple(arguments.paths) or ""):
            print(f"{use.path}:{use.line}: {use.word!r}: {use.text[:100]}")


if __name__ == "__main__":
    main()
