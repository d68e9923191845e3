"""The status of a training by its log alone: phase, position and time, no more than it shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from dualwatch import frameworks
from dualwatch.core.clock import Moment
from dualwatch.events import AttemptEnded, AttemptStarted
from dualwatch.history import sources
from dualwatch.logs.reader import read_log
from dualwatch.protocol import Phase
from dualwatch.rules.status import RunStatus, not_run, run_status
from dualwatch.state.snapshot import fold

LINE = "2023/05/06 07:08:09 - mmengine - INFO - Epoch(train) [1][50/900]  lr: 1e-2  loss: 0.7"
OLD = "2023-05-06 07:08:09,100 - mmdet - INFO - "
TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "tools/train.py", line 116, in main',
    "    runner.train()",
    '  File "/e/site-packages/torch/_tensor.py", line 396, in backward',
    "    torch.autograd.backward(self, gradient)",
    "RuntimeError: CUDA error: misaligned address",
]


def status(folder: Path, *lines: str, dead: bool = False) -> RunStatus:
    path = folder / "console.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    log = read_log(path, frameworks.line_formats(), deadline=1e9)
    now = Moment(1e6, 1.8e9)
    started = AttemptStarted(
        at=now.at, wall=now.wall, attempt=0, pid=0, create_time=now.wall, command=(),
        overrides={}, clock=log.clock,
    )  # fmt: skip
    s = fold(sources.of_log(log.starts, now, started)[-1])
    if dead:
        end = AttemptEnded(
            at=s.progress_at, wall=s.progress_wall, attempt=0, exit_code=None, signal=None
        )
        s = fold([end], s)
    return run_status(s, alive=None)


def test_nothing_is_known_of_the_iterations_after_a_training_line(tmp_path: Path) -> None:
    found = status(tmp_path, LINE)
    assert found.phase == Phase.TRAINING
    assert "2023-05-06 07:08:09" in found.sentence
    assert not found.decided


def test_the_traceback_shows_where_it_died(tmp_path: Path) -> None:
    assert status(tmp_path, LINE, *TRACEBACK, dead=True).phase == Phase.STEP


def test_a_bar_behind_a_checkpoint_shows_a_validation(tmp_path: Path) -> None:
    lines = [OLD + "Epoch [1][900/900]\tloss: 0.7", OLD + "Saving checkpoint at 1 epochs"]
    found = status(tmp_path, *lines, "[>>>>      ] 100/1000, 20.0 task/s, elapsed: 5s, ETA:    45s")
    assert found.phase == Phase.VAL_STEP
    assert "100 of 1000" in found.sentence


@pytest.mark.parametrize(
    "line",
    ["Evaluating bbox...", "Loading and preparing results...",
     "Accumulating evaluation results...", OLD + "Evaluating bbox..."],
)  # fmt: skip
def test_an_evaluation_announces_itself(tmp_path: Path, line: str) -> None:
    found = status(tmp_path, OLD + "Epoch [1][900/900]\tloss: 0.7", line)
    assert found.phase == Phase.METRICS


@pytest.mark.parametrize(
    "line", ["workflow: [('train', 1)], max: 12 epochs", "Start running, host: u@h, work_dir: /w"]
)
def test_before_the_first_line_it_is_no_longer_starting(tmp_path: Path, line: str) -> None:
    found = status(tmp_path, OLD + "Distributed training: False", OLD + line)
    assert found.phase == Phase.FIRST_ITERATION


def test_progress_bars_are_the_position_of_a_plain_training(tmp_path: Path) -> None:
    bar = "Epoch 3/60:  40%|####      | 160/400 [00:40<05:27,  1.22it/s, loss=0.967]"
    found = status(tmp_path, bar)
    assert found.phase == Phase.TRAINING
    assert "epoch 3 of 60" in found.sentence
    assert "160 of 400" in found.sentence
    assert "20" not in found.sentence.replace("160", ""), "no time is made up"


def test_a_full_bar_is_not_the_end_of_a_training(tmp_path: Path) -> None:
    bar = "Epoch 60/60: 100%|##########| 400/400 [00:40<00:00,  1.22it/s, loss=0.967]"
    assert status(tmp_path, bar).phase == Phase.TRAINING
    assert not status(tmp_path, bar.replace("Epoch 60/60", "train")).decided


def test_no_year_is_made_up(tmp_path: Path) -> None:
    assert " 05-06 07:08:09" in status(tmp_path, LINE.removeprefix("2023/")).sentence


def test_a_configuration_has_no_end() -> None:
    assert not_run(tried=True).phase == not_run(tried=False).phase == Phase.NOT_RUN
    assert not_run(tried=True).decided
    assert not not_run(tried=False).decided
