"""A learnt shape says of a line what taking it apart says, or nothing."""

from __future__ import annotations

import pytest
from dualwatch import frameworks
from dualwatch.events import Event, IterationLogged
from dualwatch.frameworks.mmengine.logs import mmengine1
from dualwatch.frameworks.mmengine.logs.fast_path import MAX_SHAPES, LineShapes
from dualwatch.logs.console import ConsoleParser
from hypothesis import given, settings
from hypothesis import strategies as st

LOG = "2026/11/23 06:20:46 - mmengine - INFO - "
LINES = [
    LOG + "Epoch(train)  [1][  50/200]  base_lr: 1.0e-03 lr: 1.0e-04  eta: 2 days, 3:50:09  "
    "time: 0.5  memory: 4567  loss: 0.3  loss_macl: nan",
    LOG + "Iter(train) [ 100/8000]  lr: 1e-3  eta: 0:10:00  loss: 0.1  decode.acc (M): inf",
    LOG + "Epoch(train) [3][7/9]  train/loss: -1.5e-05   train/x .5: 1   ",
    "Epoch(train)  [1][1/1]  loss: 0.5",
]


def learnt(line: str) -> tuple[LineShapes, IterationLogged]:
    event = mmengine1.parse_line(line, 1.0, 2.0)
    assert isinstance(event, IterationLogged)
    shapes = LineShapes()
    shapes.learn(line, event)
    return shapes, event


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_read_by_its_own_shape(line: str) -> None:
    shapes, event = learnt(line)
    assert repr(shapes.read(line, 1.0, 2.0)) == repr(event)


@pytest.mark.parametrize(
    "other",
    [
        LINES[0].replace("  memory: 4567", ""),
        LINES[0].replace("time: 0.5", "time: slow"),
        LINES[0].replace("Epoch(train)", "Epoch(val)"),
        LINES[0] + "  loss_new: 1",
        LINES[0].replace("INFO", "WARNING"),
        "",
    ],
)
def test_other_lines_are_left_to_others(other: str) -> None:
    assert learnt(LINES[0])[0].read(other, 1.0, 2.0) is None


@pytest.mark.parametrize(
    "line",
    [
        LOG + "Epoch(train) [1][1/2]  loss: 1  loss: 2  word: abc",
        LOG + "Epoch(train) [1][1/2] loss: 1",
        LOG + "Epoch(train) [1][1/2]  eta: 0:00:01  eta: 0:00:02",
        LOG + "Epoch(train) [1][1/2]  eta: soon  loss: 1",
        LOG + "Epoch(train) [1][1/2]",
        LOG + "Epoch(train) [1][1/2]  : 1  loss: 2",
    ],
)
def test_odd_lines_mean_the_same_as_before(line: str) -> None:
    shapes, event = learnt(line)
    assert repr(shapes.read(line, 1.0, 2.0)) in (repr(event), "None")


def test_not_every_line_is_a_new_shape() -> None:
    parser = ConsoleParser(frameworks.line_formats())
    for number in range(4 * MAX_SHAPES):
        (event,) = parser.feed(f"{LOG}Epoch(train) [1][1/2]  loss_{number}: 0.5", 0.0, 0.0)
        assert isinstance(event, IterationLogged)
        assert event.metrics == {f"loss_{number}": 0.5}
    assert len(parser._formats[0]._shapes._known) <= MAX_SHAPES


_values = st.one_of(
    st.floats().map(repr), st.integers(-9, 99999).map(str),
    st.sampled_from(["1e999", "abc", "", "1_0"]),
)  # fmt: skip
_keys = st.sampled_from(["loss", "train/loss", "coco/AP .5", "a (M)", "eta", "x]  y", "é", "lr"])
_fields = st.one_of(
    st.tuples(_keys, _values).map(": ".join),
    st.sampled_from(["eta: 0:10:00", "eta: 1 day, 0:00:09", "eta: x"]),
    st.sampled_from(["base_lr: 1e-3 lr: 1e-4", "-"]),
)  # fmt: skip
_heads = st.sampled_from(
    [LOG, "", "x - INFO - ", LOG + LOG, "11/23 06:20:46 - mmengine - WARNING - "]
)
_brackets = st.sampled_from(
    ["Epoch(train) [1][ 1/2]", "Epoch(train)  [2][3/4]", "Iter(train) [5/6]", "Epoch(val) [1][1/2]",
     "Iter(train) [ ٣/6]", "Epoch(train) [1][1/2"]
)  # fmt: skip
_logged = st.builds(
    lambda head, bracket, fields, gap, end: head + gap.join([bracket, *fields]) + end,
    _heads, _brackets, st.lists(_fields, max_size=4), st.sampled_from(["  ", "   ", " "]),
    st.sampled_from(["", " ", "  "]),
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.lists(_logged, max_size=8))
def test_a_console_reads_the_same_with_and_without_shapes(lines: list[str]) -> None:
    shapes = LineShapes()
    for line in lines:
        plain: Event | None = mmengine1.parse_line(line, 1.0, 2.0)
        assert repr(shapes.read(line, 1.0, 2.0)) in (repr(plain), "None")
        if plain is not None:
            shapes.learn(line, plain)
