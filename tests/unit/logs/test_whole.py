"""A whole log: any text, in any pieces, tells the same story and never raises."""

from __future__ import annotations

import pytest
from dualwatch import frameworks
from dualwatch.events import ErrorSeen, LinesScreened, LogClock, ObserverPaused
from dualwatch.logs import kept_start
from dualwatch.logs.console import ConsoleParser
from dualwatch.logs.encodings import LineDecoder
from dualwatch.logs.timestamps import TimestampReader, logged_at
from dualwatch.logs.whole import WholeLog
from hypothesis import given, settings
from hypothesis import strategies as st

_lines = st.sampled_from(
    ["2026/11/23 06:20:46 - mmengine - INFO - Epoch(train)  [1][ 5/9]  lr: 1e-3  loss: 0.5",
     "11/23 06:20:50 - mmengine - INFO - Epoch(train)  [1][ 6/9]  lr: 1e-3  loss: nan",
     "[default0]:11/23 06:21:50 - mmengine - INFO - Iter(train) [ 6/9]  loss: 0.5",
     "2026-11-23 06:20:46,500 - mmdet - INFO - Epoch [1][5/9]\tloss: 0.5",
     "2026/02/30 06:20:46 - mmengine - INFO - Epoch(train)",
     "2026/11/23 06:20:47 - mmengine - INFO - Epoch(val) [1][9/9]    coco/AP (M): 0.5  time: 1.0",
     "2026/11/23 06:20:48 - mmengine - INFO - Checkpoints will be saved to /x.",
     "Traceback (most recent call last):", '  File "a.py", line 1, in f', "ValueError: 失",
     "MACL loss failed: shapes differ", "", "\x1b[31m", "10%\r20%"]
)  # fmt: skip


def story(data: bytes, size: int) -> list[str]:
    log, decoder = WholeLog(1.8e9, frameworks.line_formats()), LineDecoder()
    for start in range(0, len(data), size):
        log.take(decoder.feed(data[start : start + size]))
    log.take(decoder.close())
    # NaN is not equal to itself, but its representation is.
    return [repr(start) for start in log.starts()]


@settings(deadline=None)
@given(
    st.lists(st.one_of(_lines, st.text(max_size=20)), max_size=20),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "gbk", "utf-16"]),
    st.integers(1, 50),
)
def test_pieces_make_no_difference(lines: list[str], end: str, encoding: str, size: int) -> None:
    data = (end.join(lines) + end).encode(encoding, "replace")
    assert story(data, size) == story(data, len(data))


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_never_raises(data: bytes) -> None:
    story(data, 7)


@settings(deadline=None)
@given(st.lists(_lines, max_size=30), st.integers(0, 4), st.integers(1, 4))
def test_what_is_kept_of_a_long_log_is_part_of_the_whole(
    lines: list[str], first: int, newest: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_start, "FIRST", first)
        patch.setattr(kept_start, "NEWEST", newest)
        log = WholeLog(1.8e9, frameworks.line_formats())
        log.take(lines)
        starts = log.starts()
    kept = [event for start in starts for event in start.events]
    times = [event.at for event in kept]
    assert times == sorted(times)
    assert all(at >= 0 for at in times)
    parser = ConsoleParser(frameworks.line_formats())
    every = [event for line in lines for event in parser.feed(line, 0.0, 0.0)]
    every += parser.close(0.0, 0.0)
    # What an earlier start has reported is reported again in the next one.
    left_out = (LinesScreened, ObserverPaused, *((ErrorSeen,) if len(starts) > 1 else ()))
    told = [type(event).__name__ for event in kept if not isinstance(event, left_out)]
    rest = iter([type(event).__name__ for event in every])
    assert all(name in rest for name in told), "they are told in the order of the lines"


@given(st.lists(_lines), st.sampled_from([None, 1.8e9]))
def test_stamps_in_a_row_are_those_of_each_line(lines: list[str], before: float | None) -> None:
    stamps, is_dated = TimestampReader(before), False
    for line in lines:
        is_dated = is_dated or stamps.clock is LogClock.FULL
        if not is_dated or line.startswith("20"):
            assert stamps.of(line) == logged_at(line, before=before)


def test_the_year_is_known_where_a_stamp_has_one() -> None:
    stamps = TimestampReader(1.8e9)
    assert stamps.clock is LogClock.NONE
    stamps.of("11/23 06:20:46 - mmengine - INFO - x")
    assert stamps.clock is LogClock.NO_YEAR
    stamps.of("2026/11/23 06:20:46 - mmengine - INFO - x")
    assert stamps.clock is LogClock.FULL
