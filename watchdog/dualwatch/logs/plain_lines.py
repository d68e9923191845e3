"""Lines of progress as plain PyTorch scripts print them.

::

    Epoch: [3]  [ 160/400]  eta: 0:03:46  lr: 0.01  loss: 0.7123 (0.8001)  max mem: 4211
    Epoch: [3][160/400]  Time  0.290 ( 0.300)  Loss 7.1e-01 (8.0e-01)  Acc@1  70.31 ( 64.22)
    Train Epoch: 3 [1600/60000 (3%)]  Loss: 0.712000
    Train: 3 [ 160/400 ( 40%)]  Loss: 0.712 (0.800)  Time: 0.412s,  621.36/s  LR: 5.000e-02
    Epoch [3/60], Step [160/400], Loss: 0.7123
    epoch 3/60 iter 160/400 loss=0.71
    {'loss': 0.71, 'grad_norm': 3.2, 'learning_rate': 5e-05, 'epoch': 0.38}

Lines without an epoch or without a step, and results: ``summary_lines``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from dualwatch.core.metric_names import of_evaluation
from dualwatch.core.text import ONES, bound
from dualwatch.events import EvaluationLogged, ProgressShown
from dualwatch.logs import records, summary_lines, tables
from dualwatch.logs.starts import Position
from dualwatch.logs.summary_lines import Spans, numbers, spans

LABEL_CHARS = 80

_INT = r"\d{1,12}"
_OF = rf"(?P<done>{_INT}) ?(?:/|of) ?(?P<total>{_INT})"
_EPOCH = r"(?P<epoch>\d{1,7})(?: ?(?:/|of) ?(?P<epochs>\d{1,7}))?"
_LINES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?P<word>epoch|test|val(?:idation)?): ?(?:\[{_EPOCH}\])? *\[ *{_OF} ?\]",
        rf"\b(?P<word>epoch|train):? ?{_EPOCH} ?[\[(] {{0,12}}{_OF} ?"
        r"\( {0,2}\d{1,3}(?:\.\d+)?%\)[\])]",
        rf"\b(?P<word>epoch)[ :=#]{{0,3}}\[?{_EPOCH}\]?[ ,;:|-]{{1,4}}\[?"
        rf"(?:global[ _]?)?(?:step|iter(?:ation)?|batch|it)s?[ :=#]{{0,3}}[\[(]?"
        rf"(?P<done>{_INT})(?: ?(?:/|of) ?(?P<total>{_INT}))?[\])]?",
        rf"第 ?{_EPOCH} ?(?:轮|个? ?epoch)[ ,:\uff0c|-]{{0,3}}第? ?{_OF} ?(?:步|批)?",
    )
)
_WORDS = ("poch", "POCH", "Test: ", "Val: ", "Train: ", "第")
"""Parts of the words that such a line has, as they are searched for ..."""

SIGNS = ("poch", "POCH", "Test:", "Val:", "Train:", "第", *summary_lines.SIGNS)
"""One of these is in a word of each such line, its digits made 0; but for rows of tables."""

_STARTS = re.compile(r"epoch|test|train|val(?:idation)?|第", re.IGNORECASE)
"""... and where it begins."""

MOST_BEFORE = 120
"""Characters of a logger's prefix."""

_ROW = re.compile(r"\{'[\w./-]+': .{3,2000}\}\Z")
_ROW_EPOCH = re.compile(r"'?(\d+(?:\.\d+)?)'?\}\Z")
_ROW_FIELD = re.compile(
    r"'([\w./-]{1,80})': '?(-?[\d.]+(?:e[-+]?\d+)?|nan|inf|-inf)'?(?=[,}])", re.I
)
_VALIDATING = re.compile(r"(?<![a-z])(?:val|valid|validation|eval|test)(?![a-z])|验证|测试", re.I)


_AVERAGE = re.compile(r"((?:acc|prec)@?[15])[ :]{1,9}[\d.]{1,9} \( {0,6}([\d.]{1,9})\)", re.I)


def may_hold(line: str) -> bool:
    """Whether a line can be one of these: much cheaper than trying."""
    if line.startswith("{'"):
        return "'epoch':" in line
    if line.startswith('{"'):
        return "loss" in line
    head = line[:200]
    if any(word in head for word in _WORDS):
        return True
    return summary_lines.may_hold(line) or tables.may_be_row(line)


def may_matter(form: str) -> bool:
    """Whether a line can state or announce anything, whose digits are not known, and all 0 here.

    But for rows of tables.
    """
    if form.startswith("{'"):
        return "'epoch':" in form
    if form.startswith('{"'):
        return "loss" in form
    if any(word in form[:200] for word in _WORDS):
        return True
    return any(summary_lines.may_hold(line) for line in (form, form.translate(ONES)))


