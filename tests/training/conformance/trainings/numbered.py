"""Numbered samples with a lock cycle of choice, and the record of what was trained on.

Shared by the trainings of this folder. Their usage: train_X.py FOLDER [OPTIONS].
"""

import argparse
import contextlib
import multiprocessing
import os
import time

import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

BATCH, EPOCHS, HIDDEN = 4, 2, 4
RANK = int(os.environ.get("RANK", "0"))


def options():
    """The options of a training."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--cycle", action="store_true", help="two workers lock each other out")
    parser.add_argument("--batches", type=int, default=12, help="of an epoch")
    parser.add_argument("--load", type=float, default=0.0, help="seconds of a sample")
    parser.add_argument("--step", type=float, default=0.0, help="seconds of an iteration")
    parser.add_argument("--enough", help="a file; once it is there nothing takes time")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--fail-at", type=int, help="the iteration whose forward pass fails")
    parser.add_argument("--iterable", action="store_true")
    parser.add_argument("--resume", help="a checkpoint")
    return parser.parse_args()


def wait(seconds, enough):
    if seconds and not (enough and os.path.exists(enough)):
        time.sleep(seconds)


class Numbers(Dataset):
    """Numbers. With ``cycle`` two workers take two locks in opposite order, each its first one."""

    def __init__(self, given, training=True):
        self.length, self.load, self.enough = given.batches * BATCH, given.load, given.enough
        self.loaded = 0
        self.locks = self.held = None
        if training and given.cycle and RANK == 0:  # The workers of one rank only take them.
            self.locks = [multiprocessing.Lock() for _ in range(2)]
            self.held = [multiprocessing.Event() for _ in range(2)]

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        worker = get_worker_info()
        self.loaded += 1
        if self.locks is not None:
            if worker is not None and worker.num_workers == 2 and self.loaded > 2 * BATCH:
                with self.locks[worker.id]:
                    self.held[worker.id].set()
                    self.held[1 - worker.id].wait()
                    with self.locks[1 - worker.id]:
                        pass
            with contextlib.ExitStack() as locks:
                for lock in self.locks:
                    locks.enter_context(lock)
        wait(self.load, self.enough)
        return {"id": index, "x": torch.tensor([index / self.length])}


class Stream(IterableDataset):
    """The same numbers in an order of its own, each worker its share."""

    def __init__(self, given):
        self.numbers = Numbers(given)

    def __iter__(self):
        worker = get_worker_info()
        start, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for index in range(start, len(self.numbers), step):
            yield self.numbers[index]


class Record:
    """Writes which samples were trained on, and the weights at the end."""

    def __init__(self, given):
        self.given, self.done = given, 0
        self.path = os.path.join(given.folder, f"consumed-{RANK}.txt")

    def before(self, iteration):
        """Fails where that is wanted, before anything of the iteration was recorded."""
        wait(self.given.step, self.given.enough)
        if iteration == self.given.fail_at and not self.given.resume:
            raise ValueError("the forward pass fails")

    def consumed(self, epoch, ids):
        with open(self.path, "a") as stream:
            print(epoch, *[int(one) for one in ids], file=stream)

    def weights(self, model):
        torch.save(model.state_dict(), os.path.join(self.given.folder, f"weights-{RANK}.pt"))


def network():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(1, HIDDEN), torch.nn.Linear(HIDDEN, 1))


def loss_of(model, batch):
    return ((model(batch["x"]) - 2 * batch["x"]) ** 2).mean()
