"""Who is who in a training's process tree, by command lines and parents."""

from __future__ import annotations

import re
from collections.abc import Mapping

Command = tuple[str, ...]

MAIN, RANK, WORKER, TRACKER, OTHER = "main", "rank", "worker", "tracker", "other"
LAUNCHER = "launcher"
ORDER = (MAIN, RANK, WORKER, TRACKER, LAUNCHER, OTHER)

_PYTHON = re.compile(r"(?:^|[/\\])(?:python|pypy)[\d.]*w?(?:\.exe)?$", re.IGNORECASE)
_LAUNCHER = re.compile(r"(?:^|[/\\])(?:torchrun|accelerate|deepspeed)(?:-script\.py|\.exe)?$")
_LAUNCHER_MODULES = frozenset(
    (
        "torch.distributed.run",
        "torch.distributed.launch",
        "torch.distributed.elastic",
        "accelerate.commands.launch",
    )
)
_WITH_VALUE = ("-W", "-X")
"""Options of Python whose value is the next word."""

_FORK_SERVER = "multiprocessing.forkserver import main"
_TRACKER = "multiprocessing.resource_tracker import main"
_SPAWNED = "--multiprocessing-fork"


def is_python(command: Command) -> bool:
    """Whether the program is a Python interpreter by its name."""
    return bool(command) and _PYTHON.search(command[0]) is not None


def is_launcher(command: Command) -> bool:
    """Whether the process is torchrun's agent or a sister of it."""
    if not command:
        return False
    if not is_python(command):
        return _LAUNCHER.search(command[0]) is not None
    words = iter(command[1:])
    for word in words:
        if word == "-m":
            return next(words, "") in _LAUNCHER_MODULES
        if word in _WITH_VALUE:
            next(words, "")
        elif not word.startswith("-"):
            return _LAUNCHER.search(word) is not None
    return False


class Roles:
    """The roles of one sample.

    * ``main``: the root; where the root is a shell or another wrapper, the first Python under it.
    * ``rank``: a Python process that torchrun's agent (then the main) started.
    * ``worker``: a DataLoader worker: a child of main or of a rank that is a fork of it (the same
      command line), was spawned by multiprocessing, or came out of its fork server.
    * ``tracker``: multiprocessing's own helpers.
    * ``launcher``: what a virtual environment of Windows has for a Python: it starts the real one
      with its own arguments, and waits for it.
    * ``other``: everything else.

    Args:
        root: Pid of the root.
        commands: pid -> command line, empty where unreadable.
        parents: pid -> parent's pid.
        forks: Whether a child with the command of its parent is a fork of it; else it is what a
            launcher started.
    """

    def __init__(
        self,
        root: int,
        commands: Mapping[int, Command],
        parents: Mapping[int, int],
        *,
        forks: bool = True,
    ):
        self._commands = commands
        self._parents = parents
        self._launchers: set[int] = set()
        self._main = self._find_main(root)
        while not forks and (real := self._launched_by(self._main)) is not None:
            self._launchers.add(self._main)
            self._main = real
        main_command = commands.get(self._main, ())
        self._agent = self._main if is_launcher(main_command) else None

    def of(self, pid: int) -> str:
        """The role of a process of the sample."""
        if pid == self._main:
            return MAIN
        if pid in self._launchers:
            return LAUNCHER
        command = self._commands.get(pid, ())
        words = " ".join(command)
        if _TRACKER in words:
            return TRACKER
        parent = self._parents.get(pid, 0)
        if _FORK_SERVER in words:
            # The server's children keep its command line: they are what it serves.
            return WORKER if self._command_words(parent) == words else TRACKER
        if not command:
            return OTHER
        if self._agent is not None and parent == self._agent and is_python(command):
            return RANK
        # An orphan of an earlier main has another parent, and is known by its spawn arguments.
        if _SPAWNED in command:
            return WORKER
        if self._has_ranks_parent(pid) and self._commands.get(parent) == command:
            return WORKER
        if parent not in self._commands and command == self._commands.get(self._main):
            return WORKER
        return OTHER

    def _has_ranks_parent(self, pid: int) -> bool:
        parent = self._parents.get(pid, 0)
        if parent == self._main:
            return True
        return self._agent is not None and self._parents.get(parent) == self._agent

    def _command_words(self, pid: int) -> str:
        return " ".join(self._commands.get(pid, ()))

    def _launched_by(self, pid: int) -> int | None:
        """The Python that a launcher started: its only child with the same arguments."""
        command = self._commands.get(pid, ())
        if not is_python(command):
            return None
        same = [
            child
            for child, parent in self._parents.items()
            if parent == pid
            and child != pid
            and is_python(self._commands.get(child, ()))
            and self._commands[child][1:] == command[1:]
        ]
        return same[0] if len(same) == 1 else None

    def _find_main(self, root: int) -> int:
        """The root, or the first Python below a wrapper that is none (``sh -c``, ``nice``)."""
        level = [root]
        seen: set[int] = set()
        while level:
            for pid in level:
                command = self._commands.get(pid, ())
                if is_python(command) or is_launcher(command):
                    return pid
            seen.update(level)
            level = sorted(
                pid for pid, parent in self._parents.items() if parent in level and pid not in seen
            )
        return root
