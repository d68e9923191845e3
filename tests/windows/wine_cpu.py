"""CPU times of other processes under Wine; a module that psutil is given.

Wine answers every question for CPU times with those of the process that asks. The files of /proc
have the right ones; a process is found there by its start and its command line.
"""

from __future__ import annotations

import os
import time

_PROC = "Z:/proc"
_TICKS = 100
_LATE = 2.0
_found: dict[tuple[int, float], str] = {}


def install(process: type) -> None:
    """Replaces the CPU times of psutil's process."""
    own = process.cpu_times

    def cpu_times(self):
        known = own(self)
        if self.pid == os.getpid():
            return known
        place = _place(self.pid, self.create_time(), self.cmdline())
        fields = _fields(place) if place else None
        if fields is None:
            return known._replace(user=0.0, system=0.0)
        return known._replace(user=int(fields[11]) / _TICKS, system=int(fields[12]) / _TICKS)

    process.cpu_times = cpu_times


def _place(pid: int, created: float, command: list) -> str:
    key = (pid, created)
    if key not in _found:
        booted = time.time() - float(_read("uptime").split()[0])
        wanted = _letters(" ".join(command))[-80:]
        best = (_LATE, "")
        for name in os.listdir(_PROC):
            fields = _fields(name) if name.isdigit() and name not in _found.values() else None
            if fields is None:
                continue
            apart = abs(booted + int(fields[19]) / _TICKS - created)
            if apart < best[0] and _letters(_read(f"{name}/cmdline")).endswith(wanted):
                best = (apart, name)
        if not best[1]:
            return ""
        _found[key] = best[1]
    return _found[key]


def _fields(name: str):
    text = _read(f"{name}/stat")
    return text[text.rindex(")") + 2 :].split() if ")" in text else None


def _letters(text: str) -> str:
    return "".join(c for c in text if c.isalnum()).lower()


def _read(name: str) -> str:
    try:
        with open(f"{_PROC}/{name}", "rb", buffering=0) as stream:
            return stream.read(65536).decode("utf-8", "replace")
    except OSError:
        return ""
