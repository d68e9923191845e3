"""Lines that are passed over: whatever is read of a log is what would be read of all its lines."""

from __future__ import annotations

import pytest
from dualwatch import frameworks
from dualwatch.events import ErrorFate, ErrorSeen
from dualwatch.logs import whole
from dualwatch.logs.console import ConsoleParser
from dualwatch.logs.dull_lines import MOST_KNOWN, DullLines
from dualwatch.logs.whole import WholeLog

CHATTER = "forward: visible (2, 3, 512, 640) at stage1"
TRACEBACK = ["Traceback (most recent call last):", '  File "a.py", line 1, in f', "ValueError: x"]


@pytest.fixture
def dull() -> DullLines:
    return DullLines(ConsoleParser(frameworks.line_formats()).may_matter)


def test_lines_that_differ_in_their_digits_are_asked_about_once() -> None:
    asked = []
    dull = DullLines(lambda line: bool(asked.append(line)))
    for number in range(100, 1000):
        assert dull.holds(f"value {number}")
    assert len(asked) == 1


def test_more_forms_than_are_remembered(dull) -> None:
    for number in range(MOST_KNOWN + 10):
        assert dull.holds("x" * (number % 300) + "y" * (number // 300))


@pytest.mark.parametrize(
    "line",
    [
        "2026/03/04 10:00:30 - mmengine - INFO - anything",
        "Mar  4 10:00:30 host x: anything",
        "Epoch(train)  [1][ 5/9]  lr: 1e-3  loss: 0.5",
        "System environment:",
        "OrderedDict([('bbox_mAP', 0.3)])",
        *TRACEBACK[:1],
        "ValueError: x",
        "loss failed: shapes differ",
        "Killed",
        "slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2024-03-04T10:01:05 ***",
        "process exited with code 0xC0000005",
        "Epoch 3/10",
        " 10%|#    | 1/10 [00:01<00:09, 1.0it/s, loss=0.5]",
        "{'loss': 0.5, 'epoch': 0.1}",
        "training complete",
        "[rank0]: anything",
        "x" * 500,
    ],
)
def test_what_may_matter_is_read(dull, line: str) -> None:
    assert not dull.holds(line)
    assert not dull.holds(line), "nor the second time"


@pytest.mark.parametrize("line", [CHATTER, "", "DONE", "| car  | 120 | 0.98 |", "第"[:0] + "图像"])
def test_what_cannot_is_passed(dull, line: str) -> None:
    assert dull.holds(line)


def errors(lines: list[str]) -> list[ErrorSeen]:
    log = WholeLog(1.8e9, frameworks.line_formats())
    log.take(lines)
    events = [event for start in log.starts() for event in start.events]
    return [event for event in events if isinstance(event, ErrorSeen) and event.where]


def test_the_line_before_a_traceback_is_the_one_that_is_there() -> None:
    (ignored,) = errors(["Exception ignored in: <x>", *TRACEBACK])
    assert ignored.fate is ErrorFate.IGNORED
    (raised,) = errors(["Exception ignored in: <x>", CHATTER, *TRACEBACK])
    assert raised.fate is ErrorFate.RAISED


def test_the_message_of_an_exception_has_all_its_lines() -> None:
    (error,) = errors([*TRACEBACK, CHATTER, "Killed"])
    assert CHATTER in error.message


def test_lines_of_the_head_and_the_last_line_are_kept() -> None:
    log = WholeLog(1.8e9, frameworks.line_formats())
    log.take(["model = dict(", "    depth=50)", CHATTER])
    (start,) = log.starts()
    assert start.head == ("model = dict(", "    depth=50)", CHATTER)
    assert start.last_line == CHATTER
    assert tuple(log.tail) == start.head
    assert len(start.head) < whole.TAIL
