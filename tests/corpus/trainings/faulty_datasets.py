"""Datasets and samplers: a healthy one, and one for each fault."""

import ctypes
import fcntl
import gc
import multiprocessing
import os
import signal
import tempfile
import threading
import time
import weakref

import torch
from mmengine.dataset import BaseDataset, default_collate
from mmengine.dist import get_rank
from mmengine.registry import DATA_SAMPLERS, DATASETS, FUNCTIONS
from torch.utils.data import Dataset, Sampler, get_worker_info

FAULTY = 18
"""Index of the sample at which it happens."""

# --- healthy --------------------------------------------------------------------------------


def pair(index):
    """A sample of both modalities."""
    x = torch.tensor([index % 32 / 32])
    return {"inputs": {"visible": x, "infrared": x + 0.5}, "target": 2 * x}


@DATASETS.register_module()
class Numbers(Dataset):
    """Pairs of numbers.

    Args:
        seconds: How long each is waited for, as for a remote disk.
        busy: How long each is worked on, as decoding does.
        return_modality_pair: Only tells a reader of the configuration that there are pairs.
    """

    def __init__(self, length=32, seconds=0.0, busy=0.0, return_modality_pair=True):
        self.length, self.seconds, self.busy = length, seconds, busy

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        time.sleep(self.seconds)
        end = time.monotonic() + self.busy
        while time.monotonic() < end:
            pass
        return pair(index)


@DATASETS.register_module()
class WithBoxes(Numbers):
    """Every sample has a box but one: those of rank 1 at one time."""

    def __getitem__(self, index):
        boxes = torch.zeros(0 if index == FAULTY + 1 else 1, 4)
        return {**super().__getitem__(index), "boxes": boxes}


@FUNCTIONS.register_module()
def collate_boxes(samples):
    """A batch with the boxes of all samples in one tensor."""
    boxes = torch.cat([sample.pop("boxes") for sample in samples])
    return {**default_collate(samples), "boxes": boxes}


@DATASETS.register_module()
class Pinned(Numbers):
    """Works ``work`` seconds of CPU on each sample, in workers that are pinned to CPUs.

    Args:
        together: All of them to one, as a library does it that is imported in each; else each to
            its own.
    """

    def __init__(self, work=0.05, together=True, **kwargs):
        super().__init__(**kwargs)
        self.work, self.together = work, together

    def __getitem__(self, index):
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) > 1:
            number = 0 if self.together else get_worker_info().id % len(cpus)
            os.sched_setaffinity(0, {cpus[number]})
        end = time.process_time() + self.work
        while time.process_time() < end:
            pass
        return super().__getitem__(index)


@DATASETS.register_module()
class ListedNumbers(BaseDataset):
    """The same by way of mmengine's own dataset and its pipeline."""

    def load_data_list(self):
        return [{"index": index} for index in range(32)]


@DATASETS.register_module()
class BigPickle(Numbers):
    """Takes ``seconds`` of honest work to be pickled for each spawned worker."""

    def __init__(self, pickling=5.0, **kwargs):
        super().__init__(**kwargs)
        self.pickling = pickling
        self.records = [{"name": f"{index}.jpg", "boxes": [index, 1, 2, 3]} for index in range(900)]

    def __getstate__(self):
        end = time.monotonic() + self.pickling
        while time.monotonic() < end:
            [dict(record) for record in self.records]
        return self.__dict__


@DATASETS.register_module()
class ManyFiles(Numbers):
    """Writes and reads small files for ``seconds`` while it is built, as XML annotations are."""

    def __init__(self, reading=5.0, **kwargs):
        super().__init__(**kwargs)
        end = time.monotonic() + reading
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "annotation.xml")
            while time.monotonic() < end:
                with open(path, "wb") as stream:
                    stream.write(b"<object/>" * 20000)
                with open(path, "rb") as stream:
                    stream.read()


# --- deadlocks ------------------------------------------------------------------------------

_LOCK = threading.Lock()


@DATASETS.register_module()
class LockHeldWhileForking(Numbers):
    """A thread of the main process holds a lock while the workers are forked, which then ask.

    Args:
        held: Seconds for which it is held; None for ever.
    """

    def __init__(self, held=None, **kwargs):
        super().__init__(**kwargs)
        taken = threading.Event()
        threading.Thread(target=self._hold, args=(taken, held), daemon=True).start()
        taken.wait()

    @staticmethod
    def _hold(taken, held):
        with _LOCK:
            taken.set()
            threading.Event().wait(held)

    def __getitem__(self, index):
        with _LOCK:
            return super().__getitem__(index)


