"""Rows of ``scalars.json`` to columns of numbers: for whoever wants whole curves, not events.

The rows of a training have two or three layouts (the same keys in the same order), so a layout is
learnt once and one regular expression takes the values out of many rows at a time. They stay text
until a whole column of them is handed to the JSON reader, which is what decides on every number.
A row of no known layout, and a chunk in which that reader refuses a number, is read row by row.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from dualwatch.core.metric_names import is_metric
from dualwatch.frameworks.mmengine.logs.scalars_rows import Lines, RowLayout, read_row

COUNTERS = ("epoch", "iter", "step")
"""Keys that place a row; they are kept whatever is wanted."""

MAX_ROW = 1 << 20
"""Bytes of a row; what does not end within them is no row."""

MAX_LAYOUTS = 16
LEARN_AFTER = 4
"""Rows of one layout that are read one by one before an expression is made for it."""

_EMPTY = re.compile("\n\n+")


@dataclass(slots=True)
class ColumnTable:
    """Rows that have the same keys.

    Attributes:
        rows: The number of each row in the file, from 0, ascending; empty lines do not count.
        values: Key as written -> the value of each of these rows.
    """

    rows: array[int] = field(default_factory=lambda: array("q"))
    values: dict[str, array[float]] = field(default_factory=dict)

    def add(self, other: ColumnTable) -> None:
        """Takes the rows of another table with the same keys; they are a later one's as a rule."""
        in_order = not self.rows or not other.rows or self.rows[-1] < other.rows[0]
        self.rows.extend(other.rows)
        for key, values in other.values.items():
            self.values.setdefault(key, array("d")).extend(values)
        if not in_order:
            self._sort()

    def _sort(self) -> None:
        order = sorted(range(len(self.rows)), key=self.rows.__getitem__)
        self.rows = array("q", map(self.rows.__getitem__, order))
        self.values = {
            key: array("d", map(values.__getitem__, order)) for key, values in self.values.items()
        }


@dataclass(slots=True)
class Columns:
    """All rows of a file, or of several in their order.

    Attributes:
        tables: By the keys of their rows.
        rows: Rows that were read.
        skipped: Lines that are no JSON object.
    """

    tables: dict[tuple[str, ...], ColumnTable] = field(default_factory=dict)
    rows: int = 0
    skipped: int = 0

    def add(self, tables: Iterable[ColumnTable]) -> None:
        """Takes what a ``ColumnReader`` gave."""
        for table in tables:
            keys = tuple(table.values)
            self.rows += len(table.rows)
            self.tables.setdefault(keys, ColumnTable()).add(table)

    def names(self) -> list[str]:
        """All keys, counters included, in the order in which they came first."""
        return list(dict.fromkeys(key for table in self.tables.values() for key in table.values))

    def column(self, name: str) -> tuple[array[int], array[float]]:
        """Numbers of the rows that have a key, and its values there."""
        return _merged(
            [(table.rows, table.values[name]) for table in self.tables.values()
             if name in table.values]
        )  # fmt: skip

    def by_epoch(self) -> dict[int | None, dict[str, array[float]]]:
        """Epoch -> key -> values in their order; None for a loop that counts iterations.

        A validation row belongs to the epoch of the training row before it: its own ``step`` is 0
        in some versions.
        """
        stretches: dict[int | None, list[tuple[ColumnTable, int, int]]] = {}
        for table in self.tables.values():
            for epoch, start, end in self._runs(table):
                stretches.setdefault(epoch, []).append((table, start, end))
        return {epoch: _joined(parts) for epoch, parts in stretches.items()}

    def _runs(self, table: ColumnTable) -> Iterator[tuple[int | None, int, int]]:
        """Stretches of a table that lie in one epoch: (epoch, start, end)."""
        end = 0
        epochs: Iterable[float | None]
        if "iter" in table.values:
            epochs = table.values.get("epoch") or [None] * len(table.rows)
        else:
            trained = [t for t in self.tables.values() if "iter" in t.values]
            epochs = [_epoch_before(trained, row) for row in table.rows]
        for epoch, run in groupby(epochs):
            start, end = end, end + sum(1 for _ in run)
            yield (int(epoch) if epoch is not None and -1e18 < epoch < 1e18 else None), start, end


