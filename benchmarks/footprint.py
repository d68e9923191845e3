"""Memory and CPU of the supervisor while a training runs, beside torchrun's agent.

Only the supervising process itself is counted, sampled from outside with psutil. Bytecode is cached
before, as where it ran once: compiling modules takes memory. Target: at most 50 MB, and 1 % of one
core after the first seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import math
import os
import pty
import struct
import subprocess
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import measure, training

SETTLE = 5.0
"""Seconds from the start that do not count for the CPU share: imports, the configuration."""

EVERY = 0.5
USS_EVERY = 6
"""Reading the unique set size costs more: only in every n-th sample."""

PAUSE = 0.05
START_UP = 8.0
"""Roughly what a training needs before its first iteration on a slow machine."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a supervising process used.

    Attributes:
        rss: Bytes of resident memory at most.
        uss: Bytes that are its alone, at most; NaN where the system does not tell.
        share: CPU seconds per second after ``SETTLE``; NaN where it ended before.
        wall: Seconds that it was watched.
        code: Its exit code.
    """

    rss: float
    uss: float
    share: float
    wall: float
    code: int


def watch(process: subprocess.Popen[bytes], *, settle: float = SETTLE) -> Footprint:
    """Samples a process until it ends."""
    seen = psutil.Process(process.pid)
    began = time.monotonic()
    rss, uss = 0.0, math.nan
    first = last = (began, 0.0)
    settled = False
    count = 0
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            rss = max(rss, float(seen.memory_info().rss))
            if count % USS_EVERY == 0:
                uss = max(float(seen.memory_full_info().uss), 0.0 if math.isnan(uss) else uss)
            times = seen.cpu_times()
            last = (time.monotonic(), times.user + times.system)
            if not settled and last[0] - began >= settle:
                first, settled = last, True
        count += 1
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(EVERY)
    seconds = last[0] - first[0]
    share = (last[1] - first[1]) / seconds if settled and seconds > 0 else math.nan
    return Footprint(rss, uss, share, time.monotonic() - began, process.returncode)


def main() -> None:
    """Measures and prints."""
    parser = measure.arguments(__doc__, runs=1)
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="length of each training (default: %(default)s)"
    )
    parser.add_argument(
        "--tty", action="store_true", help="also with the live view, under a pseudo terminal"
    )
    options = parser.parse_args()
    epochs = 5
    iterations = max(2, round((options.seconds - START_UP) / epochs / (PAUSE * 1.05)))
    pairs = training.options(iterations=iterations, epochs=epochs, pause=PAUSE, log_every=10)
    kinds = {
        "dualwatch train": (training.supervised, False),
        "torchrun's agent": (training.by_torchrun, False),
    }
    if options.tty:
        kinds["dualwatch train, live view"] = (training.supervised, True)
    print(
        f"{measure.machine()}; runs of each, in turn: {options.runs}; median (quartiles)\n"
        f"{epochs} epochs of {iterations} iterations of {PAUSE * 1000:.0f} ms, 2 loader workers, "
        "a log line every 10 iterations\n"
    )
    measures = [
        functools.partial(_one, name, command, pairs, live=live)
        for name, (command, live) in kinds.items()
    ]
    with tempfile.TemporaryDirectory() as cache:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = cache
        short = training.options(iterations=100, epochs=1, pause=PAUSE, log_every=10)
        for name, (command, live) in kinds.items():
            _one(f"{name}, to fill the cache", command, short, live=live)
        results = measure.alternate(options.runs, measures)
    rows = [_row(name, mine, results[0]) for name, mine in zip(kinds, results, strict=True)]
    print(measure.table(HEADERS, rows))


HEADERS = [
    "supervisor",
    "RSS at most",
    "USS at most",
    "CPU of one core",
    "wall",
    "RSS / dualwatch's",
]


def _row(name: str, mine: list[Footprint], ours: list[Footprint]) -> list[str]:
    if any(run.code for run in mine):
        name += f" (exit code {max(run.code for run in mine)})"
    return [
        name,
        measure.show(measure.spread([run.rss / measure.MB for run in mine]), 1, " MB"),
        measure.show(measure.spread([run.uss / measure.MB for run in mine]), 1, " MB"),
        measure.show(measure.spread([run.share * 100 for run in mine]), 2, " %"),
        measure.show(measure.spread([run.wall for run in mine]), 0, " s"),
        measure.show(measure.ratios([run.rss for run in mine], [run.rss for run in ours])),
    ]


def _one(
    name: str, command: Callable[[Path, list[str]], list[str]], pairs: list[str], *, live: bool
) -> Footprint:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        output = stack.enter_context(tempfile.TemporaryFile())
        words = command(Path(folder, "work_dir"), pairs)
        terminal = stack.enter_context(_terminal()) if live else None
        environment = {"TERM": "xterm-256color"} if live else {}
        measure.say(f"running {name} ...")
        process = stack.enter_context(
            training.started(words, output, stderr=terminal, environment=environment)
        )
        result = watch(process)
        if result.code:
            measure.say(f"exit code {result.code}:\n{training.last_words(output)}")
        return result


@contextlib.contextmanager
def _terminal() -> Iterator[int]:
    """A pseudo terminal of 100 columns and 30 lines that reads whatever is drawn."""
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))

    def drain() -> None:
        with contextlib.suppress(OSError):
            while os.read(reader, 65536):
                pass

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    try:
        yield writer
    finally:
        os.close(writer)
        thread.join(5.0)
        os.close(reader)


if __name__ == "__main__":
    main()
