"""What the agent costs an iteration of trainings without mmengine, in CPU time of the process.

Each turn trains bare and with the agent, a short and a long training: the difference of the two is
the cost of the iterations alone. CPU time, since that of a small model shows microseconds that wall
time on a shared machine hides. Target: at most 0.5 % of an iteration of 50 ms, which are 250 us.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from dualwatch import protocol
from dualwatch.actions.launch import SITE_FOLDER, write_orders

from benchmarks import measure

TRAININGS = measure.ROOT / "tests" / "training" / "conformance" / "trainings"
KINDS = ("plain", "accelerate", "transformers", "lightning")
SHORT, LONG, EPOCHS = 100, 600, 2
USUAL_S = 0.05


def main() -> None:
    """Measures and prints."""
    parser = measure.arguments(__doc__, runs=3)
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    options = parser.parse_args()
    print(f"{measure.machine()}\n")
    rows = []
    for kind in options.kinds:
        bare, followed = [], []
        for _ in range(options.runs):
            bare.append(_iteration(kind, agent=False))
            followed.append(_iteration(kind, agent=True))
        added = [after - before for before, after in zip(bare, followed, strict=True)]
        shares = [f"{100 * statistics.median(added) / USUAL_S:.2f} %"]
        values = [measure.show(measure.spread([one * 1e6 for one in several]), 0, " us")
                  for several in (bare, followed, added)]  # fmt: skip
        rows.append([kind, *values, *shares])
    print(measure.table(["training", "bare", "with the agent", "added", "of 50 ms"], rows))


def _iteration(kind: str, *, agent: bool) -> float:
    """CPU seconds of an iteration."""
    measure.say(f"{kind} {'with the agent' if agent else 'bare'} ...")
    spent = [_train(kind, batches, agent=agent) for batches in (SHORT, LONG)]
    return (spent[1] - spent[0]) / (EPOCHS * (LONG - SHORT))


def _train(kind: str, batches: int, *, agent: bool) -> float:
    """CPU seconds of a training."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        if agent:
            attempt = Path(folder, "attempt-0")
            attempt.mkdir()
            write_orders(attempt, {}, 1)
            environment["PYTHONPATH"] = str(SITE_FOLDER)
            environment[protocol.ENV_ATTEMPT_DIR] = str(attempt)
        words = [str(TRAININGS / f"train_{kind}.py"), folder, "--workers", "0"]
        process = subprocess.Popen(
            [sys.executable, *words, "--batches", str(batches)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, f"{kind} failed"
        return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
