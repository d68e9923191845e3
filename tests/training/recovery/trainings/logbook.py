"""Writes down what is learnt from: one line an iteration, after it.

Also for trainings that are not ours: ``custom_imports=dict(imports=["logbook"])`` and
``custom_hooks=[dict(type="Logbook")]``.
"""

import json
import os
import time

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class Logbook(Hook):
    """Appends to a file, one write a line, so that none is torn.

    The file is named by the variable ``LOGBOOK``, so that it can lie on a disk that is not full.
    """

    def __init__(self):
        self.since = time.time()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        loop = runner.train_loop
        by_epoch = hasattr(loop, "run_epoch")
        self._write(
            runner,
            mode="train",
            iteration=runner.iter,
            position=(batch_idx if by_epoch else runner.iter) * _batch_size(loop.dataloader),
            samples=ids(data_batch),
            rate=runner.optim_wrapper.get_lr()["lr"][0],
        )

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self._write(
            runner,
            mode="val",
            iteration=runner.iter,
            position=batch_idx * _batch_size(runner.val_loop.dataloader),
            samples=ids(data_batch),
            rate=0.0,
        )

    def _write(self, runner, **line):
        line.update(wall=time.time(), epoch=runner.epoch, pid=os.getpid(), since=self.since)
        line["attempt"] = os.path.basename(os.environ.get("DUALWATCH_ATTEMPT_DIR", ""))
        descriptor = os.open(os.environ["LOGBOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)


def ids(batch):
    """The samples of a batch: our own ids, or MMDetection's."""
    if "id" in batch:
        return [int(number) for number in batch["id"]]
    return [sample.metainfo["img_id"] for sample in batch["data_samples"]]


def _batch_size(loader):
    return getattr(loader, "batch_size", None) or loader.batch_sampler.batch_size
