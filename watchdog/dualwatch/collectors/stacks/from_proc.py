"""What the kernel shows of a process whose Python stacks cannot be read: where its threads sleep.

No frames of Python, and so for people only: the last resort when everything else is refused.
"""

from __future__ import annotations

import os
import sys

from dualwatch.core.text import clean

MAX_THREADS = 64
MAX_FRAMES = 40
MAX_BYTES = 1 << 14


def describe(pid: int, root: str = "/proc") -> str:
    """State, wait channel, system call and, for root, the kernel's own stack of each thread.

    Args:
        pid: The process.
        root: Where the process file system is mounted.

    Returns:
        Lines of text, "" where nothing is shown: no Linux, or the process is gone.
    """
    if not sys.platform.startswith("linux"):
        return ""
    try:
        threads = sorted(int(name) for name in os.listdir(f"{root}/{pid}/task"))
    except (OSError, ValueError):
        return ""
    lines = [f"pid {pid}, as the kernel shows it"]
    for thread in threads[:MAX_THREADS]:
        lines += _thread(f"{root}/{pid}/task/{thread}", thread)
    if len(threads) > MAX_THREADS:
        lines.append(f"    and {len(threads) - MAX_THREADS} more threads")
    return "\n".join(lines) + "\n" if len(lines) > 1 else ""


def _thread(folder: str, thread: int) -> list[str]:
    status = _read(f"{folder}/status").splitlines()
    state = next((line.partition(":")[2].strip() for line in status if line[:6] == "State:"), "")
    if not state:
        return []  # Ended meanwhile.
    parts = [state]
    wchan = _read(f"{folder}/wchan").strip()
    if wchan not in ("", "0"):
        parts.append(f"sleeps in {wchan}")
    # "running", or the number of the call with its arguments, of which the number says enough.
    call = _read(f"{folder}/syscall").split(" ", 1)[0].strip()
    if call.isdecimal():
        parts.append(f"system call {call}")
    name = _read(f"{folder}/comm").strip()
    lines = [clean(f"    thread {thread} ({name}): {', '.join(parts)}", 300)]
    frames = _read(f"{folder}/stack").splitlines()[:MAX_FRAMES]
    return lines + [clean(f"        {frame.removeprefix('[<0>] ')}", 200) for frame in frames]


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""  # Each of these files has permissions of its own.
