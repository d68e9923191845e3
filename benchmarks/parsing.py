"""How fast the logs of a run are read, beside mmdet's own reader.

Each reader works in a process of its own on the same generated run: its ``scalars.json`` or its
log. mmdet's is the ``load_json_logs`` of the ``analyze_logs.py`` that the mmdet package ships, and
reads ``scalars.json``; all others are compared with it. Target for all values: 5 times as fast.

Then the whole command ``diagnose LOG``, bundle included, on logs of a million lines that other
programs print too. Target: 6 s and 100 MB.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dualwatch import frameworks
from dualwatch.diagnose.records import read_rows as read_for_diagnose
from dualwatch.frameworks.mmengine.logs import scalars
from dualwatch.logs.console import ConsoleParser
from dualwatch.logs.reader import read_log
from dualwatch.logs.tail import Tail

from benchmarks import measure
from benchmarks.log_forms import DIAGNOSED, log_of_run, scalar_rows

LOG, ROWS = "console.log", "scalars.json"
ANALYZER = Path(".mim", "tools", "analysis_tools", "analyze_logs.py")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reader took.

    Attributes:
        wall, cpu: Seconds of the reading alone, without imports.
        before, peak: Bytes of resident memory at most, before the reading and at its end.
        count: What it gave: events, rows or values.
    """

    wall: float
    cpu: float
    before: float
    peak: float
    count: int


# --- readers: each takes the folder of a run ----------------------------------------------


def read_mmdet(run: Path) -> int:
    """mmdet's ``load_json_logs``."""
    (logs,) = _analyzer().load_json_logs([str(run / ROWS)])
    return sum(len(values) for metrics in logs.values() for values in metrics.values())


def read_all(run: Path) -> int:
    """dualwatch: every value of every row."""
    return sum(len(row) for row in scalars.rows(run / ROWS))


def read_scalars(run: Path) -> int:
    """dualwatch: ``scalars.json`` as ``diagnose``, ``check`` and ``report`` read it."""
    return len(read_for_diagnose(run / ROWS))


def read_json(run: Path) -> int:
    """``json.loads`` of every row and nothing else."""
    with (run / ROWS).open(encoding="utf-8") as stream:
        return sum(1 for line in stream if json.loads(line))


def read_whole(run: Path) -> int:
    """dualwatch: the log as ``diagnose`` reads it: the first and the newest events."""
    found = read_log(run / LOG, frameworks.line_formats(), deadline=3600.0)
    if not found.complete:
        raise RuntimeError("the log was not read to its end")
    return len(found.events)


def read_console(run: Path) -> int:
    """dualwatch: all events of the log, as the supervisor reads them."""
    tail, parser, count = Tail(run / LOG), ConsoleParser(frameworks.line_formats()), 0
    while lines := tail.poll():
        for line in lines:
            count += len(parser.feed(line, 0.0, 0.0))
    return count + len(parser.close(0.0, 0.0))


def read_lines(run: Path) -> int:
    """The least that any reader of the log does: decode and split."""
    with (run / LOG).open(encoding="utf-8") as stream:
        return sum(1 for _ in stream)


@functools.cache
def _analyzer() -> types.ModuleType:
    """mmdet's ``analyze_logs.py``, by its place and without the drawing libraries that it imports.

    Without them it starts faster and takes less memory, and reading a file needs none of them.
    """
    for name in ("matplotlib", "matplotlib.pyplot", "seaborn"):
        sys.modules.setdefault(name, types.ModuleType(name))
    spec = importlib.util.spec_from_file_location("analyze_logs", mmdet_analyzer())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def mmdet_analyzer() -> Path | None:
    """Where the mmdet package has its ``analyze_logs.py``; None where there is none."""
    spec = importlib.util.find_spec("mmdet")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (path := Path(folder, ANALYZER)).is_file():
            return path
    return None


MMDET = "mmdet analyze_logs"
READERS = {
    MMDET: read_mmdet,
    "dualwatch, all values": read_all,
    "dualwatch, scalars.json for diagnose": read_scalars,
    "json.loads of the rows, no more": read_json,
    "dualwatch, the log for diagnose": read_whole,
    "dualwatch, all events of the log": read_console,
    "the lines of the log, no more": read_lines,
}


# --- measuring ---------------------------------------------------------------------------


