"""Samples that hang: a lock that nobody gives back, or a sleep without end."""

import itertools
import os
import threading

import torch
from torch.utils.data import get_worker_info


class Hang:
    """Loading one sample never ends, in some processes and some of the times.

    Each time that it is asked for where it may hang leaves a file, so that the next process
    knows: a fault that happens once does not happen again in the rerun.

    Args:
        at: Index of the sample.
        where: "worker", "main", or "any" process.
        skip: Times that it is asked for before it hangs.
        times: Times that it hangs.
        signs: Folder of those files.
        start_method: How workers are started, which decides the kind of lock.
    """

    def __init__(self, at, where="worker", skip=0, times=1, *, signs, start_method="fork"):
        self.at, self.where, self.skip, self.times = at, where, skip, times
        self.signs = signs
        self.lock = torch.multiprocessing.get_context(start_method).Lock()
        self.lock.acquire()

    def meet(self, index):
        """Returns unless it is time to hang."""
        if index != self.at:
            return
        in_worker = get_worker_info() is not None
        if self.where != "any" and in_worker != (self.where == "worker"):
            return
        if self.skip <= self._count() < self.skip + self.times:
            if in_worker:
                self.lock.acquire()
            threading.Event().wait()

    def _count(self):
        os.makedirs(self.signs, exist_ok=True)
        for number in itertools.count():
            sign = os.path.join(self.signs, f"{self.where}-{self.at}-{number}")
            try:
                os.close(os.open(sign, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            return number
