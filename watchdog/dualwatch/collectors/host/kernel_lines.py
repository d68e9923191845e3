"""The few lines of the kernel's log that explain a death in training: its OOM killer, the GPU."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dualwatch.core.text import clean, decode

KEPT_LINES = 40
LINE_CHARS = 400

_TELLING = re.compile(
    # "Out of memory: Killed process 71 (python) total-vm:...", with "Memory cgroup" before it or
    # "Kill process ... or sacrifice child" in older kernels.
    r"out of memory: Kill(?:ed)? process"
    r"|Memory cgroup out of memory"
    r"|\bKilled process \d+"
    # "oom-kill:constraint=CONSTRAINT_MEMCG,...,pid=71" and "python invoked oom-killer: ..."
    r"|\boom-kill"
    # "NVRM: Xid (PCI:0000:3b:00): 79, pid=71, GPU has fallen off the bus."
    r"|NVRM: .*\bXid\b"
    r"|fallen off the bus"
    r"|NVRM: API mismatch",
    re.IGNORECASE,
)
_RECORD = re.compile(r"\d+,\d+,(\d+),[^;]*;(.*)", re.DOTALL)
_SYSLOG = re.compile(r"<\d+>(?=\[)")


def relevant(lines: Iterable[str], keep: int = KEPT_LINES) -> tuple[str, ...]:
    """Lines on OOM kills and GPU errors, cleaned and bounded; the newest of them, newest last."""
    found = [clean(_SYSLOG.sub("", line), LINE_CHARS) for line in lines if _TELLING.search(line)]
    return tuple(line.strip() for line in found[max(0, len(found) - keep) :])


def from_record(record: bytes) -> str:
    """A record of ``/dev/kmsg`` as ``dmesg`` shows it: ``[seconds since the start] text``.

    A record is "priority,number,microseconds,flags;text", then lines with properties of devices,
    each behind a blank. "" where it is not one.
    """
    match = _RECORD.fullmatch(decode(record).partition("\n")[0])
    if match is None:
        return ""
    microseconds = int(match[1])
    return f"[{microseconds // 1_000_000:5}.{microseconds % 1_000_000:06}] {match[2]}"
