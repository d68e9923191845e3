"""Tracebacks out of a stream of lines, one exception an event.

A block goes through three states. ``frames``: after ``Traceback (most recent call last):``, until
the line ``Kind: message``. ``message``: the following lines of a message, until something else
comes. A chain ("During handling of ...", "Original Traceback ...") leads from the second back to
the first, so that a chain gives one event, which names its last exception. A loader worker's
exception comes wrapped in the main process's, and there the original is the cause. A notebook shows
tracebacks in a form of its own (``notebooks``), which is kept in Python's.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from dualwatch.core.text import bound
from dualwatch.events import ErrorFate, ErrorSeen
from dualwatch.logs import notebooks
from dualwatch.logs.notebooks import NotebookFrames

EXCERPT_LINES = 60
EXCERPT_WIDTH = 500
CAUSES = 8
MESSAGE_LINES = 30
MESSAGE_CHARS = 4000
FOREIGN_LINES = 50
"""Lines of others that may come in between before a traceback is given up."""

HEADER = "Traceback (most recent call last):"

_FRAME = re.compile(r'\s+File "(?P<file>.+?)", line (?P<line>\d+)(?:, in (?P<function>.+))?\s*$')
_BARE_BLOCK = re.compile(r'\s{2}File "[^"]+", line \d+$')
_FINAL = re.compile(r"(?P<kind>[A-Za-z_][\w.<>]*)(?::(?:\s+(?P<message>.*))?)?\s*$")
_BARE_KIND = re.compile(
    r"(?:Error|Exception|Warning|Interrupt|Exit|Iteration|Timeout|Expired|Failure|Fault)$"
)
_WORKER = re.compile(r"Caught \S+ in DataLoader worker process (\d{1,9})")
_CHAIN = (
    "During handling of the above exception",
    "The above exception was the direct cause",
)
# What other parts of Python print after or between tracebacks, and that belongs to no message.
_STOP = ("Call stack:", "--- Logging error ---", "Exception ignored in")


# The line before a traceback that did not end its process.
_FATES = (
    ("Exception ignored in", ErrorFate.IGNORED),
    ("Exception in thread", ErrorFate.THREAD),
    ("--- Logging error ---", ErrorFate.LOGGING),
    ("Error in atexit", ErrorFate.AT_EXIT),
    ("Error in sys.", ErrorFate.AT_EXIT),
)


@dataclass(slots=True)
class _Block:
    """A traceback being collected."""

    prefix: str
    logged: bool
    excerpt: deque[str] = field(default_factory=lambda: deque(maxlen=EXCERPT_LINES))
    in_frames: bool = True
    kind: str = ""
    message: list[str] = field(default_factory=list)
    where: str = ""
    worker: int | None = None
    causes: list[str] = field(default_factory=list)
    blank: bool = False
    foreign: int = 0
    fate: ErrorFate = ErrorFate.RAISED
    notebook: NotebookFrames | None = None
    is_cut: bool = False

    def keep(self, line: str) -> None:
        self.excerpt.append(bound(line, EXCERPT_WIDTH))

    def next_link(self) -> None:
        """The exception so far becomes a cause of the one that follows."""
        if self.kind and len(self.causes) < CAUSES:
            message = "\n".join(self.message).strip()
            self.causes.append(bound(f"{self.kind}: {message}", EXCERPT_WIDTH))
        self.in_frames, self.blank, self.foreign = True, False, 0
        self.notebook = None

    def event(self, at: float, wall: float) -> ErrorSeen:
        return ErrorSeen(
            at=at,
            wall=wall,
            exception=self.kind,
            message=bound("\n".join(self.message).strip(), MESSAGE_CHARS),
            where=bound(self.where, EXCERPT_WIDTH),
            excerpt=tuple(self.excerpt),
            worker=self.worker,
            causes=tuple(self.causes),
            fate=self.fate,
        )


SIGNS = ("Traceback", "File")
"""One of these is in a word of each line with which a traceback can begin."""


def may_hold(line: str) -> bool:
    """Whether a traceback can begin with a line."""
    return HEADER[:-1] in line or 'File "' in line


class TracebackCollector:
    """Collects the tracebacks of one stream, which may come from one of several ranks."""

    def __init__(self) -> None:
        self._block: _Block | None = None
        self._before = ""
        self._has_begun = False

    @property
    def is_open(self) -> bool:
        """Whether a traceback has begun and not ended."""
        return self._block is not None

    def passed(self) -> None:
        """A line came before the next one that neither belongs to a traceback nor announces one."""
        self._before = ""
        self._has_begun = True

    def begun(self) -> None:
        """The text has a line before the next one: it does not begin among frames."""
        self._has_begun = True

    def feed(
        self, line: str, level: str, body: str, at: float, wall: float
    ) -> tuple[bool, list[ErrorSeen]]:
        """Takes one line.

        Args:
            line: The line without a rank's tag.
            level: Level of its logger's prefix, "" where it has none.
            body: The line without a logger's prefix.
            at, wall: Times of the events.

        Returns:
            Whether the line belongs to a traceback, and the exceptions that it completed.
        """
        before, self._before = self._before, body if body.strip() else self._before
        cell = notebooks.header(body)
        if cell is not None:
            return True, self._cell(cell, level, at, wall)
        if HEADER in body:
            return True, self._header(level, body, before.lstrip(), at, wall)
        block = self._block
        if block is None:
            # Without a header: a syntax error in the script itself, and a text that begins among
            # the frames of a traceback, which was cut there.
            is_cut = not self._has_begun and _FRAME.match(line) is not None
            if _BARE_BLOCK.match(line) is None and not is_cut:
                self._has_begun = self._has_begun or bool(line.strip())
                return False, []
            block = self._block = _Block(prefix="", logged=False, is_cut=is_cut)
        if level and not block.logged:
            # Somebody's log line: it ends a message, and may stand among the frames.
            return (False, []) if block.in_frames else (False, self.flush(at, wall))
        text = body if level else line
        if block.prefix and text.startswith(block.prefix):
            text = text[len(block.prefix) :]
        if block.in_frames:
            return self._among_frames(block, text, at, wall)
        return self._after_kind(block, text, level, at, wall)

    def flush(self, at: float, wall: float) -> list[ErrorSeen]:
        """Returns the exception whose message may continue; frames without a kind are kept."""
        block = self._block
        if block is None or block.in_frames:
            return []
        self._block = None
        return [block.event(at, wall)]

    def close(self, at: float, wall: float) -> list[ErrorSeen]:
        """The end of the stream: a traceback that was cut off comes with an empty kind."""
        events = self.flush(at, wall)
        if self._block is not None:
            events.append(self._block.event(at, wall))
            self._block = None
        return events

    def _header(
        self, level: str, body: str, announced: str, at: float, wall: float
    ) -> list[ErrorSeen]:
        before = body[: body.index(HEADER)]
        # The text before the header is before each line: an indent, "  | ", both.
        # Words do not ("the loss failed: Traceback ...").
        margin = before.removesuffix("Exception Group ").replace("+", "|")
        prefix = margin if not margin.strip(" |\t") else ""
        original = before.endswith("Original ")
        block = self._block
        events: list[ErrorSeen] = []
        if block is None or not (original or block.in_frames):
            events = self.flush(at, wall)
            fate = next((f for text, f in _FATES if announced.startswith(text)), ErrorFate.RAISED)
            block = self._block = _Block(prefix=prefix, logged=bool(level), fate=fate)
        elif original:
            block.next_link()
        else:
            # The next link of a chain; or a new start, where the last one was cut off.
            block.prefix, block.logged = prefix, bool(level)
        block.keep(body[len(prefix) :])
        return events

    def _cell(
        self, notebook: NotebookFrames, level: str, at: float, wall: float
    ) -> list[ErrorSeen]:
        """A notebook's traceback begins, or the next link of its chain."""
        events = self.flush(at, wall)
        if self._block is None or not self._block.causes:
            self._block = _Block(prefix="", logged=bool(level))
        self._block.notebook = notebook
        self._block.keep(HEADER)
        return events

    def _among_frames(
        self, block: _Block, text: str, at: float, wall: float
    ) -> tuple[bool, list[ErrorSeen]]:
        if block.notebook is not None and not block.notebook.is_end(text):
            return self._in_cell(block, block.notebook, text)
        frame = _FRAME.match(text)
        if frame is not None:
            block.keep(text)
            place = f"{frame['file']}:{frame['line']}"
            block.where = f"{place} in {frame['function']}" if frame["function"] else place
            return True, []
        if text.startswith("  ") or not text.strip():
            block.keep(text)
            return True, []
        final = _FINAL.match(text)
        has_message = final is not None and final["message"] is not None and not block.is_cut
        if final is not None and _is_kind(final["kind"], has_message):
            block.keep(text)
            block.in_frames = False
            block.kind = final["kind"]
            block.message = [final["message"] or ""]
            self._note_worker(block)
            return True, []
        block.foreign += 1
        if block.foreign > FOREIGN_LINES:
            self._block = None
            return False, [block.event(at, wall)] if block.kind else []
        return False, []

    def _in_cell(
        self, block: _Block, notebook: NotebookFrames, text: str
    ) -> tuple[bool, list[ErrorSeen]]:
        for line in notebook.take(text):
            block.keep(line)
        block.where = notebook.where or block.where
        if notebook.knows(text):
            return True, []
        block.foreign += 1
        if block.foreign > FOREIGN_LINES:
            self._block = None
        return False, []

    def _after_kind(
        self, block: _Block, text: str, level: str, at: float, wall: float
    ) -> tuple[bool, list[ErrorSeen]]:
        if text.startswith(_CHAIN):
            block.keep(text)
            # The header that follows opens the next link; until then nothing is complete.
            block.next_link()
            return True, []
        if not text.strip():
            block.blank = True
            return True, []
        is_more = text[0] in " \t" or not block.blank
        # A line of a logger that printed the whole traceback line by line is no message.
        if not is_more or level or text.startswith(_STOP) or len(block.message) >= MESSAGE_LINES:
            return False, self.flush(at, wall)
        block.keep(text)
        block.message.append(bound(text, EXCERPT_WIDTH))
        self._note_worker(block)
        return True, []

    @staticmethod
    def _note_worker(block: _Block) -> None:
        wrapped = _WORKER.search(block.message[-1])
        if wrapped is not None:
            block.worker = int(wrapped[1])


def _is_kind(kind: str, has_message: bool) -> bool:
    """Whether a word can be an exception's name rather than the start of other output.

    Names from modules are dotted (``socket.timeout``, ``cv2.error``), others capitalised.
    """
    if "." in kind.strip("."):
        return True
    return kind[0].isupper() and (has_message or _BARE_KIND.search(kind) is not None)
