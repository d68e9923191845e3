"""Hooks, optimizers and metrics: healthy ones, and one for each fault."""

import ctypes
import multiprocessing
import multiprocessing.pool
import os
import resource
import signal
import socket
import threading
import time

import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, METRICS, OPTIMIZERS


@METRICS.register_module()
class MeanError(BaseMetric):
    """Mean error; computes for ``busy`` seconds without a word."""

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


@METRICS.register_module()
class NeverComputed(MeanError):
    """Waits for a server of results that does not answer."""

    def compute_metrics(self, results):
        while True:
            time.sleep(60)


def _tenth(value):
    time.sleep(0.1)
    return value


@METRICS.register_module()
class PoolOfFour(MeanError):
    """Computes in a pool of 4 processes, of which ``lost`` are killed while it waits for them."""

    def __init__(self, lost=0, blocked=False, **kwargs):
        super().__init__(**kwargs)
        self.lost, self.blocked = lost, blocked

    def compute_metrics(self, results):
        pool = multiprocessing.Pool(4)
        if not isinstance(pool, multiprocessing.pool.ThreadPool):
            for child in pool._pool[: self.lost]:
                # As the kernel does it: what the process works on is lost.
                threading.Timer(2.0, os.kill, (child.pid, signal.SIGKILL)).start()
        task = _blocks if self.blocked else _tenth
        found = pool.starmap(task, [(value,) for value in results * 40])
        pool.close()
        return {"error": sum(found) / len(found)}


def _blocks(value):
    """Waits for ever in a process of the pool, as for a lock that was held at the fork."""
    if multiprocessing.parent_process() is not None:
        time.sleep(600)
    return value


@HOOKS.register_module()
class SlowCheckpoint(Hook):
    """Writes a big checkpoint to a slow disk: bytes move all the time."""

    def __init__(self, seconds=5.0):
        self.seconds = seconds

    def before_save_checkpoint(self, runner, checkpoint):
        end = time.monotonic() + self.seconds
        with open(os.path.join(runner.work_dir, "big.tmp"), "wb") as stream:
            while time.monotonic() < end:
                stream.seek(0)
                stream.write(os.urandom(1 << 20))
                os.fsync(stream.fileno())
                time.sleep(0.1)


@HOOKS.register_module()
class SleepsInHook(Hook):
    """Waits for a service of experiments that does not answer."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        while runner.iter == 9:
            time.sleep(60)


@HOOKS.register_module()
class TakesABatch(Hook):
    """A batch is lost between the worker that made it and the main process."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 9:
            runner.train_loop.dataloader._iterator._worker_result_queue.get()


@HOOKS.register_module()
class StartsAThread(Hook):
    """Starts a thread as a user who may have no further process, as in a small container."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 9:
            resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
            if os.geteuid() == 0:
                # The limit does not hold for root.
                os.setresuid(65534, 65534, 0)
            try:
                threading.Thread(target=int).start()
            finally:
                if os.getresuid()[2] == 0:
                    os.setresuid(0, 0, 0)


@HOOKS.register_module()
class MeetsAtAPort(Hook):
    """Opens the meeting point of its ranks at a port that is taken."""

    def before_run(self, runner):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            torch.distributed.TCPStore("127.0.0.1", port, 1, is_master=True)


@HOOKS.register_module()
class KeepsAPiece(Hook):
    """Keeps a megabyte of each iteration, as a list of results does; up to ``full`` of them."""

    def __init__(self, full=None):
        self.full, self.kept = full, []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.full is None or len(self.kept) < self.full:
            self.kept.append(torch.ones(1 << 18))


@HOOKS.register_module()
class ExitsInHook(Hook):
    """Native code ends the main process."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 9:
            os._exit(7)


@HOOKS.register_module()
class CrashesInHook(Hook):
    """Native code of the main process reads address zero."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 9:
            ctypes.string_at(0)


@HOOKS.register_module()
class FillsCheckpoints(Hook):
    """Makes the checkpoint larger than the disk that it is written to."""

    def before_save_checkpoint(self, runner, checkpoint):
        checkpoint["state_dict"]["big"] = torch.rand(2 << 20)


@HOOKS.register_module()
class MeetsAfterEpoch(Hook):
    """All ranks meet at the end of an epoch, in a group of their own."""

    def before_run(self, runner):
        self.group = torch.distributed.new_group(backend="gloo")

    def after_train_epoch(self, runner):
        torch.distributed.barrier(self.group)


@HOOKS.register_module()
class ValidatesInRanks(Hook):
    """Validates a DistributedDataParallel model that has buffers, in all ranks or in the first.

    Args:
        unwrapped: The model in the wrapper is called, which is right where one rank validates.
    """

    def __init__(self, unwrapped=False):
        self.unwrapped = unwrapped

    def before_run(self, runner):
        model = torch.nn.BatchNorm1d(1)
        # More than the sockets between the ranks hold.
        model.register_buffer("queue", torch.zeros(1 << 24))
        group = torch.distributed.new_group(backend="gloo")
        self.model = torch.nn.parallel.DistributedDataParallel(model, process_group=group)
        self.group = torch.distributed.new_group(backend="gloo")

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 9:
            if torch.distributed.get_rank() == 0:
                self.validate()
            torch.distributed.barrier(self.group)

    def validate(self):
        model = self.model.module if self.unwrapped else self.model
        model.eval()
        with torch.no_grad():
            model(torch.rand(4, 1))
        model.train()


@OPTIMIZERS.register_module()
class SleepsInStep(torch.optim.SGD):
    """Waits for a lock file that somebody left."""

    def __init__(self, params, lr):
        super().__init__(params, lr)
        self.steps = 0

    def step(self, closure=None):
        self.steps += 1
        while self.steps == 10:
            time.sleep(60)
        return super().step(closure)
