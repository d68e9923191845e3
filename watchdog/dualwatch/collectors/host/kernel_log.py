"""The kernel's log: from ``/dev/kmsg``, else through ``dmesg`` or ``journalctl``."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from functools import partial
from pathlib import Path

from dualwatch.collectors.host import subprocesses
from dualwatch.collectors.host.kernel_lines import from_record, relevant
from dualwatch.core.text import clean, decode, decode_line

PATIENCE_S = 2.0
MAX_BYTES = 4 * 1024 * 1024
"""Read of a program's output, its end; the kernel's own buffer has some 100 KB, or a few MB."""

_RECORD_BYTES = 8192  # CONSOLE_EXT_LOG_MAX: no record is longer
_HOW_TO_ALLOW = (
    "run dualwatch as root, or allow it with `sudo sysctl kernel.dmesg_restrict=0`; in a container "
    "the machine's own log is read outside of it"
)


def read(device: Path = Path("/dev/kmsg")) -> tuple[tuple[str, ...] | None, str | None]:
    """Lines of the kernel's log on OOM kills and GPU errors, newest last.

    Args:
        device: Where the kernel shows its log.

    Returns:
        The lines, and None; or None, and why the log cannot be read.
    """
    if not sys.platform.startswith("linux"):
        return None, "only Linux shows a kernel log"
    refusals: list[str] = []
    for way in (partial(_from_device, device), _from_dmesg, _from_journal):
        lines, why = way()
        if lines is not None:
            return relevant(lines), None
        refusals.append(why)
    return None, f"{'; '.join(refusals)}; to allow it: {_HOW_TO_ALLOW}"


def _from_device(device: Path) -> tuple[list[str] | None, str]:
    """All records that the kernel still holds; it gives one a read."""
    try:
        file = os.open(device, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        return None, f"{device}: {error.strerror or error}"
    lines: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    try:
        # A machine in trouble may write faster than we read.
        while time.monotonic() < deadline:
            # EPIPE: the record was overwritten before it was read; the next one follows.
            with contextlib.suppress(BrokenPipeError):
                record = os.read(file, _RECORD_BYTES)
                if not record:
                    break
                lines.append(from_record(record))
    except BlockingIOError:
        return lines, ""  # all that there is
    except OSError as error:
        return None, f"{device}: {error.strerror or error}"
    finally:
        os.close(file)
    # A kernel's device never ends; what does is no log.
    return (lines, "") if lines and all(lines) else (None, f"{device} holds no kernel log")


def _from_dmesg() -> tuple[list[str] | None, str]:
    return _from_program(["dmesg"])


def _from_journal() -> tuple[list[str] | None, str]:
    command = ["journalctl", "-k", "-b", "-q", "--no-pager", "-o", "short-monotonic", "-n", "20000"]
    lines, why = _from_program(command)
    # It leaves out what we may not see without a word, and no kernel starts in silence.
    return (None, "journalctl shows us nothing of the kernel") if lines == [] else (lines, why)


def _from_program(command: list[str]) -> tuple[list[str] | None, str]:
    program = shutil.which(command[0])
    if program is None:
        return None, f"there is no {command[0]}"
    try:
        ran = subprocesses.run([program, *command[1:]], PATIENCE_S, most=MAX_BYTES, newest=True)
    except OSError as error:
        return None, f"{command[0]}: {error.strerror or error}"
    if ran.status is None:
        return None, f"{command[0]} did not answer within {PATIENCE_S:g} s"
    if ran.status != 0:
        said = clean(" ".join(decode(ran.complaint).split()), 200)
        return None, said or f"{command[0]} ended with status {ran.status}"
    return [decode_line(line) for line in ran.output.split(b"\n") if line.strip()], ""
