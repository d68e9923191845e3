"""The deadlock is real, silent, and impossible without workers."""

from __future__ import annotations

import copy
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from dualmacl.datasets import LLVIPDataset
from dualmacl.faults import LockingPairLoader
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

SCRIPT = Path(__file__).parent / "trainings" / "read_pairs.py"
PATIENCE = 120.0  # seconds until a test gives up; far beyond what is needed


def pipeline(after: int) -> list[dict]:
    return [
        {"type": "LockingPairLoader", "after_samples": after},
        {"type": "PackPairedInputs"},
    ]


def fingerprint(worker: psutil.Process) -> tuple:
    """What does not change while a process is blocked."""
    cpu = worker.cpu_times()
    return worker.status(), cpu.user, cpu.system, worker.num_ctx_switches()


def wait_until_blocked(workers: list[psutil.Process]) -> None:
    """Returns when no worker has been scheduled over several looks in a row."""
    deadline = time.monotonic() + PATIENCE
    before, quiet = None, 0
    while quiet < 4:
        assert time.monotonic() < deadline, "the workers keep running"
        now = [fingerprint(worker) for worker in workers]
        quiet = quiet + 1 if now == before else 0
        before = now
        time.sleep(0.1)
    assert [state[0] for state in before] == [psutil.STATUS_SLEEPING] * len(workers)


@pytest.mark.skipif(os.name == "nt", reason="the start methods are chosen explicitly")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_two_workers_deadlock_for_certain(synthetic, method):
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(SCRIPT), str(synthetic), method, "2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    workers: list[psutil.Process] = []
    # Reading its lines waits without a limit of its own.
    limit = threading.Timer(PATIENCE, process.kill)
    limit.start()
    try:
        lines = []
        # Two samples of each worker arrive: batches 0 to 3.
        while not lines or lines[-1] != "batch 3":
            line = process.stdout.readline().strip()
            assert line, process.stderr.read()
            lines.append(line)
            if line.startswith("worker"):
                workers.append(psutil.Process(int(line.split()[1])))
        assert len(workers) == 2
        wait_until_blocked(workers)
        # Both locks are held, each by a worker that waits for the other one.
        process.stdin.write("locks?\n")
        process.stdin.flush()
        assert process.stdout.readline().split() == ["held", "held"]
        # Silence: no batch, no message, and everybody is alive.
        assert select.select([process.stdout, process.stderr], [], [], 0)[0] == []
        assert process.poll() is None
        assert all(worker.is_running() for worker in workers)
    finally:
        limit.cancel()
        for worker in workers:
            worker.kill()
        process.kill()
        process.communicate(timeout=PATIENCE)
        psutil.wait_procs(workers, timeout=PATIENCE)
    assert not any(worker.is_running() for worker in workers)


def test_without_workers_every_sample_arrives(synthetic):
    dataset = LLVIPDataset(data_root=str(synthetic), pipeline=pipeline(after=0))
    loader = DataLoader(dataset, 4, num_workers=0, collate_fn=pseudo_collate)
    assert sum(len(batch["data_samples"]) for batch in loader) == 24


@pytest.mark.skipif(os.name == "nt", reason="fork")
def test_a_single_worker_does_not_deadlock(synthetic):
    dataset = LLVIPDataset(data_root=str(synthetic), pipeline=pipeline(after=0))
    loader = DataLoader(
        dataset,
        4,
        num_workers=1,
        collate_fn=pseudo_collate,
        multiprocessing_context="fork",
        timeout=PATIENCE,
    )
    assert sum(len(batch["data_samples"]) for batch in loader) == 24


def test_it_reads_what_the_healthy_loader_reads(synthetic):
    healthy = LLVIPDataset(data_root=str(synthetic), pipeline=[{"type": "LoadImagePair"}])
    faulty = LLVIPDataset(data_root=str(synthetic), pipeline=pipeline(after=0)[:1])
    for index in (0, 11):
        for key in ("img", "img_infrared"):
            assert (healthy[index][key] == faulty[index][key]).all()


def test_a_copy_has_locks_of_its_own():
    original = LockingPairLoader(after_samples=3)
    duplicate = copy.deepcopy(original)
    assert duplicate.after_samples == 3
    with original._shared.locks["visible"]:
        assert duplicate._shared.locks["visible"].acquire(block=False)
    with pytest.raises(ValueError, match="negative"):
        LockingPairLoader(after_samples=-1)
