"""Everything that a training prints, line by line, to events.

Pure, but with a memory: a traceback has many lines. One parser serves one stream of one attempt.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import msgspec

from dualwatch.core.text import bound, strip_control
from dualwatch.events import (
    EndReported,
    EndReporter,
    ErrorSeen,
    Event,
    IterationLogged,
    LogMilestone,
)
from dualwatch.logs import envelopes, loss_scale, single_errors
from dualwatch.logs.bars import BarPlace
from dualwatch.logs.endings import EndingParser
from dualwatch.logs.formats import LineFormat
from dualwatch.logs.progress import ProgressReader
from dualwatch.logs.single_errors import ErrorKey
from dualwatch.logs.tracebacks import EXCERPT_WIDTH, MESSAGE_CHARS, TracebackCollector

MAX_RANKS = 64
MAX_KNOWN_ERRORS = 512

# torchrun puts "[rank0]: " before the lines of a traceback, "[default0]:" before all lines, and
# `srun -l` "0: "; mpirun "[1,0]<stderr>:" and Ray "(TrainWorker pid=4711, ip=10.0.0.2) ".
_TAG = re.compile(
    r"(?:\[[A-Za-z_]+\d{1,6}\]: ?)+| {0,4}\d{1,5}: |\[\d+,\d+\]<std(?:out|err)>: ?"
    r"|\([A-Za-z_][\w.()]{0,60} pid=\d+(?:, ip=[\d.a-f:]+)?\) "
)
_MARKS = frozenset("[( 0123456789")

_TERMINATE = re.compile(
    r"^(?:terminate called after throwing an instance of '|libc\+\+abi: terminating (?:with"
    r"|due to) "
    r"uncaught exception of type )(?P<kind>[^':]+(?:::[^':]+)*)"
)
_WHAT = re.compile(r"^\s*what\(\):\s*(?P<message>.*)")


def tag_of(line: str) -> str:
    """What a launcher put before a line to name the rank, "" for nothing."""
    match = _TAG.match(line) if line[:1] in _MARKS else None
    return match[0] if match is not None else ""


class ConsoleParser:
    """Reads the lines of one console, in their order.

    Args:
        formats: Readers of the frameworks' own lines, made for this stream.

    The events of errors:

    * a traceback gives one ``ErrorSeen`` for its whole chain. Since its message may have more
      lines, it comes with the first line that does not belong to it; ``flush`` brings it out
      when the console is quiet, ``close`` at the end;
    * a line that names an exception without a traceback gives one with that ``kind``;
    * a line that reports an error without naming an exception (``the loss failed: ...``, the
      logger's level ERROR) gives one with an empty ``kind`` and the line as its message. So does a
      traceback that the end of the stream cuts off, with its excerpt;
    * an exception of C++ that nobody caught (``terminate called ...``) gives one with its
      ``what()`` as the message.

    What others report of the end (``logs.endings``) gives an ``EndReported``.

    An error that repeats, as one that is caught in every iteration does, is reported the 1st, 10th,
    100th ... time; differing numbers in it do not make it another one.
    """

    def __init__(self, formats: Sequence[LineFormat]) -> None:
        self._formats = formats
        self._collectors: dict[str, TracebackCollector] = {"": TracebackCollector()}
        self._endings = EndingParser()
        self._terminated: ErrorSeen | None = None
        self._reported: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        self._progress = ProgressReader()

    def feed(self, line: str, at: float, wall: float) -> list[Event]:
        """Takes one whole line (without its end) and returns what it states or completes."""
        if "\x1b" in line:
            line = strip_control(line)
        line = envelopes.text_of(line)
        tag = tag_of(line)
        line = line[len(tag) :]
        shown, rest = self._progress.bar(line, at, wall)
        if rest is None:
            return list(shown)
        return [*shown, *self._text(tag, rest, at, wall)]

    def _text(self, tag: str, line: str, at: float, wall: float) -> list[Event]:
        event: Event | None = None
        for known in self._formats:
            event = known.parse(line, at, wall)
            if event is not None:
                break
        collector = self._collector(tag)
        if event is not None:
            collector.begun()
            self._endings.continued()
            if isinstance(event, IterationLogged):
                self._progress.trained()
            if isinstance(event, LogMilestone) and event.name == "environment":
                self._reported.clear()  # Of another start: what it dies of is new.
            ended = [*self._unfinished(), *collector.flush(at, wall)]
            return [*self._fresh(ended), event] if ended else [event]
        level, body = "", line
        for known in self._formats:
            level, body = known.split_prefix(line)
            if level:
                break
        is_what, errors = self._of_terminate(body, at, wall)
        report = None if level else self._endings.feed(line, at, wall)
        if report is not None:
            errors += collector.flush(at, wall)
        belongs, completed = collector.feed(line, level, body, at, wall)
        errors += completed
        if report is not None and not (belongs and _by_terminal(report)):
            return [*self._fresh(errors), report]
        if not (belongs or is_what):
            single = single_errors.parse(level, body, at, wall)
            errors += [single] if single is not None else []
        said = self._progress.said(line, at, wall) if not belongs else []
        skipped = loss_scale.parse(line, at, wall) if not belongs else None
        if skipped is not None:
            return [*said, skipped, *self._fresh(errors)]
        return [*said, *self._fresh(errors)] if said or errors else []

    def repeats(self, key: ErrorKey) -> bool:
        """Counts an error on a single line once more; whether it need not be reported again.

        False if it has to be read.
        """
        count = self._reported.get(key, 0) + 1
        if _is_due(count):
            return False
        self._reported[key] = count
        self._reported.move_to_end(key)
        return True

    def redraws(self, line: str, place: BarPlace, at: float, wall: float) -> bool:
        """Takes a line that only draws the newest bar again; whether it was one."""
        return self._progress.redraws(line, place, at, wall)

    def drawn(self, line: str, place: BarPlace) -> None:
        """The line that was fed last holds this bar and nothing else."""
        self._progress.drawn(line, place)

    @property
    def is_announced(self) -> bool:
        """Whether a line of progress means the epoch that an earlier line showed."""
        return self._progress.is_announced

    @property
    def has_table(self) -> bool:
        """Whether a line that begins with two numbers may be a row of a table of epochs."""
        return self._progress.has_table

    def progressed(self) -> None:
        """Lines that report the progress of a training came before the next one."""
        self._progress.progressed()

    def passed(self, tags: Iterable[str]) -> None:
        """Lines that cannot matter came before the next one, of ranks with these tags."""
        for tag in tags:
            if tag in self._collectors:
                self._collectors[tag].passed()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being read that the next line could belong to or end."""
        return not (self.is_open or self._progress.is_open)

    @property
    def is_open(self) -> bool:
        """Whether a traceback is being read, to which the next line may belong."""
        if self._terminated is not None:
            return True
        return any(collector.is_open for collector in self._collectors.values())

    def flush(self, at: float, wall: float) -> list[Event]:
        """The console is quiet: gives the exceptions whose last line came."""
        found = [e for one in self._collectors.values() for e in one.flush(at, wall)]
        return [*self._progress.flush(), *self._fresh([*self._unfinished(), *found])]

    def close(self, at: float, wall: float) -> list[Event]:
        """The end of the stream: gives what is left, also a traceback that was cut off."""
        found = [e for one in self._collectors.values() for e in one.close(at, wall)]
        return [*self._progress.flush(), *self._fresh([*self._unfinished(), *found])]

    def _of_terminate(self, body: str, at: float, wall: float) -> tuple[bool, list[ErrorSeen]]:
        """An exception of C++: whether the line holds its ``what()``, and the one it completes."""
        what = _WHAT.match(body) if self._terminated is not None else None
        if self._terminated is not None and what is not None:
            message = bound(what["message"], MESSAGE_CHARS)
            done = [msgspec.structs.replace(self._terminated, message=message)]
            self._terminated = None
            return True, done
        done = self._unfinished()
        match = _TERMINATE.match(body) if "terminat" in body else None
        if match is None:
            return False, done
        excerpt = (bound(body.strip(), EXCERPT_WIDTH),)
        kind = match["kind"].strip()
        self._terminated = ErrorSeen(at=at, wall=wall, exception=kind, message="", excerpt=excerpt)
        return True, done

    def _unfinished(self) -> list[ErrorSeen]:
        """The exception of C++ whose ``what()`` did not come."""
        held, self._terminated = self._terminated, None
        return [held] if held is not None else []

    def _collector(self, tag: str) -> TracebackCollector:
        collector = self._collectors.get(tag)
        if collector is None:
            if len(self._collectors) >= MAX_RANKS:
                return self._collectors[""]
            collector = self._collectors[tag] = TracebackCollector()
        return collector

    def _fresh(self, errors: list[ErrorSeen]) -> list[Event]:
        """Leaves out errors that were reported often enough."""
        fresh: list[Event] = []
        for error in errors:
            key = single_errors.key(error)
            count = self._reported.pop(key, 0) + 1
            self._reported[key] = count
            if len(self._reported) > MAX_KNOWN_ERRORS:
                self._reported.popitem(last=False)
            if _is_due(count):
                fresh.append(error)
        return fresh


def _is_due(count: int) -> bool:
    """Whether an error is reported that came so many times."""
    return str(count).rstrip("0") == "1"


def _by_terminal(report: Event) -> bool:
    """Whether a line is the name of an exception, which the terminal's form resembles."""
    return isinstance(report, EndReported) and report.by is EndReporter.TERMINAL
