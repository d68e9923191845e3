"""Process pools of an evaluation: replaced by work in this process where one of them hangs.

A pool whose child was killed while it held the pool's queue never returns, and no timeout ends it.
What is computed is a pure function of results that this process holds, so it is computed again.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import multiprocessing.pool
from typing import Any, Callable

_POOL = multiprocessing.pool.Pool


class ReplacePool(BaseException):
    """Leaves a computation that waits for its pool; no handler for errors may catch it."""


class _InProcess(multiprocessing.pool.ThreadPool):
    """Takes the place of a pool of processes: one thread of this process, the same interface."""

    def __init__(
        self,
        processes: Any = None,
        initializer: Any = None,
        initargs: Any = (),
        maxtasksperchild: Any = None,
        context: Any = None,
    ) -> None:
        super().__init__(1, initializer, initargs)


def use_none() -> None:
    """From now on, every pool of processes that this process makes works in this process."""
    _POOL.__new__ = _made  # type: ignore[method-assign]


def _made(cls: type, *args: Any, **kwargs: Any) -> Any:
    """A pool; of processes, one that works here. Pools of threads are what they were."""
    return object.__new__(_InProcess if cls is _POOL else cls)


def guarded(compute: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a computation: where its pool is replaced, it begins anew without one."""

    @functools.wraps(compute)
    def computed(*args: Any, **kwargs: Any) -> Any:
        try:
            return compute(*args, **kwargs)
        except ReplacePool:
            pass
        _abandon_all()
        use_none()
        return compute(*args, **kwargs)

    computed._dualwatch = True  # type: ignore[attr-defined]
    return computed


def is_waited_for(frame: Any) -> bool:
    """Whether a frame, or one that called it, waits for a pool inside a guarded computation."""
    in_pool = False
    while frame is not None:
        in_pool = in_pool or frame.f_globals is vars(multiprocessing.pool)
        if in_pool and frame.f_code is _GUARD:
            return True
        frame = frame.f_back
    return False


_GUARD = guarded(lambda: None).__code__


def _abandon_all() -> None:
    """Kills the children of every pool, and leaves nothing that would wait for them at the end."""
    pools: list[Any] = [one for one in gc.get_objects() if type(one) is _POOL]
    for pool in pools:
        with contextlib.suppress(Exception):
            pool._terminate.cancel()  # It would ask for the lock that the dead child holds.
            pool._state = multiprocessing.pool.TERMINATE
            pool._worker_handler._state = multiprocessing.pool.TERMINATE
            for child in list(pool._pool):
                child.kill()
