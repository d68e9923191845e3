"""How fast logs are read: console lines, and rows of ``scalars.json`` beside mmdet's own reader.

Each reader works in a process of its own on the same generated file. mmdet's is the
``load_json_logs`` of the ``analyze_logs.py`` that the mmdet package ships. Target: at least twice
as fast as that, in bounded memory.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
import types
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dualwatch.facts import EvaluationLogged, IterationLogged
from dualwatch.observe.tail import Tail
from dualwatch.parse.console import ConsoleParser
from dualwatch.parse.scalars import ScalarsParser

from benchmarks import measure

EPOCH = 2000
"""Iterations of an epoch in the generated logs."""

LOG_EVERY = 50
LOSSES = ("loss", "loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_macl")
RESULTS = ("bbox_mAP", "bbox_mAP_50", "bbox_mAP_75", "bbox_mAP_s", "bbox_mAP_m", "bbox_mAP_l")
ANALYZER = Path(".mim", "tools", "analysis_tools", "analyze_logs.py")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reader took.

    Attributes:
        wall, cpu: Seconds of the reading alone, without imports.
        before, peak: Bytes of resident memory at most, before the reading and at its end.
        count: What it gave: facts, rows or values.
    """

    wall: float
    cpu: float
    before: float
    peak: float
    count: int


# --- generated logs ----------------------------------------------------------------------


def console_lines(count: int) -> Iterator[str]:
    """Lines as mmengine prints them, with what trainings print in between."""
    dice = random.Random(0)
    made = 0
    for epoch, iteration in _places():
        stamp = f"11/23 {iteration // 120 % 24:02d}:{iteration // 2 % 60:02d}:{epoch % 60:02d}"
        prefix = f"{stamp} - mmengine - INFO - "
        losses = "  ".join(f"{name}: {dice.random():.4f}" for name in LOSSES)
        lines = [
            f"{prefix}Epoch(train)  [{epoch}][{iteration:4d}/{EPOCH}]  base_lr: 2.5000e-03 "
            f"lr: 2.5000e-03  eta: 2 days, 3:{iteration % 60:02d}:09  time: {dice.random():.4f}  "
            f"data_time: {dice.random() / 50:.4f}  memory: 7342  grad_norm: {dice.random():.4f}  "
            f"acc: {dice.random() * 100:.4f}  {losses}"
        ]
        if iteration == EPOCH:
            results = "  ".join(f"coco/{name}: {dice.random():.4f}" for name in RESULTS)
            lines += [
                f"{prefix}Saving checkpoint at {epoch} epochs",
                f"{prefix}Epoch(val) [{epoch}][50/500]    eta: 0:00:30  time: 0.05",
                f"{prefix}Epoch(val) [{epoch}][500/500]    {results}  time: 0.05",
            ]
        if dice.random() < 0.02:
            lines.append("/opt/mmdet/losses.py:42: UserWarning: the pair has no partner, skipped")
        if dice.random() < 0.001:
            lines += [
                "Traceback (most recent call last):",
                '  File "/opt/mmdet/macl.py", line 7, in forward',
                "    return self.loss(visible, infrared)",
                f"ValueError: pair {iteration} cannot be used",
            ]
        for line in lines:
            if made == count:
                return
            made += 1
            yield line


def scalar_rows(count: int) -> Iterator[str]:
    """Rows of ``scalars.json``: mmengine writes full precision, and one validation row an epoch."""
    dice = random.Random(0)
    made = 0
    for epoch, iteration in _places():
        row: dict[str, float] = {"base_lr": 0.0025, "lr": 0.0025, "data_time": dice.random() / 50}
        row |= {name: dice.random() for name in LOSSES}
        row |= {"acc": dice.random() * 100, "grad_norm": dice.random(), "time": dice.random()}
        step = (epoch - 1) * EPOCH + iteration
        row |= {"epoch": epoch, "iter": step, "memory": 7342, "step": step}
        rows = [row]
        if iteration == EPOCH:
            rows.append({f"coco/{name}": dice.random() for name in RESULTS} | {"step": epoch})
        for each in rows:
            if made == count:
                return
            made += 1
            yield json.dumps(each)


def _places() -> Iterator[tuple[int, int]]:
    """Epoch and iteration of the log lines of an endless training."""
    epoch = 1
    while True:
        for iteration in range(LOG_EVERY, EPOCH + 1, LOG_EVERY):
            yield epoch, iteration
        epoch += 1


# --- readers -----------------------------------------------------------------------------


def read_console(path: Path) -> int:
    """dualwatch: the console's facts, as the supervisor reads them."""
    tail, parser, count = Tail(path), ConsoleParser(), 0
    while lines := tail.poll():
        for line in lines:
            count += len(parser.feed(line, 0.0, 0.0))
    return count + len(parser.close(0.0, 0.0))


