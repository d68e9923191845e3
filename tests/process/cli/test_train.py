"""``dualwatch train`` before anything is started: what is wrong, and what would be done."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dualwatch.actions.lock import Lock

CONFIG = """
model = dict(type="Detector", head=dict(type="MACLHead"))
train_dataloader = dict(
    batch_size=4, num_workers=2, persistent_workers=True, dataset=dict(type="D", data_root="data")
)
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=2)
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.01))
param_scheduler = [dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=12)]
"""


@pytest.fixture
def config(tmp_path) -> str:
    """A configuration that loads, and its data."""
    (tmp_path / "data").mkdir()
    (tmp_path / "my_config.py").write_text(CONFIG)
    return "my_config.py"


@pytest.fixture
def other(tmp_path) -> str:
    """A configuration of another framework: nobody loads it, which is quick."""
    (tmp_path / "run.ini").write_text("")
    (tmp_path / "mine.py").write_text("")
    return "run.ini"


needs_mmengine = pytest.mark.skipif(
    importlib.util.find_spec("mmengine") is None, reason="mmengine is not installed"
)


def nothing_was_started(tmp_path) -> bool:
    return not list(tmp_path.rglob("journal.jsonl"))


# --- what is wrong ---------------------------------------------------------------------------


def test_a_configuration_that_is_not_there(dualwatch_, tmp_path) -> None:
    said = dualwatch_("train", "configs/nope.py")
    assert (said.code, said.out) == (2, "")
    assert f"{Path('configs/nope.py')} does not exist [DW602]" in said.err
    assert nothing_was_started(tmp_path)


@needs_mmengine
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model = (", "SyntaxError"),
        ("import os; os._exit(3)", "DW602"),
        ("raise ValueError('[bold]\\x1b[31mred')", "[bold]"),
    ],
    ids=["syntax", "exit", "words from outside"],
)
def test_a_configuration_that_does_not_load(dualwatch_, tmp_path, text, words) -> None:
    (tmp_path / "bad.py").write_text(text)
    said = dualwatch_("train", "bad.py")
    assert (said.code, said.out) == (2, "")
    assert "does not load [DW602]" in said.err
    assert words in said.err
    assert "\x1b" not in said.err
    assert nothing_was_started(tmp_path)


@needs_mmengine
def test_data_that_is_not_there(dualwatch_, tmp_path, config) -> None:
    said = dualwatch_("train", config, "--cfg-options", "train_dataloader.dataset.data_root=gone")
    assert said.code == 2
    assert "[DW603]" in said.err
    assert "train_dataloader.dataset.data_root = gone" in said.err
    assert nothing_was_started(tmp_path)


INCOMPLETE = CONFIG.replace("optim_wrapper", "optimizer_of_mine")
OLD = "model = dict(type='D')\ndata = dict(samples_per_gpu=2)\nrunner = dict(max_epochs=2)\n"


@needs_mmengine
@pytest.mark.parametrize(
    ("text", "word"),
    [
        (INCOMPLETE, "no optim_wrapper"),
        (OLD, "mmcv 1.x"),
        ("a = 1", "nothing to train"),
        (CONFIG + "val_cfg = dict(type='ValLoop')\n", "no val_dataloader, val_evaluator"),
    ],
    ids=["incomplete", "older", "nothing", "validation"],
)
def test_what_cannot_be_trained_is_not_started(dualwatch_, tmp_path, config, text, word) -> None:
    (tmp_path / config).write_text(text)
    said = dualwatch_("train", config)
    assert (said.code, said.out) == (2, "")
    assert "[DW610]" in said.err
    assert word in said.err
    assert "--script" in said.err
    assert nothing_was_started(tmp_path)


@needs_mmengine
def test_a_script_of_ones_own_may_complete_a_configuration(dualwatch_, tmp_path, config) -> None:
    (tmp_path / config).write_text(INCOMPLETE)
    (tmp_path / "mine.py").write_text("")
    said = dualwatch_("train", config, "--script", "mine.py", "--dry-run", "--json")
    assert said.code == 0
    assert any("no optim_wrapper" in note for note in json.loads(said.out)["notes"])


@pytest.mark.parametrize(
    "script",
    [
        "tools/gone.py",
        "/gone/train.py",
        "gone",
        "gone.py",
    ],
)
def test_a_script_that_is_not_there(dualwatch_, other, script) -> None:
    said = dualwatch_("train", other, "--script", script, "--dry-run")
    assert (said.code, said.out) == (2, "")
    assert f"the script {os.path.normpath(script)} does not exist" in said.err


@pytest.mark.parametrize("python", ["/gone/python", "."], ids=["missing", "folder"])
def test_a_python_that_cannot_be_started(dualwatch_, config, python) -> None:
    said = dualwatch_("train", config, "--python", python)
    assert said.code == 2
    assert "the Python of the training cannot be started" in said.err


@pytest.mark.skipif(importlib.util.find_spec("venv") is None, reason="this Python has no venv")
def test_a_python_without_torch(dualwatch_, tmp_path, config) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    python = bare / ("Scripts" if os.name == "nt" else "bin") / "python"
    said = dualwatch_("train", config, "--python", str(python))
    assert said.code == 2
    assert "torch" in said.err
    assert "--python" in said.err
    assert nothing_was_started(tmp_path)


def test_a_work_dir_with_a_file_in_its_way(dualwatch_, tmp_path, other) -> None:
    (tmp_path / "taken").write_text("mine")
    said = dualwatch_("train", other, "--work-dir", "taken/run")
    assert (said.code, said.out) == (2, "")
    assert "the work dir cannot be written" in said.err
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_work_dir_that_is_being_supervised(dualwatch_, tmp_path, other) -> None:
    folder = tmp_path / "run" / "dualwatch"
    folder.mkdir(parents=True)
    lock = Lock(folder)
    said = dualwatch_("train", other, "--work-dir", "run")
    lock.release()
    assert said.code == 2
    assert str(os.getpid()) in said.err
    assert nothing_was_started(tmp_path)


# --- what would be done ----------------------------------------------------------------------


@needs_mmengine
def test_a_dry_run_shows_command_and_ladder_and_starts_nothing(
    dualwatch_, tmp_path, config
) -> None:
    said = dualwatch_("train", config, "--dry-run")
    assert (said.code, said.err) == (0, "")
    assert f"work dir:  {tmp_path / 'work_dirs' / 'my_config'}" in said.out
    assert "required:  loss_macl (the model mentions MACLHead)" in said.out
    assert "first on a stall: the loader is replaced in the running training" in said.out
    assert "step 1 on a stall: no workers and batch 4 -> 2" in said.out
    assert "step 2 on a stall: no workers and batch 4 -> 1" in said.out
    assert "train_dataloader.persistent_workers  True -> False" in said.out
    assert said.out.endswith("Nothing was started.\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "my_config.py"]


@needs_mmengine
def test_a_dry_run_as_json(dualwatch_, config) -> None:
    document = json.loads(dualwatch_("train", config, "--dry-run", "--json").out)
    assert document["schema_version"] == 1
    assert document["config"] == config
    assert document["command"][-1] == config
    assert document["required_metrics"] == ["loss_macl"]
    assert [step["step"] for step in document["ladder"]] == [1, 2]
    assert {"key", "before", "after", "why"} == set(document["ladder"][0]["changes"][0])
    assert document["ladders"]["stall"] == document["ladder"]
    assert [step["name"] for step in document["ladders"]["out-of-memory"]] == [
        "batch 4 -> 2",
        "batch 4 -> 1",
    ]
    assert "replaced in the running training" in document["in_place"]


@needs_mmengine
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), 1),
        (("--cfg-options", "model.head.norm_cfg.type=BN1d"), 2),
        (("--cfg-options", "model.head.min_batch=4"), 4),
        (("--cfg-options", "model.head.min_batch=4", "--min-batch", "2"), 2),
    ],
    ids=["nothing", "batch norm", "said by the model", "said by the user"],
)
def test_the_floor_of_the_batch(dualwatch_, config, words, expected) -> None:
    document = json.loads(dualwatch_("train", config, "--dry-run", "--json", *words).out)
    assert document["min_batch"] == expected
    batches = [
        change["after"]
        for steps in document["ladders"].values()
        for step in steps
        for change in step["changes"]
        if change["key"] == "train_dataloader.batch_size"
    ]
    assert min(batches, default=4) == max(expected, 1)


@needs_mmengine
def test_without_rescue_nothing_is_replaced(dualwatch_, config) -> None:
    said = dualwatch_("train", config, "--dry-run", "--no-rescue")
    assert "replaced" not in said.out
    assert "step 1 on a stall" in said.out


RANKS = ["-m", "torch.distributed.run"]
ENDS = ["run.ini", "--launcher", "pytorch"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["train_script.py", "run.ini"]),
        (["--resume", "--amp"], ["train_script.py", "run.ini", "--resume", "--amp"]),
        (
            ["--cfg-options", "a=1", "b='x y'", "--work-dir", "w"],
            ["train_script.py", "run.ini", "--work-dir", "w", "--cfg-options", "a=1", "b='x y'"],
        ),
        (["--", "--cfg-options", "z=1"], ["train_script.py", "run.ini", "--cfg-options", "z=1"]),
        (["--script", "mine.py", "--", "--flag", "-h"], ["mine.py", "run.ini", "--flag", "-h"]),
        (["--script", "my.package.train"], ["-m", "my.package.train", "run.ini"]),
        (
            ["--nproc-per-node", "2"],
            [
                *RANKS,
                *["--nproc-per-node=2", "--nnodes=1", "--node-rank=0", "--standalone"],
                *["train_script.py", *ENDS],
            ],
        ),
        (
            ["--nnodes", "2", "--node-rank", "1", "--rdzv-endpoint", "h:1", "--script", "mine.py"],
            [
                *RANKS,
                *["--nproc-per-node=1", "--nnodes=2", "--node-rank=1"],
                *["--rdzv-backend=c10d", "--rdzv-endpoint=h:1", "mine.py", *ENDS],
            ],
        ),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_the_exact_command(dualwatch_, other, words, expected) -> None:
    said = dualwatch_("train", "--dry-run", "--json", other, *words)
    assert said.code == 0, said.err
    command = json.loads(said.out)["command"]
    assert command[0] == sys.executable
    shown = [
        os.path.basename(word) if word.endswith("train_script.py") else word for word in command
    ]
    assert shown[1:] == expected


def test_the_script_of_this_folder_is_run_as_it_is(dualwatch_, tmp_path, other) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "train.py").write_text("")
    document = json.loads(dualwatch_("train", other, "--dry-run", "--json").out)
    assert document["command"][1:] == [os.path.join("tools", "train.py"), other]


@pytest.mark.parametrize(
    ("words", "environ", "metrics", "because"),
    [
        (["--require", "loss_a", "--require", "loss_b"], {}, ["loss_a", "loss_b"], "from flag"),
        ([], {"DUALWATCH_REQUIRE": "loss_c"}, ["loss_c"], "from environment DUALWATCH_REQUIRE"),
        ([], {}, [], "the model does not mention MACL"),
    ],
    ids=["flags", "environment", "neither"],
)
def test_required_metrics(dualwatch_, other, words, environ, metrics, because) -> None:
    said = dualwatch_("train", other, *words, "--dry-run", "--json", **environ)
    document = json.loads(said.out)
    assert (document["required_metrics"], document["required_because"]) == (metrics, because)


def test_a_configuration_of_another_framework_has_no_ladder(dualwatch_, other) -> None:
    said = dualwatch_("train", other, "--script", "mine.py", "--dry-run", "--json")
    document = json.loads(said.out)
    assert said.code == 0
    assert document["ladder"] == []
    assert "run.ini" in document["notes"][0]


@pytest.mark.parametrize("option", [["--resume"], ["--amp"], ["--cfg-options", "a=1"]])
def test_a_script_without_a_configuration_takes_no_options_of_one(
    dualwatch_, tmp_path, option
) -> None:
    (tmp_path / "train.py").write_text("import torch\nloss.backward()\n")
    said = dualwatch_("train", "train.py", *option)
    assert (said.code, said.out) == (2, "")
    assert option[0] in said.err
    assert nothing_was_started(tmp_path)


def test_a_command_is_shown_and_not_run(dualwatch_, tmp_path) -> None:
    (tmp_path / "train.py").write_text("import torch\nloss.backward()\n")
    said = dualwatch_("run", "--dry-run", "--json", "--", sys.executable, "train.py", "--resume")
    assert said.code == 0, said.err
    document = json.loads(said.out)
    assert document["command"] == [sys.executable, "train.py", "--resume"]
    assert "dualwatch-runs" in document["work_dir"]
    assert nothing_was_started(tmp_path)


def test_a_script_that_a_command_names_and_that_is_not_there(dualwatch_, tmp_path) -> None:
    said = dualwatch_("run", "--", sys.executable, "nope.py")
    assert (said.code, said.out) == (2, "")
    assert "nope.py" in said.err
