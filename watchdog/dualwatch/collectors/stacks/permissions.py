"""What forbids reading a process, and the command that allows it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")

_CONTAINERS = ("/.dockerenv", "/run/.containerenv")


@dataclass(frozen=True, slots=True)
class StackPermissions:
    """What forbids reading a process. None means unknown.

    Attributes:
        owner: Name of the user whose process it is.
        same_user: Whether that is us.
        root: Whether we are root.
        yama: ``ptrace_scope`` of the Yama module: 0 free, 1 descendants only, 2 root only, 3 nobody
            until the next start of the machine.
        container: Whether we are in a container.
        platform: ``sys.platform``.
    """

    owner: str | None
    same_user: bool | None
    root: bool
    yama: int | None
    container: bool
    platform: str


def how_to_allow(guard: StackPermissions) -> str:
    """The way out, as a command where there is one; the likeliest obstacle first."""
    if guard.platform == "win32":
        return "run dualwatch as the user of the training, or as administrator"
    if guard.platform == "darwin":
        return "macOS shows processes to root alone: `sudo dualwatch ...`"
    ways = []
    if not guard.root and guard.same_user is False:
        owner = guard.owner or "the user of the training"
        as_owner = f"`sudo -u {guard.owner} dualwatch ...`" if guard.owner else "`sudo -u`"
        ways.append(f"the process belongs to {owner}: {as_owner}, or run dualwatch as root")
    if guard.yama == 3:
        ways.append(
            "the kernel forbids it to everybody until the next start (Yama, ptrace_scope 3): "
            "set `kernel.yama.ptrace_scope=0` in /etc/sysctl.d and restart the machine"
        )
    elif guard.yama is not None and guard.yama > 0 and not guard.root:
        ways.append(
            f"Yama forbids it (ptrace_scope {guard.yama}): "
            "`sudo sysctl kernel.yama.ptrace_scope=0`, or run dualwatch as root"
        )
    if guard.container:
        ways.append("a container needs `--cap-add SYS_PTRACE` when it is started")
    if not ways:
        ways.append(
            "run dualwatch as the user of the training or as root; "
            "a container needs `--cap-add SYS_PTRACE`"
        )
    return "; ".join(ways)


def permissions_of(pid: int, yama: Path = YAMA) -> StackPermissions:
    """Looks at what may forbid us to read a process."""
    import psutil

    owner, same = None, None
    try:
        process = psutil.Process(pid)
        owner = process.username()
        if hasattr(os, "geteuid"):
            same = process.uids().effective == os.geteuid()
    except (psutil.Error, OSError):
        pass
    return StackPermissions(
        owner=owner,
        same_user=same,
        root=hasattr(os, "geteuid") and os.geteuid() == 0,
        yama=_scope(yama),
        container=any(os.path.exists(path) for path in _CONTAINERS),
        platform=sys.platform,
    )


def _scope(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
