"""Lines that a terminal broke: joined where that shows, and nowhere else."""

from __future__ import annotations

import pytest
from dualwatch.logs.timestamps import has_stamp
from dualwatch.logs.wrapped import Joiner, width

LINE = "2024/03/04 10:00:{:02} - mmengine - INFO - Epoch(train)  [1][{}/900]  time: 0.5  loss: 0.{}"


def logged(count: int, digits: int = 40) -> list[str]:
    return [LINE.format(number, number % 10, "7" * digits) for number in range(count)]


def broken(lines: list[str], columns: int) -> list[str]:
    return [line[at : at + columns] for line in lines for at in range(0, len(line), columns)]


@pytest.mark.parametrize("columns", [70, 100, 119])
def test_what_a_terminal_broke_is_joined(columns):
    rows = broken(logged(9), columns)
    assert width(rows, has_stamp) == columns
    joiner = Joiner(columns)
    assert [*joiner.feed(rows[:5]), *joiner.feed(rows[5:]), *joiner.close()] == logged(9)


def test_lines_of_one_length_are_not_broken():
    assert width(logged(9), has_stamp) == 0


def test_lines_without_times_and_short_texts_are_left_alone():
    assert width(["x" * 80, "y"] * 9, has_stamp) == 0
    assert width(broken(logged(2), 100), has_stamp) == 0
    assert width([], has_stamp) == 0
