"""``diagnose`` on what is left of a training: finished and dead runs, logs, configurations."""

from __future__ import annotations

import json
import os
import re
import zipfile
from pathlib import Path

import pytest

STAMP = "2026/01/02 03:04:05 - mmengine - INFO - "
SECRET = "hunter2-not-a-real-one"
TRAIN_LINE = "Epoch(train) [1][{}/8]  lr: 1.0000e-02  eta: 0:01:00  time: 0.1  loss: 0.5"


def console(*bodies: str) -> str:
    return "".join(f"{STAMP}{body}\n" for body in bodies)


def test_a_finished_run_has_nothing_wrong(start, diagnose):
    training = start(supervised=True, train_cfg__max_epochs=1)
    assert training.process.wait(120) == 0
    said = diagnose(training.work_dir)
    assert said.code == 0
    assert said.codes == []
    assert said.document["phase"] == "finished"
    assert said.document["target"]["alive"] is False


def test_a_finished_plain_run_is_told_from_its_log(start, diagnose):
    training = start(train_cfg__max_epochs=1)
    assert training.process.wait(120) == 0
    said = diagnose(training.work_dir)
    assert (said.code, said.codes, said.document["phase"]) == (0, [], "finished")


def test_a_run_that_died_is_told_with_its_error(start, diagnose):
    training = start(supervised=True, train_dataloader__dataset__break_at=9)
    assert training.process.wait(120) == 5
    said = diagnose(training.work_dir)
    assert said.code == 1
    assert said.codes[0] == "DW306"
    assert "image 9 is broken" in said.document["causes"][0]["evidence"][0]["text"]


def test_the_newest_run_is_looked_at_when_none_is_named(tmp_path, diagnose):
    place = tmp_path / "work_dirs" / "net" / "20260102_030405"
    place.mkdir(parents=True)
    (place / "20260102_030405.log").write_text(console("Checkpoints will be saved to x."))
    said = diagnose()
    assert said.document["target"]["work_dir"] == "work_dirs/net"


@pytest.mark.parametrize(
    ("bodies", "phase"),
    [
        (["Hooks will be executed in the following order:"], "building-data"),
        (["Checkpoints will be saved to /x."], "first-iteration"),
        ([TRAIN_LINE.format(2), TRAIN_LINE.format(4)], "training"),
        ([TRAIN_LINE.format(8), "Saving checkpoint at 1 epochs"], "saving-checkpoint"),
        ([TRAIN_LINE.format(8), "Epoch(val) [1][1/4]    eta: 0:00:05  time: 1.6"], "val-step"),
    ],
)
def test_a_bare_log_that_just_ends_decides_nothing(tmp_path, diagnose, bodies, phase):
    (tmp_path / "x.log").write_text(console(*bodies))
    said = diagnose("x.log")
    assert said.code == 3
    assert said.codes == []
    assert said.document["phase"] == phase
    assert said.document["target"]["alive"] is None
    sentence = said.document["standing"]["sentence"]
    assert "crash or hang is not decidable from the log alone" in sentence


def test_a_bare_console_that_ends_in_a_traceback_is_that_of_a_dead_training(tmp_path, diagnose):
    trace = (
        "Traceback (most recent call last):\n"
        '  File "train.py", line 9, in <module>\n'
        "    step()\n"
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"
    )
    (tmp_path / "nohup.out").write_text(console(TRAIN_LINE.format(2)) + trace)
    said = diagnose("nohup.out")
    assert (said.code, said.codes[0]) == (1, "DW401")


def test_scalars_alone_are_a_log_too(tmp_path, diagnose):
    rows = '{"loss": 0.5, "epoch": 1, "iter": 5, "step": 5}\n'
    (tmp_path / "scalars.json").write_text(rows + rows.replace("0.5", "NaN"))
    said = diagnose("scalars.json")
    assert (said.code, said.codes) == (1, ["DW203"])
    assert said.document["standing"]["iteration"] == 5


def test_the_configuration_is_found_in_the_log(tmp_path, diagnose):
    dump = "Config:\ntrain_dataloader = dict(\n    batch_size=3, num_workers=5)\n\n"
    (tmp_path / "x.log").write_text(console(dump, "Checkpoints will be saved to /x."))
    config = diagnose("x.log").document["config"]
    assert config["how"] == "read"
    assert config["train_dataloader"]["loaded"] == {"batch_size": 3, "num_workers": 5}
    assert config["train_dataloader"]["written"].startswith("train_dataloader = dict(")


