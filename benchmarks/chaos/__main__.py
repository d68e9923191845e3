"""Random faults in small trainings: is anything lost, left behind or unreported?

Each round starts a training under ``dualwatch train``, does something to it at a random iteration
(told by the journal, not by a clock), goes on as a user would (``attach`` after a supervisor that
was killed, ``train --resume`` after a training that ended), and then looks:

- no process is left alive;
- the journal is whole, line by line; only a supervisor that was killed may cut its last one;
- no damaged checkpoint was learnt on from;
- every sample of an epoch was learnt from exactly once. Where the main process itself was ended
  from outside, what it had not saved is learnt again: there the iterations that count are whole;
- ``summary.json`` says how it ended, in agreement with the exit code.

Prints a table and every violation; exits with 1 where there is one. A full disk needs root on
Linux: a small file system is mounted where nobody else sees it.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos.checks import violations
from benchmarks.chaos.faults import FAMILIES, Round, settings
from benchmarks.measure import ROOT, machine, say, table
from tests.training.recovery.scene import Scene, SceneError

STALL_TIMEOUT = 3.0
_OWN_MOUNTS = "CHAOS_HAS_OWN_MOUNTS"


@dataclass(frozen=True, slots=True)
class Result:
    """A round: what it came to, and what must not be."""

    number: int
    family: str
    ended: str
    violations: tuple[str, ...]


def main() -> int:
    """Plays the rounds and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2, help="side by side")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=".", type=re.compile, metavar="PATTERN")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep rounds with violations")
    arguments = parser.parse_args()
    if _can_mount() and _OWN_MOUNTS not in os.environ:
        return _in_a_namespace()
    families, lacking = playable([name for name in FAMILIES if arguments.only.search(name)])
    if not families:
        parser.error("nothing that can be played here matches")
    folder = Path(tempfile.mkdtemp(prefix="dualwatch-chaos-"))
    try:
        results = play_all(
            families, arguments.rounds, arguments.jobs, arguments.seed, folder, arguments.keep
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{machine()}; seed {arguments.seed}, {len(results)} rounds\n")
    print(table(("fault", "rounds", "ended", "violations"), rows(families, results)))
    bad = [result for result in results if result.violations]
    for result in bad:
        print(f"\nround {result.number}, {result.family}:")
        print("\n".join(f"- {text}" for text in result.violations))
    for name, why in lacking.items():
        print(f"\nnot played: {name} ({why})")
    return 1 if bad else 0


def playable(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The families that can be played here, and why the others cannot."""
    lacking = {}
    if _OWN_MOUNTS not in os.environ:
        lacking["disk full"] = "a mount of its own needs root on Linux"
    words = [sys.executable, "-m", "dualwatch", "attach", "--help"]
    if subprocess.run(words, capture_output=True).returncode != 0:
        lacking |= {n: "dualwatch has no attach" for n in FAMILIES if "supervisor: kill" in n}
    return [n for n in names if n not in lacking], {n: w for n, w in lacking.items() if n in names}


def play_all(
    families: Sequence[str], rounds: int, jobs: int, seed: int, folder: Path, keep: Path | None
) -> list[Result]:
    """Plays rounds side by side, the families in turn; the seed decides everything else."""

    def one(number: int) -> Result:
        name = families[number % len(families)]
        result = play(name, number, random.Random(f"{seed}-{number}"), folder, keep)
        word = "BAD " if result.violations else "ok  "
        say(f"{word}{number} {name}: {result.ended} {'; '.join(result.violations)}")
        return result

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        return list(pool.map(one, range(rounds)))


def play(name: str, number: int, dice: random.Random, folder: Path, keep: Path | None) -> Result:
    """One round; whatever it started is ended."""
    place = folder / f"round-{number}"
    scene = Scene(place, settings=settings(name, dice), stall_timeout=STALL_TIMEOUT)
    try:
        played = FAMILIES[name][1](Round(scene, dice))
        found = violations(scene, played)
        ended = ", then ".join(str(code) for code in played.codes)
    except (SceneError, OSError, subprocess.SubprocessError) as error:
        ended, found = "did not come about", [f"{type(error).__name__}: {error}"]
    finally:
        scene.clean_up()
        if os.path.ismount(scene.work_dir):
            if keep is not None:
                shutil.copytree(scene.work_dir, place / "kept", dirs_exist_ok=True)
            subprocess.run(["umount", "-l", str(scene.work_dir)], check=False)
    if found and keep is not None:
        shutil.copytree(place, keep / place.name, dirs_exist_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    return Result(number, name, ended, tuple(found))


def rows(families: Sequence[str], results: Sequence[Result]) -> list[list[str]]:
    """A line of the table for each family, and one for all."""
    lines = []
    for name in families:
        own = [result for result in results if result.family == name]
        ends = Counter(result.ended for result in own)
        told = "; ".join(f"{count} x {end}" for end, count in ends.most_common())
        lines.append([name, str(len(own)), told, str(sum(bool(one.violations) for one in own))])
    bad = sum(bool(result.violations) for result in results)
    return [*lines, ["all", str(len(results)), "", str(bad)]]


def _can_mount() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    tried = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(tried, capture_output=True).returncode == 0


def _in_a_namespace() -> int:
    """Runs this program in its own mount namespace."""
    words = ["unshare", "-m", sys.executable, "-m", "benchmarks.chaos", *sys.argv[1:]]
    os.environ[_OWN_MOUNTS] = "1"
    os.chdir(ROOT)
    os.execvp(words[0], words)


if __name__ == "__main__":
    sys.exit(main())
