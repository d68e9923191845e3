"""Gives an order of the moment to the agent inside the training: a few bytes in a mapped file."""

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
    """Writes an order for one rank; returns its number, None where no agent takes orders.

    Args:
        pulse: The heartbeat that the order rests on: where the training got on since, a
            replacement is void.
        order: One of ``protocol.COMMANDS``.
        at: Iterations after which it shall be done, where it is one of several ranks.
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
        return None  # An older agent, --no-rescue, or a disk that takes nothing.
    return number


def notify_process(pid: int) -> None:
    """Makes a main process that is stuck in its own dataset look at its order.

    Only for one that has an agent, whose handler it wakes; whoever has none ignores this signal.
    """
    number = getattr(signal, protocol.COMMAND_SIGNAL, None)
    if number is None:
        return
    with contextlib.suppress(OSError):
        if not _to_main_thread(pid, number):
            os.kill(pid, number)


def _to_main_thread(pid: int, number: int) -> bool:
    """Signals the one thread that is stuck: another one would take the signal and leave it so.

    Python runs handlers in the main thread only, and only a signal of its own interrupts its wait.
    """
    if not sys.platform.startswith("linux"):
        return False
    tgkill = getattr(ctypes.CDLL(None, use_errno=True), "tgkill", None)
    return tgkill is not None and tgkill(pid, pid, number) == 0
