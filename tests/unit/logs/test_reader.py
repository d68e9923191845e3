"""Logs that somebody hands us: whole, of any size, in any encoding."""

from __future__ import annotations

import gzip
import os
import time
from itertools import pairwise
from pathlib import Path

import pytest
from dualwatch import frameworks
from dualwatch.events import (
    ErrorSeen,
    EvaluationLogged,
    Event,
    IterationLogged,
    LinesScreened,
    LogClock,
    LogMilestone,
    ObserverPaused,
)
from dualwatch.logs import reader
from dualwatch.logs.kept_start import FIRST, NEWEST
from dualwatch.logs.reader import LogRead, read_log
from dualwatch.logs.screen import SAMPLES
from dualwatch.logs.whole import TAIL
from dualwatch.state.snapshot import fold

AGES = 1e9
"""Seconds that no test takes."""

STARTUP = """\
2026/11/23 06:20:40 - mmengine - INFO - Config:
model = dict(type='失', name='é')

2026/11/23 06:20:41 - mmengine - INFO - Hooks will be executed in the following order:
before_run:
(VERY_HIGH   ) RuntimeInfoHook
 --------------------
2026/11/23 06:20:44 - mmengine - INFO - Checkpoints will be saved to /x.
2026/11/23 06:21:10 - mmengine - INFO - Epoch(train)  [1][50/200]  lr: 1.0e-04  loss: 0.3
"""

ERROR = """\
Traceback (most recent call last):
  File "/x/model.py", line 7, in forward
    raise ValueError("bad shape")
ValueError: bad shape
"""


def stamp(second: int) -> str:
    begun = time.mktime((2026, 11, 23, 6, 22, 0, 0, 0, -1))
    return time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(begun + second))


def training_line(number: int) -> str:
    return (
        f"{stamp(10 * number)} - mmengine - INFO - "
        f"Epoch(train)  [1][{number}/99999]  lr: 1.0e-04  eta: 0:10:00  loss: 0.{number}\n"
    )


def read(path: Path, data: bytes | str, deadline: float = AGES) -> LogRead:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_log(path, frameworks.line_formats(), deadline=deadline)


def of_kind(found: LogRead, kind: type[Event]) -> list[Event]:
    return [event for event in found.events if isinstance(event, kind)]


def test_facts_have_the_times_of_their_lines(tmp_path: Path) -> None:
    found = read(tmp_path / "a.log", STARTUP + ERROR)
    assert [type(event) for event in found.events] == [
        LogMilestone, LogMilestone, LogMilestone, IterationLogged, ErrorSeen,
    ]  # fmt: skip
    assert [event.at for event in found.events] == [0.0, 1.0, 4.0, 30.0, 30.0]
    assert found.events[0].wall == found.first_wall
    assert found.events[-1].wall == found.last_wall == found.first_wall + 30
    assert found.clock is LogClock.FULL
    assert found.complete
    assert found.size == len((STARTUP + ERROR).encode())
    assert found.head[1] == "model = dict(type='失', name='é')"
    assert found.tail[-1] == "ValueError: bad shape"


def test_short_stamps_have_the_year_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_text(STARTUP.replace("2026/", ""), encoding="utf-8")
    written = time.mktime((2024, 12, 1, 0, 0, 0, 0, 0, -1))
    os.utime(path, (written, written))
    found = read_log(path, frameworks.line_formats(), deadline=AGES)
    assert time.localtime(found.first_wall)[:5] == (2024, 11, 23, 6, 20)
    assert found.last_wall - found.first_wall == 30
    assert found.clock is LogClock.NO_YEAR


def test_a_log_without_stamps_has_the_time_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_text(ERROR, encoding="utf-8")
    os.utime(path, (1e9, 1e9))
    found = read_log(path, frameworks.line_formats(), deadline=AGES)
    assert (found.first_wall, found.last_wall) == (1e9, 1e9)
    assert [(event.at, event.wall) for event in found.events] == [(0.0, 1e9)]


def test_milliseconds_and_a_clock_that_was_set_back(tmp_path: Path) -> None:
    lines = ["2023-02-09 22:37:36,250 - mmdet - INFO - Epoch [1][5/9]\tloss: 0.5",
             "2023-02-09 21:37:36,750 - mmdet - INFO - Epoch [1][6/9]\tloss: 0.5",
             "2023-02-09 22:37:37,000 - mmdet - INFO - Epoch [1][7/9]\tloss: 0.5"]  # fmt: skip
    found = read(tmp_path / "a.log", "\n".join(lines))
    assert [event.at for event in found.events] == [0.0, 0.0, 0.75]


def test_stamps_behind_the_tag_of_a_rank(tmp_path: Path) -> None:
    tagged = "".join(f"[default0]:{line}\n" for line in STARTUP.splitlines())
    assert [event.at for event in read(tmp_path / "a.log", tagged).events] == [0.0, 1.0, 4.0, 30.0]


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (STARTUP.encode(), "utf-8"),
        (STARTUP.encode("utf-8-sig"), "utf-8"),
        (STARTUP.encode("utf-16"), "utf-16-le"),
        (b"\xfe\xff" + STARTUP.encode("utf-16-be"), "utf-16-be"),
        (STARTUP.encode("utf-16-le"), "utf-16-le"),
        (STARTUP.replace("\n", "\r\n").encode("utf-16"), "utf-16-le"),
        (STARTUP.replace("\n", "\r\n").encode(), "utf-8"),
        (STARTUP.replace("é", "损失计算").encode("gbk"), "gbk"),
        (STARTUP.replace("失", "über").encode("cp1252"), "cp1252"),
    ],
)
def test_encodings(tmp_path: Path, data: bytes, encoding: str) -> None:
    found = read(tmp_path / "a.log", data)
    assert found.encoding == encoding
    assert [type(event) for event in found.events] == [LogMilestone] * 3 + [IterationLogged]
    assert found.head[1].startswith(
        ("model = dict(type='失'", "model = dict(type='über', name='é'")
    )
    assert found.head[2] == ""


