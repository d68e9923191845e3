"""Why a configuration does not load, found in its text and in the files that it builds on.

mmengine's own messages are about its own code in several cases: a comma that is missing, an import
that stands before ``_base_``. Nothing is executed.
"""

from __future__ import annotations

import ast
import codecs
import difflib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dualwatch.core.text import clean
from dualwatch.core.unread import is_unread
from dualwatch.frameworks.mmengine.config import inherit, static
from dualwatch.frameworks.mmengine.config.inherit import BASE, FORMS
from dualwatch.frameworks.mmengine.config.literal import LiteralReader

_RESERVED = ("filename", "text", "pretty_text", "env_variables")
_MAX_FILES = 50
_LAZY_STYLE = "takes the file for its lazy style, which has no _base_"


class Fault(NamedTuple):
    """Why it does not load.

    Attributes:
        is_certain: Whether it fails in every Python.
    """

    text: str
    do: str
    is_certain: bool = True


def find(path: Path) -> Fault | None:
    """The first fault of a configuration; None where the text shows none. Never raises."""
    try:
        return next(_Walk().faults(path, ()), None)
    except (RecursionError, MemoryError):
        return None


class _Walk:
    """Walks through a configuration and its bases, each file once."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def faults(self, path: Path, within: tuple[Path, ...]) -> Iterator[Fault]:
        """The faults of one file and of those that it builds on."""
        real = Path(os.path.realpath(path))
        if str(real) in self._names or len(self._names) > _MAX_FILES:
            return
        self._names[str(real)] = set()
        shown = path.name if not within else os.path.relpath(path, within[0].parent)
        try:
            data = path.read_bytes()
        except OSError:
            return
        text = _decoded(data)
        if text is None:
            yield _encoding(data, shown)
            return
        form = FORMS.get(path.suffix.lower(), "py")
        if form != "py":
            yield from _document(text, form, shown)
            return
        if text.startswith("\ufeff"):
            do = f"Save it as UTF-8 without BOM: sed -i '1s/^\\xEF\\xBB\\xBF//' {shown}"
            yield Fault(f"{shown} begins with a byte order mark, which mmengine does not take", do)
            return
        try:
            tree, lines = static.parse(text)
        except SyntaxError as error:
            yield _syntax(error, text, shown)
            return
        except ValueError:
            return
        yield from self._statements(tree, lines, path, shown, within)

    def _statements(
        self,
        tree: ast.Module,
        lines: list[str],
        path: Path,
        shown: str,
        within: tuple[Path, ...],
    ) -> Iterator[Fault]:
        named = [value for s in tree.body if (value := inherit.assigned_base(s)) is not None]
        lazy = _import_before_base(tree)
        if lazy is not None and (named or within):
            line, module, is_certain = lazy
            what = f"{shown} line {line} imports {module}"
            if named:
                text = f"{what} before _base_, so that mmengine {_LAZY_STYLE}"
                do = f"Move the import below _base_ in {shown}."
            else:
                text = f"{what}, so that mmengine takes this base for its lazy style"
                do = f"Remove the import from {shown}, or assign _base_ = [] above it."
            yield Fault(text, do, is_certain)
            if is_certain:
                return
        reader = LiteralReader(lines)
        for statement in tree.body:
            reader.take(statement)
        self._names[os.path.realpath(path)] = {
            name for name in reader.values if not name.startswith("__") and name != BASE
        }
        for name in _RESERVED:
            if name in reader.values:
                yield Fault(
                    f"{shown} assigns {name}, a name that mmengine keeps for itself",
                    f"Give the variable {name} another name.",
                )
        if named:
            listed = LiteralReader(lines).value(named[-1])
            yield from self._bases(listed, named[-1], path, shown, within)

    def _bases(
        self, value: Any, node: ast.expr, path: Path, shown: str, within: tuple[Path, ...]
    ) -> Iterator[Fault]:
        owners: dict[str, str] = {}
        for name in value if isinstance(value, (list, tuple)) else [value]:
            if not isinstance(name, str) or is_unread(name) or "::" in name or "{{" in name:
                continue
            base = Path(os.path.normpath(path.parent / name))
            if not base.is_file():
                yield _absent(name, base, node, shown, path.parent)
                return
            inner = (*within, path)
            if os.path.realpath(base) in [os.path.realpath(one) for one in inner]:
                chain = " -> ".join([*(one.name for one in inner), base.name])
                do = f"Remove {name!r} from _base_ in {shown}."
                yield Fault(f"a circle of _base_: {chain}", do)
                return
            yield from self.faults(base, inner)
            for key in sorted(self._known(base)):
                if key in owners and owners[key] != name:
                    yield Fault(
                        f"{owners[key]} and {name}, both in _base_ of {shown}, define {key}: "
                        "mmengine refuses a key that two bases define",
                        f"Keep one of the two in _base_, or remove {key} from one of them.",
                    )
                    return
                owners[key] = name

    def _known(self, base: Path) -> set[str]:
        """The names that a file and its own bases define, as far as they are sure."""
        found = inherit.read_file(base)
        sure = not found.problems and not any(n.what == BASE for n in found.not_followed)
        names = set(found.values) if sure else self._names.get(os.path.realpath(base), set())
        return {name for name in names if not name.startswith("__") and name != BASE}


def _absent(name: str, base: Path, node: ast.expr, shown: str, own: Path) -> Fault:
    where = f"{shown} line {node.lineno}"
    parts = re.findall(r".+?\.(?:py|json|ya?ml)(?=\.|/|\w|$)", name)
    if len(parts) > 1:
        listed = ", ".join(repr(part) for part in parts)
        return Fault(
            f"{where}: a comma is missing in _base_: its names run together into {name!r}",
            f"Write _base_ = [{listed}].",
        )
    near = _near(base, own)
    do = f"Correct the name in _base_; it is relative to the folder of {shown}."
    if near is not None:
        do = f"There is {near}: correct the name in _base_ of {shown}."
    return Fault(f"{where}: the base {name!r} does not exist ({base})", do)


def _near(base: Path, own: Path) -> Path | None:
    """A file of that name in the folder of the configuration itself, or nearby."""
    for folder in (own, *list(base.parents)[:4]):
        for tail in (base.name, os.path.join(base.parent.name, base.name)):
            for below in (tail, os.path.join("_base_", tail)):
                candidate = folder / below
                if candidate.is_file():
                    return candidate
    return _alike(base)


def _alike(base: Path) -> Path | None:
    """A file beside it whose name is nearly the same: mmdet 3 has dashes for underscores."""
    try:
        names = [one.name for one in os.scandir(base.parent) if one.name.endswith(base.suffix)]
    except OSError:
        return None
    plain = {re.sub(r"[-_]", "", name).lower(): name for name in names}
    same = plain.get(re.sub(r"[-_]", "", base.name).lower())
    near = [same] if same else difflib.get_close_matches(base.name, names, 1, 0.85)
    return base.parent / near[0] if near else None


# --- texts ---------------------------------------------------------------------------------------


def _decoded(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _encoding(data: bytes, shown: str) -> Fault:
    name = "utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else ""
    if not name:
        try:
            data.decode("gb18030")
            name = "gbk"
        except UnicodeDecodeError:
            name = ""
    known = f"looks like {name.upper()}, " if name else ""
    given = name.upper() if name else "ENCODING"
    return Fault(
        f"{shown} {known}is not UTF-8, which mmengine reads it as",
        f"Save it as UTF-8: iconv -f {given} -t UTF-8 {shown} > new.py",
    )


def _syntax(error: SyntaxError, text: str, shown: str) -> Fault:
    line, message = error.lineno or 0, clean(error.msg or "invalid syntax", 200)
    lines = text.splitlines()
    quoted = clean(lines[line - 1].strip(), 120) if 0 < line <= len(lines) else ""
    what = f"{type(error).__name__}: {message} in {shown} line {line}"
    what += f": {quoted}" if quoted else ""
    do = f"Correct line {line} of {shown}."
    if isinstance(error, TabError):
        do = f"Indent with spaces only: expand -t 4 {shown} > new.py"
    elif "Missing parentheses" in message:
        do = f"Line {line} of {shown} is Python 2; write {quoted.split()[0]}(...)."
    elif re.match(r"[<=>]{7}", quoted):
        do = f"Resolve the merge conflict at line {line} of {shown}."
    elif "was never closed" in message:
        do = f"Close the bracket that line {line} of {shown} opens."
    elif "forgot a comma" in message:
        do = f"A comma is missing at line {line} of {shown}, or in the line above it."
    elif not quoted.isascii():
        do = f"Line {line} of {shown} has characters that are not Python (full-width punctuation?)."
    return Fault(what, do)


def _document(text: str, form: str, shown: str) -> Iterator[Fault]:
    """A JSON or YAML file that cannot be parsed."""
    if form == "json":
        try:
            json.loads(text)
        except ValueError as error:
            yield Fault(f"{shown} is not JSON: {clean(str(error), 200)}", "Correct it there.")
        return
    found = static.read(text, form)
    if found.problems and "PyYAML" not in found.problems[0] and not found.values:
        yield Fault(f"{shown}: {found.problems[0]}", "Correct it there.")


def _import_before_base(tree: ast.Module) -> tuple[int, str, bool] | None:
    """(line, module, whether in every Python) of an import that makes a file lazy."""
    uncertain: tuple[int, str, bool] | None = None
    for statement in tree.body:
        if inherit.assigned_base(statement) is not None:
            break
        if isinstance(statement, ast.With):
            return None  # The lazy style, meant as such.
        modules: list[str] = []
        if isinstance(statement, ast.ImportFrom):
            if statement.level:
                return statement.lineno, "." * statement.level + (statement.module or ""), True
            modules = [statement.module or ""]
        elif isinstance(statement, ast.Import):
            modules = [alias.name for alias in statement.names]
        for module in modules:
            root = module.partition(".")[0]
            if root in ("", "__future__") or module.startswith("mmengine"):
                continue
            if root not in sys.stdlib_module_names:
                return statement.lineno, module, True
            if root not in sys.builtin_module_names and uncertain is None:
                # Frozen modules, and those of a virtual environment, are not built in for mmengine.
                uncertain = statement.lineno, module, False
    return uncertain
