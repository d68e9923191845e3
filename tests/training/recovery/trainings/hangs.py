"""Samples that hang: a lock that nobody gives back, or a sleep without end."""

import itertools
import os
import signal
import threading
import time

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
        deaf: The worker does not leave by Ctrl-C either.
        signs: Folder of those files.
        start_method: How workers are started, which decides the kind of lock.
    """

    def __init__(
        self, at, where="worker", skip=0, times=1, deaf=False, *, signs, start_method="fork"
    ):
        self.at, self.where, self.skip, self.times = at, where, skip, times
        self.deaf, self.signs = deaf, signs
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
                if self.deaf:
                    signal.signal(signal.SIGINT, signal.SIG_IGN)
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


HELD = threading.Lock()
"""Held in every forked process; a spawned one has its own."""


class HeldAtFork:
    """A lock is held while workers are forked, so that it never opens in them.

    Args:
        at: Index from which samples take it.
    """

    def __init__(self, at):
        self.at = at
        os.register_at_fork(before=HELD.acquire, after_in_parent=HELD.release)

    def meet(self, index):
        """Takes it."""
        if index >= self.at:
            with HELD:
                pass


class Rare:
    """Some samples wait for ever in a worker, however it was started.

    Args:
        at: Index of the first.
        every: Samples from one to the next.
    """

    def __init__(self, at, every):
        self.at, self.every = at, every
        self.lock = torch.multiprocessing.get_context("spawn").Lock()
        self.lock.acquire()

    def meet(self, index):
        """Waits, where it is one of them."""
        if index % self.every == self.at and get_worker_info() is not None:
            with self.lock:
                pass


class Cycle:
    """Two workers take two locks, each in its own order.

    Args:
        at: Index from which samples take them.
        pause: Seconds between the two.
    """

    def __init__(self, at, pause=0.1):
        self.at, self.pause = at, pause
        context = torch.multiprocessing.get_context("spawn")
        self.visible, self.infrared = context.Lock(), context.Lock()

    def meet(self, index):
        """Takes both."""
        worker = get_worker_info()
        if index < self.at or worker is None:
            return
        pause = self.pause if worker.num_workers > 1 else 0
        if worker.id % 2:
            with self.infrared:
                time.sleep(pause)
                with self.visible:
                    pass
        else:
            with self.visible:
                time.sleep(pause)
                with self.infrared:
                    pass


class Crossed:
    """Two workers take two locks in opposite order, each when the other has its first.

    Args:
        at: Index from which samples take them.
        plain: By calls of ``acquire`` and ``release``, which leave no frame in a stack.
    """

    def __init__(self, at, plain=False):
        self.at, self.plain = at, plain
        context = torch.multiprocessing.get_context("spawn")
        self.locks = context.Lock(), context.Lock()
        self.taken = context.Event(), context.Event()

    def meet(self, index):
        """Takes both."""
        worker = get_worker_info()
        if index < self.at or worker is None or worker.num_workers < 2:
            return
        own, other = worker.id % 2, 1 - worker.id % 2
        if self.plain:
            self.locks[own].acquire()
            self._meet_other(own, other)
            self.locks[other].acquire()
            self.locks[other].release()
            self.locks[own].release()
        else:
            with self.locks[own]:
                self._meet_other(own, other)
                with self.locks[other]:
                    pass

    def _meet_other(self, own, other):
        self.taken[own].set()
        self.taken[other].wait()


class Killed:
    """The worker that is to load a sample is ended from outside, as far as it can tell; once.

    Args:
        at: Index of the sample.
        sign: File that is made then.
    """

    def __init__(self, at, sign):
        self.at, self.sign = at, sign

    def meet(self, index):
        """Ends the process without a word."""
        if index == self.at and get_worker_info() and not os.path.exists(self.sign):
            open(self.sign, "w").close()
            os.kill(os.getpid(), 9)  # Windows knows no names of signals; there it is the exit code.


class Endless:
    """A transform that never returns, in any process."""

    def __init__(self, at):
        self.at = at

    def meet(self, index):
        """Computes."""
        while index == self.at:
            pass
