"""``/proc/PID/stat`` of Linux."""

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
