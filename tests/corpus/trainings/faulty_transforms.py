"""Transforms of a pipeline: a healthy one, and one for each fault."""

import ctypes
import os
import tempfile
import time

from faulty_datasets import FAULTY, pair
from mmengine.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ToPair:
    """Makes the sample."""

    def __call__(self, results):
        if results["index"] == FAULTY:
            self.fault()
        return pair(results["index"])

    def fault(self):
        """What happens at the faulty sample: nothing."""


@TRANSFORMS.register_module()
class Raises(ToPair):
    """An image that cannot be decoded."""

    def fault(self):
        raise RuntimeError("cannot decode image 18")


@TRANSFORMS.register_module()
class ReturnsNone:
    """Filters every sample away."""

    def __call__(self, results):
        return None


@TRANSFORMS.register_module()
class LoopsForEver(ToPair):
    """Tries again until a crop holds a box, which none does."""

    def fault(self):
        tries = 0
        while True:
            tries += 1


@TRANSFORMS.register_module()
class SleepsForEver(ToPair):
    """Waits for a service that does not answer."""

    def fault(self):
        while True:
            time.sleep(60)


@TRANSFORMS.register_module()
class ReadsAPipe(ToPair):
    """Reads a named pipe that nobody writes to."""

    def fault(self):
        path = os.path.join(tempfile.mkdtemp(), "frames")
        os.mkfifo(path)
        with open(path, "rb") as stream:
            stream.read()


@TRANSFORMS.register_module()
class StuckInTheKernel(ToPair):
    """Waits in the kernel, uninterruptibly, as for a file server that is gone."""

    def fault(self):
        wait_uninterruptibly()


_STACK = 1 << 20


def wait_uninterruptibly():
    """Enters state D for ever: the parent of a vfork waits so until its child execs or ends."""
    libc = ctypes.CDLL(None)
    stack = ctypes.create_string_buffer(_STACK)
    vm, vfork, sigchld = 0x100, 0x4000, 17
    top = ctypes.c_void_p((ctypes.addressof(stack) + _STACK) & ~0xF)
    libc.clone(libc.pause, top, vm | vfork | sigchld, None)
