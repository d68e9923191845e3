"""Tracebacks as IPython shows them in a notebook's cell, as lines of Python's own form. Pure.

::

    KeyboardInterrupt                         Traceback (most recent call last)
    <ipython-input-7-2b6ab1b4c7b5> in <cell line: 3>()
    ----> 3 runner.train()

    /usr/lib/python3.10/site-packages/x/loops.py in run_epoch(self)
        114             self.runner.call_hook("before_train_iter")
    --> 115             self.run_iter(idx, data_batch)

    KeyboardInterrupt:

Newer versions write ``Cell In[7], line 3`` and ``File /usr/x/loops.py:115, in Loop.run(self)``.
"""

from __future__ import annotations

import re

_TITLE = "Traceback (most recent call last)"
_HEADER = re.compile(rf"(?P<kind>[A-Za-z_]\w*) {{2,}}{re.escape(_TITLE)}\s*$")
_FRAMES = (
    re.compile(r"File (?P<file>\S.*?):(?P<line>\d+), in (?P<function>[\w.<>]+)"),
    re.compile(r"(?P<file>Cell In ?\[\d+\]), line (?P<line>\d+)"),
    re.compile(r"(?P<file>Input In \[\d+\]), in (?P<function><cell line: \d+>|<module>)"),
    re.compile(r"(?P<file>[~/<]\S.*?|[A-Za-z]:\\.+?) in (?P<function><cell line: \d+>|[\w.<>]+)"),
)
_ARROW = re.compile(r"-+> ?(?P<line>\d+) ?(?P<code>.*)$")
_CODE = re.compile(r"\s+(?:\d+\s|\.\.\.|\(\.\.\.\))|-{20,}$")


def header(line: str) -> NotebookFrames | None:
    """The frames that follow a notebook's header; None for every other line."""
    match = _HEADER.match(line) if _TITLE in line else None
    return NotebookFrames(match["kind"]) if match is not None else None


class NotebookFrames:
    """Reads the lines between the header and the exception.

    Attributes:
        where: ``FILE:LINE in FUNCTION`` of the innermost frame so far, "" for none.
    """

    def __init__(self, kind: str) -> None:
        self.where = ""
        self._end = re.compile(rf"(?:[\w.]+\.)?{re.escape(kind)}(?::|\s*$)")
        self._frame = ("", "")

    def is_end(self, text: str) -> bool:
        """Whether a line is the exception itself."""
        return self._end.match(text) is not None

    def knows(self, text: str) -> bool:
        """Whether a line has the form of a frame or of its source."""
        if not text.strip() or _ARROW.match(text) or _CODE.match(text):
            return True
        return any(pattern.match(text) for pattern in _FRAMES)

    def take(self, text: str) -> list[str]:
        """The lines of Python's own form that a line gives: none, a frame, or a frame's source."""
        arrow = _ARROW.match(text)
        if arrow is not None and self._frame[0]:
            return self._shown(arrow["line"], arrow["code"])
        for pattern in _FRAMES:
            match = pattern.match(text)
            if match is not None:
                parts = match.groupdict()
                self._frame = (parts["file"], parts.get("function") or "<module>")
                return []
        return []

    def _shown(self, number: str, code: str) -> list[str]:
        file, function = self._frame
        self._frame = ("", "")
        self.where = f"{file}:{number} in {function}"
        return [f'  File "{file}", line {number}, in {function}', f"    {code.strip()}"]
