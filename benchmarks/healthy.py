"""A healthy training with four workers and heavy logs is left alone.

Runs one for some minutes under ``dualwatch train``: a log line every iteration, twenty lines and a
progress bar of its own beside it. Bars: no finding above "info", no decision, one attempt, no
loader replaced, every sample learnt from once. Exits with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from dualwatch.events import Decided, FindingRaised, Severity

from benchmarks.measure import machine, say, table
from tests.training.recovery import accounting
from tests.training.recovery.scene import Scene, Settings, nested

BATCH, PAUSE = 4, 0.05
EPOCH = 30.0
"""Seconds of an epoch, at least."""


def main() -> int:
    """Trains, and prints what was said about it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--stall-timeout", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--lines", type=int, default=20, help="printed in every iteration")
    arguments = parser.parse_args()
    epochs = max(1, round(arguments.minutes * 60 / EPOCH))
    iterations = max(4, round(arguments.minutes * 60 / epochs / PAUSE))
    folder = Path(tempfile.mkdtemp(prefix="dualwatch-healthy-"))
    scene = Scene(
        folder / "scene",
        settings=settings(epochs, iterations, arguments.lines),
        stall_timeout=arguments.stall_timeout,
    )
    say(f"{epochs} epochs of {iterations} iterations, at least {arguments.minutes:g} minutes")
    begun = time.monotonic()
    try:
        code = scene.start().wait()
        took = time.monotonic() - begun
        console = sum(path.stat().st_size for path in scene.own.glob("attempt-*/console.log"))
        bars = judged(scene, code, iterations * BATCH, epochs)
    finally:
        scene.clean_up()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{machine()}; {took / 60:.1f} minutes, {console / 1e6:.1f} MB of console\n")
    rows = [[what, seen, "yes" if right else "**no**"] for what, seen, right in bars]
    print(table(("what", "seen", "right"), rows))
    return 0 if all(good for *_, good in bars) else 1


def settings(epochs: int, iterations: int, lines: int) -> Settings:
    """The training: logs as heavy as they come."""
    return nested(
        {
            "model.pause": PAUSE,
            "train_dataloader.dataset.length": iterations * BATCH,
            "train_dataloader.num_workers": 4,
            "val_dataloader.num_workers": 4,
            "val_dataloader.persistent_workers": True,
            "train_cfg.max_epochs": epochs,
            "default_hooks.logger.interval": 1,
            "custom_hooks": [{"type": "Logbook"}, {"type": "Chatter", "lines": lines}],
        }
    )


def judged(scene: Scene, code: int, length: int, epochs: int) -> list[tuple[str, str, bool]]:
    """Each bar: what, what was seen, and whether it is right."""
    raised = [event.finding for event in scene.of(FindingRaised)]
    serious = [finding.code for finding in raised if finding.severity > Severity.INFO]
    decisions = [event.action for event in scene.of(Decided)]
    attempts = scene.summary["attempts"]
    rescued = sum(attempt["rescued"] for attempt in attempts)
    wrong = accounting.wrong(scene.consumed, Counter(range(length)), epochs)
    return [
        ("exit code", str(code), code == 0),
        ("findings above info", " ".join(serious) or "none", not serious),
        ("notes (info)", " ".join(f.code for f in raised if f.code not in serious) or "none", True),
        ("decisions", " ".join(decisions) or "none", not decisions),
        ("attempts", str(len(attempts)), len(attempts) == 1),
        ("loaders replaced", str(rescued), rescued == 0),
        ("samples lost or doubled", "; ".join(wrong) or "none", not wrong),
    ]


if __name__ == "__main__":
    sys.exit(main())
