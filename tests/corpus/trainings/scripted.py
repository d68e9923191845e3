"""A training without a configuration, as a plain loop or by Lightning, with a fault of choice.

Usage: scripted.py {plain,lightning} FAULT WORK_DIR.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

KIND, FAULT, WORK_DIR = sys.argv[1:]
EPOCHS = 10000 if FAULT == "memory-creeps" else 2
LENGTH, BATCH, WORKERS = 64, 4, 2
FAULTY = 18
"""Index of the sample at which it happens; its batch is a multiple of the batch's size."""

FAULTY_STEP = 10
KEPT = []

IN_PARENT = threading.Lock()


class Numbers(Dataset):
    """Numbers, and what is wrong with them."""

    def __init__(self):
        self.locks = [multiprocessing.Lock() for _ in range(2)]
        self.matrix = torch.rand(700, 700)
        if FAULT == "openmp-after-fork":
            torch.set_num_threads(2)
            self.matrix @ self.matrix
        if FAULT == "lock-held-while-forking":
            threading.Thread(target=self._hold, daemon=True).start()

    def __len__(self):
        return 100 * LENGTH if FAULT in ("worker-stopped", "memory-creeps") else LENGTH

    @staticmethod
    def _hold():
        with IN_PARENT:
            threading.Event().wait()

    def __getitem__(self, index):
        worker = get_worker_info()
        if index == FAULTY:
            self._fault()
        if FAULT == "lock-held-while-forking" and worker is not None:
            with IN_PARENT:
                pass
        if FAULT == "openmp-after-fork":
            torch.set_num_threads(2)
            self.matrix @ self.matrix
        if FAULT == "lock-cycle" and worker is not None:
            first = worker.id % 2
            with self.locks[first]:
                time.sleep(0.5)
                with self.locks[1 - first]:
                    pass
        if FAULT in ("slow-data", "worker-stopped"):
            time.sleep(0.05)
        x = torch.tensor([index % LENGTH / LENGTH])
        big = FAULT in ("shared-memory", "big-samples")
        return {"x": x, "image": torch.zeros(2_000_000 if big else 1)}

    @staticmethod
    def _fault():
        if FAULT == "worker-killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if FAULT == "worker-crashes":
            ctypes.string_at(0)
        if FAULT == "sample-broken":
            raise ValueError("the annotation of this sample has no box")
        while FAULT == "transform-loops":
            pass


def step(model, batch, done):
    """The loss of a batch."""
    loss = ((model(batch["x"]) - 2 * batch["x"]) ** 2).mean()
    if FAULT == "cuda-out-of-memory" and done == FAULTY_STEP:
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
            "23.69 GiB of which 1.06 GiB is free."
        )
    if FAULT == "loss-is-nan" and done >= FAULTY_STEP:
        loss = loss * float("nan")
    if FAULT == "memory-creeps":
        KEPT.append(torch.rand(1 << 18))
        time.sleep(0.005)
    return loss


def slow_square(value):
    time.sleep(0.2)
    return value * value


def evaluate(values):
    """A metric that is computed by a pool of processes."""
    if FAULT not in ("pool-loses-a-process", "pool"):
        return
    pool = multiprocessing.Pool(4)
    if FAULT == "pool-loses-a-process":
        # As the kernel does it: what the process works on is lost.
        threading.Timer(2.0, os.kill, (pool._pool[0].pid, signal.SIGKILL)).start()
    pool.starmap(slow_square, [(value,) for value in values * 40])
    pool.close()


def network():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Linear(4, 1))


def loaders():
    train = DataLoader(Numbers(), batch_size=BATCH, num_workers=WORKERS)
    return train, DataLoader([{"x": torch.tensor([0.5])}] * 8, batch_size=BATCH)


def plain():
    model, (train, validation) = network(), loaders()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    done = 0
    for epoch in range(EPOCHS):
        for batch in train:
            loss = step(model, batch, done)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
        print(f"epoch {epoch} loss {loss.item():.4f}")
        with torch.no_grad():
            evaluate([step(model, batch, 0).item() for batch in validation])


def by_lightning():
    from lightning.pytorch import LightningModule, Trainer

    class Line(LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.errors = network(), []

        def training_step(self, batch, batch_idx):
            loss = step(self.model, batch, self.global_step)
            self.log("loss", loss)
            return loss

        def validation_step(self, batch, batch_idx):
            self.errors.append(step(self.model, batch, 0).item())

        def on_validation_epoch_end(self):
            errors, self.errors = self.errors, []
            evaluate(errors)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.01)

    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        default_root_dir=WORK_DIR,
        log_every_n_steps=5,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(Line(), *loaders())


if __name__ == "__main__":
    {"plain": plain, "lightning": by_lightning}[KIND]()
