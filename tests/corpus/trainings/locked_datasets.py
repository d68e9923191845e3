"""Datasets that wait for a lock which is given back: a cache is built once, the others wait."""

import fcntl
import multiprocessing
import os
import select
import threading
import time

from faulty_datasets import Numbers
from mmengine.registry import DATASETS
from torch.utils.data import get_worker_info

FIRST = 8
"""Index of the first sample that needs the cache."""


def build(how, seconds):
    """What the builder of a cache does with the lock: it computes, sleeps, or reads."""
    end = time.monotonic() + seconds
    if how == "sleep":
        time.sleep(seconds)
    elif how == "read":
        reader, _ = os.pipe()
        select.select([reader], [], [], seconds)
    while time.monotonic() < end:
        pass


@DATASETS.register_module()
class CacheOfAWorker(Numbers):
    """Worker 0 builds the cache under a lock in memory, for which the others wait."""

    def __init__(self, how="sleep", building=55.0, **kwargs):
        super().__init__(**kwargs)
        self.how, self.building = how, building
        context = multiprocessing.get_context("fork")
        self.lock, self.taken = context.Lock(), context.Event()

    def __getitem__(self, index):
        worker = get_worker_info()
        if worker is not None and index >= FIRST:
            if worker.id == 0 and not self.taken.is_set():
                with self.lock:
                    self.taken.set()
                    build(self.how, self.building)
            else:
                self.taken.wait()
                with self.lock:
                    pass
        return super().__getitem__(index)


@DATASETS.register_module()
class CacheOfMain(Numbers):
    """A thread of the main process builds the cache, and every worker waits at the lock."""

    def __init__(self, how="sleep", building=55.0, **kwargs):
        super().__init__(**kwargs)
        context = multiprocessing.get_context("fork")
        self.lock, self.asked = context.Lock(), context.Event()
        self.lock.acquire()
        threading.Thread(target=self._build, args=(how, building), daemon=True).start()

    def _build(self, how, building):
        self.asked.wait()
        build(how, building)
        self.lock.release()

    def __getitem__(self, index):
        if index >= FIRST:
            self.asked.set()
            with self.lock:
                pass
        return super().__getitem__(index)


@DATASETS.register_module()
class GivesUpWaiting(Numbers):
    """The lock is never given back, and a worker goes on without it after a time."""

    def __init__(self, building=55.0, **kwargs):
        super().__init__(**kwargs)
        self.building, self.waited = building, False
        self.lock = multiprocessing.get_context("fork").Lock()
        self.lock.acquire()

    def __getitem__(self, index):
        if index >= FIRST and not self.waited:
            self.waited = True
            self.lock.acquire(timeout=self.building)
        return super().__getitem__(index)


@DATASETS.register_module()
class CacheInAFile(Numbers):
    """The cache is built under the lock of a file: by rank 0, or outside of the training."""

    def __init__(self, guard, outside=False, building=55.0, **kwargs):
        super().__init__(**kwargs)
        self.path, self.outside, self.building = guard, outside, building

    def __getitem__(self, index):
        worker = get_worker_info()
        if worker is not None and index >= FIRST:
            if not self.outside and os.environ.get("RANK", "0") == "0" and worker.id == 0:
                if not os.path.exists(f"{self.path}.taken"):
                    with open(self.path, "w") as file:
                        fcntl.flock(file, fcntl.LOCK_EX)
                        open(f"{self.path}.taken", "w").close()
                        build("sleep", self.building)
            else:
                while not os.path.exists(f"{self.path}.taken"):
                    time.sleep(0.05)
                open(f"{self.path}.asked", "w").close()
                with open(self.path, "w") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
        return super().__getitem__(index)