class _Service:
    """Something with a thread, as a logger of experiments has it; its end waits for an answer."""

    def __init__(self):
        self.itself = self
        asked, answered = threading.Event(), threading.Event()
        threading.Thread(target=_serve, args=(asked, answered), daemon=True).start()
        weakref.finalize(self, _end, asked, answered)


def _serve(asked, answered):
    asked.wait()
    answered.set()


def _end(asked, answered):
    asked.set()
    answered.wait()


@DATASETS.register_module()
class LeavesAService(Numbers):
    """A service that is no longer used, in a cycle that nobody has collected yet."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        _Service()
        gc.freeze()


@FUNCTIONS.register_module()
def collects_garbage(worker_id):
    """Collects in a worker what it has of its parent, as Python does it at any time."""
    gc.unfreeze()
    gc.collect()


@DATASETS.register_module()
class ThreadsAfterFork(Numbers):
    """The parent has used its OpenMP threads; the forked worker asks for them again."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        torch.set_num_threads(2)
        self.matrix = torch.rand(700, 700)
        self.matrix @ self.matrix

    def __getitem__(self, index):
        torch.set_num_threads(2)
        self.matrix @ self.matrix
        return super().__getitem__(index)


@DATASETS.register_module()
class LocksInBadOrder(Numbers):
    """Worker 0 takes visible, then infrared; worker 1 infrared, then visible."""

    def __init__(self, start_method="spawn", **kwargs):
        super().__init__(**kwargs)
        context = multiprocessing.get_context(start_method)
        self.locks = [context.Lock(), context.Lock()]
        self.both = context.Barrier(2)

    def __getitem__(self, index):
        worker = get_worker_info()
        if worker is not None and index >= 8:
            with self.locks[worker.id]:
                self.both.wait()
                with self.locks[1 - worker.id]:
                    pass
        return super().__getitem__(index)


@DATASETS.register_module()
class FileLocksInBadOrder(Numbers):
    """Worker 0 locks the file of visible, then that of infrared; worker 1 the other way."""

    def __init__(self, start_method="fork", **kwargs):
        super().__init__(**kwargs)
        self.both = multiprocessing.get_context(start_method).Barrier(2)
        self.folder = tempfile.mkdtemp()

    def __getitem__(self, index):
        worker = get_worker_info()
        if worker is not None and index >= 8:
            with self._locked(worker.id):
                self.both.wait()
                with self._locked(1 - worker.id):
                    pass
        return super().__getitem__(index)

    def _locked(self, number):
        stream = open(os.path.join(self.folder, f"{number}.lock"), "w")  # noqa: SIM115
        fcntl.flock(stream, fcntl.LOCK_EX)
        return stream


# --- loading of the dataset that does not end -------------------------------------------------


@DATASETS.register_module()
class ListSleeps(ListedNumbers):
    """Waits for ever for its annotations."""

    def load_data_list(self):
        while True:
            time.sleep(60)


@DATASETS.register_module()
class ListLoops(ListedNumbers):
    """Parses its annotations for ever."""

    def load_data_list(self):
        count = 0
        while True:
            count += 1


@DATASETS.register_module()
class ListAtALock(ListedNumbers):
    """Asks for the lock of a cache that it holds already."""

    def load_data_list(self):
        with _LOCK, _LOCK:
            return []


# --- workers that die -------------------------------------------------------------------------


@DATASETS.register_module()
class KilledWorker(Numbers):
    """The system kills the worker at a sample, as the out-of-memory killer does."""

    def __getitem__(self, index):
        if index == FAULTY:
            _let_batches_be_taken()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


@DATASETS.register_module()
class CrashingWorker(Numbers):
    """Native code reads address zero."""

    def __getitem__(self, index):
        if index == FAULTY:
            _let_batches_be_taken()
            ctypes.string_at(0)
        return super().__getitem__(index)


@DATASETS.register_module()
class ExitingWorker(Numbers):
    """Native code ends the process."""

    def __getitem__(self, index):
        if index == FAULTY:
            _let_batches_be_taken()
            os._exit(3)
        return super().__getitem__(index)


def _let_batches_be_taken():
    """Waits until main has the batches before: a worker that dies sooner takes them with it."""
    time.sleep(2.0)


class Farewell:
    """Ends the worker that made it while main unpacks the batch that it is in."""

    def __init__(self, pid):
        self.pid = pid

    def __reduce__(self):
        return _farewell, (self.pid,)


def _farewell(pid):
    os.kill(pid, signal.SIGKILL)
    while os.path.exists(f"/proc/{pid}") and not _is_zombie(pid):
        time.sleep(0.01)


