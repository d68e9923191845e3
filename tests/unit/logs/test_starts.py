"""Several starts in one log: where each begins, and what is not one."""

from __future__ import annotations

import pytest
from dualwatch import frameworks
from dualwatch.events import ErrorSeen, IterationLogged
from dualwatch.logs import kept_start, whole
from dualwatch.logs.kept_start import LogStart
from dualwatch.logs.whole import WholeLog

ERROR = ["Traceback (most recent call last):", '  File "a.py", line 1, in f', "ValueError: 1 of 2"]


def opening(minute: int, name: str = "a") -> list[str]:
    at = f"2026/03/04 10:{minute:02d}"
    return [
        f"{at}:00 - mmengine - INFO - ",
        "-" * 60,
        "System environment:",
        "    sys.platform: linux",
        "",
        f"{at}:05 - mmengine - INFO - Config:",
        f"work_dir = '/w/{name}'",
        "",
        f"{at}:06 - mmengine - INFO - Hooks will be executed in the following order:",
        "after_run:",
        f"{at}:20 - mmengine - INFO - Checkpoints will be saved to /w/{name}.",
    ]


def lines(minute: int, epoch: int, count: int = 3, total: int = 30) -> list[str]:
    return [
        f"2026/03/04 10:{minute:02d}:{30 + n} - mmengine - INFO - "
        f"Epoch(train) [{epoch}][{10 * n:4d}/{total}]  lr: 1.0e-02  loss: 0.5"
        for n in range(1, count + 1)
    ]


def starts(text: list[str]) -> tuple[LogStart, ...]:
    log = WholeLog(1.8e9, frameworks.line_formats())
    log.take(text)
    return log.starts()


def trained(start: LogStart) -> list[tuple[int | None, int]]:
    found = [event for event in start.events if isinstance(event, IterationLogged)]
    return [(event.epoch, event.iteration) for event in found]


def test_a_start_that_logs_no_training_line_is_one() -> None:
    first, second = starts([*opening(1), *lines(1, 1), *opening(9, "b")])
    assert trained(first) == [(1, 10), (1, 20), (1, 30)]
    assert trained(second) == []
    assert second.first_wall - first.first_wall == 8 * 60
    assert "work_dir = '/w/b'" in second.head
    assert "work_dir = '/w/b'" not in first.head
    assert not second.resumed


def test_an_error_belongs_to_the_start_that_raised_it_and_counts_again_in_the_next() -> None:
    first, second, third = starts(
        [*opening(1), *lines(1, 1), *ERROR, *opening(2), *ERROR, *opening(3)]
    )
    assert [isinstance(start.events[-1], ErrorSeen) for start in (first, second, third)] == [
        True, True, False,
    ]  # fmt: skip


def test_a_resume_continues() -> None:
    resumed = "2026/03/04 10:09:19 - mmengine - INFO - resumed epoch: 1, iter: 30"
    first, second = starts([*opening(1), *lines(1, 1), *opening(9), resumed, *lines(9, 2)])
    assert (first.resumed, second.resumed) == (False, True)
    assert trained(second)[0] == (2, 10)


def test_a_training_whose_first_line_is_late_continues_another() -> None:
    (start,) = starts([*opening(1), *lines(1, 7)])
    assert start.resumed


@pytest.mark.parametrize("first", [kept_start.FIRST, 1])
def test_counters_that_begin_again_are_another_start(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_start, "FIRST", first)
    text = [*lines(1, 1), *lines(2, 2), *lines(3, 3), *lines(5, 1), *lines(6, 2)]
    one, other = starts(text)
    assert trained(one) == [(e, n) for e in (1, 2, 3) for n in (10, 20, 30)]
    assert trained(other) == [(e, n) for e in (1, 2) for n in (10, 20, 30)]
    assert not other.resumed


def test_a_slower_rank_and_a_clock_that_is_set_back_are_none() -> None:
    ranks = [line for pair in zip(lines(1, 1, 9, 90), lines(0, 1, 9, 90), strict=True)
             for line in pair]  # fmt: skip
    behind = [*lines(2, 2, 3, 90), *lines(2, 1, 9, 90)[-1:], *lines(2, 2, 9, 90)[3:]]
    assert len(starts([*ranks, *behind])) == 1


def test_a_second_process_of_one_start_and_a_configuration_printed_twice_are_none() -> None:
    text = opening(1)
    assert len(starts([*text[:5], *text[:5], *text[5:8], *text[5:], *lines(1, 1)])) == 1


def test_two_starts_of_mmcv() -> None:
    def start(hour: int, until: int) -> list[str]:
        at = f"2023-02-08 {hour}:14:14,195 - mmdet - INFO - "
        return [
            f"{at}Environment info:",
            f"{at}Config:",
            "total_epochs = 12",
            f"{at}Start running, host: me@box, work_dir: /w",
            f"{at}Hooks will be executed in the following order:",
            f"{at}workflow: [('train', 1)], max: 12 epochs",
            f"{at}Checkpoints will be saved to /w by HardDiskBackend.",
            *(f"{at}Epoch [{e}][50/50]\tlr: 1e-3, loss: 0.5" for e in range(1, until + 1)),
        ]

    assert [len(trained(one)) for one in starts([*start(11, 3), *start(12, 0)])] == [3, 0]


def test_of_very_many_starts_the_newest_are_kept() -> None:
    log = WholeLog(1.8e9, frameworks.line_formats())
    log.take([line for minute in range(60) for line in (*opening(minute), *lines(minute, 1))])
    found = log.starts()
    assert len(found) == whole.STARTS
    assert log.dropped == 60 - whole.STARTS
    assert all(trained(start)[-1] == (1, 30) for start in found)
