"""The lines of mmengine and of mmcv 1.x as one ``logs.formats.LineFormat``."""

from __future__ import annotations

import re

from dualwatch.core.text import bound
from dualwatch.events import Event, IterationLogged, LogMilestone
from dualwatch.frameworks.mmengine.logs import loaded_weights, mmcv1, mmengine1
from dualwatch.frameworks.mmengine.logs.fast_path import LineShapes
from dualwatch.frameworks.mmengine.logs.loaded_weights import LoadedWeightsLines
from dualwatch.logs.starts import Position

_INFO = " - INFO - "
_READS_ANNOTATIONS = "loading annotations into memory..."
_FOUND_NOTHING = "The testing results of the whole dataset is empty."
_STARTS = (
    *mmengine1.STARTS,
    *loaded_weights.STARTS,
    "OrderedDict([",
    _READS_ANNOTATIONS,
)
_ENDS = (_FOUND_NOTHING, loaded_weights.BEGINS)
_COUNTERS = re.compile(
    r"(?:Epoch|Iter)(?:\(train\))? +\[ *(\d{1,18})(?:\]\[ *(\d{1,18}))?/(\d{1,18})\]"
)


class MMEngineLines:
    """Reads one stream, and remembers the shapes of its training lines."""

    split_prefix = staticmethod(mmengine1.split_prefix)

    def __init__(self) -> None:
        self._shapes = LineShapes()
        self._weights = LoadedWeightsLines()
        self._has_trained = False

    def parse(self, line: str, at: float, wall: float) -> Event | None:
        """The event that a line states; None for all other lines."""
        known = self._shapes.read(line, at, wall)
        if known is not None:
            return known
        if line.startswith(_READS_ANNOTATIONS) and not self._has_trained:
            return _milestone("annotations-loading", line, at, wall)
        if line.endswith(_FOUND_NOTHING):
            return _milestone("results-empty", line, at, wall)
        if line.startswith(loaded_weights.STARTS) or line.endswith(loaded_weights.BEGINS):
            return self._weights.parse(line, at, wall)
        if line.startswith("OrderedDict(["):
            return None if self._has_trained else mmcv1.parse_result(line, at, wall)
        event = mmengine1.parse_line(line, at, wall)
        if event is None:
            event = mmcv1.parse_line(line, at, wall)
            self._has_trained = self._has_trained or event is not None
            return event
        self._has_trained = self._has_trained or isinstance(event, IterationLogged)
        self._shapes.learn(line, event)
        return event

    def may_hold(self, line: str) -> bool:
        """Whether a line is one of theirs, with a logger's prefix or without it."""
        if line.startswith(_STARTS) or line.endswith(_ENDS):
            return True
        cut = line.find(_INFO)
        start = cut + len(_INFO) if cut >= 0 else 0
        return line.startswith(_STARTS, start) or (
            "\t" in line and line.startswith(mmcv1.STARTS, start)
        )

    def position(self, line: str) -> Position | None:
        """The counters of a training line, as printed; None for all other lines."""
        cut = line.find(_INFO)
        match = _COUNTERS.match(line, cut + len(_INFO)) if cut >= 0 else None
        if match is None:
            return None
        first, second, total = match.groups()
        if second is None:
            return Position(0, int(first), int(total))
        return Position(int(first), int(second), int(total))


def _milestone(name: str, line: str, at: float, wall: float) -> LogMilestone:
    return LogMilestone(at=at, wall=wall, name=name, text=bound(line.strip(), 500))