def main() -> None:
    """Measures and prints."""
    parser = measure.arguments(__doc__, runs=5)
    parser.add_argument(
        "--rows", type=int, default=300_000, help="of scalars.json (default: %(default)s)"
    )
    parser.add_argument(
        "--lines", type=int, default=1_000_000, help="of each log to diagnose (%(default)s)"
    )
    parser.add_argument("--form", choices=DIAGNOSED, help="diagnose this form of log, no more")
    # One reader in this very process: how the benchmark calls itself.
    parser.add_argument("--reader", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reader:
        name, folder = options.reader
        print(json.dumps(_read_here(name, Path(folder))))
        return
    print(f"{measure.machine()}; runs of each, in turn: {options.runs}; median (quartiles)\n")
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        if options.form:
            _diagnose(run, options.lines, options.runs, [options.form])
            return
        rows = _write(run / ROWS, scalar_rows(options.rows))
        lines = _write(run / LOG, log_of_run(options.rows))
        print(f"A run: {_size(run / ROWS, rows, 'rows')}; {_size(run / LOG, lines, 'lines')}.\n")
        readers = dict(READERS)
        if mmdet_analyzer() is None:
            readers.pop(MMDET)
            print("mmdet is not installed: its reader is left out\n")
        _compare(run, options.rows, options.runs, readers)
        _diagnose(run, options.lines, options.runs, DIAGNOSED)


def _write(path: Path, lines: Iterator[str]) -> int:
    """Writes lines; gives their number."""
    measure.say(f"generating {path.name} ...")
    with path.open("w", encoding="utf-8") as stream:
        return sum(1 for line in lines if stream.write(line + "\n"))


def _size(path: Path, count: int, what: str) -> str:
    return f"{count:,} {what} of {path.name}, {path.stat().st_size / measure.MB:.0f} MB"


def _compare(run: Path, count: int, runs: int, readers: dict[str, Callable[[Path], int]]) -> None:
    """Prints the table of a run.

    Speeds are by CPU time, which other work on the machine changes less than the clock's, and by
    the rows of ``scalars.json``, of which the log tells the same.
    """
    measure.say("reading ...")
    measures = [functools.partial(_read_apart, name, run) for name in readers]
    results = measure.alternate(runs, measures)
    first = results[0]
    rows = []
    for name, mine in zip(readers, results, strict=True):
        rate = measure.spread([count / 1000 / max(r.cpu, 1e-9) for r in mine])
        faster = measure.ratios([r.cpu for r in first], [r.cpu for r in mine])
        rows.append(
            [
                name,
                measure.show(measure.spread([r.wall for r in mine]), 2, " s"),
                measure.show(measure.spread([r.cpu for r in mine]), 2, " s"),
                measure.show(rate, 0, "k/s"),
                measure.show(faster, 2, "x"),
                f"{max(r.peak for r in mine) / measure.MB:.0f} MB",
                f"{max(r.peak - r.before for r in mine) / measure.MB:.0f} MB",
            ]
        )
    headers = [
        "reader",
        "wall",
        "CPU",
        "rows per CPU second",
        "speed / mmdet's",
        "peak",
        "by reading",
    ]
    print(measure.table(headers, rows))
    print()


def _diagnose(folder: Path, count: int, runs: int, names: Iterable[str]) -> None:
    """Prints what ``diagnose`` of a log takes, for each kind of log."""
    rows = []
    for name in names:
        log = folder / "diagnosed" / "train.log"
        log.parent.mkdir(exist_ok=True)
        _write(log, DIAGNOSED[name](count))
        command = ["-m", "dualwatch", "diagnose", str(log), "--output", str(log.parent)]
        measures = [functools.partial(measure.run, [sys.executable, *command])]
        (costs,) = measure.alternate(runs, measures)
        rows.append(
            [
                name,
                f"{log.stat().st_size / measure.MB:.0f} MB",
                measure.show(measure.spread([cost.wall for cost in costs]), 2, " s"),
                measure.show(measure.spread([cost.cpu for cost in costs]), 2, " s"),
                f"{max(cost.peak for cost in costs) / measure.MB:.0f} MB",
            ]
        )
    print(measure.table([f"diagnose, {count:,} lines", "log", "wall", "CPU", "peak"], rows))


def _read_apart(name: str, path: Path) -> Reading:
    words = [sys.executable, "-m", "benchmarks.parsing", "--reader", name, str(path)]
    done = subprocess.run(words, cwd=measure.ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return Reading(*json.loads(done.stdout))


def _read_here(name: str, path: Path) -> tuple[float, float, float, float, int]:
    if name == MMDET:
        _analyzer()  # Its imports do not count.
    reader = READERS[name]
    before = measure.own_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    count = reader(path)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall, cpu, before, measure.own_peak(), count


if __name__ == "__main__":
    main()
