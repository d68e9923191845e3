"""Whether a loader's workers can be spawned by a training that did not plan for it.

A spawned process imports the training's script, unless it is kept from it. Without a main guard
that would train a second time, so such a script is left out, and where the data set is defined in
it, nothing is spawned.
"""

from __future__ import annotations

import ast
import io
import multiprocessing.spawn
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import context
from multiprocessing.reduction import ForkingPickler
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

    from dualwatch.agent.torch.objects import DataLoader

_MAIN_KEYS = ("init_main_from_name", "init_main_from_path")

_local = threading.local()


class NotSentError(Exception):
    """A data set cannot be sent to a spawned process; the message is the reason."""


class UnsafeMainError(Exception):
    """A spawned process would run the training's script; the message is the reason."""


class ChangedCodeError(Exception):
    """A spawned process would import other code than this one has; the message names a file."""


class LoaderState(NamedTuple):
    """What every spawned worker of a loader gets.

    Attributes:
        imports_main: Whether it imports the training's script.
        size: Bytes of its copy of the data set; 0 where its own workers had one.
    """

    imports_main: bool
    size: int


def check(loader: DataLoader, since: float) -> LoaderState:
    """What a spawned worker needs.

    Tensors of the data set are moved into shared memory, as when it is sent.

    Args:
        since: When the training had imported its code.

    Raises:
        ChangedCodeError: A file of it was changed since.
        NotSentError: The data set, or a function of the loader, cannot be pickled.
        UnsafeMainError: It can be, and is defined in a script that cannot be imported.
    """
    changed = _changed(since)
    if changed:
        raise ChangedCodeError(changed)
    if _is_spawned(loader):
        return LoaderState(imports_main=True, size=0)  # As for its own workers.
    needed, size = _pickled((loader.dataset, loader.collate_fn, loader.worker_init_fn))
    why = _against_main()
    if needed and why:
        raise UnsafeMainError(why)
    return LoaderState(imports_main=not why, size=size)


def _is_spawned(loader: DataLoader) -> bool:
    """Whether the loader's own workers are started in new interpreters."""
    own: BaseContext | None = getattr(loader, "multiprocessing_context", None)
    method = own.get_start_method() if own is not None else multiprocessing.get_start_method()
    return method != "fork"


@contextmanager
def without_main() -> Iterator[None]:
    """Inside, processes that this thread spawns do not import the training's script."""
    _install()
    _local.without_main = True
    try:
        yield
    finally:
        _local.without_main = False


def _install() -> None:
    original = multiprocessing.spawn.get_preparation_data
    if hasattr(original, "_dualwatch"):
        return

    def get_preparation_data(name):
        data = original(name)
        if getattr(_local, "without_main", False):
            for key in _MAIN_KEYS:
                data.pop(key, None)
        return data

    get_preparation_data._dualwatch = True  # type: ignore[attr-defined]
    multiprocessing.spawn.get_preparation_data = get_preparation_data


# --- pickling ------------------------------------------------------------------------------------


class _Sink(io.RawIOBase):
    """Counts what is written, and drops it: the data set may be as large as the memory."""

    size = 0

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        written = memoryview(data).nbytes
        self.size += written
        return written


class _Pickler(ForkingPickler):
    """Notes whether something of the training's script is pickled by its name."""

    main = False

    def reducer_override(self, thing):
        named = isinstance(thing, (type, FunctionType, BuiltinFunctionType))
        if named and thing.__module__ in ("__main__", "__mp_main__"):
            self.main = True
        return NotImplemented


class _NoProcess:
    """In place of the process that is being started, for what is shared by descriptors."""

    DupFd = staticmethod(lambda descriptor: descriptor)
    duplicate_for_child = staticmethod(lambda handle: handle)


def _pickled(things: tuple[object, ...]) -> tuple[bool, int]:
    """Whether something of the training's script is among the things, and their size."""
    sink = _Sink()
    pickler = _Pickler(sink)
    context.set_spawning_popen(_NoProcess())  # type: ignore[arg-type]
    try:
        pickler.dump(things)
    except Exception as error:
        raise NotSentError(f"{type(error).__name__}: {error}") from error
    finally:
        context.set_spawning_popen(None)
    return pickler.main, sink.size


# --- the training's script -----------------------------------------------------------------------


def _against_main() -> str:
    """Why the training's script must not be imported by a worker, "" where it may."""
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    if path is None:
        return "the training runs in an interactive session"
    try:
        with open(path, "rb") as stream:
            tree = ast.parse(stream.read())
    except (OSError, SyntaxError, ValueError):
        return f"{path} cannot be read"
    if not any(_is_guard(statement) for statement in tree.body):
        return f"{path} has no `if __name__ == '__main__':`"
    if any(isinstance(one, (ast.For, ast.While)) for one in tree.body):
        return f"{path} has a loop outside of `if __name__ == '__main__':`"
    return ""


def _changed(since: float) -> str:
    """An imported file that was changed after a time, "" where none was."""
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        with suppress(OSError, TypeError, ValueError):
            if path and os.stat(path).st_mtime > since:
                return str(path)
    return ""


def _is_guard(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.If):
        return False
    names = [node.id for node in ast.walk(statement.test) if isinstance(node, ast.Name)]
    return "__name__" in names
