"""``/proc/PID/stat`` and ``schedstat`` of Linux."""

from __future__ import annotations


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
