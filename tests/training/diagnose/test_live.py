"""``diagnose`` on living trainings: hung or healthy, ours or anybody's."""

from __future__ import annotations

import json

import psutil
import pytest

HANGS = {"train_dataloader__dataset__hang_at": 18}


def test_a_hung_plain_training_is_explained_from_its_work_dir(start, until):
    training = start(**HANGS)
    training.wait_until_logged("[1][4/8]")
    said = until(training.work_dir)

    assert said.code == 1
    assert said.codes[0] == "DW111"
    document = said.document
    assert document["target"]["pid"] == training.process.pid
    assert document["target"]["alive"] is True
    assert document["phase"] == "waiting-for-batch"
    assert document["standing"]["epoch"] == 1
    assert any("[1][4/8]" in line for line in document["log_tail"])
    roles = [process["role"] for process in document["processes"]]
    assert roles.count("worker") == 2
    frames = dict.fromkeys(roles, "")
    for process in document["processes"]:
        frames[process["role"]] += " ".join(process["stack"])
    assert "__getitem__" in frames["worker"]
    assert "_try_get_data" in frames["main"]
    assert document["config"]["train_dataloader"]["loaded"]["num_workers"] == 2
    assert "num_workers=2" in document["config"]["train_dataloader"]["written"].replace(" ", "")
    # Nothing of it was changed.
    assert training.process.poll() is None
    assert psutil.Process(training.process.pid).status() != psutil.STATUS_STOPPED


def test_a_hung_training_is_explained_from_the_pid_of_a_worker(start, until):
    training = start(**HANGS)
    training.wait_until_logged("[1][4/8]")
    worker = psutil.Process(training.process.pid).children()[0].pid
    said = until("--pid", worker)
    assert said.codes[0] == "DW111"
    assert said.document["target"]["pid"] == training.process.pid
    assert said.document["target"]["work_dir"] == str(training.work_dir)


def test_a_hung_run_under_dualwatch_is_explained_before_its_own_timeout(start, until):
    training = start(supervised=True, **HANGS)
    training.wait_until_logged("[1][4/8]")
    said = until(training.work_dir)
    assert said.codes[0] == "DW111"
    assert said.document["target"]["supervised"] is True
    assert said.document["standing"]["silence_s"] > 0
    events = (training.work_dir / "dualwatch" / "journal.jsonl").read_text().splitlines()
    kinds = {json.loads(event)["kind"] for event in events}
    assert "decided" not in kinds  # It was we who asked: the run itself was left alone.


def test_a_hung_training_whose_supervisor_is_dead_is_explained_as_well(start, until):
    training = start(supervised=True, **HANGS)
    training.wait_until_logged("[1][4/8]")
    training.process.kill()
    training.process.wait()
    said = until(training.work_dir)
    assert said.codes[0] == "DW111"
    assert said.document["target"]["alive"] is True
    assert said.document["standing"]["silence_s"] >= 3
    assert "batch 4 of 8" in said.document["standing"]["sentence"]


@pytest.mark.parametrize("supervised", [False, True])
def test_a_healthy_training_has_no_cause(start, diagnose, supervised):
    training = start(supervised=supervised, model__pause=0.2, train_cfg__max_epochs=50)
    training.wait_until_logged("[1][2/8]")
    said = diagnose(training.work_dir)
    assert said.code == 0, said.document["causes"]
    assert said.codes == []
    assert said.document["target"]["alive"] is True
    assert training.process.poll() is None
