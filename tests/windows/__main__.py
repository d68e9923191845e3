"""Sets up a Windows and runs tests on it.

usage: python3 -m tests.windows [--within SECONDS] setup | TIER... | run WORDS...
       python3 -m tests.windows [--within SECONDS] trainings [--times N] [CASE...]

A tier is one of unit, quick (unit without what reads this project's own text), process, training.
What failed is run a second time. Exit code 1: a test failed twice; 77: no Windows is to be had
here, or the tests were not through in time; the reason is printed. run: its Python. trainings: see
``runs.py``.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.windows.machine import ROOT, SMALL_DISK, Machine, Unavailable, cache

FAILED, SKIPPED = 1, 77
OUT_OF_TIME = 124
FAILURES = (1, 2)  # Of pytest: a test failed, or could not be collected.
PYTEST = ("-m", "pytest", "-q", "--timeout-method=thread", "-o", r"cache_dir=C:\pytest-cache")
TEXT = ("architecture", "docs", "law12", "prose")
TIERS = {
    # what pytest is given
    "unit": ("tests/unit",),
    "quick": ("tests/unit", *(f"--ignore=tests/unit/test_{name}.py" for name in TEXT)),
    "process": ("tests/process",),
    "training": ("tests/training/supervisor/test_healthy.py::test_trained_to_the_end",),
}
ALONE = ("setup", "run", "trainings")
OF_ONE_TEST = 240.0
WITHIN = 1800.0


def main(words: list[str]) -> int:
    within = WITHIN
    if words[:1] == ["--within"] and len(words) > 1:
        within, words = float(words[1]), words[2:]
    if not words or (words[0] not in ALONE and not set(words) <= set(TIERS)):
        print(__doc__, file=sys.stderr)
        return 2
    # As `timeout` ends it: what runs there ends with it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(OUT_OF_TIME))
    until = time.monotonic() + within
    machine = Machine(cache(), until)
    try:
        machine.set_up()
        if words[0] == "run":
            return machine.run(words[1:], within, **_environment())
        if words[0] == "trainings":
            runs = ["-m", "tests.windows.runs", *words[1:]]
            return machine.run(runs, within, **_environment(), **_small_disk())
        passed = [_passes(machine, tier, until) for tier in words if tier != "setup"]
        return 0 if all(passed) else FAILED
    except Unavailable as reason:
        print(f"windows: skipped: {reason}", file=sys.stderr, flush=True)
        return SKIPPED


def _passes(machine: Machine, tier: str, until: float) -> bool:
    """Whether the tests of a tier pass, at the second try at the latest.

    Raises:
        Unavailable: They were not through in time, so that nothing is known.
    """
    print(f"windows: {tier} ...", file=sys.stderr, flush=True)
    # What failed in an earlier run must not be taken for what fails in this one.
    shutil.rmtree(machine.prefix / "drive_c/pytest-cache", ignore_errors=True)
    code = _pytest(machine, tier, [], until)
    if code == 0:
        return True
    print(f"windows: {tier}: what failed, once more ...", file=sys.stderr, flush=True)
    # Where a test could not even be collected, the others have not been run.
    only = ["--last-failed", "--last-failed-no-failures=none"] if code == 1 else []
    again = _pytest(machine, tier, only, until)
    if again not in (0, *FAILURES):
        # It never came to a report: as one test took too long, or Wine itself failed.
        raise Unavailable(f"the {tier} tests ended without a report ({code}, {again})")
    return again == 0


def _pytest(machine: Machine, tier: str, more: Sequence[str], until: float) -> int:
    limits = [f"--timeout={OF_ONE_TEST:g}", rf"--basetemp=C:\t-{tier}"]
    left = max(1.0, until - time.monotonic())
    words = [*PYTEST, *limits, *more, *TIERS[tier]]
    code = machine.run(words, left, **_environment())
    if code == OUT_OF_TIME:
        raise Unavailable(f"the {tier} tests were not through in time")
    return code


def _environment() -> dict[str, str]:
    path = (ROOT / "watchdog", ROOT)
    return {"PYTHONPATH": ";".join(map(_there, path))}


def _small_disk() -> dict[str, str]:
    return {"TESTS_SMALL_DISK": _there(Path(SMALL_DISK))}


def _there(path: Path) -> str:
    return "Z:" + str(path).replace(os.sep, "\\")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
