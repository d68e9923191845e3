"""The forms in which programs around a training print the time, and the year of a log."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from dualwatch import frameworks
from dualwatch.events import LogClock
from dualwatch.logs.reader import LogRead, read_log
from dualwatch.logs.timestamps import logged_at

MOMENT = time.mktime((2023, 5, 6, 7, 8, 9, 0, 0, -1))

STAMPED = [
    "2023/05/06 07:08:09 - mmengine - INFO - x",
    "05/06 07:08:09 - mmengine - INFO - x",
    "2023-05-06 07:08:09,250 - mmdet - INFO - x",
    "[2023-05-06 07:08:09,250] torch.distributed.elastic.multiprocessing.api: [ERROR] failed",
    "[2023-05-06 07:08:09]",
    "INFO:2023-05-06 07:08:09 x",
    "[INFO|trainer.py:1712] 2023-05-06 07:08:09,123 >> ***** Running training *****",
    "2023-05-06T07:08:09.5+08:00 x",
    "2023-05-06T07:08:09Z x",
    "slurmstepd: error: *** JOB 8 ON n3 CANCELLED AT 2023-05-06T07:08:09 DUE TO TIME LIMIT ***",
    "E0506 07:08:09.123000 140 torch/distributed/elastic/x.py:674] failed",
    "[rank1]:[E506 07:08:09.123456789 ProcessGroupNCCL.cpp:563] [Rank 1] Watchdog caught",
    "[05/06 07:08:09 d2.utils.events]:  eta: 1:00:00  iter: 19",
    "05/06/2023 07:08:09 - INFO - __main__ - x",
    "May  6 07:08:09 node kernel: x",
    "Sat May  6 07:08:09 UTC 2023",
    "  time      : 2023-05-06_07:08:09",
    "2023年 05月 06日 星期六 07:08:09 CST",
    "2023-05-06 07:08:09.123 | INFO     | __main__:main:12 - x",
    "trainer-1  | 2023-05-06 07:08:09 x",
    "[default0]:2023-05-06 07:08:09,100 - x",
]

UNSTAMPED = [
    "INFO:root:x",
    "eta: 0:10:00  loss 0.3",
    " 40%|## | 1/2 [00:31<00:46]",
    "data = dict(date='2023-05-06 07:08:09')",
    "the best one was saved at 2023/05/06 07:08:09",
    "[07:08:09] INFO x",
    "10.2.3.4:5678:90 x",
]


@pytest.mark.parametrize("line", STAMPED)
def test_a_time_is_read(line: str) -> None:
    found = logged_at(line, before=MOMENT + 86400)
    assert found is not None
    assert int(found) == MOMENT


@pytest.mark.parametrize("line", UNSTAMPED)
def test_what_a_line_is_about_is_no_time_of_it(line: str) -> None:
    assert logged_at(line, before=MOMENT + 86400) is None


def read(folder: Path, *lines: str, name: str = "console.txt") -> LogRead:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")
    os.utime(path, (MOMENT + 86400 * 1000, MOMENT + 86400 * 1000))
    return read_log(path, frameworks.line_formats(), deadline=1e9)


YEARLESS = [
    "05/06 07:08:09 - mmengine - INFO - Epoch(train) [1][ 5/90]  lr: 1e-3  loss: 0.5",
    "05/06 07:09:09 - mmengine - INFO - Epoch(train) [1][10/90]  lr: 1e-3  loss: 0.5",
]


def test_without_a_year_none_is_known(tmp_path: Path) -> None:
    assert read(tmp_path, *YEARLESS).clock is LogClock.NO_YEAR


@pytest.mark.parametrize(
    "line",
    [
        "05/06 07:09:00 - mmengine - INFO - Exp name: retina_r50_20230506_070800",
        "05/06 07:09:00 - mmengine - INFO - Exp name: retina_r50_20230505_235900",
        "load_from = 'work/r50_20200130-204655.pth', name = 'work/20230506_070800/vis_data'",
        "[2023-05-06 07:09:30,000] torch.distributed.run: [WARNING] x",
    ],
)
@pytest.mark.parametrize("place", [1, 2])
def test_another_line_dates_the_log(tmp_path: Path, line: str, place: int) -> None:
    lines = [*YEARLESS]
    lines.insert(place, line)
    found = read(tmp_path, *lines)
    assert found.clock is LogClock.FULL
    assert int(found.starts[-1].events[0].wall) // 60 == int(MOMENT) // 60
    assert all(abs(event.wall - MOMENT) < 3600 for event in found.events)


def test_a_line_before_the_first_time_dates_the_log(tmp_path: Path) -> None:
    found = read(tmp_path, "$ python train.py --work-dir work/x_20230506_070700", *YEARLESS)
    assert found.clock is LogClock.FULL
    assert int(found.first_wall) == MOMENT


def test_the_folder_of_the_run_dates_the_log(tmp_path: Path) -> None:
    found = read(tmp_path, *YEARLESS, name="20230506_070800/20230506_070800.log")
    assert found.clock is LogClock.FULL
    assert int(found.first_wall) == MOMENT


def test_a_date_of_something_else_is_not_that_of_the_log(tmp_path: Path) -> None:
    line = "05/06 07:09:00 - mmengine - INFO - Load checkpoint from r50_20200130_204655.pth"
    assert read(tmp_path, *YEARLESS, line).clock is LogClock.NO_YEAR


def test_a_year_that_ends_within_the_log(tmp_path: Path) -> None:
    line = "- mmengine - INFO - Epoch(train) [1][ 5/90]  lr: 1e-3  loss: 0.5"
    found = read(
        tmp_path,
        f"12/31 23:59:00 {line}",
        "12/31 23:59:30 - mmengine - INFO - Exp name: x_20221231_235800",
        f"01/01 00:01:00 {line.replace(' 5/90', '10/90')}",
    )
    assert found.clock is LogClock.FULL
    assert [time.localtime(event.wall).tm_year for event in found.events] == [2022, 2023]


def test_the_end_of_a_log_is_its_last_line_with_a_time(tmp_path: Path) -> None:
    found = read(tmp_path, "2023/05/06 07:00:00 - mmengine - INFO - Checkpoints will be saved to",
                 "slurmstepd: error: *** JOB 8 ON n3 CANCELLED AT 2023-05-06T07:08:09 ***",
                 "no time here")  # fmt: skip
    assert found.starts[-1].last_wall == MOMENT


def test_a_log_without_any_time(tmp_path: Path) -> None:
    found = read(tmp_path, "Epoch 1:  40%|####  | 4/10 [00:31<00:46,  5.1it/s, loss=0.71]")
    assert found.clock is LogClock.NONE


def test_what_comes_before_the_first_time_is_not_later_than_it(tmp_path: Path) -> None:
    found = read(tmp_path, "Traceback (most recent call last):", '  File "a.py", line 1, in f',
                 "ValueError: x", *(f"2023/{line}" for line in YEARLESS))  # fmt: skip
    walls = [event.wall for event in found.events]
    assert walls[0] == walls[1] == MOMENT
