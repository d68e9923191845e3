"""Keeps what a capture of stacks saw: one JSON and one text file, numbered, never overwritten."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from dualwatch.events import NotObserved, ThreadStack


def keep(
    folder: Path,
    stacks: Sequence[ThreadStack],
    missing: Sequence[NotObserved],
    kernel: Mapping[int, str],
    wall: float,
) -> str:
    """Writes one capture under the next free number; gives the path of the JSON file.

    Args:
        kernel: Of processes without stacks, what the kernel shows of them, as text.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    number, file = _next_file(folder)
    document = {
        "schema_version": 1,
        "wall": wall,
        "stacks": [
            {
                "pid": stack.pid,
                "thread": stack.thread,
                "active": stack.active,
                "frames": [
                    {"function": frame.function, "file": frame.file, "line": frame.line}
                    for frame in stack.frames
                ],
            }
            for stack in stacks
        ],
        "kernel": {str(pid): text.splitlines() for pid, text in kernel.items()},
        "not_observed": [{"what": one.what, "why": one.why} for one in missing],
    }
    with os.fdopen(file, "w", encoding="utf-8") as out:
        json.dump(document, out, indent=1)
    text = os.open(folder / f"stacks-{number:03}.txt", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(text, "w", encoding="utf-8") as out:
        out.write("\n".join([readable(stacks, missing), *kernel.values()]))
    return str(folder / f"stacks-{number:03}.json")


def _next_file(folder: Path) -> tuple[int, int]:
    """The first number that no file has yet, and its JSON file opened for writing."""
    taken = [int(name[7:-5]) for name in os.listdir(folder) if _KEPT.fullmatch(name)]
    number = max(taken, default=0) + 1
    while True:
        with contextlib.suppress(FileExistsError):
            path = folder / f"stacks-{number:03}.json"
            return number, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        number += 1


_KEPT = re.compile(r"stacks-\d{3,9}\.json")


def readable(stacks: Sequence[ThreadStack], missing: Sequence[NotObserved] = ()) -> str:
    """The capture as text, innermost frames first, as py-spy prints it."""
    lines: list[str] = []
    for stack in stacks:
        state = {True: " (active)", False: " (idle)", None: ""}[stack.active]
        lines.append(f"pid {stack.pid}, thread {stack.thread}{state}")
        lines += [f"    {frame.function} ({frame.file}:{frame.line})" for frame in stack.frames]
        lines.append("")
    lines += [f"not observed: {one.what}: {one.why}" for one in missing]
    return "\n".join(lines) + "\n"
