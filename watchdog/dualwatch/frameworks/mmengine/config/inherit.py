"""A configuration file as text, together with the files that it builds on.

``_base_`` and ``with read_base():`` are followed and merged by mmengine's rules, without executing
anything and without importing a package. What cannot be followed is listed in ``not_followed``:
whatever it may hold is not known.
"""

from __future__ import annotations

import ast
import copy
import os
import re
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from dualwatch.core.plain import PlainDict, PlainValue
from dualwatch.core.text import clean
from dualwatch.core.unread import is_unread, mark
from dualwatch.events import NotFollowed
from dualwatch.frameworks.mmengine.config import static
from dualwatch.frameworks.mmengine.config.literal import LiteralReader, merge
from dualwatch.frameworks.mmengine.config.unread import unread_values

FORMS = {".py": "py", ".json": "json", ".yaml": "yaml", ".yml": "yaml"}
MAX_FILES = 50
MAX_NOT_FOLLOWED = 20

BASE = "_base_"
_BASE_VARIABLE = re.compile(r"\{\{\s*_base_\.([\w.]+)\s*\}\}")
_ENVIRONMENT = re.compile(r"\{\{['\"]?\s*\$(\w+)\s*:\s*(\S*?)\s*['\"]?\}\}")
_STAND_IN = "<base variable {}>"
_STOOD_IN = re.compile(r"<base variable ([\w.]+)>")


class NotFollowedError(Exception):
    """A base that is not read; the text is why."""


def read_file(path: Path) -> static.StaticConfig:
    """Reads a configuration with all that it builds on. Never raises and executes nothing."""
    follower = _Follower()
    found = follower.read(path, ())
    unread = [*follower.not_followed, *unread_values(found.values)]
    # A name of that kind means that what is absent is not known.
    values = {**found.values, BASE: mark("not followed")} if follower.not_followed else found.values
    return static.StaticConfig(
        values, found.written, found.problems, tuple(unread[:MAX_NOT_FOLLOWED])
    )


