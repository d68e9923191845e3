"""Healthy trainings: watched to the end, never touched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dualwatch.events.journal import read
from dualwatch.state.snapshot import fold

from tests.support.paths import TRAININGS


def test_trained_to_the_end(train):
    run = train()

    assert run.finish() == 0, run.err
    summary = run.summary
    assert summary["outcome"] == "completed"
    assert summary["exit_code"] == 0
    (attempt,) = summary["attempts"]
    assert (attempt["first_iteration"], attempt["last_iteration"]) == (1, 24)
    assert attempt["overrides"] == {}
    assert attempt["lost_iterations"] == 0
    assert run.codes(0) == []
    assert "loss_macl" in summary["metrics"]
    assert (run.folder / "attempt-0" / "console.log").read_text().count("Epoch(train)") == 12
    assert run.left_alive() == []


def test_the_journal_replays_to_the_same_snapshot(train):
    run = train()
    assert run.finish() == 0, run.err

    snapshot = fold(read(run.folder / "journal.jsonl"))

    attempt = run.summary["attempts"][0]
    assert snapshot.last_iteration == attempt["last_iteration"]
    assert snapshot.ended is not None
    assert snapshot.ended.exit_code == 0
    assert snapshot.metrics["loss_macl"].value == run.summary["metrics"]["loss_macl"]
    assert snapshot.model is not None
    weight = snapshot.model.parts[-1]
    assert (weight.path, weight.parameters, weight.optimised) == ("weight", 2, 2)


def test_files_are_readable_by_their_owner_only(train):
    run = train()
    assert run.finish() == 0, run.err

    for path in run.folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_silent_busy_evaluation_is_slow_and_not_stalled(train):
    run = train("--stall-timeout", "3s", val_evaluator__busy=5, train_cfg__max_epochs=1)

    assert run.finish() == 0, run.err
    assert len(run.summary["attempts"]) == 1
    codes = [f["code"] for f in run.summary["attempts"][0]["findings"]]
    assert "DW104" in codes
    assert run.codes(0) == []


def test_the_built_in_entry_runs_any_mmengine_configuration(train, tmp_path: Path):
    config = tmp_path / "own_cfg.py"
    source = TRAININGS
    config.write_text(
        (source / "tiny_cfg.py").read_text() + 'custom_imports = dict(imports="tiny")'
    )
    shutil.copy(source / "tiny.py", tmp_path)

    run = train(script=None, config=str(config))

    assert run.finish() == 0, run.err
    assert run.summary["attempts"][0]["last_iteration"] == 24


def test_mmdets_own_script_runs_as_it_is(train, tmp_path: Path):
    mmdet = pytest.importorskip("mmdet")
    script = Path(mmdet.__file__).parent / ".mim" / "tools" / "train.py"
    (tmp_path / "tools").mkdir()
    shutil.copy(script, tmp_path / "tools" / "train.py")
    source = TRAININGS
    config = tmp_path / "own_cfg.py"
    config.write_text(
        (source / "tiny_cfg.py").read_text() + 'custom_imports = dict(imports="tiny")'
    )

    # No --script: tools/train.py of the current folder is taken.
    run = train(script=None, config=str(config), environment={"PYTHONPATH": str(source)})

    assert run.finish() == 0, run.err
    assert run.summary["script"] == "tools/train.py"
    assert run.summary["attempts"][0]["last_iteration"] == 24


def test_a_module_is_run_as_python_m(train, tmp_path: Path):
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(TRAININGS / "tiny.py", package / "training.py")

    run = train("--script", "mypackage.training", script=None)

    assert run.finish() == 0, run.err
    assert run.summary["command"][1:3] == ["-m", "mypackage.training"]
    assert run.summary["attempts"][0]["last_iteration"] == 24


def test_a_plain_loop_is_followed_by_its_console(train, tmp_path: Path):
    run = train("--", "--steps", "5", script="plain_loop.py")

    assert run.finish() == 0, run.err
    assert run.summary["attempts"][0]["exit_code"] == 0
    console = (run.folder / "attempt-0" / "console.log").read_text()
    assert "step 4 loss 0.2000" in console


def test_a_hidden_sitecustomize_still_runs(train, tmp_path: Path):
    own = tmp_path / "own_site"
    own.mkdir()
    (own / "sitecustomize.py").write_text('print("the user\'s own sitecustomize")\n')

    run = train(environment={"PYTHONPATH": str(own)})

    assert run.finish() == 0, run.err
    console = (run.folder / "attempt-0" / "console.log").read_text()
    assert "the user's own sitecustomize" in console
    assert run.summary["attempts"][0]["last_iteration"] == 24
