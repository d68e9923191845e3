"""Threads that serve a training, and hold nothing that its dataset waits for. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dualwatch.events import Frame

_PIN_MEMORY = "torch/utils/data/_utils/pin_memory.py"

_SERVANTS = (
    "tensorboard/summary/writer/event_file_writer.py",
    "tqdm/_monitor.py",
    "-packages/wandb/",
    "dualwatch/agent/",
)
"""Files of threads that never execute code of a dataset."""

_OF_MULTIPROCESSING = ("multiprocessing/pool.py", "multiprocessing/resource_sharer.py")
"""Files of a pool's threads, and of a worker's that hands over the descriptors of its tensors."""

_LIBRARY = ("multiprocessing/", "/threading.py", "/queue.py", "/selectors.py", "/socket.py")


def is_background(frames: Sequence[Frame]) -> bool:
    """Whether a thread is known to hold nothing that a dataset waits for."""
    if _some_in(frames, (_PIN_MEMORY,)):
        # It waits for a batch, rather than copies one.
        return any(frame.bare == "get" for frame in frames)
    if _some_in(frames, _SERVANTS):
        return True
    # A pool's thread may execute the iterator of its caller.
    own = _some_in(frames, _OF_MULTIPROCESSING)
    return own and all(_some_in((frame,), _LIBRARY) for frame in frames)


def _some_in(frames: Sequence[Frame], files: Sequence[str]) -> bool:
    return any(part in frame.slashed for frame in frames for part in files)