@dataclass(frozen=True, slots=True)
class Counters:
    """Where a line of training has its counters, None for those that it lacks."""

    epoch: slice | None
    done: slice | None = None

    def of(self, line: str) -> Position:
        """Its counters; of a row's fraction of an epoch the epoch that is under way."""
        epoch = math.ceil(float(line[self.epoch])) if self.epoch is not None else 0
        return Position(epoch, int(line[self.done]) if self.done is not None else 0, 0)


def counters(text: str, start: int) -> Counters | None:
    """Those of a line that states nothing but the progress of a training; None for other lines.

    They are the same whatever its digits are.

    Args:
        start: Where the text begins in its line.
    """
    if text.startswith("{'"):
        return _row_counters(text, start)
    # A number of JSON does not begin with 0.
    found = parse(text.translate(ONES), 0.0, 0.0)
    if len(found) != 1 or not isinstance(found[0], ProgressShown) or found[0].mode != "train":
        return None
    if text.startswith('{"'):
        places: Spans = records.places(text)
    else:
        match = _line(text)
        places = spans(match) if match is not None else summary_lines.places(text)
    epoch, done = (
        slice(start + place[0], start + place[1]) if place is not None else None
        for place in (places.get("epoch"), places.get("done"))
    )
    return Counters(epoch, done) if epoch or done else None


def _row_counters(text: str, start: int) -> Counters | None:
    if "'eval_" in text or "loss" not in text:
        return None
    before, found, _ = text.rpartition("'epoch': ")
    number = _ROW_EPOCH.match(text, len(before) + len(found))
    if not found or number is None:
        return None
    return Counters(slice(start + number.start(1), start + number.end(1)))


def parse(line: str, at: float, wall: float) -> tuple[ProgressShown | EvaluationLogged, ...]:
    """The progress and the result that a line states; nothing for all other lines."""
    if _ROW.match(line):
        row = _row(line, at, wall)
        return (row,) if row is not None else ()
    if line.startswith('{"'):
        return records.parse(line, at, wall)
    match = _line(line)
    if match is None:
        return summary_lines.parse(line, at, wall)
    parts, lead = match.groupdict(), line[: match.start()]
    metrics = numbers(line, match.end())
    named = f"{lead} {parts.get('word') or ''}"
    is_validation = _VALIDATING.search(named) is not None
    if not metrics and not is_validation and not parts.get("total"):
        return ()  # "epoch 3 step 5" may be said of anything.
    shown = ProgressShown(
        at=at,
        wall=wall,
        label=bound(line[: match.end()].strip(), LABEL_CHARS),
        bar=False,
        mode="val" if is_validation else "train",
        epoch=_number(parts.get("epoch")),
        epochs=_number(parts.get("epochs")),
        done=_number(parts["done"]) or 0,
        total=_number(parts.get("total")),
        metrics=metrics,
    )
    result = _averages(shown, line[match.end() :]) if is_validation else None
    return (shown,) if result is None else (shown, result)


def _averages(shown: ProgressShown, text: str) -> EvaluationLogged | None:
    """The result of a validation, of whose last line the averages are in brackets."""
    found = {key: float(value) for key, value in _AVERAGE.findall(text)}
    if not found or not shown.total or shown.done < shown.total:
        return None
    return EvaluationLogged(
        at=shown.at,
        wall=shown.wall,
        mode="val",
        epoch=shown.epoch,
        iteration=0,
        total=None,
        metrics=found,
    )


def _line(line: str) -> re.Match[str] | None:
    """The counters of a line, behind what a logger put before them."""
    for start in _STARTS.finditer(line, 0, MOST_BEFORE + 10):
        if any(sign in line[: start.start()] for sign in "{}="):
            return None  # Within a configuration, or among other values.
        for pattern in _LINES:
            match = pattern.match(line, start.start())
            if match is not None:
                return match
    return None


def _row(line: str, at: float, wall: float) -> ProgressShown | EvaluationLogged | None:
    """A dictionary of a trainer, printed: it has a fraction of an epoch, and no step."""
    values = {key: float(value) for key, value in _ROW_FIELD.findall(line)}
    epoch = values.pop("epoch", None)
    if epoch is None or epoch < 0:
        return None
    if results := of_evaluation(values):
        return EvaluationLogged(
            at=at,
            wall=wall,
            mode="val",
            epoch=max(1, math.ceil(epoch)),
            iteration=0,
            total=None,
            metrics=results,
        )
    if not any("loss" in key for key in values):
        return None
    return ProgressShown(
        at=at,
        wall=wall,
        label=f"epoch {epoch:g}",
        bar=False,
        mode="train",
        epoch=max(1, math.ceil(epoch)),
        epochs=None,
        done=0,
        total=None,
        metrics=values,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text else None
