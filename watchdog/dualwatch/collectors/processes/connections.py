"""When data last came on the TCP connections of a process, asked of the Linux kernel (sock_diag).

What is read from a socket shows in no I/O counter of ``/proc``.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dualwatch.core import proc

SECONDS = 2.0

_SOCK_DIAG = 4
_REQUEST, _DONE, _FAILED = 20, 3, 2
_ESTABLISHED = 1
_INFO = 2
"""Number of the attribute that holds ``struct tcp_info``."""

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_LAST_RECEIVED = struct.Struct("=52xI")
_SOCKET = struct.Struct("=4x2s2s16s16s")


class Connection(NamedTuple):
    """An established TCP connection.

    Attributes:
        peer: Address and port of the other side.
        quiet: Seconds since data came on it, or since it was made.
    """

    peer: str
    quiet: float


def of_process(pid: int) -> Connection | None:
    """The connection that a process reads, or its only one; None where that is not known."""
    inodes = _inodes(pid)
    if not inodes:
        return None
    try:
        known = {inode: one for inode, one in _established() if inode in inodes.values()}
    except (OSError, struct.error, AttributeError):
        return None
    reads = inodes.get(_descriptor(pid))
    if reads in known:
        return known[reads]
    return next(iter(known.values())) if len(known) == 1 else None


def _inodes(pid: int) -> dict[int | None, int]:
    """Descriptor -> inode of the sockets of a process."""
    found: dict[int | None, int] = {}
    with contextlib.suppress(OSError):
        for link, name in proc.open_files(pid):
            if name.startswith("socket:["):
                found[int(link.rpartition("/")[2])] = int(name[8:-1])
    return found


def _descriptor(pid: int) -> int | None:
    """The first argument of the system call that a process sleeps in; None where not shown."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/syscall").read_text("ascii").split()[1], 16)
    return None


def _established() -> Iterator[tuple[int, Connection]]:
    """Inode and state of every established connection of this network namespace."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _SOCK_DIAG) as kernel:
            kernel.settimeout(SECONDS)
            wanted = struct.pack(
                "=BBBBI48x", family, socket.IPPROTO_TCP, 1 << (_INFO - 1), 0, 1 << _ESTABLISHED
            )
            length = _HEADER.size + len(wanted)
            kernel.send(_HEADER.pack(length, _REQUEST, 0x301, 1, 0) + wanted)
            yield from _answers(kernel, family)


def _answers(kernel: socket.socket, family: int) -> Iterator[tuple[int, Connection]]:
    while True:
        data = kernel.recv(1 << 17)
        while len(data) >= _HEADER.size:
            length, kind, *_ = _HEADER.unpack_from(data)
            if kind in (_DONE, _FAILED) or length < _HEADER.size:
                return
            one = _connection(data[_HEADER.size : length], family)
            if one is not None:
                yield one
            data = data[(length + 3) & ~3 :]


def _connection(message: bytes, family: int) -> tuple[int, Connection] | None:
    _, port, _, address = _SOCKET.unpack_from(message)
    inode = struct.unpack_from("=I", message, 68)[0]
    size = 4 if family == socket.AF_INET else 16
    host = socket.inet_ntop(family, address[:size])
    peer = f"{host if size == 4 else f'[{host}]'}:{int.from_bytes(port, 'big')}"
    rest = message[72:]
    while len(rest) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(rest)
        if length < _ATTRIBUTE.size:
            return None
        if kind == _INFO:
            (milliseconds,) = _LAST_RECEIVED.unpack_from(rest, _ATTRIBUTE.size)
            return inode, Connection(peer, milliseconds / 1000)
        rest = rest[(length + 3) & ~3 :]
    return None
