"""Traces the exceptions of one iteration: which were raised where, and which line caught them.

A loss that is caught and dropped leaves no trace of its own: the model prints what it likes, or
nothing. Python's own tracing sees every exception. It is switched on by a command of the
supervisor, for one iteration, and off again; an iteration with it takes about twice as long.

Nothing of the training is kept alive: of frames and exceptions only the identities are kept.
"""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
import threading
import time
from typing import Any

from dualwatch import protocol

LONGEST = 30.0
"""Seconds after which the tracing ends by itself."""

MOST = 120
"""Exceptions that are kept."""

OF_ONE_PLACE = 3
"""Exceptions of one place that are kept: a loop raises the same one again and again."""

FRAMES = 8
MESSAGE = 500
SOURCE = 160

_CONTROL_FLOW = (StopIteration, StopAsyncIteration, GeneratorExit)
_OWN = os.path.dirname(os.path.abspath(__file__))
_PACKAGES = ("site-packages", "dist-packages")
_UNTRACED = ("torch", "numpy", "PIL", "scipy")
"""Packages in which no exception is looked at; one that passes through is seen outside."""


class ExceptionTrace:
    """The exceptions of this process between ``start`` and ``stop``."""

    def __init__(self) -> None:
        self._open: list[dict[str, Any]] = []
        self._kept: list[dict[str, Any]] = []
        self._counts: dict[tuple[str, str], int] = {}
        self._followed: dict[str, bool] = {}
        self._frames: list[tuple[Any, Any]] = []
        self._until = 0.0
        self._before: Any = None
        self._of_threads: Any = None
        self.active = False

    def start(self) -> str:
        """Begins to trace; returns why it cannot be done, "" where it can."""
        if sys.gettrace() is not None:
            return "a debugger or another tracer is active"
        self._until = time.monotonic() + LONGEST
        self._of_threads = getattr(threading, "_trace_hook", None)
        self.active = True
        # Frames that run already are traced only where that is asked of each.
        frame: Any = sys._getframe(1)
        while frame is not None:
            if frame.f_trace is None and self._is_followed(frame.f_code.co_filename):
                self._frames.append((frame, frame.f_trace_lines))
                frame.f_trace_lines = False
                frame.f_trace = self._event
            frame = frame.f_back
        threading.settrace(self._called)
        sys.settrace(self._called)
        return ""

    def stop(self) -> list[protocol.CaughtDocument]:
        """Ends the tracing; returns the exceptions that were caught, each once."""
        self._switch_off()
        caught: dict[tuple[str, str, str], dict[str, Any]] = {}
        for one in self._kept:
            if not one["converted"]:
                caught.setdefault((one["exception"], one["raised"], one["caught"]), one)
        self._open, self._kept, self._counts = [], [], {}
        return [
            {
                "exception": one["exception"],
                "message": one["message"],
                "raised": one["raised"],
                "caught": one["caught"],
                "handler": one["handler"],
                "foreign": one["foreign"],
                "path": one["path"],
            }
            for one in caught.values()
        ]

    def _switch_off(self) -> None:
        if not self.active:
            return
        self.active = False
        sys.settrace(None)
        threading.settrace(self._of_threads)
        for frame, lines in self._frames:
            frame.f_trace, frame.f_trace_lines = None, lines
        self._frames = []

    # --- events of the interpreter ---------------------------------------------------------------

    def _called(self, frame, event, arg):
        if not self.active or time.monotonic() > self._until:
            sys.settrace(None)
            return None
        if not self._is_followed(frame.f_code.co_filename):
            return None
        frame.f_trace_lines = False
        return self._event

    def _event(self, frame, event, arg):
        if not self.active:
            return None
        try:
            if event == "exception":
                self._raised(frame, arg[0], arg[1], arg[2])
            elif event == "line":
                self._continued(frame)
        except Exception:
            self.active = False  # Tracing must never be the cause of anything.
        return self._event

    def _raised(self, frame, kind, value, traceback) -> None:
        if issubclass(kind, _CONTROL_FLOW):
            return
        below = set()
        innermost = link = traceback
        while link is not None:
            below.add(id(link.tb_frame))
            innermost, link = link, link.tb_next
        here = id(frame)
        for known in reversed(self._open):
            if known["id"] == id(value) and known["frame"] != here and known["frame"] in below:
                self._place(known, frame)
                return
        self._note(frame, kind, value, traceback, innermost)

    def _note(self, frame, kind, value, traceback, innermost) -> None:
        raised = _where(innermost.tb_frame.f_code, innermost.tb_lineno)
        name = _name(kind)
        count = self._counts[name, raised] = self._counts.get((name, raised), 0) + 1
        if count > OF_ONE_PLACE or len(self._kept) >= MOST:
            return
        known = {
            "id": id(value),
            "exception": name,
            "message": _text(value),
            "raised": raised,
            "converted": False,
            "path": _path(frame, traceback),
        }
        before = value.__cause__ or value.__context__
        for other in self._open if before is not None else ():
            # It was raised on, as another exception.
            if other["id"] == id(before) and other["exception"] == _name(type(before)):
                other["converted"] = True
        self._kept.append(known)
        self._open.append(known)
        self._place(known, frame)

    def _place(self, known, frame) -> None:
        """The exception is in this frame now; where it is caught, the next line is of the frame."""
        file = frame.f_code.co_filename
        known["frame"] = id(frame)
        known["caught"] = _where(frame.f_code, frame.f_lineno)
        known["handler"] = ""
        known["foreign"] = _is_foreign(file)
        frame.f_trace_lines = True

    def _continued(self, frame) -> None:
        """The first line after an exception, in a frame that has seen it."""
        frame.f_trace_lines = False
        here, line = id(frame), frame.f_lineno
        for known in reversed(self._open):
            if known["frame"] == here and not known["handler"]:
                source = linecache.getline(frame.f_code.co_filename, line).strip()
                is_handler = source.startswith(("except", "with ", "async with "))
                known["handler"] = "continued at line " + str(line)
                if is_handler:
                    known["handler"] = source[:SOURCE]
                    known["caught"] = _where(frame.f_code, line)
                return

    def _is_followed(self, file: str) -> bool:
        found = self._followed.get(file)
        if found is None:
            found = self._followed[file] = not (
                file.startswith((_OWN, "<")) or _is_library(file) or _is_untraced(file)
            )
        return found


