"""Runs commands, counts what they cost, and compares them in pairs.

A machine's speed drifts, and other work comes and goes. So what is compared runs in turn (A B A B
...), every ratio is taken within one turn, and the median of the ratios is told with its quartiles.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")

ROOT = Path(__file__).resolve().parent.parent
MB = 1e6

# The kernel counts the memory of whoever started a process into that process's peak. So a small
# Python without `site` starts it, and its own 8 MB are the least that can be measured.
_LAUNCHER = """
import os, sys, time
quiet = [(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_RDWR, 0) for n in (0, 1, 2)]
began = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, used = os.wait4(pid, 0)
wall = time.perf_counter() - began
print(wall, used.ru_utime + used.ru_stime, used.ru_maxrss, os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a command took.

    Attributes:
        wall: Seconds from start to end.
        cpu: Seconds of user and system time, of all that it waited for.
        peak: Bytes of resident memory at most.
        code: Its exit code.
    """

    wall: float
    cpu: float
    peak: float
    code: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of some runs."""

    median: float
    low: float
    high: float
    count: int


def run(words: Sequence[str]) -> Cost:
    """Runs a command from the repository's root, in silence, and counts.

    Raises:
        subprocess.CalledProcessError: It could not be started.
    """
    launched = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    wall, cpu, peak, code = launched.stdout.split()
    return Cost(float(wall), float(cpu), float(peak) * _rss_unit(), int(code))


def drop_caches() -> bool:
    """Makes the next reading come from the disk; False where that is not allowed or not known."""
    try:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")
    except (OSError, AttributeError):
        return False
    return True


def own_peak() -> float:
    """Bytes of resident memory that this process had at most."""
    try:
        # Unlike `getrusage` it does not count what the process was before it became this program.
        with open("/proc/self/status", encoding="ascii", errors="replace") as stream:
            for line in stream:
                if line.startswith("VmHWM:"):
                    return float(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _rss_unit()


def alternate(runs: int, measures: Sequence[Callable[[], _T]]) -> list[list[_T]]:
    """Measures in turn, ``runs`` times around; gives one list for each measure."""
    results: list[list[_T]] = [[] for _ in measures]
    for _ in range(runs):
        for measure, values in zip(measures, results, strict=True):
            values.append(measure())
    return results


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles.

    Raises:
        statistics.StatisticsError: There are no values.
    """
    median = statistics.median(values)
    if len(values) < 2:
        return Spread(median, median, median, len(values))
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high, len(values))


def ratios(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Ratios within each turn; NaN where there is nothing to divide by."""
    return spread([a / b if b else math.nan for a, b in zip(above, below, strict=True)])


def show(what: Spread, digits: int = 2, unit: str = "") -> str:
    """``0.11 s (0.10 .. 0.13)``: the median, and the quartiles where there are several runs."""
    text = f"{what.median:.{digits}f}{unit}"
    if what.count < 2:
        return text
    return f"{text} ({what.low:.{digits}f} .. {what.high:.{digits}f})"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that also reads well as plain text."""
    widths = [max(len(row[i]) for row in (headers, *rows)) for i in range(len(headers))]
    ruler = ["-" * width for width in widths]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (headers, ruler, *rows)
    ]
    return "\n".join(lines)


def machine() -> str:
    """One line on the machine and its load."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}{load}"
    )


def arguments(doc: str | None, *, runs: int) -> argparse.ArgumentParser:
    """A parser with the module's docstring and ``--runs``."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--runs", type=_at_least_one, default=runs, help="turns of each (default: %(default)s)"
    )
    return parser


def script(name: str) -> str | None:
    """Path of a command that is installed beside this Python, None where it is not."""
    path = Path(sysconfig.get_path("scripts"), name)
    return str(path) if path.exists() else None


def say(text: str) -> None:
    """Progress: to stderr, so that stdout holds the results alone."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _rss_unit() -> int:
    return 1 if sys.platform == "darwin" else 1024
