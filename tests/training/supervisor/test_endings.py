"""How runs end: errors, missing metrics, signals; and nothing of them is left."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys

import psutil
import pytest
from dualwatch.supervisor.run_folder import archive


def test_an_error_of_the_training_is_quoted(train):
    run = train(model__fail_at=3)

    assert run.finish() == 5, run.err
    assert run.summary["outcome"] == "failed"
    assert run.codes(0) == ["DW606"]
    # Text from outside is data: Rich's markup is shown as it was written.
    assert "ValueError: the batch is spoilt [bold]on purpose[/bold]" in run.out
    assert run.summary["attempts"][0]["exit_code"] == 1
    assert "Traceback" not in run.err.replace("Traceback (most recent call last)", "", 1)


def test_a_worker_that_the_system_killed(train):
    run = train("--max-reruns", "0", train_dataloader__dataset__die_at=25)

    assert run.finish() == 5, run.err
    assert run.codes(0) == ["DW301"]
    assert "is killed by signal: Killed" in run.out
    # Its death is told between two iterations, so that nothing is lost.
    (attempt,) = run.summary["attempts"]
    assert (attempt["last_iteration"] > 0, attempt["lost_iterations"]) == (True, 0)


def test_after_a_killed_worker_fewer_go_on_at_the_very_batch(train, tmp_path):
    once = {"die_at": 25, "die_once": str(tmp_path / "died")}
    run = train(**{f"train_dataloader__dataset__{key}": value for key, value in once.items()})

    assert run.finish() == 0, run.err
    first, second = run.summary["attempts"]
    assert second["overrides"]["train_dataloader.num_workers"] == 1
    assert second["overrides"].get("train_dataloader.batch_size") is None
    assert second["resumed_from"].endswith(f"rescue_iter_{first['last_iteration']}.pth")
    assert second["first_iteration"] == first["last_iteration"] + 1
    assert second["last_iteration"] == 24
    assert first["lost_iterations"] == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_the_dataset(train, workers):
    options = {"num_workers": workers, "persistent_workers": workers > 0, "dataset__break_at": 9}
    run = train(**{f"train_dataloader__{key}": value for key, value in options.items()})

    assert run.finish() == 5, run.err
    assert run.codes(0) == ["DW306"]
    assert "ValueError: image 9 is broken" in run.out


def test_a_required_metric_that_never_comes(train):
    run = train("--require", "loss_macl", model__with_macl=False)

    assert run.finish() == 1, run.err
    assert run.summary["outcome"] == "completed-with-findings"
    # Numbers hold no image: whether they are paired cannot be told, what the model returned can.
    assert run.codes(0) == ["DW212", "DW201"]
    assert run.summary["attempts"][0]["findings"][0]["confidence"] < 0.7
    assert run.summary["attempts"][0]["last_iteration"] == 24


def test_a_missing_metric_stops_the_training_when_asked(train):
    options = {"model__with_macl": False, "model__pause": 0.2}
    run = train("--require", "loss_macl", "--on-missing", "stop", **options)

    assert run.finish() == 1, run.err
    assert run.summary["attempts"][0]["last_iteration"] < 24
    # It finishes its iteration and saves before it is stopped.
    assert run.summary["attempts"][0]["lost_iterations"] == 0
    assert run.left_alive() == []
    # The same verdict in every command: dualwatch ended it, and no error of the script.
    assert run.codes(0)[0] == "DW609"
    for command in ("diagnose", "check"):
        words = [sys.executable, "-m", "dualwatch", command, "--json", str(run.work_dir)]
        words += ["--no-bundle"] if command == "diagnose" else []
        told = subprocess.run(words, capture_output=True, text=True, check=False)
        assert told.returncode == 1, told.stderr
        assert "DW609" in told.stdout
        assert "DW606" not in told.stdout


def test_a_required_metric_that_is_there(train):
    assert train("--require", "loss_macl").finish() == 0


def test_a_loss_that_is_not_a_number(train):
    run = train(model__nan_at=10)

    assert run.finish() == 1, run.err
    assert run.codes(0) == ["DW203"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_training_in_order(train, number, code):
    run = train(model__pause=0.2)
    run.iterating()
    assert run.left_alive()

    run.process.send_signal(number)

    assert run.finish() == code
    assert run.summary["outcome"] == "interrupted"
    assert run.left_alive() == []


def test_processes_that_left_the_session_are_ended_too(train):
    run = train(train_dataloader__dataset__orphan=True)

    assert run.finish() == 0, run.err
    assert run.left_alive() == []


def test_the_death_of_dualwatch_is_not_noticed_by_the_training(train):
    run = train(model__pause=0.1)
    started = run.iterating()
    training = psutil.Process(started["pid"])

    run.process.kill()
    run.process.wait()

    assert training.is_running()
    psutil.wait_procs([training], timeout=60)
    console = (run.folder / "attempt-0" / "console.log").read_text()
    assert "Epoch(train) [3][8/8]" in console
    assert (run.work_dir / "epoch_3.pth").exists()


def test_a_second_run_of_the_same_work_dir_is_refused(train):
    first = train(model__pause=0.2)
    first.iterating()

    second = train()

    assert second.finish() == 2
    assert str(first.process.pid) in second.err
    first.process.send_signal(signal.SIGINT)
    assert first.finish() == 130


def test_a_training_that_lost_its_dualwatch_is_not_started_twice(train):
    first = train(model__pause=0.2)
    started = first.iterating()
    training = psutil.Process(started["pid"])
    journal = (first.folder / "journal.jsonl").read_bytes()
    first.process.kill()
    first.process.wait()

    second = train()

    assert second.finish() == 2
    assert f"pid {training.pid}, attempt 0, running since" in second.err
    assert "dualwatch attach" in second.err
    assert f"kill {training.pid}" in second.err
    assert training.is_running()
    # Untouched: nothing of the first is put aside, nothing added to it.
    assert (first.folder / "journal.jsonl").read_bytes().startswith(journal)
    assert not (first.folder / "earlier").exists()
    assert not (first.folder / "attempt-1").exists()

    training.kill()
    psutil.wait_procs(first.left_alive(), timeout=60)
    again = train()
    assert again.finish() == 0, again.err


def test_a_dry_run_beside_a_living_training_is_allowed(train):
    first = train(model__pause=0.2)
    first.iterating()

    second = train("--dry-run")

    assert second.finish() == 0, second.err
    assert first.process.poll() is None


def test_an_earlier_run_is_put_aside_and_not_deleted(train):
    first = train()
    assert first.finish() == 0, first.err
    before = (first.folder / "summary.json").read_text()

    again = train()

    assert again.finish() == 0, again.err
    (kept,) = (again.folder / "earlier").iterdir()
    assert (kept / "summary.json").read_text() == before
    assert (kept / "attempt-0" / "console.log").exists()


def test_curves_of_an_earlier_run_are_put_aside_as_well(tmp_path):
    (tmp_path / "tensorboard" / "attempt-0").mkdir(parents=True)
    (tmp_path / "tensorboard" / "attempt-0" / "events").write_bytes(b"points")
    archive(tmp_path)
    assert not (tmp_path / "tensorboard").exists()
    (kept,) = (tmp_path / "earlier").glob("*/tensorboard/attempt-0/events")
    assert kept.read_bytes() == b"points"


def test_json_events_are_one_object_a_line(train):
    run = train("--json")

    assert run.finish() == 0, run.err
    events = [json.loads(line) for line in run.out.splitlines()]
    assert {"run-started", "attempt-started", "pulse", "run-ended"} <= {e["kind"] for e in events}
    assert all(e["schema_version"] == 1 for e in events)
    assert events[-1]["exit_code"] == 0


def test_tensorboard_takes_the_next_free_port_and_ends_with_us(train):
    pytest.importorskip("tensorboard")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = train("--tensorboard", "--port", str(port), model__pause=0.1)
        assert run.finish() == 0, run.err
    assert f"port {port} is taken" in run.err
    # Its configuration has no backend for TensorBoard, and nobody requires a curve: a note.
    (noted,) = [f for f in run.summary["attempts"][0]["findings"] if f["code"] == "DW802"]
    assert noted["severity"] == "info"
    assert list((run.folder / "tensorboard" / "attempt-0").glob("*tfevents*"))
    boards = [p for p in psutil.process_iter() if _is_board_of(p, str(run.work_dir))]
    assert boards == []


def _is_board_of(process: psutil.Process, logdir: str) -> bool:
    try:
        return logdir in process.cmdline() and "tensorboard.main" in process.cmdline()
    except psutil.Error:
        return False


def test_a_work_dir_that_cannot_be_made(train, tmp_path):
    (tmp_path / "in-the-way").write_text("a file")

    run = train(work_dir="in-the-way/wd")

    assert run.finish() == 2
    assert "cannot be written" in run.err
    assert "Traceback" not in run.err


def test_output_that_nobody_reads_harms_nothing(train, tmp_path):
    run = train(model__pause=0.05)
    run.iterating()
    # As `dualwatch train ... 2>&1 | head` does: the reader goes away.
    run.process.stdout.close()
    run.process.stderr.close()

    run.process.wait(timeout=120)

    assert run.summary["outcome"] == "completed"


def test_a_python_that_lacks_torch_is_said_at_once(train, tmp_path):
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    python = bare / ("Scripts" if sys.platform == "win32" else "bin") / "python"

    run = train("--python", str(python), script=None)

    assert run.finish() == 2
    assert "has no module 'torch'" in run.err


def test_a_run_that_was_interrupted_goes_on_with_resume(train):
    first = train(model__pause=0.2)
    first.wait_for(lambda event: event["kind"] == "pulse" and event["iteration"] >= 11)
    first.process.send_signal(signal.SIGINT)
    assert first.finish() == 130
    (stopped,) = first.summary["attempts"]
    assert stopped["lost_iterations"] == 0
    assert stopped["last_iteration"] >= 11

    again = train("--resume")

    assert again.finish() == 0, again.err
    attempt = again.summary["attempts"][0]
    # Not at the epoch's beginning, which was iteration 9.
    assert attempt["first_iteration"] == stopped["last_iteration"] + 1
    assert attempt["last_iteration"] == 24


MISSED = """
[[check.milestones]]
epoch = 1
metric = "tiny/error"
fail_below = 1e9
"""


@pytest.mark.parametrize(("on_fail", "last"), [("stop", None), ("report", 24)])
def test_a_missed_milestone_is_told_and_stops_the_training_where_asked(
    train, tmp_path, monkeypatch, on_fail, last
):
    (tmp_path / "dualwatch.toml").write_text(MISSED, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    run = train("--on-fail", on_fail, model__pause=0.2)

    run.finish()
    (attempt,) = run.summary["attempts"]
    assert "DW204" in run.codes(0), run.err
    if last is None:
        assert attempt["last_iteration"] < 24
        assert any("milestone" in f["reason"] for f in run.events() if f["kind"] == "decided")
    else:
        assert attempt["last_iteration"] == last
    assert run.left_alive() == []