class _Follower:
    """Reads one file and its bases, each text once a mention, so many files in all.

    Attributes:
        not_followed: Bases that were not read, and why.
    """

    def __init__(self) -> None:
        self.not_followed: list[NotFollowed] = []
        self._files = 0

    def read(self, path: Path, within: tuple[str, ...]) -> static.StaticConfig:
        """One file; ``within`` are those that build on it."""
        self._files += 1
        form = FORMS.get(path.suffix.lower(), "py")
        try:
            with path.open("rb") as stream:
                # One more than may be read shows that there is more.
                data = stream.read(4 * static.MAX_CHARS + 1)
        except (OSError, ValueError) as error:
            return static.StaticConfig(problems=(clean(f"it cannot be read: {error}", 300),))
        text = _substituted(data.decode("utf-8", "replace"), path)
        inner = (*within, os.path.realpath(path))
        if form != "py":
            found = static.read(text, form)
            values = dict(found.values)
            base = self._bases(values.pop(BASE, ()), path, inner)
            return _merged(values, base, {}, found.problems)
        return static.guarded(lambda: self._python(text, path, inner), text)

    def _python(self, text: str, path: Path, within: tuple[str, ...]) -> static.StaticConfig:
        tree, lines = static.parse(text)
        reader = LiteralReader(lines)
        named = next((value for s in tree.body if (value := assigned_base(s))), None)
        if named is None:
            is_lazy = _is_lazy(tree)
            base = static.StaticConfig()
            for statement in tree.body:
                self._note_star(statement)
                if isinstance(statement, ast.With) and reads_base(statement):
                    self._imported(statement, reader, path, within)
                elif is_lazy and isinstance(statement, (ast.Import, ast.ImportFrom)):
                    reader.bind_classes(statement)
                else:
                    reader.take(statement)
        else:
            base = self._bases(reader.value(named), path, within)
            self._note_import(tree)
            reader.bind(BASE, base.values)
            for statement in tree.body:
                self._note_star(statement)
                if assigned_base(statement) is None:
                    reader.take(statement)
            values = reader.values.pop(BASE)
            if not isinstance(values, dict):
                self._leave("its values are changed in a way that is not followed")
                values = {}
            base = static.StaticConfig(values, base.written, base.problems)
        return _merged(reader.values, base, reader.written, tuple(reader.problems))

    # --- ``_base_`` ---

    def _bases(self, named: PlainValue, path: Path, within: tuple[str, ...]) -> static.StaticConfig:
        """The files that ``_base_`` names, put together."""
        values: dict[str, PlainValue] = {}
        written: dict[str, str] = {}
        problems: tuple[str, ...] = ()
        for name in named if isinstance(named, (list, tuple)) else [named]:
            found = self._base(name, path, within)
            for key in values.keys() & found.values.keys():
                self._leave(f"{name} defines {key} again, which mmengine refuses", key)
            values |= found.values
            written |= found.written
            problems += found.problems
        return static.StaticConfig(values, written, problems)

    def _base(self, name: PlainValue, path: Path, within: tuple[str, ...]) -> static.StaticConfig:
        if not isinstance(name, str) or is_unread(name):
            self._leave("it is computed")
            return static.StaticConfig()
        try:
            return self._file(located(name, path), within)
        except NotFollowedError as error:
            self._leave(f"{clean(name, 200)}: {error}")
            return static.StaticConfig()

    def _file(self, path: Path, within: tuple[str, ...]) -> static.StaticConfig:
        if os.path.realpath(path) in within:
            raise NotFollowedError("it builds on itself")
        if self._files >= MAX_FILES:
            raise NotFollowedError(f"more than {MAX_FILES} files are not read")
        if not path.is_file():
            hint = "; is a comma missing between two names?" if ".py." in str(path) else ""
            raise NotFollowedError(f"no such file{hint}")
        found = self.read(path, within)
        if found.problems and not found.values:
            raise NotFollowedError(found.problems[0])
        return found

    def _note_import(self, tree: ast.Module) -> None:
        """An import before ``_base_`` decides, in some Pythons, that the file does not load."""
        for statement in tree.body:
            if assigned_base(statement) is not None:
                return
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                names = [alias.name for alias in statement.names]
                names = (
                    [statement.module or "."] if isinstance(statement, ast.ImportFrom) else names
                )
                roots = {name.partition(".")[0] for name in names}
                if roots - {"mmengine", "__future__", *sys.builtin_module_names}:
                    self._leave(
                        f"{names[0]} is imported before it, with which mmengine loads the file in "
                        "some Pythons only: move the import below _base_"
                    )
                    return

    def _note_star(self, statement: ast.stmt) -> None:
        """``from module import *`` may define anything."""
        if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
            self._leave(
                f"what {clean(statement.module or '.', 200)} defines is not read", "import *"
            )

    def _leave(self, why: str, key: str = BASE) -> None:
        found = NotFollowed(what=key, why=why)
        if found not in self.not_followed:
            self.not_followed.append(found)

    # --- ``read_base()`` ---

    def _imported(
        self, block: ast.With, reader: LiteralReader, path: Path, within: tuple[str, ...]
    ) -> None:
        """Binds what ``from ... import ...`` takes from other configurations."""
        for statement in block.body:
            module = statement.module if isinstance(statement, ast.ImportFrom) else None
            if not isinstance(statement, ast.ImportFrom) or not module:
                self._leave("a statement under read_base() is not followed")
                continue
            shown = "." * statement.level + module
            try:
                found = self._file(module_file(module, statement.level, path), within)
            except NotFollowedError as error:
                self._leave(f"{clean(shown, 200)}: {error}")
                for alias in statement.names:
                    if alias.name != "*":
                        reader.bind(alias.asname or alias.name, mark(shown))
                continue
            for alias in statement.names:
                if alias.name == "*":
                    for key, value in found.values.items():
                        reader.bind(key, value, found.written.get(key, ""))
                elif alias.name in found.values:
                    own = alias.asname or alias.name
                    written = found.written.get(alias.name, "")
                    reader.bind(own, found.values[alias.name], written)
                else:
                    self._leave(f"{clean(shown, 200)} does not define {alias.name}", alias.name)


# --- finding files -------------------------------------------------------------------------------


