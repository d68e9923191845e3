"""A full disk under dualwatch's own files: the training goes on, and dualwatch says so.

The files lie on a small disk in a mount namespace of its own, which is filled from outside.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import TRAININGS

STALL = ("--stall-timeout", "3s")


def _mounts() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    tried = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(tried, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not _mounts(), reason="needs to mount: root on Linux")


@pytest.fixture
def small_disk(train: Any, tmp_path: Path) -> Any:
    """Starts ``dualwatch train`` with its folder on a disk of 1 MiB; the run knows the way in."""

    def start(*words: str, prelude: str = "true", **options: Any) -> Any:
        folder = tmp_path / "wd" / "dualwatch"
        folder.mkdir(parents=True)
        wrapper = tmp_path / "wrapper"
        wrapper.write_text(
            "#!/bin/sh\n"
            f'mount -t tmpfs -o size=1m tmpfs {folder} && {prelude} && exec {sys.executable} "$@"\n'
        )
        run = train(*words, python=("unshare", "-m", "sh", str(wrapper)), **options)
        run.root = f"/proc/{run.process.pid}/root"
        return run

    return start


def fill(folder: Path) -> None:
    """Takes the last byte of a disk."""
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(512)):
            pass


def test_a_disk_that_fills_up_does_not_end_the_training(small_disk: Any, tmp_path: Path) -> None:
    # It prints more than fits into what the disk has given away already.
    source = (TRAININGS / "tiny.py").read_text()
    assert source.count("self.calls += 1\n") == 1
    script = tmp_path / "printing.py"
    script.write_text(source.replace("self.calls += 1\n", "self.calls += 1; print('x' * 5000)\n"))
    run = small_disk(script=str(script), model__pause=0.2)
    run.iterating()
    fill(run.folder)

    assert run.finish() == 0, run.err
    assert "the journal cannot be written (" in run.err
    assert "summary.json cannot be written" in run.err
    assert (run.work_dir / "epoch_3.pth").exists()
    assert "completed" in run.out


def test_a_disk_that_is_full_from_the_start_is_said(small_disk: Any, tmp_path: Path) -> None:
    folder = tmp_path / "wd" / "dualwatch"
    run = small_disk(prelude=f"(cat /dev/zero > {folder}/filler 2> /dev/null; true)")

    assert run.finish() == 2
    assert "cannot be written" in run.err
    assert "No space left on device" in run.err
    assert "Traceback" not in run.err


def test_a_disk_that_fills_up_before_the_agent_writes(small_disk: Any, tmp_path: Path) -> None:
    """Nothing of the agent's may kill the training: a map without room under it would."""
    go = tmp_path / "go"
    os.mkfifo(go)
    script = tmp_path / "late.py"
    tiny = TRAININGS / "tiny.py"
    script.write_text(f"open({str(go)!r}).read()\nimport runpy\n"
                      f"runpy.run_path({str(tiny)!r}, run_name='__main__')\n")  # fmt: skip
    run = small_disk(script=str(script))
    run.wait_for(lambda event: event["kind"] == "attempt-started")
    with go.open("w"):  # It has begun, and waits.
        fill(run.folder)

    assert run.finish() == 0, run.err
    assert (run.work_dir / "epoch_3.pth").exists()


def test_a_rerun_that_cannot_be_started_is_given_up(small_disk: Any) -> None:
    run = small_disk(*STALL, "--no-rescue", train_dataloader__dataset__hang_at=9)
    run.iterating()
    fill(run.folder)

    assert run.finish() == 4, run.err
    assert "Traceback" not in run.err
    assert "DW502" in run.out + run.err
    assert "the rerun could not be started" in run.out + run.err
    assert run.left_alive() == []


def test_a_cure_in_place_that_cannot_be_told_is_one(small_disk: Any) -> None:
    run = small_disk(*STALL, train_dataloader__dataset__hang_at=9, model__pause=0.5)
    run.iterating()
    fill(run.folder)

    assert run.finish() == 0, run.err
    assert run.err.count("attempt 0 ended") == 1
    assert (run.work_dir / "epoch_3.pth").exists()


def test_an_interrupt_on_a_full_disk_stops_in_order(small_disk: Any) -> None:
    run = small_disk(model__pause=0.2)
    run.iterating()
    fill(run.folder)
    run.process.send_signal(signal.SIGINT)

    assert run.finish() == 130, run.err
    assert run.left_alive() == []
