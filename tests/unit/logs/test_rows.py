"""Rows of a trainer in a long log: all are looked at, few are taken apart."""

from __future__ import annotations

import math

import pytest
from dualwatch import frameworks
from dualwatch.events import LinesScreened, ProgressShown
from dualwatch.logs.kept_start import FIRST, NEWEST, LogStart
from dualwatch.logs.plain_lines import counters
from dualwatch.logs.whole import WholeLog

ROWS = FIRST + 4 * NEWEST


def row(number: int, loss: object = 0.5) -> str:
    epoch = round(number / 500, 4)
    return f"{{'loss': {loss}, 'grad_norm': 1.5, 'learning_rate': 4.2e-05, 'epoch': {epoch}}}"


def starts(lines: list[str]) -> tuple[LogStart, ...]:
    log = WholeLog(1.8e9, frameworks.line_formats())
    log.take(lines)
    return log.starts()


def losses(start: LogStart) -> list[float]:
    return [event.metrics["loss"] for event in start.events if isinstance(event, ProgressShown)]


@pytest.mark.parametrize("odd", ["nan", "inf", 123456.5])
def test_the_one_odd_row_in_the_midst_is_kept(odd) -> None:
    lines = [row(number) for number in range(ROWS)]
    lines[FIRST + NEWEST] = row(FIRST + NEWEST, odd)
    (start,) = starts(lines)
    found = losses(start)
    assert any(not math.isfinite(loss) or loss > 1e5 for loss in found)
    assert len(found) < ROWS


def test_every_row_is_kept_or_counted() -> None:
    (start,) = starts([row(number) for number in range(ROWS)])
    skipped = sum(event.lines for event in start.events if isinstance(event, LinesScreened))
    assert skipped + len(losses(start)) == ROWS


@pytest.mark.parametrize("count", [FIRST // 2, ROWS])
def test_a_start_whose_rows_begin_again(count: int) -> None:
    count = max(count, 1500)
    again = [row(number, 0.25) for number in range(100)]
    first, second = starts([*map(row, range(count)), *again])
    assert set(losses(first)) == {0.5}
    assert losses(second) == [0.25] * 100


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (row(100), (1, 0)),
        ("{'loss': '0.5', 'epoch': '1.25'}", (2, 0)),
        ("{'eval_loss': 0.5, 'epoch': 1.0}", None),
        ("{'train_runtime': 12.0, 'epoch': 1.0}", None),
        ("{'loss': 0.5, 'epoch': one}", None),
        ("Epoch: [3]  [ 160/400]  eta: 0:03:46  loss: 0.7123 (0.8001)", (3, 160)),
        ("Epoch: [3][160/400]  Loss 7.1e-01 (8.0e-01)", (3, 160)),
        ("Train Epoch: 3 [1600/60000 (3%)]  Loss: 0.712000", (3, 1600)),
        ("Epoch [3/60], Step [160/400], Loss: 0.7123", (3, 160)),
        ("第 3/60 轮 第 160/400 步 loss: 0.7", (3, 160)),
        ("Epoch: [160/400]  loss: 0.7", (0, 160)),
        ('{"train_loss": 0.51, "epoch": 12}', (12, 0)),
        ('{"step": 400, "epoch": 0.75, "loss": 2.31}', (0, 400)),
        ("轮次 3 步数 160 损失: 0.5", (0, 160)),
        ("iter 250: loss 3.1021, time 120.33ms", (0, 250)),
        ("Epoch 3/60 | train loss 0.7123", (3, 0)),
        ("step 500: train loss 2.9011, val loss 3.0101", None),
        ("Test: [160/400]  loss: 0.7", None),
        ("Epoch 3", None),
    ],
)
def test_the_counters_of_a_line(line: str, place: tuple[int, int] | None) -> None:
    found = counters(line, 4)
    assert (found and found.of(f"    {line}")[:2]) == place
    if found is not None:
        assert counters(line.translate(str.maketrans("123456789", "0" * 9)), 4) == found


def plain(number: int, loss: object = 0.5) -> str:
    return f"Epoch: [{number // 400}][{number % 400}/400]  Time  0.290 ( 0.3)  Loss {loss} (0.8)"


@pytest.mark.parametrize("odd", ["nan", "inf", "7.1e+08"])
def test_the_one_odd_line_of_a_script_is_kept(odd: str) -> None:
    lines = [plain(number) for number in range(ROWS)]
    lines[FIRST + NEWEST] = plain(FIRST + NEWEST, odd)
    (start,) = starts(lines)
    shown = [event.metrics for event in start.events if isinstance(event, ProgressShown)]
    assert any(not math.isfinite(each["Loss"]) or each["Loss"] > 1e5 for each in shown)
    skipped = sum(event.lines for event in start.events if isinstance(event, LinesScreened))
    assert skipped + len(shown) == ROWS


def test_a_start_of_a_script_whose_epochs_begin_again() -> None:
    again = [plain(number) for number in range(100)]
    _, second = starts([*map(plain, range(ROWS)), *again])
    assert len([event for event in second.events if isinstance(event, ProgressShown)]) == 100
    assert not second.resumed


@pytest.mark.parametrize("odd", ["nan", "inf", "123456.5000"])
def test_the_one_odd_line_of_a_script_in_the_midst_is_kept(odd) -> None:
    lines = [f"iter {number}: loss 2.5000, time 120.33ms" for number in range(ROWS)]
    lines[FIRST + NEWEST] = lines[FIRST + NEWEST].replace("2.5000", odd)
    (start,) = starts(lines)
    found = losses(start)
    assert any(not math.isfinite(loss) or loss > 1e5 for loss in found)
    assert len(found) < ROWS


def test_steps_that_begin_again_are_another_start() -> None:
    lines = [f"step {number} | loss: 2.5 | lr 0.1" for number in range(1500)]
    first, second = starts([*lines, *lines[:100]])
    assert len(losses(second)) == 100
    assert losses(first)


def test_a_pass_over_the_data_that_begins_again_is_the_same_start() -> None:
    lines = [f"step {number}/300 | loss: 2.5 | lr 0.1" for number in range(1, 301)]
    assert len(starts([*lines, *lines])) == 1
