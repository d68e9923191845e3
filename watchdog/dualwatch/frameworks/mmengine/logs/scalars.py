"""``scalars.json``, ``<timestamp>.json`` and ``.log.json`` of mmcv: rows of numbers.

One object a line. mmcv names the mode of each row, and begins with a row on its environment.
They are JSON but for bare ``NaN`` and ``Infinity``, which only the standard library's reader takes.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dualwatch.core.metric_names import without_mode
from dualwatch.events import EvaluationLogged, Event, IterationLogged, LinesScreened
from dualwatch.logs.screen import Screen

COUNTERS = ("epoch", "iter", "step")
"""Keys that place a row."""

MODE = "mode"
"""Key of the mode that mmcv names; its word is a number here, as all values of a row."""

_MODES = {"train": 0.0, "val": 1.0, "test": 2.0}
_OF_TRAINING = frozenset((MODE, "lr", "momentum", "memory"))
"""Keys that mmcv also puts into rows of validations."""

LARGE = 1e4
"""Rows with values beyond are given also where they are not among the newest."""

MAX_ROW = 1 << 20
"""Bytes of a row; what does not end within them is not a row."""

_BLOCK = 1 << 20
_MOST = 1e18
_ROW = msgspec.json.Decoder(dict[str, float])


def read(path: Path, wall: float, newest: int) -> list[Event]:
    """The events of a file, in the order of its rows.

    Args:
        wall: Time of all of them, since rows have none.
        newest: So many training rows are given at the end, and every evaluation. The rows before
            them are screened, see ``logs.screen``.

    Raises:
        OSError: It cannot be read.
    """
    parser = ScalarsParser()
    evaluations: list[tuple[int, Event]] = []
    # The events of rows that are not given are not made.
    training: deque[dict[str, float]] = deque()
    screen: Screen[dict[str, float]] = Screen()
    count = 0
    for row in rows(path):
        if parser.place(row):
            if len(training) >= newest:
                old = training.popleft()
                screen.take(count - newest + 1, old, _non_finite(old), _is_large(old))
            training.append(row)
            count += 1
        elif (event := parser.evaluation(row, 0.0, wall)) is not None:
            evaluations.append((count, event))
    lines: list[tuple[int, Event]] = []
    for one in screen.parsed():
        if one.skipped:
            gap = LinesScreened(at=0.0, wall=wall, lines=one.skipped, non_finite=one.skipped_hits)
            lines.append((one.number, gap))
        lines.append((one.number, iteration(one.item, 0.0, wall)))
    first = count - len(training)
    lines += [(n, iteration(row, 0.0, wall)) for n, row in enumerate(training, start=first + 1)]
    # An evaluation comes after the training row that was read before it.
    ordered = sorted([*lines, *evaluations], key=lambda one: one[0])
    return [event for _, event in ordered]


def _non_finite(row: dict[str, float]) -> tuple[str, ...]:
    return tuple(key for key, value in row.items() if not math.isfinite(value))


def _is_large(row: dict[str, float]) -> bool:
    return any(abs(value) > LARGE for key, value in row.items() if key not in COUNTERS)


def rows(path: Path) -> Iterator[dict[str, float]]:
    """The numbers of every row; a line that is not a row is passed over.

    Raises:
        OSError: It cannot be read.
    """
    rest = b""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            whole, end, rest = (rest + block).rpartition(b"\n")
            if end:
                yield from _rows(whole)
            if len(rest) > MAX_ROW:
                rest = b""
    yield from _rows(rest)


def _rows(lines: bytes) -> list[dict[str, float]]:
    try:
        return _ROW.decode_lines(lines)
    except (ValueError, RecursionError):
        found = map(read_row, lines.splitlines())
        return [row for row in found if row is not None]


def read_row(line: str | bytes) -> dict[str, float] | None:
    """The numbers of one row; None for a line that is not a JSON object."""
    try:
        return _ROW.decode(line)
    except (ValueError, RecursionError):
        pass
    try:
        row: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    numbers: dict[str, float] = {}
    mode = row.get(MODE)
    if isinstance(mode, str) and mode in _MODES:
        numbers[MODE] = _MODES[mode]
    for key, value in row.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        try:
            numbers[key] = float(value)
        except OverflowError:  # an integer of over 308 digits
            continue
    return numbers


class ScalarsParser:
    """Reads rows in their order: a validation row does not contain the iteration of the run."""

    def __init__(self) -> None:
        self._training: dict[str, float] = {}

    def feed(self, line: str, at: float, wall: float) -> Event | None:
        """The event of one row; None for a row that is cut off or no object of numbers."""
        row = read_row(line)
        if row is None:
            return None
        return iteration(row, at, wall) if self.place(row) else self.evaluation(row, at, wall)

    def place(self, row: dict[str, float]) -> bool:
        """Whether a row is a training row; later evaluations come after it then."""
        if not 0 <= row.get("iter", -1) < _MOST:  # not true of NaN either
            return False
        if row.get(MODE):
            return False
        self._training = row
        return True

    def evaluation(self, row: dict[str, float], at: float, wall: float) -> Event | None:
        """The event of a row that is not a training row; None where it holds no metric."""
        named = row.get(MODE)
        if named is None and not any(key in row for key in COUNTERS):
            return None  # The first row of mmcv, on its environment and seed.
        is_test = named == _MODES["test"] or any(key.startswith("test/") for key in row)
        mode = "test" if is_test else "val"
        metrics = _metrics(row, mode)
        if named is not None:
            metrics = {key: value for key, value in metrics.items() if key not in _OF_TRAINING}
        if not metrics:
            return None
        if named is not None:
            return EvaluationLogged(
                at=at,
                wall=wall,
                mode=mode,
                epoch=_count(row.get("epoch")),
                iteration=_count(row.get("iter")) or 0,
                total=None,
                metrics=metrics,
            )
        # `step` is the epoch in epoch-based loops, and 0 or the iteration in the others.
        step = _count(row.get("step")) or 0
        done, epochs = _count(self._training.get("iter")) or 0, _count(self._training.get("epoch"))
        by_iterations = epochs is None and done > 0
        return EvaluationLogged(
            at=at,
            wall=wall,
            mode=mode,
            epoch=None if by_iterations else (step or epochs),
            iteration=(step or done) if by_iterations else done,
            total=None,
            metrics=metrics,
        )


def iteration(row: dict[str, float], at: float, wall: float) -> IterationLogged:
    """The event of a training row.

    Its ``iteration`` is the count over the whole run, in epoch-based loops too: the rows do not
    contain the length of an epoch.
    """
    return IterationLogged(
        at=at,
        wall=wall,
        mode="train",
        epoch=_count(row.get("epoch")),
        iteration=_count(row.get("iter")) or 0,
        total=None,
        metrics=_metrics(row, "train"),
    )


def _metrics(row: dict[str, float], mode: str) -> dict[str, float]:
    return {
        without_mode(key, mode): value
        for key, value in row.items()
        if key not in COUNTERS and key != MODE
    }


def _count(value: float | None) -> int | None:
    """A counter of a row; versions write 5 or 5.0."""
    return int(value) if value is not None and 0 <= value < _MOST else None