class ColumnReader:
    """Reads bytes as they come and gives their whole rows, so that the caller may let them go.

    Args:
        wanted: Names of metrics; other values are left unread, and so is whether they are sound.
            ``loss_macl`` is also found as ``train/loss_macl``. None for all.
    """

    def __init__(self, wanted: Collection[str] | None = None) -> None:
        self.skipped = 0
        self._wanted = None if wanted is None else tuple(wanted)
        self._row = 0
        self._partial = b""
        self._layouts: list[RowLayout] = []
        self._met: dict[tuple[str, ...], int] = {}

    def feed(self, data: bytes) -> list[ColumnTable]:
        """The rows that these bytes complete, one table for each layout among them."""
        data = self._partial + data
        # A "\r" at the end may be half of an end: it waits for the other half.
        cut = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1
        self._partial = data[cut:]
        if len(self._partial) > MAX_ROW:
            # The rest of it will be read as a row, and be none.
            self._partial = b"?"
        return self._read(data[:cut])

    def close(self) -> list[ColumnTable]:
        """The last row, although nothing ended it."""
        data, self._partial = self._partial, b""
        return self._read(data)

    def _read(self, data: bytes) -> list[ColumnTable]:
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        text = data.decode("utf-8", "replace")
        if "\n\n" in text or text.startswith("\n"):
            text = _EMPTY.sub("\n", text).removeprefix("\n")
        if text and not text.endswith("\n"):
            text += "\n"
        count = text.count("\n")
        lines: Lines = range(self._row, self._row + count), text
        self._row += count
        tables: list[ColumnTable] = []
        for layout in self._layouts:
            if not lines[1]:
                break
            try:
                numbers, columns, lines = layout.take(lines)
            except (ValueError, OverflowError):
                break  # Such a row is found one by one.
            if columns and columns[0]:
                layout.count += len(columns[0])
                values = dict(zip(layout.wanted, columns, strict=True))
                tables.append(ColumnTable(array("q", numbers), values))
        # The most frequent one goes first, and the others see but a few rows.
        self._layouts.sort(key=lambda layout: -layout.count)
        return _united([*tables, *self._one_by_one(lines)])

    def _one_by_one(self, lines: Lines) -> list[ColumnTable]:
        """Rows of layouts that are not known (yet)."""
        tables: dict[tuple[str, ...], ColumnTable] = {}
        numbers, text = lines
        for number, line in zip(numbers, text.split("\n")[:-1], strict=True):
            row = read_row(line)
            if row is None:
                self.skipped += 1
                continue
            kept = {key: value for key, value in row.items() if self._wants(key)}
            table = tables.setdefault(tuple(kept), ColumnTable())
            table.rows.append(number)
            for key, value in kept.items():
                table.values.setdefault(key, array("d")).append(value)
            self._learn(line, tuple(row))
        return list(tables.values())

    def _learn(self, line: str, keys: tuple[str, ...]) -> None:
        if len(self._layouts) >= MAX_LAYOUTS or not keys:
            return
        if len(self._met) > 4 * MAX_LAYOUTS:
            self._met.clear()
        met = self._met[keys] = self._met.get(keys, 0) + 1
        if met == LEARN_AFTER:
            layout = RowLayout(keys, [key for key in keys if self._wants(key)])
            # Not where a value is no number, or a key is written in another way.
            if layout.is_of(line):
                self._layouts.append(layout)

    def _wants(self, key: str) -> bool:
        if self._wanted is None or key in COUNTERS:
            return True
        return any(is_metric(key, name) for name in self._wanted)


def columns(chunks: Iterable[bytes], wanted: Collection[str] | None = None) -> Columns:
    """All rows of a file that is given in pieces; see ``ColumnReader``."""
    reader, all_of_it = ColumnReader(wanted), Columns()
    for chunk in chunks:
        all_of_it.add(reader.feed(chunk))
    all_of_it.add(reader.close())
    all_of_it.skipped = reader.skipped
    return all_of_it


def _united(tables: Sequence[ColumnTable]) -> list[ColumnTable]:
    """One table for each set of keys: rows written in two ways, or that differ in what is not kept,
    come out of two layouts and lie between each other in the file.
    """
    found: dict[tuple[str, ...], ColumnTable] = {}
    for table in tables:
        known = found.setdefault(tuple(table.values), table)
        if known is not table:
            known.add(table)
    return list(found.values())


def _joined(stretches: Sequence[tuple[ColumnTable, int, int]]) -> dict[str, array[float]]:
    """Key -> values of some stretches of tables, in the order of their rows."""
    joined: dict[str, array[float]] = {}
    several: set[str] = set()
    for table, start, end in stretches:
        for key, values in table.values.items():
            if key in joined:
                several.add(key)
            else:
                joined[key] = values[start:end]
    for key in several:
        holders = [(t.rows[a:b], t.values[key][a:b]) for t, a, b in stretches if key in t.values]
        joined[key] = _merged(holders)[1]
    return joined


def _merged(pieces: Sequence[tuple[array[int], array[float]]]) -> tuple[array[int], array[float]]:
    """Pieces of a column in the order of their rows."""
    rows, values = array("q"), array("d")
    for some, theirs in sorted(pieces, key=lambda piece: piece[0][:1]):
        in_order = not rows or not some or rows[-1] < some[0]
        rows += some
        values += theirs
        if not in_order:
            pairs = sorted(zip(rows, values, strict=True), key=lambda pair: pair[0])
            rows = array("q", [row for row, _ in pairs])
            values = array("d", [value for _, value in pairs])
    return rows, values


def _epoch_before(tables: Sequence[ColumnTable], row: int) -> float | None:
    """Epoch of the last training row before a row."""
    newest, epoch = -1, None
    for table in tables:
        index = bisect_left(table.rows, row) - 1
        if index >= 0 and table.rows[index] > newest:
            newest = table.rows[index]
            epochs = table.values.get("epoch")
            epoch = epochs[index] if epochs else None
    return epoch