def _is_library(file: str) -> bool:
    """Whether a file is of Python's own library."""
    library = sysconfig.get_paths().get("stdlib", "")
    if library and not os.path.isabs(file):
        # A Python that was compiled elsewhere knows its files without their folder.
        return any(os.path.exists(os.path.join(library, file + end)) for end in ("", "c"))
    below = os.path.normcase(file).startswith(os.path.normcase(library))
    return bool(library) and below and not _is_foreign(file)


def _is_foreign(file: str) -> bool:
    """Whether a file is of an installed package."""
    return any(part in _PACKAGES for part in _parts(file))


def _is_untraced(file: str) -> bool:
    parts = _parts(file)
    packages = [parts[i + 1] for i, part in enumerate(parts[:-1]) if part in _PACKAGES]
    return any(name in _UNTRACED for name in packages)


def _parts(file: str) -> list[str]:
    return file.replace("\\", "/").split("/")


def _where(code, line: int) -> str:
    return "{}:{} in {}".format(code.co_filename, line, code.co_name)


def _name(kind) -> str:
    name = kind.__qualname__
    return name if kind.__module__ == "builtins" else "{}.{}".format(kind.__module__, name)


def _text(value) -> str:
    try:
        return str(value)[:MESSAGE]
    except Exception:
        return ""


def _path(frame, traceback) -> list[str]:
    """Functions from where it was raised to the outermost ones that called them. Bounded."""
    raised = []
    link = traceback.tb_next
    while link is not None:
        raised.append(_function(link.tb_frame))
        link = link.tb_next
    outer: list[str] = []
    while frame is not None and len(outer) < FRAMES:
        if not _is_untraced(frame.f_code.co_filename):
            outer.append(_function(frame))
        frame = frame.f_back
    return [*list(reversed(raised))[:FRAMES], *outer]


def _function(frame) -> str:
    code = frame.f_code
    name = code.co_name
    if code.co_argcount and code.co_varnames[0] == "self":
        name = type(frame.f_locals.get("self")).__name__ + "." + name
    return "{} ({})".format(name, _parts(code.co_filename)[-1])