def read_lines(path: Path) -> int:
    """The least that any reader does: decode and split."""
    with path.open(encoding="utf-8") as stream:
        return sum(1 for _ in stream)


def read_scalars(path: Path) -> int:
    """dualwatch: one fact a row, looked at and let go."""
    tail, parser, count = Tail(path), ScalarsParser(), 0
    while lines := tail.poll():
        for line in lines:
            count += parser.feed(line, 0.0, 0.0) is not None
    return count


def keep_scalars(path: Path) -> int:
    """dualwatch: the same, and all values kept by epoch and metric, as mmdet's reader does."""
    tail, parser = Tail(path), ScalarsParser()
    kept: dict[tuple[int | None, str], array[float]] = {}
    while lines := tail.poll():
        for line in lines:
            fact = parser.feed(line, 0.0, 0.0)
            if not isinstance(fact, (IterationLogged, EvaluationLogged)):
                continue
            for name, value in fact.metrics.items():
                if (values := kept.get((fact.epoch, name))) is None:
                    values = kept[fact.epoch, name] = array("d")
                values.append(value)
    return sum(map(len, kept.values()))


def read_json(path: Path) -> int:
    """``json.loads`` of every line and nothing else."""
    with path.open(encoding="utf-8") as stream:
        return sum(1 for line in stream if json.loads(line))


def read_mmdet(path: Path) -> int:
    """mmdet's ``load_json_logs``."""
    (logs,) = _analyzer().load_json_logs([str(path)])
    return sum(len(values) for metrics in logs.values() for values in metrics.values())


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


CONSOLE = {
    "dualwatch: Tail + ConsoleParser": read_console,
    "reading the lines, no more": read_lines,
}
SCALARS = {
    "mmdet analyze_logs": read_mmdet,
    "dualwatch: Tail + ScalarsParser": read_scalars,
    "dualwatch, all values kept": keep_scalars,
    "json.loads, no more": read_json,
}


# --- measuring ---------------------------------------------------------------------------


def main() -> None:
    """Measures and prints."""
    parser = measure.arguments(__doc__, runs=5)
    parser.add_argument(
        "--lines", type=int, default=200_000, help="of the console (default: %(default)s)"
    )
    parser.add_argument(
        "--rows", type=int, default=200_000, help="of scalars.json (default: %(default)s)"
    )
    # One reader in this very process: how the benchmark calls itself.
    parser.add_argument("--reader", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reader:
        name, file = options.reader
        print(json.dumps(_read_here(name, Path(file))))
        return
    print(f"{measure.machine()}; runs of each, in turn: {options.runs}; median (quartiles)\n")
    with tempfile.TemporaryDirectory() as folder:
        console = _write(Path(folder, "console.log"), console_lines(options.lines))
        _compare("lines of a console", console, options.lines, options.runs, CONSOLE)
        console.unlink()
        scalars = _write(Path(folder, "scalars.json"), scalar_rows(options.rows))
        readers = dict(SCALARS)
        if mmdet_analyzer() is None:
            readers.pop("mmdet analyze_logs")
            print("mmdet is not installed: its reader is left out\n")
        _compare("rows of scalars.json", scalars, options.rows, options.runs, readers)


def _write(path: Path, lines: Iterator[str]) -> Path:
    measure.say(f"generating {path.name} ...")
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(line + "\n" for line in lines)
    return path


def _compare(
    what: str, path: Path, count: int, runs: int, readers: dict[str, Callable[[Path], int]]
) -> None:
    """Prints the table of one file.

    Speeds are by CPU time, which other work on the machine changes less than the clock's.
    """
    print(f"{count:,} {what}, {path.stat().st_size / measure.MB:.0f} MB\n")
    measure.say(f"reading {path.name} ...")
    measures = [functools.partial(_read_apart, name, path) for name in readers]
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
    headers = ["reader", "wall", "CPU", "per CPU second", "speed / first's", "peak", "by reading"]
    print(measure.table(headers, rows))
    print()


def _read_apart(name: str, path: Path) -> Reading:
    words = [sys.executable, "-m", "benchmarks.parsing", "--reader", name, str(path)]
    done = subprocess.run(words, cwd=measure.ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return Reading(*json.loads(done.stdout))


def _read_here(name: str, path: Path) -> tuple[float, float, float, float, int]:
    if name == "mmdet analyze_logs":
        _analyzer()  # Its imports do not count.
    reader = {**CONSOLE, **SCALARS}[name]
    before = measure.own_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    count = reader(path)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall, cpu, before, measure.own_peak(), count


if __name__ == "__main__":
    main()
