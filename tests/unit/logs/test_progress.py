"""Progress bars and the lines of plain scripts: position, mode and finite or odd losses."""

from __future__ import annotations

import math

import pytest
from dualwatch import frameworks
from dualwatch.events import ErrorSeen, EvaluationLogged, IterationLogged, ProgressShown
from dualwatch.logs.console import ConsoleParser
from dualwatch.logs.progress import ProgressReader


def read(*lines: str) -> list[object]:
    parser = ConsoleParser(frameworks.line_formats())
    events: list[object] = []
    for line in lines:
        events += parser.feed(line, 0.0, 0.0)
    return events + parser.close(0.0, 0.0)


def shown(*lines: str) -> list[ProgressShown]:
    return [event for event in read(*lines) if isinstance(event, ProgressShown)]


HEAD = "      Epoch    GPU_mem   box_loss   cls_loss  Instances       Size"
# A line, and its mode, epoch, position, total and one of its numbers.
BARS = [
    (" 7%|7         | 7/99 [00:01<00:15,  6.1it/s]", ("", None, 7, 99, None)),
    ("Epoch 2:  25%|##5  | 25/100 [00:05<00:15,  5.0it/s, loss=0.5]", ("train", 2, 25, 100, 0.5)),
    ("Epoch 2/9: 25%|##5  | 25/100 [00:05<00:15, 5.0it/s]", ("train", 2, 25, 100, None)),
    ("Epoch 0:  25% 25/100 [00:05<00:15, 5.0it/s, loss=0.5, v_num=3]", ("train", 0, 25, 100, 0.5)),
    ("Validation DataLoader 0:  50%|█████     | 5/10 [00:01<00:01,  4.0it/s]",
     ("val", None, 5, 10, None)),
    ("Testing DataLoader 0:  50%|█████     | 5/10 [00:01<00:01,  4.0it/s]",
     ("test", None, 5, 10, None)),
    ("Epoch 4 val: 50%|#####     | 5/10 [00:01<00:01, 4.0it/s]", ("val", 4, 5, 10, None)),
    ("loading annotations: 50%|#####     | 5/10 [00:01<00:01, 4.0it/s]", ("", None, 5, 10, None)),
    ("Downloading: 45%|████ | 45.1M/97.8M [00:04<00:05, 9.9MB/s]", ("", None, 45, 97, None)),
    ("第 2/9 轮: 25%|##5  | 25/100 [00:05<00:15, 5.0it/s, loss=0.5]", ("train", 2, 25, 100, 0.5)),
    ("25it [00:05,  5.0it/s, loss=0.5]", ("train", None, 25, None, 0.5)),
    ("Epoch 2/8  ━━━━━━━━━━╸━━━━ 25/100 0:00:05 • 0:00:15 5.00it/s v_num: 0.0 loss: 0.5",
     ("train", 2, 25, 100, 0.5)),
    ("Epoch: [2]  [ 25/100]  eta: 0:01:15  lr: 0.01  loss: 0.5000 (0.6000)  data: 0.0",
     ("train", 2, 25, 100, 0.5)),
    ("Train Epoch: 2 [250/1000 (25%)]\tloss: 0.5", ("train", 2, 250, 1000, 0.5)),
    ("Epoch [2/9], Step [25/100], loss: 0.5", ("train", 2, 25, 100, 0.5)),
    ("{'loss': 0.5, 'learning_rate': 5e-05, 'epoch': 1.25}", ("train", 2, 0, None, 0.5)),
    ("[>>>>      ] 25/100, 5.0 task/s, elapsed: 5s, ETA:    15s", ("", None, 25, 100, None)),
]  # fmt: skip

OTHERS = [
    "cat: 40% | 3/4 of all",
    "| Model | 40%| 3/4 |",
    "Epoch 3 was the best so far",
    "loading [==>] of a picture",
    "{'loss': 0.5, 'lr': 1e-4}",
    "Progress: 3/4 stages done - ETA: soon",
    "2024-03-04 10:00:00,100 - mmdet - INFO - Epoch(val) [5][2476]\tmAP: 0.8440",
]


@pytest.mark.parametrize(("line", "expected"), BARS)
def test_where_a_bar_is(
    line: str, expected: tuple[str, int | None, int, int | None, float | None]
) -> None:
    (found,) = shown(line)
    mode, epoch, done, total, loss = expected
    assert (found.mode, found.epoch, found.done, found.total) == (mode, epoch, done, total)
    assert found.metrics.get("loss") == loss


