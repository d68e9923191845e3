"""Why a configuration did not load, by the error of mmengine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dualwatch.core.text import clean
from dualwatch.frameworks.mmengine.config import faults
from dualwatch.frameworks.mmengine.config.faults import Fault

_NAMES = re.compile(r"['\"]([A-Za-z_][\w.]*)['\"]")
_MODULE = re.compile(r"No module named '([\w.]+)'")
_CUSTOM = re.compile(r"Failed to import custom modules from (\{.*?\})", re.S)


def _of_custom_imports(section: str, cause: str) -> Fault:
    """One of its modules is not there, or imports what is not there, or fails itself."""
    text = f"custom_imports fails: {clean(section, 300)} cannot be imported"
    do = "Start it from the folder that holds that package: PYTHONPATH=. ; or correct "
    do += "custom_imports.imports."
    absent = _MODULE.search(cause)
    if cause:
        text += f": {clean(cause, 300)}"
    if absent is not None and not any(_is_above(absent[1], n) for n in _NAMES.findall(section)):
        do = f"A module of it imports {absent[1]}: install that into the Python of the training."
    elif cause and absent is None:
        do = "Correct the module that raises this error."
    return Fault(text, do)


def _is_above(module: str, name: str) -> bool:
    """Whether a module is another one, or a package that it is in."""
    return name == module or name.startswith(f"{module}.")


def explained(config: Path, kind: str, text: str, cause: str = "") -> Fault | None:
    """Why a configuration did not load, by mmengine's error and by its text.

    Args:
        kind, text: The exception of mmengine.
        cause: The one that it began with, "" for none.
    """
    found = faults.find(config)
    if found is not None and (found.is_certain or "inheritance chain" in text):
        return found
    return next(_by_message(kind, text, cause), None)


def _by_message(kind: str, text: str, cause: str) -> Iterator[Fault]:
    custom = _CUSTOM.search(text)
    if custom:
        yield _of_custom_imports(custom[1], cause)
    module = _MODULE.search(text)
    if module:
        yield Fault(
            f"{kind}: it imports the module {module[1]!r}, which is not found",
            f"Install {module[1].partition('.')[0]} into the Python of the training, or start from "
            "the folder that holds it (PYTHONPATH=.).",
        )
    if "os.environ" in text:
        yield Fault(clean(f"{kind}: {text}", 400), "Export that variable before the start.")
    if "_delete_=True" in text:
        do = "Add _delete_=True to the section that replaces one of the base."
        yield Fault(clean(f"{kind}: {text}", 600), do)
    if "read_base" in text:
        do = "Use no other `with` than `with read_base():` in the file."
        yield Fault(clean(f"{kind}: {text}", 400), do)
