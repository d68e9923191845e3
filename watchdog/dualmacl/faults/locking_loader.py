"""A genuine deadlock between two loader workers."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Semaphore
from typing import Any

import numpy as np
from mmdet.registry import TRANSFORMS
from torch.utils.data import get_worker_info

from ..transforms import LoadImagePair

_DUELLISTS = 2


class _SharedState:
    """Locks and counters that all the worker processes of one loader share.

    They reach the workers by inheritance under fork and by pickling under spawn, which
    multiprocessing allows while it starts a process, and at no other time.
    """

    def __init__(self, start_method: str | None) -> None:
        context = multiprocessing.get_context(start_method)
        self.locks = {"visible": context.Lock(), "infrared": context.Lock()}
        # How many samples each of the two has read. Shared, so that the count goes on in the
        # next epoch's workers when they do not persist.
        self.counts = context.Array("q", _DUELLISTS, lock=False)
        # "I am about to take both locks" and "I hold my first one", one for each of the two.
        self.ready = [context.Semaphore(0) for _ in range(_DUELLISTS)]
        self.armed = [context.Semaphore(0) for _ in range(_DUELLISTS)]


@TRANSFORMS.register_module()
class LockingPairLoader(LoadImagePair):
    """``LoadImagePair`` with one lock for visible and one for infrared files, taken in bad order.

    A stand-in for a storage layer that guards its files with locks shared by all processes, as
    HDF5, LMDB or a caching file system may. Worker 0 reads visible, then infrared; worker 1
    infrared, then visible. At first each lock is given back before the next is taken, which is
    harmless. When a worker has read ``after_samples`` samples it begins to hold its first lock
    while it asks for the second: the textbook lock-order inversion. So that this is no matter of
    luck, the two wait for each other twice: before the first lock, so that the slower one is not
    caught in a harmless read, and when they hold it. Then both block for ever in
    ``Lock.acquire`` of the second. No exception, no output, no CPU.

    Without workers there is one process and nobody to guard against: no lock is taken, and no
    deadlock is possible. With a single worker there is only one order: none either. Workers
    beyond the first two read harmlessly, until they wait for a lock that is not given back.

    Args:
        after_samples: Samples that each of the two workers reads before the fault, counted over
            all epochs.
        start_method: Start method that the locks are made for; None: the one in force.
        kwargs: See ``LoadImagePair``.
    """

    def __init__(self, after_samples: int, start_method: str | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        if after_samples < 0:
            raise ValueError("after_samples must not be negative")
        self.after_samples = after_samples
        self.start_method = start_method
        self._kwargs = kwargs
        self._shared = _SharedState(start_method)

    def __deepcopy__(self, memo: dict[int, Any]) -> LockingPairLoader:
        # Locks cannot be copied, and a copy is another loader, with locks of its own.
        return type(self)(self.after_samples, self.start_method, **self._kwargs)

    def read_pair(self, visible: str, infrared: str) -> tuple[np.ndarray, np.ndarray]:
        """Reads both images under their locks; see the class for what happens then."""
        worker = get_worker_info()
        if worker is None:
            return super().read_pair(visible, infrared)
        state, me = self._shared, worker.id
        if worker.num_workers >= _DUELLISTS and me < _DUELLISTS:
            state.counts[me] += 1
            nested = state.counts[me] > self.after_samples
        else:
            nested = False
        paths = {"visible": visible, "infrared": infrared}
        first, second = ("infrared", "visible") if me == 1 else ("visible", "infrared")
        images = {}
        if nested:
            _meet(state.ready, me)
        with state.locks[first]:
            images[first] = self.read(paths[first])
            if nested:
                _meet(state.armed, me)
                with state.locks[second]:
                    images[second] = self.read(paths[second])
        if not nested:
            with state.locks[second]:
                images[second] = self.read(paths[second])
        return images["visible"], images["infrared"]


def _meet(signs: list[Semaphore], me: int) -> None:
    """Returns when both workers have come here."""
    signs[me].release()
    signs[1 - me].acquire()