def test_a_named_configuration_is_loaded_and_a_found_one_is_not_executed(tmp_path, diagnose):
    code = (
        "open('executed', 'a').close()\ntrain_dataloader = dict(batch_size=1 + 1, num_workers=0)\n"
    )
    run = tmp_path / "wd" / "20260102_030405"
    run.mkdir(parents=True)
    (run / "20260102_030405.log").write_text(console("Checkpoints will be saved to x."))
    (tmp_path / "wd" / "net.py").write_text(code)
    found = diagnose("wd").document["config"]
    assert found["how"] == "read"
    assert not (tmp_path / "executed").exists()
    (tmp_path / "net.py").write_text(code)
    named = diagnose("net.py").document["config"]
    assert named["how"] == "loaded"
    assert named["train_dataloader"]["loaded"]["batch_size"] == 2
    assert (tmp_path / "executed").exists()


def test_a_configuration_that_does_not_load_is_a_cause(tmp_path, diagnose):
    (tmp_path / "net.py").write_text("model = dict(\n")
    said = diagnose("net.py")
    assert (said.code, said.codes) == (1, ["DW602"])


@pytest.mark.parametrize(
    ("words", "code"), [(["missing"], 2), (["empty"], 3), ([], 3), (["x.log", "--pid", "1"], 2)]
)
def test_what_cannot_be_looked_at_is_told_in_order(tmp_path, diagnose, words, code):
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.log").write_text("")
    said = diagnose(*words)
    assert said.code == code
    assert "do:" in said.err


def test_lines_from_outside_are_text(tmp_path, bundle):
    hostile = "\x1b]0;title\x07[bold red]x[/bold red] \x1b[2J <script>"
    (tmp_path / "x.log").write_text(console(hostile, "Checkpoints will be saved to /x."))
    out, _ = bundle("x.log")
    assert "\x1b" not in out
    assert "[bold red]x[/bold red]" in out


def test_a_planted_secret_is_nowhere_in_the_bundle(tmp_path, start, bundle):
    training = start(supervised=True, train_cfg__max_epochs=1)
    assert training.process.wait(120) == 0
    attempt = training.work_dir / "dualwatch" / "attempt-0"
    with (attempt / "console.log").open("a") as stream:
        stream.write(f"logging in with WANDB_API_KEY={SECRET} as alice@example.org\n")
    config = next(training.work_dir.glob("*.py"))
    config.write_text(config.read_text() + f"\npassword = '{SECRET}'\n")
    _, archive = bundle(training.work_dir, WANDB_API_KEY=SECRET)

    with zipfile.ZipFile(archive) as packed:
        everything = b"".join(packed.read(name) for name in packed.namelist())
        names = [Path(name).name for name in packed.namelist()]
    assert {"README.md", "diagnosis.json", "console.log", "journal.jsonl", "manifest.json"} <= set(
        names
    )
    assert SECRET.encode() not in everything
    assert b"alice@example.org" not in everything
    home = re.escape(os.path.expanduser("~/"))
    assert re.search(rf"(?<![\w./-]){home}".encode(), everything) is None
    _, plain = bundle(training.work_dir, "--no-redact")
    with zipfile.ZipFile(plain) as packed:
        assert SECRET.encode() in b"".join(packed.read(name) for name in packed.namelist())


def test_a_bundle_tells_its_story_by_itself(tmp_path, start, bundle):
    training = start(supervised=True, train_dataloader__dataset__break_at=9)
    training.process.wait(120)
    _, archive = bundle(training.work_dir)
    with zipfile.ZipFile(archive) as packed:
        name = next(name for name in packed.namelist() if name.endswith("README.md"))
        story = packed.read(name).decode()
        document = json.loads(packed.read(name.replace("README.md", "diagnosis.json")))
    for word in ("DW306", "image 9 is broken", "num_workers", "not be observed", "end of the log"):
        assert word.lower() in story.lower(), word
    assert document["causes"][0]["code"] == "DW306"


def test_a_full_disk_costs_the_bundle_and_nothing_else(tmp_path, bundle):
    (tmp_path / "x.log").write_text(console("Checkpoints will be saved to /x."))
    out, archive = bundle("x.log", "--output", "/dev/full/x")
    assert "not decidable" in out
    assert archive is None
