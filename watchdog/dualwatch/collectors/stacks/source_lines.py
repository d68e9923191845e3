"""What the source lines of stacks call: where a thread waits inside C, no frame shows for what.

A line is believed only where the file is the one that runs: it was not changed since the process
was started, and the line is in a function of the frame's name.
"""

from __future__ import annotations

import ast
import functools
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec.structs import replace

from dualwatch.core import process_identity
from dualwatch.core.text import clean
from dualwatch.events import SourceLine, ThreadStack

LARGEST = 1 << 20
"""Bytes of a source file; a larger one was not written by people."""

CLOCKS = 2.0
"""Seconds by which the times of files and of processes may differ: of some only whole ones."""

MOST = 8
"""Names of one line."""

_Lines = dict[tuple[str, int], SourceLine]
"""(function, line) -> what it calls."""


def annotate(stacks: Iterable[ThreadStack], *, same_files: bool) -> list[ThreadStack]:
    """The stacks, with the source line of each innermost frame where it can be read.

    Args:
        same_files: The processes see the file system that we see, since they were started by us.
    """
    return [_annotated(stack, same_files) for stack in stacks]


def _annotated(stack: ThreadStack, same_files: bool) -> ThreadStack:
    if not stack.frames:
        return stack
    inner = stack.frames[0]
    path = _place(stack.pid, inner.file, same_files)
    lines = _read(path, stack.pid) if path is not None else None
    found = lines.get((inner.bare, inner.line)) if lines else None
    if found is None:
        return stack
    return replace(stack, frames=(replace(inner, source=found), *stack.frames[1:]))


def _place(pid: int, file: str, same_files: bool) -> Path | None:
    """Where the file of a process is for us; None where that is not known."""
    if not os.path.isabs(file):
        return None
    if same_files or not sys.platform.startswith("linux"):
        return Path(file)
    # The process may live in a container, where another file has this name.
    return Path(f"/proc/{pid}/root{file}")


def _read(path: Path, pid: int) -> _Lines | None:
    import psutil  # not at the top: it would slow every start of the program

    try:
        state = path.stat()
        if state.st_size > LARGEST or not path.is_file():
            return None
        if state.st_mtime > process_identity.created(psutil.Process(pid)) + CLOCKS:
            return None
        return _lines(str(path), state.st_mtime_ns, state.st_size)
    except (OSError, psutil.Error, ValueError):
        return None


@functools.lru_cache(maxsize=32)
def _lines(path: str, changed: int, size: int) -> _Lines:
    """What the lines of a file call; empty where it is not Python that we can read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of strangers' code.
            tree = ast.parse(Path(path).read_bytes())
        return parse(tree)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return {}


def parse(tree: ast.AST) -> _Lines:
    """What each line of a parsed file calls and enters, by the function around it. Pure."""
    calls: dict[tuple[str, int], list[str]] = {}
    enters: dict[tuple[str, int], list[str]] = {}
    for function, node in _nodes(tree, "<module>"):
        if isinstance(node, ast.Call):
            if not _returns_at_once(node):
                # Python gives a call the line where it begins, or that of the method's name.
                for line in {node.lineno, node.func.end_lineno or node.lineno}:
                    calls.setdefault((function, line), []).append(_name(node.func))
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                if not isinstance(item.context_expr, ast.Call):
                    for line in {node.lineno, item.context_expr.lineno}:
                        enters.setdefault((function, line), []).append(_name(item.context_expr))
    return {
        at: SourceLine(
            calls=tuple(calls.get(at, ())[:MOST]),
            enters=tuple(enters.get(at, ())[:MOST]),
        )
        for at in {*calls, *enters}
    }


def _nodes(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
    """All nodes with the name of the function that runs them."""
    waiting = [(function, node)]
    while waiting:
        inside, one = waiting.pop()
        yield inside, one
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inside = one.name
        elif isinstance(one, ast.Lambda):
            inside = "<lambda>"
        waiting += [(inside, child) for child in ast.iter_child_nodes(one)]


def _returns_at_once(call: ast.Call) -> bool:
    """Whether a call is asked not to wait: ``acquire(False)``, ``get(block=False)``."""
    first = call.args[:1]
    asked = [one.value for one in call.keywords if one.arg in ("block", "blocking")] or first
    return any(isinstance(one, ast.Constant) and one.value is False for one in asked)


def _name(node: ast.expr) -> str:
    """A dotted name as it is written; "?" for any other expression in it."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "?")
    return clean(".".join(reversed(parts)), 100)