def test_a_log_of_lines_in_two_encodings(tmp_path: Path) -> None:
    found = read(tmp_path / "a.log", "损失\n".encode() + "页面文件太小\n".encode("gbk"))
    assert found.tail == ("损失", "页面文件太小")


def test_the_tail_is_the_last_lines_without_control_sequences(tmp_path: Path) -> None:
    found = read(tmp_path / "a.log", "".join(f"\x1b[31mline {i}\x1b[0m\n" for i in range(99)))
    assert len(found.tail) == TAIL
    assert (found.tail[0], found.tail[-1]) == ("line 49", "line 98")


def test_a_progress_bar_gives_lines(tmp_path: Path) -> None:
    assert read(tmp_path / "a.log", "10%\r20%\r\n30%\n").tail == ("10%", "20%", "30%")


def test_gzipped(tmp_path: Path) -> None:
    data = gzip.compress(STARTUP.encode())
    found = read(tmp_path / "a.log.gz", data)
    assert len(found.events) == 4
    assert found.complete
    broken = read(tmp_path / "b.log.gz", data[:-12])
    assert not broken.complete
    assert read(tmp_path / "c.log.gz", b"no archive").events == ()


def test_of_a_long_log_the_first_and_the_newest_lines_are_told(tmp_path: Path) -> None:
    count = FIRST + NEWEST + 5 * SAMPLES
    body = "".join(training_line(number) for number in range(1, count + 1))
    found = read(tmp_path / "a.log", STARTUP + body)
    iterations = [event.iteration for event in of_kind(found, IterationLogged)]
    assert iterations[: FIRST - 1] == [50, *range(1, FIRST - 1)]
    assert iterations[-NEWEST:] == list(range(count - NEWEST + 1, count + 1))
    assert FIRST + NEWEST + SAMPLES <= len(iterations) <= FIRST + 2 * NEWEST + 2 * SAMPLES + 2
    assert found.complete
    # The stretches between them teach nothing about pauses.
    assert not of_kind(found, ObserverPaused)
    gaps = of_kind(found, LinesScreened)
    assert sum(gap.lines for gap in gaps) + len(iterations) == count + 1
    snapshot = fold(found.events)
    assert (snapshot.last_iteration, snapshot.train_lines) == (count, count + 1)


def test_what_stands_among_lines_that_are_not_told_is_told(tmp_path: Path) -> None:
    count = FIRST + NEWEST + 5 * SAMPLES
    lines = [training_line(number) for number in range(1, count + 1)]
    lines[FIRST + 100] += ERROR
    lines[FIRST + 200] += (
        f"{stamp(10 * (FIRST + 201))} - mmengine - INFO - Epoch(val) [1][9/9]  mAP: 0.5  time: 1\n"
    )
    lines.append(ERROR.replace("bad shape", "no memory"))
    found = read(tmp_path / "a.log", "".join(lines))
    first, last = of_kind(found, ErrorSeen)
    (evaluation,) = of_kind(found, EvaluationLogged)
    assert (first.at, evaluation.at) == (10.0 * (FIRST + 100), 10.0 * (FIRST + 200))
    assert last.at == 10.0 * (count - 1)
    assert len([gap for gap in of_kind(found, LinesScreened) if not gap.lines]) >= 1
    times = [event.at for event in found.events]
    assert times == sorted(times)
    assert found.last_wall == found.first_wall + last.at


def test_what_cannot_be_read_in_time_is_left_out_between_beginning_and_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "HEAD_BYTES", 20_000)
    monkeypatch.setattr(reader, "LEAST_BYTES", 10_000)
    monkeypatch.setattr(reader, "_BLOCK", 4_000)
    body = "".join(training_line(number) for number in range(1, 901))
    for encoding in ("utf-8", "utf-16"):
        found = read(tmp_path / "a.log", (STARTUP + body).encode(encoding), deadline=0.0)
        assert not found.complete
        iterations = [event.iteration for event in of_kind(found, IterationLogged)]
        assert iterations[:3] == [50, 1, 2]
        assert iterations[-1] == 900
        (gap,) = [(a, b) for a, b in pairwise(iterations) if b - a > 1]
        assert gap[1] - gap[0] > 300
        (pause,) = of_kind(found, ObserverPaused)
        assert pause.seconds == 10 * (gap[1] - gap[0])
        assert found.tail[-1] == training_line(900).strip()


def test_a_file_that_is_none_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "no.log", tmp_path):
        with pytest.raises(OSError, match=path.name):
            read_log(path, frameworks.line_formats(), deadline=AGES)


@pytest.mark.parametrize("data", [b"", b"\n", b"\xff", b"\xff\xfe", b"\xef\xbb", b"\x00" * 9])
def test_hardly_anything(tmp_path: Path, data: bytes) -> None:
    found = read(tmp_path / "a.log", data)
    assert found.events == ()
    assert found.complete
    assert found.first_wall == found.last_wall > 0
