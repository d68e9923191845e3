"""The progress of a training that its console shows by bars and by lines of no known framework.

A bar is redrawn many times a second: of all its states the first and the last before other text
are reported, one every ten seconds between them, and the first with a loss that is not finite.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from msgspec import structs

from dualwatch.events import Event, ProgressShown
from dualwatch.logs import bars, plain_lines, tables
from dualwatch.logs.bars import Bar, BarPlace

EVERY_S = 10.0
MOST_OPEN = 16
"""Bars that are drawn at the same time, one below the other."""

_EPOCH = re.compile(
    r"(?<![a-z])ep(?:och)?\.?s?[ \t:=#\[(]{0,4}(?P<epoch>\d{1,7})"
    r"(?: ?(?:/|of) ?(?P<epochs>\d{1,7}))?"
    r"|第 ?(?P<zh>\d{1,7}) ?(?:/ ?(?P<zhs>\d{1,7}) ?)?(?:轮|个? ?epoch|个?周期)",
    re.IGNORECASE,
)
_FRACTION = re.compile(r"^\W{0,2}(?P<epoch>\d{1,7})/(?P<epochs>\d{1,7})(?![\w/])")
_OUTER = re.compile(r"(?:all |total |training )?(?:epochs?|轮次|总进度)\W*$", re.IGNORECASE)
_VALIDATING = re.compile(
    r"(?<![a-z])(?:val(?:id(?:at(?:e|ing|ion))?)?|eval(?:uat(?:e|ing|ion))?|dev)(?![a-z])"
    r"|sanity check|验证|评估|^class +images",
    re.IGNORECASE,
)
_TESTING = re.compile(
    r"(?<![a-z])(?:test(?:ing)?|predict(?:ing|ion)?|infer(?:ring|ence)?)(?![a-z])|测试|推理",
    re.IGNORECASE,
)
_TRAINING = re.compile(r"(?<![a-z])(?:train(?:ing)?|fit(?:ting)?)(?![a-z])|训练", re.IGNORECASE)
_NO_TRAINING = re.compile(
    r"download|loading|load |cach|scanning|map\b|tokeni[sz]|extract|convert|prepar|filter|generat"
    r"|unzip|checking|building|reading|collect|下载|加载|缓存|读取|扫描",
    re.IGNORECASE,
)
_LOSS = re.compile(r"(?:^|[_./ -])(?:loss|l|nll|ce|kl)$|loss", re.IGNORECASE)
_EPOCH_LINE = re.compile(r"\s*epoch\W{0,3}(\d{1,7})(?: ?/ ?(\d{1,7}))?\W*\Z", re.IGNORECASE)
_TABLE_HEAD = re.compile(r"\s+Epoch\s+(?P<names>\S.*)\Z")
_ONLY_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|nan|inf", re.IGNORECASE)


@dataclass(slots=True)
class _Open:
    """A bar that is being redrawn."""

    bar: Bar
    event: ProgressShown
    reported_at: float
    is_reported: bool
    not_finite: bool


@dataclass(slots=True)
class _Newest:
    """The bar that was drawn last, alone in its line.

    Attributes:
        label: The text before it.
        count: How far it is.
        reported_at: When its state was reported last.
        unread: Its newest state, where that was not read.
    """

    label: str
    count: int
    reported_at: float
    unread: tuple[str, float, float] | None = None


class ProgressReader:
    """Reads one stream. It remembers the epoch that a line announced, and what is being drawn."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int | None], _Open] = {}
        self._newest: _Newest | None = None
        self._reported_at = 0.0
        self._announced: tuple[int | None, int | None] = (None, None)
        self._outer: tuple[int, int | None] | None = None
        self._columns: tuple[str, ...] = ()
        self._table: tuple[str, ...] = ()
        self._has_trained = self._has_framework = self._is_evaluated = False
        self._trained: tuple[int | None, int | None] = (None, None)

    @property
    def is_open(self) -> bool:
        """Whether bars are being drawn, which the next text ends."""
        return bool(self._open)

    @property
    def is_announced(self) -> bool:
        """Whether a line of its own showed the epoch that the lines after it belong to."""
        return self._announced[0] is not None

    @property
    def has_table(self) -> bool:
        """Whether the head of a table of epochs was seen, of which rows may follow."""
        return bool(self._table)

    def progressed(self) -> None:
        """Lines of a training came that were not taken."""
        self._has_trained, self._is_evaluated = True, False

    def trained(self) -> None:
        """A framework reported a training: a bar without a name is one of its validation."""
        self._has_trained = self._has_framework = True

    def bar(self, line: str, at: float, wall: float) -> tuple[list[ProgressShown], str | None]:
        """Takes one line, and its bar out of it.

        Returns:
            What is to be reported, and the text that is left to be read as a line; None where
            nothing is.
        """
        bar, rest = bars.split(line)
        if bar is None:
            return (self.flush() if self._open and line.strip() else []), line
        return [*self._read_newest(), *self._drawn(bar, at, wall)], rest or None

    def redraws(self, line: str, place: BarPlace, at: float, wall: float) -> bool:
        """Whether a line shows no more than that the newest bar moves on: it is read if it stays.

        All but a few of a bar's states are of this kind.
        """
        newest = self._newest
        if newest is None or line[: place.label] != newest.label:
            return False
        count = int(line[place.count])
        if count < newest.count or at - newest.reported_at >= EVERY_S:
            return False
        newest.count, newest.unread = count, (line, at, wall)
        return True

    def drawn(self, line: str, place: BarPlace) -> None:
        """A line that was just read holds this bar and nothing else."""
        self._newest = _Newest(line[: place.label], int(line[place.count]), self._reported_at)

    def _read_newest(self) -> list[ProgressShown]:
        """Reads the state of the newest bar that was not read."""
        newest, self._newest = self._newest, None
        if newest is None or newest.unread is None:
            return []
        line, at, wall = newest.unread
        bar, _ = bars.split(line)
        return self._drawn(bar, at, wall) if bar is not None else []

    def said(self, line: str, at: float, wall: float) -> list[Event]:
        """The progress or the result that a line without a bar states, if no framework knows it."""
        if not plain_lines.may_hold(line):
            return []
        found = plain_lines.parse(line, at, wall)
        if not found and self._table:
            found = tables.row(line, self._table, at, wall)
        if not found:
            self._remember(line)
        is_row = line.startswith("{'")
        kept: list[Event] = []
        for event in found:
            if isinstance(event, ProgressShown):
                self._has_trained = self._has_trained or event.mode == "train"
                self._is_evaluated = False
                if event.epoch is None and event.mode:
                    epoch, epochs = self._announced
                    event = structs.replace(event, epoch=epoch, epochs=epochs)
            elif not (is_row or self._may_evaluate()):
                continue
            kept.append(event)
        return kept

    def _may_evaluate(self) -> bool:
        """Whether a result belongs to a training that these lines show; the first one counts.

        A framework reports its own, and what is evaluated without a training is no validation.
        """
        if not self._has_trained or self._has_framework:
            return False
        is_more, self._is_evaluated = self._is_evaluated, True
        return not is_more

    def flush(self) -> list[ProgressShown]:
        """The last states that were not reported yet."""
        events = self._read_newest()
        events += [one.event for one in self._open.values() if not one.is_reported]
        self._open.clear()
        return events

    def _remember(self, line: str) -> None:
        if len(line) > 400:
            return
        announced = _EPOCH_LINE.match(line)
        if announced is not None:
            self._announced = (int(announced[1]), int(announced[2]) if announced[2] else None)
            return
        self._table = tables.columns(line) or self._table
        table = _TABLE_HEAD.match(line)
        if table is not None and "loss" in line:
            self._columns = tuple(table["names"].split())

    def _drawn(self, bar: Bar, at: float, wall: float) -> list[ProgressShown]:
        key = (_EPOCH.sub("", bar.label)[:60] if bar.total else bar.label[:60], bar.total)
        known = self._open.get(key)
        redrawn = known is not None and bar.label == known.bar.label and bar.done >= known.bar.done
        ended = [known.event] if known is not None and not redrawn and not known.is_reported else []
        if redrawn and known is not None:
            metrics = bar.metrics or known.event.metrics
            # What its label means does not change.
            event = structs.replace(known.event, at=at, wall=wall, done=bar.done, metrics=metrics)
            odd = not known.not_finite and event.is_odd
            due = at - known.reported_at >= EVERY_S or odd
            reported_at = at if due else known.reported_at
            self._reported_at = reported_at
            self._open[key] = _Open(bar, event, reported_at, due, known.not_finite or odd)
            return [event] if due else []
        if len(self._open) >= MOST_OPEN:
            ended += self.flush()
        event = self._event(bar, at, wall)
        self._open.pop(key, None)
        self._reported_at = at
        self._open[key] = _Open(bar, event, at, True, event.is_odd)
        return [*ended, event]

    def _event(self, bar: Bar, at: float, wall: float) -> ProgressShown:
        label = bar.label
        epoch, epochs = self._epoch(label)
        metrics = {**self._of_label(bar), **bar.metrics}
        mode = self._mode(bar, metrics, has_epoch=epoch is not None)
        if _OUTER.search(label) or bar.unit.startswith("epoch"):
            self._outer = (bar.done, bar.total)
            mode = ""
        elif mode and epoch is None:
            epoch, epochs = self._announced
            if epoch is None and self._outer is not None:
                epoch, epochs = self._outer[0] + 1, self._outer[1]
        if mode == "train":
            self._has_trained, self._trained = True, (epoch, epochs)
            self._is_evaluated = False
        elif mode and epoch is None:
            epoch, epochs = self._trained
        return ProgressShown(
            at=at,
            wall=wall,
            label=label,
            mode=mode,
            epoch=epoch,
            epochs=epochs,
            done=bar.done,
            total=bar.total,
            metrics=metrics,
        )

    def _epoch(self, label: str) -> tuple[int | None, int | None]:
        match = _EPOCH.search(label)
        if match is not None:
            epoch, epochs = match["epoch"] or match["zh"], match["epochs"] or match["zhs"]
        else:
            match = _FRACTION.search(label)
            if match is None:
                return None, None
            epoch, epochs = match["epoch"], match["epochs"]
        return int(epoch), int(epochs) if epochs else None

    def _of_label(self, bar: Bar) -> dict[str, float]:
        """The columns before the bar, as the line above them names them."""
        label = bar.label
        if not self._columns or _FRACTION.search(label) is None:
            return bars.fields(label) if "loss" in label else {}
        cells = label.rstrip(": ").split()[1:]
        if len(cells) > len(self._columns):
            return {}
        return {
            name: float(cell)
            for name, cell in zip(self._columns, cells, strict=False)
            if _ONLY_NUMBER.fullmatch(cell) and "loss" in name.lower()
        }

    def _mode(self, bar: Bar, metrics: dict[str, float], *, has_epoch: bool) -> str:
        if bar.scaled:
            return ""
        named = _EPOCH.sub(" ", bar.label)
        if _VALIDATING.search(named):
            return "val"
        if _TESTING.search(named):
            return "test"
        if _TRAINING.search(named):
            return "train"
        if _NO_TRAINING.search(named):
            return ""
        has_loss = any(_LOSS.search(name) for name in metrics)
        if has_epoch or has_loss or (bar.style == "steps" and self._announced[0] is not None):
            return "train"
        if bar.style == "tasks" and self._has_trained:
            return "val"
        return ""
