"""The history that the Trainer of transformers leaves, and the records of a folder."""

from __future__ import annotations

import json
import math
import os
import zipfile
from pathlib import Path

import pytest
from dualwatch import frameworks
from dualwatch.collectors import run_records, target
from dualwatch.events import EvaluationLogged, GoalAnnounced, IterationLogged
from dualwatch.frameworks.transformers.adapter import Transformers

ROWS = [
    {"epoch": 0.5, "grad_norm": 1.2, "learning_rate": 5e-05, "loss": 0.9, "step": 10},
    {"epoch": 0.5, "eval_loss": 0.8, "eval_accuracy": 0.7, "eval_runtime": 2.1, "step": 10},
    {"epoch": 1.0, "loss": math.nan, "step": 20},
    {"epoch": 1.0, "total_flos": 3e12, "train_loss": 0.6, "train_runtime": 9.0, "step": 20},
]


def state(folder: Path, step: int, rows: object = ROWS) -> Path:
    path = folder / f"checkpoint-{step}" / "trainer_state.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"global_step": step, "max_steps": 20, "log_history": rows}))
    return path


def test_the_history_of_a_trainer(tmp_path) -> None:
    goal, first, evaluation, last = Transformers().scalars(state(tmp_path, 20), 100)
    assert isinstance(goal, GoalAnnounced)
    assert goal.iterations == 20
    assert isinstance(first, IterationLogged)
    assert (first.iteration, first.total, first.metrics["loss"]) == (10, 20, 0.9)
    assert isinstance(evaluation, EvaluationLogged)
    assert evaluation.metrics == {"loss": 0.8, "accuracy": 0.7}
    assert isinstance(last, IterationLogged)
    assert math.isnan(last.metrics["loss"])


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"log_history": 3}', '{"log_history": [3, {}]}'])
def test_what_is_no_history(tmp_path, text) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text(text)
    assert Transformers().scalars(path, 100) == []


def test_another_file_of_numbers_is_not_read(tmp_path) -> None:
    path = tmp_path / "scalars.json"
    path.write_text('{"loss": 0.3, "step": 1}\n')
    assert Transformers().scalars(path, 100) == []


def test_the_newest_checkpoint_of_a_folder_has_the_whole_history(tmp_path) -> None:
    for step in (1000, 500, 9000):
        state(tmp_path, step)
    (record,) = run_records.find(tmp_path)
    assert record.rows is not None
    assert record.rows.parent.name == "checkpoint-9000"
    assert target.resolve(tmp_path).scalars == record.rows
    assert target.resolve(record.rows).kind == "log"


LINE = "2024-03-0{} 10:00:00,123 - mmdet - INFO - Epoch [1][50/100]\tloss: 0.7\n"


def test_consoles_of_a_scheduler_where_nothing_else_was_left(tmp_path) -> None:
    (tmp_path / "slurm-7.out").write_text(LINE.format(6))
    (tmp_path / "slurm-9.out").write_text(LINE.format(4))
    (tmp_path / "a.out").write_bytes(b"\x7fELF" + bytes(100))
    assert target.resolve(tmp_path).log == tmp_path / "slurm-7.out"


def test_a_console_beside_the_logs_of_the_training_is_the_same_run(tmp_path) -> None:
    (tmp_path / "nohup.out").write_text(LINE.format(6))
    (tmp_path / "20240304_100000.log").write_text(LINE.format(4))
    assert target.resolve(tmp_path).log == tmp_path / "20240304_100000.log"


def whole(folder: Path, step: int) -> Path:
    """A checkpoint as the Trainer writes it."""
    path = state(folder, step).parent
    for name in ("optimizer.pt", "scheduler.pt"):
        with zipfile.ZipFile(path / name, "w") as archive:
            archive.writestr("data.pkl", b"state")
    return path


def test_the_newest_whole_checkpoint(tmp_path) -> None:
    older, newer = whole(tmp_path, 10), whole(tmp_path, 20)
    os.utime(older, (100.0, 100.0))
    os.utime(newer, (200.0, 200.0))
    newest = Transformers().newest_checkpoint

    found, passed = newest(tmp_path, since=0.0)
    assert found is not None
    assert (found.path, found.number, passed) == (newer, 20, [])
    found, _ = newest(tmp_path, since=0.0, without={newer})
    assert found is not None
    assert found.path == older
    assert newest(tmp_path, since=300.0) == (None, [])
    assert Transformers().last_checkpoint(tmp_path) == newer


@pytest.mark.parametrize("name", ["trainer_state.json", "optimizer.pt", "scheduler.pt"])
def test_a_checkpoint_that_is_not_whole_is_passed_over(tmp_path, name: str) -> None:
    older, newer = whole(tmp_path, 10), whole(tmp_path, 20)
    (newer / name).write_bytes((newer / name).read_bytes()[:10])
    os.utime(older, (100.0, 100.0))
    os.utime(newer, (200.0, 200.0))

    found, passed = Transformers().newest_checkpoint(tmp_path, since=0.0)

    assert found is not None
    assert found.path == older
    assert [text.startswith("checkpoint-20: ") for text in passed] == [True]


def test_a_loop_with_models_of_transformers_is_no_training_of_its_trainer(tmp_path) -> None:
    script = tmp_path / "train.py"
    script.write_text("from transformers import AutoModel\nloss(AutoModel(x)).backward()\n")
    found = frameworks.of_script(script)
    assert found is not None
    assert found.name == "pytorch"
