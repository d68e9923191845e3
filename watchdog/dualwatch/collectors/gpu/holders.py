"""Holders of a device's memory: the training, other processes, or invisible ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from dualwatch.core.text import clean
from dualwatch.events import GpuHolder

if TYPE_CHECKING:
    from types import ModuleType

MAX_HOLDERS = 20
NAME_CHARS = 200

_INITIAL_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO of the kernel

Held = dict[int, "int | None"]
"""pid -> bytes, None where the driver does not say how many (Windows, a part of a device)."""


def ask(nvml: ModuleType, handle: Any, put: Callable[[Callable[[], Any]], Any]) -> Held | None:
    """The processes that hold memory of a device, None if not reported.

    Args:
        put: Puts a question to the driver; gives None where that is not supported.
    """
    holders: Held = {}
    told = False
    for kind in ("Compute", "Graphics"):
        running: list[Any] | None = None
        for version in ("_v3", "_v2"):  # drivers before 510 have the second only
            question = getattr(nvml, f"nvmlDeviceGet{kind}RunningProcesses{version}", None)
            if question is not None and running is None:
                running = put(partial(question, handle))
        if running is None:
            continue
        told = told or kind == "Compute"
        for process in running:
            # A process may be in both lists, with the same memory.
            held = process.usedGpuMemory
            known = holders.get(process.pid)
            holders[process.pid] = known if held is None else max(int(held), known or 0)
    return holders if told else None


def share(holders: Held, tree_pids: set[int]) -> int | None:
    """Bytes of the training's processes, None where the list is incomplete.

    The driver names processes as the machine's first PID namespace does. In a container, where
    its numbers mean nothing, a list without one of ours (or an empty one) is no evidence.
    """
    ours = [held for pid, held in holders.items() if pid in tree_pids]
    if ours:
        known = [held for held in ours if held is not None]
        return sum(known) if len(known) == len(ours) else None
    if not _in_first_pid_namespace():
        return None
    import psutil

    if holders and not any(psutil.pid_exists(pid) for pid in holders):
        return None
    return 0


def describe(holders: Held, tree_pids: set[int]) -> tuple[GpuHolder, ...]:
    """The holders by their names, the greatest first."""
    # In a container another process may have the number that the driver means; one of ours in
    # the list shows that the driver speaks of our numbers.
    namely = _in_first_pid_namespace() or not tree_pids.isdisjoint(holders)
    greatest = sorted(holders.items(), key=lambda item: -1 if item[1] is None else item[1])
    return tuple(
        GpuHolder(pid=pid, used=used, name=_name(pid) if namely else "", ours=pid in tree_pids)
        for pid, used in greatest[: -MAX_HOLDERS - 1 : -1]
    )


def _name(pid: int) -> str:
    """Command line of a process, "" where it cannot be seen or is dead."""
    import psutil

    try:
        process = psutil.Process(pid)
        try:
            words = " ".join(process.cmdline())  # of a zombie this raises
        except psutil.AccessDenied:  # another user's, on some systems
            words = ""
        return clean(words or process.name(), NAME_CHARS)
    except (psutil.Error, OSError, ValueError, OverflowError):
        return ""


def _in_first_pid_namespace() -> bool:
    if not sys.platform.startswith("linux"):
        return True
    try:
        return os.stat("/proc/self/ns/pid").st_ino == _INITIAL_PID_NAMESPACE
    except OSError:
        return False