def test_the_result_of_a_trainers_evaluation() -> None:
    line = "{'eval_loss': 0.5, 'eval_accuracy': 0.25, 'eval_runtime': 9.1, 'epoch': 1.5}"
    (found,) = ProgressReader().said(line, 1.0, 2.0)
    assert isinstance(found, EvaluationLogged)
    assert (found.mode, found.epoch) == ("val", 2)
    assert found.metrics == {"loss": 0.5, "accuracy": 0.25}


@pytest.mark.parametrize("line", OTHERS)
def test_what_is_no_bar(line: str) -> None:
    assert not shown(line)


def test_the_columns_before_a_bar_are_named_by_the_line_above_it() -> None:
    row = "        2/9      4.2G     0.7123        nan         45        640:  40%|██ | 40/100 [00:31<00:46, 5.1it/s]"  # noqa: E501
    (found,) = shown(HEAD, row)
    assert (found.epoch, found.epochs, found.mode) == (2, 9, "train")
    assert found.metrics["box_loss"] == 0.7123
    assert math.isnan(found.metrics["cls_loss"])


def test_a_line_announces_the_epoch_of_the_bars_below_it() -> None:
    (found,) = shown("Epoch 2/9", "25/100 [=====>......] - ETA: 15s - loss: 0.5 - accuracy: 0.1")
    assert (found.epoch, found.epochs, found.done, found.metrics["loss"]) == (2, 9, 25, 0.5)


def test_an_outer_bar_gives_the_epoch_of_the_inner_one() -> None:
    found = shown(
        "Epochs:  33%|###3      | 3/9 [03:00<06:00, 60.0s/it]",
        "  0%|          | 0/100 [00:00<?, ?it/s, loss=0.9]",
        " 50%|#####     | 50/100 [00:10<00:10, 5.0it/s, loss=0.5]",
    )
    assert [(one.epoch, one.done) for one in found if one.mode == "train"] == [(4, 0), (4, 50)]


def test_of_many_states_the_first_and_the_last_are_reported() -> None:
    states = [
        f"Epoch 1:  {n}%|#    | {n}/100 [00:{n:02}<00:46, 5.1it/s, loss=0.{n}]"
        for n in range(1, 60)
    ]
    assert [one.done for one in shown(*states)] == [1, 59]
    assert [one.done for one in shown(*states, "Saving ...", *states)] == [1, 59, 1, 59]


def test_the_first_loss_that_is_not_finite_is_reported() -> None:
    def state(n: int, loss: str) -> str:
        return f"Epoch 1:  {n}%|#    | {n}/100 [00:01<00:46, 5.1it/s, loss={loss}]"

    found = shown(*(state(n, "nan" if 20 < n < 30 else "0.5") for n in range(1, 60)))
    assert [one.done for one in found] == [1, 21, 59]


@pytest.mark.parametrize(
    "bar",
    [
        "[>>>>      ] 25/100, 5.0 task/s, elapsed: 5s, ETA:    15s",
        "Epoch 2:  25%|##5  | 25/100 [00:05<00:15,  5.0it/s, loss=0.5]",
        "25/100 ━━━━━━━━━━ 15s 290ms/step - loss: 0.5",
    ],
)
def test_text_behind_a_bar_is_a_line_of_its_own(bar: str) -> None:
    tail = ['  File "a.py", line 1, in f', "ValueError: bad"]
    events = read(bar + "Traceback (most recent call last):", *tail)
    assert [type(event) for event in events] == [ProgressShown, ErrorSeen]
    events = read(bar + "2024/03/04 10:00:30 - mmengine - INFO - Epoch(train) [1][5/9]  loss: 0.5")
    assert [type(event) for event in events] == [ProgressShown, IterationLogged]


def test_a_bar_without_a_name_after_training_lines_is_of_a_validation() -> None:
    line = "2024-03-04 10:00:30,100 - mmdet - INFO - Epoch [1][9/9]\tloss: 0.5"
    (found,) = shown(line, "[>>>>      ] 25/100, 5.0 task/s, elapsed: 5s, ETA:    15s")
    assert found.mode == "val"


def drawn(epoch: int, done: int, loss: object = 0.5) -> str:
    return f"Epoch {epoch}/3: {done:3d}%|##| {done}/100 [00:01<00:09, 10.0it/s, loss={loss}]"


