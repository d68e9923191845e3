"""``/proc/PID/stat``, ``schedstat``, ``smaps_rollup`` and ``fd`` of Linux."""

from __future__ import annotations

import os
from collections.abc import Iterator


def stat_fields(pid: int) -> list[bytes]:
    """The fields behind the process's name: state, parent, group, ...

    Raises:
        OSError: There is no such process.
        ValueError: The file is not complete.
    """
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
        stat = file.read(4096)
    # "pid (name) state ppid ...": the name may contain spaces and brackets.
    return stat[stat.rindex(b")") + 2 :].split()


def major_faults(pid: int) -> int:
    """Pages that the process had to wait for because they were on a disk or on the network.

    Raises:
        OSError: There is no such process.
        ValueError: The file is not complete.
    """
    return int(stat_fields(pid)[9])


def cpu_wait(pid: int) -> float:
    """Seconds that the process's first thread was ready to run and found no free CPU.

    Raises:
        OSError: There is no such process, or the kernel does not count this.
        ValueError: The file is not complete.
    """
    with open(f"/proc/{pid}/schedstat", "rb", buffering=0) as file:
        return int(file.read(100).split()[1]) / 1e9


def held_memory(pid: int) -> int:
    """Bytes that the process keeps from being used otherwise; shared pages count in part.

    Pages of files can be read again and are left out.

    Raises:
        OSError: There is no such process, or it is another user's.
        KeyError: The kernel does not count this.
        ValueError: The file is not complete.
    """
    with open(f"/proc/{pid}/smaps_rollup", "rb", buffering=0) as file:
        lines = file.read(8192).splitlines()[1:]
    sizes = {name: rest for name, _, rest in (line.partition(b":") for line in lines)}
    # Without "Pss_Anon" (before Linux 5.9) a mapped file could not be distinguished from memory.
    return 1024 * sum(
        int(sizes[name].split()[0]) for name in (b"Pss_Anon", b"Pss_Shmem", b"SwapPss")
    )


def open_files(pid: int) -> Iterator[tuple[str, str]]:
    """The descriptors of a process: each link below ``/proc``, and what it names.

    Those that were closed meanwhile are left out.

    Raises:
        OSError: There is no such process, or it is another user's.
    """
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        link = f"{folder}/{name}"
        try:
            target = os.readlink(link)
        except OSError:
            continue
        yield link, target