def _is_zombie(pid):
    with open(f"/proc/{pid}/stat") as stream:
        return stream.read().rpartition(")")[2].split()[0] == "Z"


@FUNCTIONS.register_module()
def collate_and_leave(samples):
    """Batches whose tensors cannot be fetched: their worker dies just before."""
    return {"farewell": Farewell(os.getpid()), **default_collate(samples)}


# --- workers that cannot be started -----------------------------------------------------------


@DATASETS.register_module()
class HoldsALock(Numbers):
    """Has a lock among its fields, which cannot be sent to a spawned worker."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.lock = threading.Lock()


@DATASETS.register_module()
class HoldsALocalFunction(Numbers):
    """Has a function of a function among its fields."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)

        def read(index):
            return index

        self.read = read


@DATASETS.register_module()
class NoPagingFile(Numbers):
    """What Windows says, in ``language``, when the memory for another worker is not there."""

    def __init__(self, language="en", **kwargs):
        super().__init__(**kwargs)
        self.language = language

    def __getstate__(self):
        raise OSError(
            {
                "en": "[WinError 1455] The paging file is too small for this operation to complete",
                "zh": "[WinError 1455] \u9875\u9762\u6587\u4ef6\u592a\u5c0f\uff0c\u65e0\u6cd5"
                "\u5b8c\u6210\u64cd\u4f5c\u3002",
            }[self.language]
        )


# --- errors and resources ---------------------------------------------------------------------


@DATASETS.register_module()
class BrokenSample(Numbers):
    """One sample cannot be loaded."""

    def __getitem__(self, index):
        if index == FAULTY:
            raise ValueError(f"image {index} is truncated")
        return super().__getitem__(index)


@DATASETS.register_module()
class NeverCloses(Numbers):
    """Opens a file for each sample and keeps it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.opened = []

    def __getitem__(self, index):
        self.opened.append(open(__file__, "rb"))  # noqa: SIM115
        return super().__getitem__(index)


@DATASETS.register_module()
class ManyTensors(Numbers):
    """Samples of many tensors, each of which needs a descriptor on its way to the main process."""

    def __getitem__(self, index):
        return {**super().__getitem__(index), "more": [torch.rand(4) for _ in range(64)]}


@DATASETS.register_module()
class BigSamples(Numbers):
    """Samples of 4 MB, which travel through shared memory."""

    def __getitem__(self, index):
        return {**super().__getitem__(index), "more": torch.rand(1 << 20)}


@DATASETS.register_module()
class FillsMemory(Numbers):
    """A cache that grows until there is no memory left."""

    def __getitem__(self, index):
        _leave_little_memory()
        return {**super().__getitem__(index), "cache": bytearray(4 << 30)}


def _leave_little_memory():
    import resource

    with open("/proc/self/statm") as stream:
        used = int(stream.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20), resource.RLIM_INFINITY))


@DATASETS.register_module()
class SlowestSampleOnce(Numbers):
    """A worker is asleep in a sample for so long that it outlives a main process that is killed.

    In the first of two trainings only: ``sign`` is a file that the first one makes.
    """

    def __init__(self, sign, **kwargs):
        super().__init__(**kwargs)
        self.sign = sign

    def __getitem__(self, index):
        if get_worker_info() is not None and index == FAULTY and not os.path.exists(self.sign):
            open(self.sign, "w").close()
            time.sleep(600)
        return super().__getitem__(index)


# --- what the batches hold --------------------------------------------------------------------


@DATASETS.register_module()
class VisibleOnly(Numbers):
    """Falls back to one modality from an index on, and says nothing."""

    def __init__(self, after=0, **kwargs):
        super().__init__(**kwargs)
        self.after = after

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        if index >= self.after:
            del sample["inputs"]["infrared"]
        return sample


# --- samplers ---------------------------------------------------------------------------------


class _Indices(Sampler):
    def __init__(self, dataset, seed=None, **_):
        self.length = len(dataset)

    def __len__(self):
        return self.length

    def set_epoch(self, epoch):
        """Called by mmengine before each epoch."""


@DATA_SAMPLERS.register_module()
class NeverYields(_Indices):
    """Looks for ever for a sample of a class that there is not."""

    def __iter__(self):
        yield from range(16)
        while True:
            pass


@DATA_SAMPLERS.register_module()
class AsManyAsTold(_Indices):
    """A number of batches of its own for each rank."""

    def __init__(self, dataset, steps, batch_size=4, **kwargs):
        super().__init__(dataset)
        self.length = batch_size * steps[get_rank()]

    def __iter__(self):
        return iter(range(self.length))
