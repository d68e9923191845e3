"""A real mmengine training, small enough for a test: a linear model on numbers.

Usage: ``python tiny.py CONFIG [--work-dir DIR] [--resume]``, like MMDetection's ``tools/train.py``.
The configuration says which fault happens, if any.
"""

import argparse
import os

import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from mmengine.runner import Runner
from torch.utils.data import Dataset


@MODELS.register_module()
class TinyModel(BaseModel):
    """One weight; logs ``loss_macl`` unless told not to."""

    def __init__(self, with_macl=True, fail_at=None, nan_at=None):
        super().__init__()
        self.weight = torch.nn.Linear(1, 1)
        self.with_macl, self.fail_at, self.nan_at = with_macl, fail_at, nan_at
        self.calls = 0

    def forward(self, x, y, mode="tensor"):
        out = self.weight(x)
        if mode != "loss":
            return [torch.abs(out - y).mean()]
        self.calls += 1
        if self.calls == self.fail_at:
            raise ValueError("the batch is spoilt [bold]on purpose[/bold]")
        loss = torch.nn.functional.mse_loss(out, y)
        if self.calls == self.nan_at:
            loss = loss * float("nan")
        losses = {"loss_cls": loss}
        if self.with_macl:
            losses["loss_macl"] = loss * 0.5
        return losses


@METRICS.register_module()
class TinyMetric(BaseMetric):
    """Mean error."""

    def process(self, data_batch, data_samples):
        self.results += [float(sample) for sample in data_samples]

    def compute_metrics(self, results):
        return {"error": sum(results) / len(results)}


@DATASETS.register_module()
class TinyDataset(Dataset):
    """Numbers; ``hang_at`` makes a worker wait for a lock that nobody will give back."""

    def __init__(self, length=32, hang_at=None, only_in_workers=True):
        self.length, self.hang_at, self.only_in_workers = length, hang_at, only_in_workers
        self.lock = torch.multiprocessing.get_context("fork").Lock()
        self.lock.acquire()

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        hangs = index == self.hang_at
        if hangs and (torch.utils.data.get_worker_info() or not self.only_in_workers):
            self.lock.acquire()
        x = torch.tensor([index / self.length])
        return {"x": x, "y": 2 * x}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--work-dir")
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    cfg = Config.fromfile(arguments.config)
    if arguments.work_dir:
        cfg.work_dir = arguments.work_dir
    cfg.resume = arguments.resume
    cfg.work_dir = cfg.get("work_dir") or os.path.join("work_dirs", "tiny")
    Runner.from_cfg(cfg).train()
