"""Columns of scalars.json are what JSON says of every row, however the file is cut in pieces."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator

import pytest
from dualwatch.core.metric_names import is_metric
from dualwatch.frameworks.mmengine.logs.columns import MAX_ROW, ColumnReader, Columns, columns
from hypothesis import given, settings
from hypothesis import strategies as st


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def training(epochs: int = 3, steps: int = 40) -> str:
    """A run as mmengine writes it, with one validation row an epoch."""
    lines = []
    for epoch in range(1, epochs + 1):
        for step in range(1, steps + 1):
            done = (epoch - 1) * steps + step
            lines.append(
                json.dumps(
                    {"lr": 1e-5 * done, "loss": 1 / done, "train/loss_macl": 0.1234567890123456,
                     "epoch": epoch, "iter": done, "memory": 4567, "step": done}
                )
            )  # fmt: skip
        lines.append(json.dumps({"coco/bbox_mAP": epoch / 7, "coco/AP .5": math.nan, "step": 0}))
    return "".join(line + "\n" for line in lines)


def slowly(data: bytes) -> dict[str, list[tuple[int, str]]]:
    """The same by the JSON reader alone: key -> (row, value as text, since NaN != NaN)."""
    found: dict[str, list[tuple[int, str]]] = {}
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    for number, line in enumerate(line for line in text.split("\n") if line):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        for key, value in row.items() if isinstance(row, dict) else ():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            try:
                found.setdefault(key, []).append((number, repr(float(value))))
            except OverflowError:
                continue
    return found


def quickly(read: Columns) -> dict[str, list[tuple[int, str]]]:
    return {
        name: [(row, repr(value)) for row, value in zip(*read.column(name), strict=True)]
        for name in read.names()
    }


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_all_values_in_the_order_of_their_rows(size: int) -> None:
    data = training().encode()
    read = columns(cut(data, size))
    assert (read.rows, read.skipped) == (123, 0)
    assert quickly(read) == slowly(data)


def test_by_epoch_a_validation_row_belongs_to_the_epoch_before_it() -> None:
    found = columns([training(epochs=2, steps=3).encode()]).by_epoch()
    assert list(found) == [1, 2]
    assert found[2]["loss"] == array("d", [1 / 4, 1 / 5, 1 / 6])
    assert found[2]["coco/bbox_mAP"] == array("d", [2 / 7])
    assert found[1]["step"] == array("d", [1, 2, 3, 0])


def test_by_epoch_of_a_loop_that_counts_iterations() -> None:
    rows = "".join(f'{{"loss": 1.5, "iter": {i}, "step": {i}}}\n' for i in range(1, 9))
    found = columns([(rows + '{"mIoU": 58.2, "step": 0}\n').encode()]).by_epoch()
    assert list(found) == [None]
    assert len(found[None]["loss"]) == 8
    assert found[None]["mIoU"] == array("d", [58.2])


def test_rows_of_two_layouts_in_one_epoch_keep_their_order() -> None:
    rows = [{"loss": i, "epoch": 1, "iter": i} | ({"extra": 1} if i % 3 else {}) for i in range(30)]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    for pieces in ([data], cut(data, 100)):
        assert columns(pieces).by_epoch()[1]["loss"] == array("d", range(30))


def test_rows_written_in_another_way_between_those_of_a_layout_keep_their_order() -> None:
    odd = ['{"loss": 7, "loss": 5}', '{"loss":6}', '{"loss": 8, "time": 1}']
    rows = ['{"loss": %d}' % i for i in range(40)]  # noqa: UP031
    for place, line in enumerate(odd):
        rows[10 + 9 * place] = line
    data = "".join(row + "\n" for row in rows).encode()
    for size in (50, 400, 1 << 20):
        assert quickly(columns(cut(data, size), wanted=["loss"])) == {"loss": slowly(data)["loss"]}


def test_only_what_is_wanted_is_kept_and_what_places_it() -> None:
    read = columns([training().encode()], wanted=["loss_macl", "bbox_mAP"])
    assert set(read.names()) == {
        "train/loss_macl", "coco/bbox_mAP", "epoch", "iter", "step",
    }  # fmt: skip
    assert len(read.column("train/loss_macl")[1]) == 120
    assert len(read.column("coco/bbox_mAP")[1]) == 3


def test_a_name_that_never_came_has_an_empty_column() -> None:
    read = columns([training().encode()])
    assert read.column("loss_maclx") == (array("q"), array("d"))
    assert columns([]).by_epoch() == {}


def test_what_is_no_row_is_counted_and_left_out() -> None:
    row = '{"loss": 0.5, "iter": 1}\n'
    bad = ['{"loss": 0.5, "it\n', "[1, 2]\n", "words\n", '{"loss": 0.5.1, "iter": 1}\n',
           '{"loss": nan, "iter": 1}\n', '{"loss": 01, "iter": 1}\n']  # fmt: skip
    read = columns([(row * 10 + "".join(bad) + "\n\n" + row).encode()])
    assert (read.rows, read.skipped) == (11, len(bad))
    assert len(read.column("loss")[1]) == 11


def test_the_last_row_needs_no_end_and_a_split_one_is_whole() -> None:
    reader = ColumnReader()
    assert reader.feed(b'{"loss": 0.') == []
    (table,) = reader.feed(b"5}\r") + reader.feed(b'\n{"loss": 0.25}')
    assert table.values["loss"] == array("d", [0.5])
    (table,) = reader.close()
    assert (list(table.rows), table.values["loss"]) == ([1], array("d", [0.25]))
    assert reader.close() == []


def test_a_line_without_end_is_not_kept() -> None:
    reader = ColumnReader()
    for _ in range(4):
        assert reader.feed(b'{"loss": ' + b"1" * MAX_ROW) == []
        assert len(reader._partial) <= MAX_ROW
    (table,) = reader.feed(b'\n{"loss": 3}\n')
    assert table.values["loss"] == array("d", [3])


def test_numbers_that_are_no_ordinary_floats() -> None:
    data = b'{"a": NaN, "b": -Infinity, "c": 1e999, "d": -0.0, "e": 3}\n' * 9
    read = columns([data, b'{"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0, "e": %s}\n' % (b"9" * 400)])
    assert quickly(read) == slowly(data + b'{"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0}\n')


@pytest.mark.parametrize(
    ("tag", "name", "same"),
    [
        ("train/loss_macl", "loss_macl", True),
        ("loss_macl", "train/loss_macl", True),
        ("loss_macl", "loss_macl", True),
        ("loss_macl_aux", "loss_macl", False),
        ("aux_loss_macl", "loss_macl", False),
    ],
)
def test_both_forms_of_a_tag_are_one_metric(tag: str, name: str, same: bool) -> None:
    assert is_metric(tag, name) is same


_keys = st.sampled_from(["iter", "epoch", "step", "loss", "val/x", "d1.loss (M)", 'q"', "失", "["])
_values = st.one_of(
    st.floats(), st.integers(), st.integers(0, 9), st.none(), st.booleans(), st.text(max_size=3)
)
_rows = st.dictionaries(_keys, _values, max_size=5)
_lines = st.one_of(
    _rows.map(json.dumps),
    _rows.map(lambda row: json.dumps(row, ensure_ascii=False)),
    _rows.map(lambda row: json.dumps(row, separators=(",", ":"))),
    st.sampled_from(
        ['{"loss": 1, "loss": 2}', '{"loss": 1-2}', '{"loss": Infinit}', '{"loss": .5}', "{}",
         '{"loss": 1}{"loss": 2}', "[" * 3000, '{"loss": +1}', '{"loss": 1_0}']
    ),
    st.text(max_size=8),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(_lines, st.integers(1, 12)), max_size=8),
    st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    st.integers(1, 400),
)
def test_every_row_is_what_json_says(lines: list[tuple[str, int]], end: str, size: int) -> None:
    text = "".join((line + end) * times for line, times in lines)
    data = text.encode("utf-8", "surrogatepass")
    read = columns(cut(data, size))
    assert quickly(read) == slowly(data)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60)), st.sampled_from([None, ("loss",)]))
def test_never_raises(pieces: list[bytes], wanted: tuple[str, ...] | None) -> None:
    columns(pieces, wanted).by_epoch()
