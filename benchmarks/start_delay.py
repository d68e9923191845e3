"""How much later ``dualwatch train`` starts a training than the bare command, in pairs.

Both run the same script, which notes the time at its first line, and what its parent has used by
then. Target: at most 0.5 s later.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure

LATEST = 0.5
"""Seconds that the first line of the script may come later."""

SCRIPT = """
import os, resource, time
first = time.monotonic()
own = resource.getrusage(resource.RUSAGE_SELF)
try:
    with open(f"/proc/{os.getppid()}/stat") as stream:
        fields = stream.read().rpartition(")")[2].split()
    parent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
except OSError:
    parent = 0.0
with open("first", "w") as stream:
    stream.write(f"{first} {parent} {own.ru_utime + own.ru_stime}")
"""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds until the script's first line.

    Attributes:
        parent: CPU of what started it, by then.
        own: CPU of the script's process.
    """

    wall: float
    parent: float
    own: float


def main() -> int:
    """Measures and prints; 1 where the target is missed."""
    parser = measure.arguments(__doc__, runs=9)
    parser.add_argument("config", nargs="?", type=Path, default=Path("tests/trainings/tiny_cfg.py"))
    options = parser.parse_args()
    config = (measure.ROOT / options.config).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("train.py").write_text(SCRIPT, encoding="utf-8")
        bare = [sys.executable, "train.py", str(config)]
        ours = [sys.executable, "-m", "dualwatch", "train", str(config), "--script", "train.py"]
        ours += ["--work-dir", "wd", "--no-tensorboard"]
        measures = [lambda: _start(bare), lambda: _start(ours)]
        for one in measures:
            one()  # The first run reads the files from the disk.
        print(f"{measure.machine()}; {options.runs} pairs; median (quartiles)\n")
        alone, supervised = measure.alternate(options.runs, measures)
    later = measure.spread([b.wall - a.wall for a, b in zip(alone, supervised, strict=True)])
    rows = [
        _row("bare", alone),
        [*_row("dualwatch train", supervised), measure.show(later, 3, " s")],
    ]
    headers = ["command", "first line", "CPU of the process", "CPU of dualwatch", "later than bare"]
    print(measure.table(headers, [[*row, "", ""][: len(headers)] for row in rows]))
    print(f"\nat most {LATEST} s later: {'met' if later.median <= LATEST else 'missed'}")
    return 0 if later.median <= LATEST else 1


def _row(name: str, starts: list[Start]) -> list[str]:
    cells = [[one.wall for one in starts], [one.own for one in starts]]
    if name != "bare":
        cells.append([one.parent for one in starts])
    return [name, *(measure.show(measure.spread(cell), 3, " s") for cell in cells)]


def _start(words: list[str]) -> Start:
    begun = time.monotonic()
    subprocess.run(
        words,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    first, parent, own = map(float, Path("first").read_text(encoding="utf-8").split())
    return Start(first - begun, parent, own)


if __name__ == "__main__":
    sys.exit(main())
