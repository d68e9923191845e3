"""Sends a command to the agent inside the training: a few bytes in a mapped file."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

from dualwatch import protocol
from dualwatch.events import HeartbeatRead


def send(
    attempt_dir: Path, pulse: HeartbeatRead, order: str, *, at: int | None = None
) -> int | None:
    """Writes a command for one rank; returns its number, None where no agent takes commands.

    Args:
        pulse: The heartbeat behind the decision; if the training has advanced since, the command
            is void.
        order: One of ``protocol.COMMANDS``.
        at: Iteration at which to run it, where several ranks run it together.
    """
    path = attempt_dir / protocol.command_file(pulse.rank)
    try:
        with path.open("r+b", buffering=0) as stream:
            before = protocol.read_command(
                stream.read(protocol.COMMAND_SIZE).ljust(protocol.COMMAND_SIZE, b"\0")
            )
            number = (before.number if before is not None else 0) + 1
            stream.seek(0)
            beats = pulse.beats if at is None else at
            record = protocol.CommandRecord(number=number, order=order, beats=beats)
            stream.write(protocol.pack_command(record))
    except OSError:
        return None  # An older agent, --no-rescue, or a full disk.
    return number


def notify_process(pid: int) -> None:
    """Interrupts a main process that is stuck in its own dataset, so that it reads its command.

    Only for a process with an agent, which handles the signal.
    """
    number = getattr(signal, protocol.COMMAND_SIGNAL, None)
    if number is None:
        return
    with contextlib.suppress(OSError):
        if not _to_main_thread(pid, number):
            os.kill(pid, number)


def _to_main_thread(pid: int, number: int) -> bool:
    """Signals the main thread: another thread could take the signal without waking it.

    Python runs handlers in the main thread only, and only its own signal interrupts its wait.
    """
    if not sys.platform.startswith("linux"):
        return False
    tgkill = getattr(ctypes.CDLL(None, use_errno=True), "tgkill", None)
    return tgkill is not None and tgkill(pid, pid, number) == 0