def located(name: str, path: Path) -> Path:
    """The file that an entry of ``_base_`` names.

    Raises:
        NotFollowedError: It is in a package that does not have it.
    """
    package, scope, inner = name.partition("::")
    if not scope:
        return Path(os.path.normpath(path.parent / name))
    folder = _package(package)
    places = [folder / below / inner for below in (".mim/configs", "configs", ".mim")]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise NotFollowedError(f"{package} is installed without it")
    return found


def module_file(module: str, level: int, path: Path) -> Path:
    """The file of a configuration that is imported as a module."""
    *parts, last = module.split(".")
    if level:
        folder = path.parent.joinpath(*[".."] * (level - 1))
    else:
        folder, parts = _package(module.partition(".")[0]), parts[1:]
    return Path(os.path.normpath(folder.joinpath(*parts, f"{last}.py")))


def _package(name: str) -> Path:
    """The folder of an installed package, which is not imported."""
    try:
        spec = find_spec(name) if name.isidentifier() else None
    except (ImportError, ValueError):
        spec = None
    folder = next(iter(spec.submodule_search_locations or ()), None) if spec is not None else None
    if folder is None:
        raise NotFollowedError(f"no package {clean(name, 100)} in this Python")
    return Path(folder)


# --- the style of a file -------------------------------------------------------------------------


def assigned_base(statement: ast.stmt) -> ast.expr | None:
    """What a statement assigns to ``_base_``; None for all other statements."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
        return None
    return statement.value if statement.targets[0].id == BASE else None


def reads_base(statement: ast.With) -> bool:
    call = statement.items[0].context_expr
    function = call.func if isinstance(call, ast.Call) else None
    return isinstance(function, ast.Name) and function.id == "read_base"


def _is_lazy(tree: ast.Module) -> bool:
    """Whether mmengine would not import what the file imports, and take it for names of classes."""
    for statement in tree.body:
        if isinstance(statement, ast.With) and reads_base(statement):
            return True
        if isinstance(statement, ast.ImportFrom):
            names = [statement.module or ""]
            if statement.level:
                return True
        elif isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        else:
            continue
        roots = {name.partition(".")[0] for name in names} - {"mmengine"}
        if roots - sys.stdlib_module_names:
            return True
    return False


# --- substitutions and merging -------------------------------------------------------------------


def _substituted(text: str, path: Path) -> str:
    """The text with mmengine's own variables replaced, as it does before it parses a file."""
    full = Path(os.path.abspath(path.expanduser()))
    for key, value in (
        ("fileDirname", full.parent),
        ("fileBasename", full.name),
        ("fileBasenameNoExtension", full.stem),
        ("fileExtname", full.suffix),
    ):
        shown = str(value).replace("\\", "/")
        text = re.sub(r"\{\{\s*" + key + r"\s*\}\}", shown.replace("\\", r"\\"), text)
    text = _ENVIRONMENT.sub(lambda m: os.environ.get(m[1]) or m[2] or m[0], text)
    return _BASE_VARIABLE.sub(lambda m: f'"{_STAND_IN.format(m[1])}"', text)


def _merged(
    own: dict[str, PlainValue],
    base: static.StaticConfig,
    written: dict[str, str],
    problems: tuple[str, ...],
) -> static.StaticConfig:
    """A file's own values over those of its bases."""
    values = {key: _with_variables(value, base.values) for key, value in own.items()}
    values = merge(values, base.values)
    everything = {**base.written, **written}
    if static.weight(values) > static.MAX_NODES:
        return static.StaticConfig(problems=(static.TOO_MUCH,))
    return static.StaticConfig(values, everything, (*base.problems, *problems))


def _with_variables(value: PlainValue, base: PlainDict) -> PlainValue:
    """Puts the bases' values in the place of ``{{_base_.name}}``."""
    if isinstance(value, dict):
        return {key: _with_variables(part, base) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_with_variables(part, base) for part in value)
    if not isinstance(value, str):
        return value
    match = _STOOD_IN.search(value)
    if match is None:
        return value
    found: PlainValue = base
    for key in match[1].split("."):
        found = found.get(key, mark(value)) if isinstance(found, Mapping) else mark(value)
    return copy.deepcopy(found) if match[0] == value else mark(value)
