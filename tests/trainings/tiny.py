"""A real mmengine training, small enough for a test: a linear model on numbers.

Usage like MMDetection's ``tools/train.py``: ``python tiny.py CONFIG [--work-dir DIR] [--resume]``.
The configuration says which fault happens, if any.
"""

import argparse
import os
import signal
import subprocess
import sys
import time

import torch
from mmengine.config import Config, DictAction
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from mmengine.runner import Runner
from torch.utils.data import Dataset, get_worker_info


@MODELS.register_module()
class TinyModel(BaseModel):
    """One weight; logs ``loss_macl`` unless told not to.

    Args:
        fail_at: Training call that raises.
        nan_at: Training call from which the loss is NaN.
        spin_at: Training call that never returns, at full CPU.
        pause: Seconds that every training call takes.
        swallows: The computation of ``loss_macl`` fails, and the failure is dropped.
    """

    def __init__(
        self, with_macl=True, fail_at=None, nan_at=None, spin_at=None, pause=0.0, swallows=False
    ):
        super().__init__()
        self.weight = torch.nn.Linear(1, 1)
        self.with_macl, self.pause, self.swallows = with_macl, pause, swallows
        self.fail_at, self.nan_at, self.spin_at = fail_at, nan_at, spin_at
        self.calls = 0

    def forward(self, x, y, mode="tensor"):
        out = self.weight(x)
        if mode != "loss":
            return [torch.abs(out - y).mean()]
        self.calls += 1
        time.sleep(self.pause)
        if self.calls == self.fail_at:
            raise ValueError("the batch is spoilt [bold]on purpose[/bold]")
        while self.calls == self.spin_at:
            pass
        loss = torch.nn.functional.mse_loss(out, y)
        if self.nan_at and self.calls >= self.nan_at:
            loss = loss * float("nan")
        losses = {"loss_cls": loss}
        if self.with_macl:
            try:
                losses["loss_macl"] = self.contrastive_loss(loss)
            except Exception as error:
                self.dropped = str(error)
        return losses

    def contrastive_loss(self, loss):
        if self.swallows:
            raise RuntimeError("the pairs have no common shape")
        return loss * 0.5


@METRICS.register_module()
class TinyMetric(BaseMetric):
    """Mean error; ``busy`` computes for so many seconds without a word."""

    def __init__(self, busy=0.0):
        super().__init__(prefix="tiny")
        self.busy = busy

    def process(self, data_batch, data_samples):
        self.results += [float(sample) for sample in data_samples]

    def compute_metrics(self, results):
        end = time.monotonic() + self.busy
        while time.monotonic() < end:
            pass
        return {"error": sum(results) / len(results)}


@DATASETS.register_module()
class TinyDataset(Dataset):
    """Numbers.

    Args:
        hang_at: Index whose loading waits for a lock that nobody gives back.
        hang_in: "worker", or "any" process.
        hang_init: Waits for that lock while the dataset is built.
        start_method: How workers are started, which decides the kind of lock; None for the default.
        die_at: Index whose loading kills its process, as the out-of-memory killer does.
        die_once: File that is made then; where it is, nobody dies any more.
        break_at: Index that cannot be loaded.
        spin_at: Index whose loading never ends, at full CPU.
        orphan: Loading the first sample starts a process in a session of its own that outlives
            the training.
    """

    def __init__(
        self,
        length=32,
        hang_at=None,
        hang_in="worker",
        hang_init=False,
        start_method=None,
        die_at=None,
        die_once=None,
        break_at=None,
        spin_at=None,
        orphan=False,
    ):
        self.length, self.hang_at, self.hang_in = length, hang_at, hang_in
        self.orphan, self.die_at, self.die_once = orphan, die_at, die_once
        self.break_at, self.spin_at = break_at, spin_at
        self.lock = torch.multiprocessing.get_context(start_method).Lock()
        self.lock.acquire()
        if hang_init:
            self.lock.acquire()

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if index == self.hang_at and (get_worker_info() or self.hang_in == "any"):
            self.lock.acquire()
        if index == self.die_at and not (self.die_once and os.path.exists(self.die_once)):
            if self.die_once:
                open(self.die_once, "x").close()
            os.kill(os.getpid(), signal.SIGKILL)
        while index == self.spin_at:
            pass
        if index == self.break_at:
            raise ValueError(f"image {index} is broken")
        if self.orphan and index == 0:
            code = "import time; time.sleep(600)"
            subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        x = torch.tensor([index / self.length])
        return {"x": x, "y": 2 * x}


@DATASETS.register_module()
class HangsInSecondEpoch(TinyDataset):
    """A worker that has given its share of the first epoch waits for ever in the second."""

    def __getitem__(self, index):
        self.given = getattr(self, "given", 0) + 1
        if get_worker_info() is not None and self.given > self.length // 2 + 4:
            self.lock.acquire()
        return super().__getitem__(index)


def main():
    """Trains as the configuration says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--work-dir")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    # Taken and ignored: mmengine's own start needs GPUs, so each rank trains for itself.
    parser.add_argument("--launcher")
    arguments = parser.parse_args()
    cfg = Config.fromfile(arguments.config)
    if arguments.cfg_options:
        cfg.merge_from_dict(arguments.cfg_options)
    if arguments.work_dir:
        cfg.work_dir = arguments.work_dir
    cfg.resume = arguments.resume
    cfg.work_dir = cfg.get("work_dir") or os.path.join("work_dirs", "tiny")
    Runner.from_cfg(cfg).train()


if __name__ == "__main__":
    main()
