"""Parts of a diagnosis in words, for the terminal and for the bundle's README.

The document holds text from outside: every text that is given back is one clean line.
"""

from __future__ import annotations

from collections.abc import Iterator

from dualwatch.core import units
from dualwatch.events import Finding
from dualwatch.report.diagnosis import Diagnosis, Target
from dualwatch.report.terminal.console import one_line

_KINDS = {
    "run": "a run supervised by dualwatch",
    "process": "a running process",
    "folder": "a work folder",
    "log": "a log",
    "config": "a configuration",
}


def target(document: Diagnosis) -> str:
    """``work_dirs/demo, a run supervised by dualwatch, pid 4711, alive``."""
    t = document.target
    pid = f"pid {t.pid}" if t.pid else ""
    named = one_line(t.path) or one_line(t.work_dir) or pid or "?"
    said = [named, _KINDS.get(t.kind, one_line(t.kind))]
    if pid and pid != named:
        said.append(pid)
    if t.alive is not None:
        said.append("alive" if t.alive else "its process is gone")
    return ", ".join(text for text in said if text)


def progress(document: Diagnosis) -> str:
    """When it last moved, "" where that is not known."""
    wall, silence = document.status.last_progress, document.status.silence_s
    if wall is None:
        return ""
    ago = f", {units.span(silence)} before this look" if silence is not None else ""
    return f"last progress {units.clock(wall)}{ago}"


def sureness(finding: Finding) -> str:
    """``likely, 85 %``."""
    return f"{finding.certainty}, {finding.confidence * 100:.0f} %"


def title(finding: Finding) -> str:
    """``DW111 loader-deadlock``."""
    return f"{one_line(finding.code)} {one_line(finding.name)}".rstrip()


def subject(finding: Finding) -> str:
    """``attempt 1, rank 0, pid 12``: what it is about, where that is known."""
    named = (("attempt", finding.attempt), ("rank", finding.rank), ("pid", finding.pid or None))
    return ", ".join(f"{name} {number}" for name, number in named if number is not None)


def evidence(finding: Finding) -> Iterator[tuple[str, str]]:
    """What was seen, and where and when."""
    for item in finding.evidence:
        moment = f", {units.time_of_day(item.wall)}" if item.wall is not None else ""
        yield one_line(item.text), one_line(item.source, 100) + moment


def _why(target: Target) -> str:
    if target.console:
        return ""
    return ", because this file has the logger's lines only; the console has a traceback too"


def no_cause(document: Diagnosis) -> str:
    """What it means that no cause was found, and what to do next."""
    t = document.target
    if document.phase == "not-run":
        said = (
            "No cause: the configuration shows nothing that is known to hang or to end a training. "
            "It was not run; `dualwatch train CONFIG` runs it and watches."
        )
    elif document.phase == "finished":
        said = "No cause: the training came to its end without a problem."
    elif t.alive:
        said = (
            "No problem found. The process has not been silent long enough to call it a stall; "
            "try again in a few minutes."
        )
    elif t.supervised:
        said = (
            "No cause: the training is gone, and what was recorded does not show why. "
            "raw/console.log of the bundle has its last lines."
        )
    else:
        said = (
            "No cause can be seen in the log alone: a crash and a hang can leave the same log"
            f"{_why(t)}. "
            "While it hangs, `dualwatch diagnose --pid PID` examines its processes; "
            "`dualwatch train CONFIG` runs it again and keeps the console and the evidence."
        )
    if document.not_observed:
        said += " Not everything could be observed, so a problem may be missing here."
    return said
