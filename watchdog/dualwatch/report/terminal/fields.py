"""The document of a diagnosis in words, for whatever shows it: the terminal, the bundle's README.

The document holds text from outside and may come from another version: what is odd is passed over,
what is unknown is "?", and nothing here raises. Every text that is given back is one clean line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dualwatch.core import units
from dualwatch.core.text import clean
from dualwatch.events import Finding, Severity
from dualwatch.report.terminal.console import plain_text

LARGEST = 1e18

_KINDS = {
    "run": "a run that dualwatch supervises",
    "process": "a running process",
    "folder": "a work folder",
    "log": "a log",
    "config": "a configuration",
}


def line(value: Any, limit: int = 2000) -> str:
    """Anything as one line of text that a terminal shows and does not obey."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    joined = " ".join(text[: 4 * limit].splitlines()) if text else ""
    return plain_text(clean(joined, limit).expandtabs(4)).rstrip()


def part(document: Any, *path: str) -> Mapping[str, Any]:
    """What a path of keys leads to, where it is a dictionary; else an empty one."""
    for key in path:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document if isinstance(document, Mapping) else {}


def parts(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The dictionaries of a list."""
    return [item for item in sequence(document.get(key)) if isinstance(item, Mapping)]


def texts(document: Mapping[str, Any], key: str) -> list[str]:
    """The lines of a list of texts."""
    return [line(item) for item in sequence(document.get(key))]


def number(value: Any) -> float | None:
    """A number that counts something, None for all else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if -LARGEST < value < LARGEST else None


def sequence(value: Any) -> Sequence[Any]:
    """A list, an empty one for all else."""
    return value if isinstance(value, (list, tuple)) else ()


# --- what was looked at -----------------------------------------------------------------------


def target(document: Mapping[str, Any]) -> str:
    """``work_dirs/demo, a run that dualwatch supervises, pid 4711, alive``."""
    t = part(document, "target")
    pid = f"pid {line(t['pid'])}" if t.get("pid") is not None else ""
    named = line(t.get("path")) or line(t.get("work_dir")) or pid or "?"
    said = [named, _KINDS.get(str(t.get("kind")), line(t.get("kind")))]
    if pid and pid != named:
        said.append(pid)
    if t.get("alive") is not None:
        said.append("alive" if t["alive"] else "its process is gone")
    return ", ".join(text for text in said if text)


def progress(document: Mapping[str, Any]) -> str:
    """When it last moved, "" where that is not known."""
    standing = part(document, "standing")
    wall, silence = number(standing.get("last_progress")), number(standing.get("silence_s"))
    if wall is None:
        return ""
    ago = f", {units.span(silence)} before this look" if silence is not None else ""
    return f"last progress {clock(wall)}{ago}"


def clock(wall: Any) -> str:
    """Local date and time, "?" where there is none."""
    try:
        return units.clock(wall)
    except (TypeError, ValueError, OverflowError, OSError):
        return "?"


# --- findings --------------------------------------------------------------------------------


def sureness(finding: Mapping[str, Any]) -> str:
    """``very likely, 85 %``."""
    confidence = number(finding.get("confidence"))
    if confidence is None:
        return "?"
    # The words are the finding's own: one scale for everything that dualwatch says.
    judged = Finding(
        code="", name="", severity=Severity.INFO, confidence=confidence, evidence=(), remedy=""
    )
    return f"{judged.certainty}, {confidence * 100:.0f} %"


def title(finding: Mapping[str, Any]) -> str:
    """``DW111 loader-deadlock``."""
    return f"{line(finding.get('code')) or '?'} {line(finding.get('name'))}".rstrip()


def subject(finding: Mapping[str, Any]) -> str:
    """``attempt 1, rank 0, pid 12``: what it is about, where it says so."""
    named = ("attempt", "rank", "pid")
    return ", ".join(f"{k} {line(finding[k])}" for k in named if finding.get(k) is not None)


def evidence(finding: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What was seen, and where and when."""
    for item in parts(finding, "evidence"):
        wall = number(item.get("wall"))
        moment = f", {clock(wall)[11:]}" if wall is not None else ""
        yield line(item.get("text")), line(item.get("source"), 100) + moment


def headline(finding: Mapping[str, Any]) -> str:
    """Its first evidence, which says the matter in one sentence."""
    return next((text for text, _ in evidence(finding)), "")


def other_findings(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Findings that are not among the causes."""
    causes = parts(document, "causes")
    return [finding for finding in parts(document, "findings") if finding not in causes]


# --- processes -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Node:
    """A process in its tree.

    Attributes:
        lasts: Of each ancestor below the root, and of itself: whether it is the last child.
        has_children: Whether processes hang below it.
    """

    process: Mapping[str, Any]
    lasts: tuple[bool, ...]
    has_children: bool


def tree(document: Mapping[str, Any]) -> list[Node]:
    """The processes, each below its parent; children of unseen parents are roots."""
    processes = parts(document, "processes")
    pids = {number(p.get("pid")) for p in processes} - {None}
    children: dict[Any, list[Mapping[str, Any]]] = {}
    roots = []
    for process in processes:
        parent = number(process.get("ppid"))
        if parent in pids and parent != number(process.get("pid")):
            children.setdefault(parent, []).append(process)
        else:
            roots.append(process)
    nodes: list[Node] = []
    placed: set[int] = set()
    # A circle of parents has no root: whoever is left over is one.
    for root in (*roots, *processes):
        waiting: list[tuple[Mapping[str, Any], tuple[bool, ...]]] = [(root, ())]
        while waiting:
            process, lasts = waiting.pop()
            if id(process) in placed:
                continue
            placed.add(id(process))
            below = children.get(number(process.get("pid")), [])
            nodes.append(Node(process, lasts, bool(below)))
            last = len(below) - 1
            waiting += [(c, (*lasts, k == last)) for k, c in enumerate(below)][::-1]
    return nodes


def share(value: Any) -> str:
    """CPU as a share of a core."""
    cpu = number(value)
    return "?" if cpu is None else f"{cpu * 100:.0f} %"


def rate(value: Any) -> str:
    """Bytes a second."""
    per_second = number(value)
    return "?" if per_second is None else f"{units.size(per_second)}/s"


_PLUMBING = frozenset(
    ("selectors.py", "connection.py", "queues.py", "threading.py", "popen_fork.py", "context.py")
)
"""Files of the standard library in which a process waits, whatever it waits for."""

_FRAME = re.compile(r"(?P<function>.*) \((?P<file>.*):(?P<line>\d+)\)")


def stack(process: Mapping[str, Any], frames: int = 4) -> str:
    """Where a process stands, in one line: the innermost frames that say what it is about.

    ``fetch (fetch.py:54) < _worker_loop (worker.py:252)``; "" where none was looked for.
    """
    split = [_frame(line(frame, 1000)) for frame in sequence(process.get("stack"))]
    telling = [shown for file, shown in split if file not in _PLUMBING]
    shown = (telling or [shown for _, shown in split])[:frames]
    if not shown and process.get("role") in ("main", "rank", "worker"):
        return "stack not observed"
    return " < ".join(shown)


def _frame(text: str) -> tuple[str, str]:
    """Base name of a frame's file, and the frame with that instead of the whole path."""
    match = _FRAME.fullmatch(text)
    if match is None:
        return "", text
    file = re.split(r"[\\/]", match["file"])[-1]
    return file, f"{match['function']} ({file}:{match['line']})"


# --- when no cause was found -----------------------------------------------------------------


def no_cause(document: Mapping[str, Any]) -> str:
    """What it means that nothing was found, and what would tell more."""
    t = part(document, "target")
    kind, alive = t.get("kind"), t.get("alive")
    if kind == "config":
        said = (
            "No cause: the configuration shows nothing that is known to hang or to end a training. "
            "It was not run; `dualwatch train CONFIG` runs it and watches."
        )
    elif document.get("phase") == "finished":
        said = "No cause: the training came to its end, and nothing wrong was found on its way."
    elif alive:
        said = (
            "No cause: nothing wrong was found. If it seems to hang, look again in some minutes: "
            "a stall is told by silence, and this one is too young or is none."
        )
    elif t.get("supervised"):
        said = (
            "No cause: the training is gone, and what was recorded of it does not say why. "
            "raw/console.log of the bundle holds its last words."
        )
    else:
        said = (
            "No cause can be told from the log alone: a crash and a hang leave the same log, "
            "because mmengine's .log never holds the traceback; only the console shows it. "
            "While it hangs, `dualwatch diagnose --pid PID` looks at its processes; "
            "`dualwatch train CONFIG` runs it again and keeps the console and the evidence."
        )
    if parts(document, "not_observed"):
        said += " Not everything could be looked at (see below): this is no proof that all is well."
    return said
