"""Frees a main thread that waits for a logger's writer which is gone.

TensorBoard hands its events to a thread by a bounded queue. Where that thread has died, the queue
fills and the training waits for ever.
"""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

WRITERS = ("event_file_writer.py",)
"""Files whose queues may be given up: of events, never of samples or results."""


def release(frame: FrameType | None) -> bool:
    """Empties the writer's queue that a frame waits for, and drops what comes to it later.

    Called in a signal handler, while the main thread waits for a condition whose lock is free.

    Returns:
        Whether there was such a queue.
    """
    waited: Any = None
    while frame is not None:
        owner = frame.f_locals.get("self")
        if waited is None and isinstance(owner, queue.Queue):
            waited = owner if frame.f_code.co_name in ("put", "join") else None
        if waited is not None and frame.f_code.co_filename.endswith(WRITERS):
            return _drop(waited)
        frame = frame.f_back
    return False


def _drop(waited: Any) -> bool:
    if not waited.mutex.acquire(blocking=False):
        return False  # Somebody works on it: it is not given up.
    try:
        waited.queue.clear()
        waited.unfinished_tasks = 0
        waited.not_full.notify_all()
        waited.all_tasks_done.notify_all()
    finally:
        waited.mutex.release()
    waited.put = _ignore
    waited.join = _ignore
    return True


def _ignore(*args: object, **kwargs: object) -> None:
    """Takes the place of ``put`` and ``join``."""
