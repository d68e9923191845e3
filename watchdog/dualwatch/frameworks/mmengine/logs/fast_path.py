"""The shape of a training's progress lines, taken from one and used for the million that follow.

All of them have the same fields in the same order, so one regular expression takes a line apart
that ``mmengine_log`` would split, strip and split again. It never says anything else than
``mmengine_log.parse_line`` does: what it cannot be sure of is left to that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dualwatch.core.metric_names import without_mode
from dualwatch.events import Event, IterationLogged

MAX_SHAPES = 8
"""A training has one or two, and making an expression takes as long as some hundred lines."""

MAX_FIELDS = 100

_INFO = " - INFO - "
_HEADS = {
    True: r"Epoch\(train\) +\[([0-9]{1,18})\]\[ *([0-9]{1,18})/([0-9]{1,18})\]",
    False: r"Iter\(train\) +()\[ *([0-9]{1,18})/([0-9]{1,18})\]",
}
_ETA = "eta: (?:([0-9]{1,9}) days?, )?([0-9]{1,9}):([0-9]{1,2}):([0-9]{1,2})"
_VALUE = "([-+.0-9A-Za-z]+)"


@dataclass(frozen=True, slots=True)
class _LineShape:
    """One shape.

    Attributes:
        pattern: Its groups are epoch, iteration, total, and the values with the eta among them.
        keys: Names of the values.
        eta: Index of the first of the eta's four groups, 0 where there is none.
    """

    pattern: re.Pattern[str]
    keys: tuple[str, ...]
    eta: int


class LineShapes:
    """The shapes of one stream's training lines."""

    def __init__(self) -> None:
        self._known: list[_LineShape] = []
        self._tries = 0

    def read(self, line: str, at: float, wall: float) -> IterationLogged | None:
        """The event of a line of a known shape; None for all other lines."""
        if not self._known:
            return None
        cut = line.find(_INFO)
        start = cut + len(_INFO) if cut >= 0 else 0
        for shape in self._known:
            match = shape.pattern.match(line, start)
            if match is not None:
                return _fact(shape, match.groups(), at, wall)
        return None

    def learn(self, line: str, event: Event) -> None:
        """Takes the shape of a line whose event is known, if it has one that can be relied on."""
        if self._tries >= MAX_SHAPES or not isinstance(event, IterationLogged):
            return
        if event.mode != "train":
            return
        self._tries += 1
        _, info, body = line.partition(_INFO)
        shape = _shape(body if info else line, has_epoch=event.epoch is not None)
        if shape is None:
            return
        self._known.append(shape)
        # NaN is not equal to itself, but its representation is.
        if repr(self.read(line, event.at, event.wall)) != repr(event):
            self._known.remove(shape)


def _fact(
    shape: _LineShape, groups: tuple[str, ...], at: float, wall: float
) -> IterationLogged | None:
    eta_s: float | None = None
    values = groups[3:]
    if shape.eta:
        days, hours, minutes, seconds = groups[shape.eta : shape.eta + 4]
        values = groups[3 : shape.eta] + groups[shape.eta + 4 :]
        eta_s = float(hours) * 3600 + float(minutes) * 60 + float(seconds)
        if days:
            eta_s += float(days) * 86400
    try:
        metrics = dict(zip(shape.keys, map(float, values), strict=True))
    except ValueError:
        return None
    return IterationLogged(
        at=at,
        wall=wall,
        mode="train",
        epoch=int(groups[0]) if groups[0] else None,
        iteration=int(groups[1]),
        total=int(groups[2]),
        metrics=metrics,
        eta_s=eta_s,
    )


def _shape(body: str, *, has_epoch: bool) -> _LineShape | None:
    """The shape of a line's body, None where it has no plain one."""
    fields = body[body.find("]  ") + 1 :].split("  ")
    fields = [field.strip() for field in fields if field.strip()]
    if len(fields) > MAX_FIELDS or sum(field.startswith("eta: ") for field in fields) > 1:
        return None
    keys: list[str] = []
    parts: list[str] = []
    eta = 0
    for field in fields:
        if field.startswith("eta: "):
            eta = 3 + len(keys)
            parts.append(_ETA)
            continue
        # "base_lr: 1e-3 lr: 1e-4" has two keys; the value in between has no space.
        words = field.split(": ")
        names = [words[0], *(word.partition(" ")[2] for word in words[1:-1])]
        keys += [without_mode(name, "train") for name in names]
        parts.append(" ".join(f"{re.escape(name)}: {_VALUE}" for name in names))
    text = _HEADS[has_epoch] + "".join(" {2,}" + part for part in parts) + r" *\Z"
    return _LineShape(re.compile(text), tuple(keys), eta)