def states(lines: list[str]) -> list[tuple[int | None, int, float]]:
    parser = ConsoleParser(frameworks.line_formats())
    events = [event for line in lines for event in parser.feed(line, 0.0, 0.0)]
    events += parser.close(0.0, 0.0)
    assert all(isinstance(event, ProgressShown) for event in events)
    return [(event.epoch, event.done, event.metrics["loss"]) for event in events]


def test_of_bars_that_follow_each_other_the_first_and_the_last_states_are_reported() -> None:
    lines = [drawn(epoch, done) for epoch in (1, 2) for done in range(100)]
    assert states(lines) == [(1, 0, 0.5), (1, 99, 0.5), (2, 0, 0.5), (2, 99, 0.5)]


def test_a_bar_that_begins_again_under_the_same_name() -> None:
    lines = [drawn(1, done) for done in (*range(50), *range(30))]
    assert states(lines) == [(1, 0, 0.5), (1, 49, 0.5), (1, 0, 0.5), (1, 29, 0.5)]


def test_a_loss_within_a_bar_that_is_not_finite() -> None:
    lines = [drawn(1, done, "nan" if 40 <= done < 50 else 0.5) for done in range(100)]
    places = [done for _, done, loss in states(lines) if math.isnan(loss)]
    assert places == [40]


COUNTED = [
    ("iter 250: loss 3.1021, time 120.33ms, mfu 12.10%", (None, 250, None, {"loss": 3.1021})),
    ("Iteration 40, D loss: 0.5, G loss: nan", (None, 40, None, {"D loss": 0.5})),
    ("step    30 | loss: 6.5 | norm: 1.2 | dt: 338.8ms | tok/sec: 1547.2",
     (None, 30, None, {"loss": 6.5})),
    (" [2025-02-03 11:00:05] iteration   10/ 500 | lm loss: 9.1E+00 | grad norm: 1.2 |",
     (None, 10, 500, {"lm loss": 9.1, "grad norm": 1.2})),
    ("[Epoch 3/200] [Batch 5/938] [D loss: 0.69] [G loss: 0.71]",
     (3, 5, 938, {"D loss": 0.69, "G loss": 0.71})),
    ("Epoch 3/10 - loss: 0,4312 - lr: 0,001", (3, 0, None, {"loss": 0.4312})),
    ("Epoch: 004 | Train Loss: 0.5", (4, 0, None, {"Train Loss": 0.5})),
    ("Train: 3 [ 160/400 ( 40%)]  Loss: 0.7 (0.8)  LR: 5.0e-02", (3, 160, 400, {"Loss": 0.7})),
]  # fmt: skip


@pytest.mark.parametrize(("line", "wanted"), COUNTED)
def test_a_line_of_a_plain_script(line, wanted):
    (event,) = shown(line)
    epoch, done, total, metrics = wanted
    assert (event.epoch, event.done, event.total, event.mode) == (epoch, done, total, "train")
    assert metrics.items() <= event.metrics.items()


def test_training_and_validation_in_one_line_are_two_events():
    events = read("Epoch 3/9 | train loss 0.5 | val loss 0.7 | val acc 64.2%")
    (trained,) = [one for one in events if isinstance(one, ProgressShown)]
    (result,) = [one for one in events if isinstance(one, EvaluationLogged)]
    assert (trained.epoch, trained.epochs, trained.metrics) == (3, 9, {"train loss": 0.5})
    assert (result.epoch, result.metrics) == (3, {"val loss": 0.7, "val acc": 64.2})


@pytest.mark.parametrize(
    "line",
    [
        " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.123",
        " * Acc@1 64.220 Acc@5 88.100 loss 1.412",
        "Test set: Average loss: 0.0285, Accuracy: 9909/10000 (99%)",
    ],
)
def test_a_result_counts_after_lines_of_a_plain_training_only(line):
    trained = "Train Epoch: 1 [250/1000 (25%)]\tLoss: 0.5"
    framework = "2024-03-04 10:00:00,100 - mmdet - INFO - Epoch [1][5/9]\tlr: 0.1, loss: 0.5"

    def results(*lines: str) -> int:
        return sum(isinstance(event, EvaluationLogged) for event in read(*lines))

    assert results(trained, line) == 1
    assert results(line) == 0
    assert results(framework, line) == 0


@pytest.mark.parametrize(
    "line",
    [
        "batch of samples 7 processed with loss of quality 3",
        "step 3: compute the loss",
        "Epoch 3: val_loss did not improve",
        "cfg = dict(step=100, loss=0.5)",
        "saved after step 300",
    ],
)
def test_lines_that_only_mention_a_step_or_a_loss_are_no_progress(line):
    assert shown(line) == []
