"""Logs of several ranks of one start: the first one's lines, and the ends of the others."""

from __future__ import annotations

from pathlib import Path

from dualwatch import frameworks
from dualwatch.collectors import rank_files
from dualwatch.events import ErrorSeen
from dualwatch.logs.ranks import joined
from dualwatch.logs.reader import LogRead, read_log

LINE = "2024-03-04 10:0{minute}:00,100 - mmdet - INFO - Epoch [1][{done}/900]\tlr: 0.1, loss: 0.5\n"
ERROR = 'Traceback (most recent call last):\n  File "a.py", line 3, in step\n    f()\nKeyError: 7\n'


def log(folder: Path, name: str, text: str) -> LogRead:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_log(path, frameworks.line_formats(), deadline=60.0)


def test_an_error_of_another_rank_stands_at_its_time(tmp_path: Path):
    first = log(
        tmp_path,
        "log_rank0.txt",
        "".join(LINE.format(minute=minute, done=50 * minute) for minute in (1, 2, 3)),
    )
    other = log(
        tmp_path, "log_rank1.txt", f"2024-03-04 10:02:30,100 - mmdet - INFO - here\n{ERROR}"
    )
    events = joined(first, [other]).starts[-1].events
    (error,) = [event for event in events if isinstance(event, ErrorSeen)]
    assert events.index(error) == len(events) - 2
    assert "log_rank1.txt" in error.where


def test_a_rank_that_failed_in_nothing_adds_nothing(tmp_path: Path):
    first = log(tmp_path, "log_rank0.txt", LINE.format(minute=1, done=50))
    other = log(tmp_path, "log_rank1.txt", "OMP_NUM_THREADS is 1\n")
    assert joined(first, [other]) is first


def test_files_of_one_start_by_their_names():
    names = ("a/log.txt", "a/log.txt.rank1", "a/x_rank0.log", "a/x_rank2.log", "a/other.log")
    torchrun = ("t/0/stderr.log", "t/1/stderr.log")
    found = rank_files.sets([Path(name) for name in (*names, *torchrun)])
    assert found == {
        Path("a/log.txt"): (Path("a/log.txt.rank1"),),
        Path("a/x_rank0.log"): (Path("a/x_rank2.log"),),
        Path("t/0/stderr.log"): (Path("t/1/stderr.log"),),
    }
