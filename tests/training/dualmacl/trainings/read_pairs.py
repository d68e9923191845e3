"""Reads pairs through a DataLoader whose two workers are going to deadlock.

Arguments: data folder, start method, samples before the fault. Says "worker PID" for each worker
and "batch N" for each batch. Asked "locks?" on stdin, it answers "held" or "free" for each of the
two locks, from a thread, since its main thread hangs.
"""

from __future__ import annotations

import sys
import threading

import dualmacl  # noqa: F401
import torch
from mmdet.registry import DATASETS
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader


def say(*words: object) -> None:
    print(*words, flush=True)


def answer(locks) -> None:
    for line in sys.stdin:
        if line.strip() == "locks?":
            states = []
            for lock in locks.values():
                free = lock.acquire(block=False)
                if free:
                    lock.release()
                states.append("free" if free else "held")
            say(*states)


def main() -> None:
    root, method, after = sys.argv[1:]
    torch.multiprocessing.set_start_method(method)
    init_default_scope("mmdet")
    dataset = DATASETS.build(
        {
            "type": "LLVIPDataset",
            "data_root": root,
            "pipeline": [
                {"type": "LockingPairLoader", "after_samples": int(after)},
                {"type": "PackPairedInputs"},
            ],
        }
    )
    loader = DataLoader(dataset, 1, num_workers=2, collate_fn=pseudo_collate)
    locks = dataset.pipeline.transforms[0]._shared.locks
    batches = iter(loader)
    # After the workers: a fork while this thread holds stdin's lock would hang the child.
    threading.Thread(target=answer, args=(locks,), daemon=True).start()
    for worker in batches._workers:
        say("worker", worker.pid)
    for number, _ in enumerate(batches):
        say("batch", number)
    say("done")


if __name__ == "__main__":
    main()
