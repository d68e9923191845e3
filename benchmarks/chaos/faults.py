"""The faults: one function per family, triggered by the journal.

Each plays its round to the end, with the resumption that a user would do, and says what may be
asked of it.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measure import ROOT
from tests.training.recovery.scene import Scene, Settings, nested

BATCH, ITERATIONS, EPOCHS = 4, 16, 2
LENGTH = BATCH * ITERATIONS
SMALL_DISK = "3m"


@dataclass(slots=True)
class Played:
    """A round that was played.

    Attributes:
        codes: Exit codes of the commands, one after the other; the last one is of the last
            ``dualwatch`` that watched.
        whole: Every sample was to be learnt from exactly once. Otherwise it is what remains after
            iterations that were lost and done again that must be whole.
        cut: Lines of the journal that may be cut: each supervisor that was killed cuts one.
        full: The disk was full: lines may be missing and cut.
        damaged: Checkpoints that were damaged: none may be learnt on from.
        completes: The last command must have trained to the end.
    """

    codes: list[int | None] = field(default_factory=list)
    whole: bool = True
    cut: int = 0
    full: bool = False
    damaged: list[Path] = field(default_factory=list)
    completes: bool = True


@dataclass(frozen=True, slots=True)
class Round:
    """One round in progress."""

    scene: Scene
    dice: random.Random

    def moment(self, first: int = 2, last: int = EPOCHS * ITERATIONS - 8) -> int:
        """A random iteration."""
        return self.dice.randint(first, last)

    def resume(self, played: Played) -> Played:
        """Resumes as a user would."""
        played.codes.append(self.scene.train("--resume"))
        return played


# --- the main process ----------------------------------------------------------------------------


def main_killed(the: Round, number: signal.Signals = signal.SIGKILL) -> Played:
    """Ends the main process from outside: what it had not saved is lost and repeated."""
    the.scene.start()
    os.kill(the.scene.iterating(the.moment()).pid, number)
    played = Played(codes=[the.scene.finish()], whole=False)
    return played if played.codes[0] == 0 else the.resume(played)


def main_terminated(the: Round) -> Played:
    """The same by SIGTERM."""
    return main_killed(the, signal.SIGTERM)


def main_stopped(the: Round) -> Played:
    """Stops the main process; dualwatch resumes it, or the fault itself does."""
    the.scene.start()
    os.kill(the.scene.iterating(the.moment()).pid, signal.SIGSTOP)
    return Played(codes=[the.scene.finish()])


# --- a worker ------------------------------------------------------------------------------------


def worker_killed(the: Round, number: signal.Signals = signal.SIGKILL) -> Played:
    """A loader worker is ended from outside."""
    the.scene.start()
    main = the.scene.iterating(the.moment(last=ITERATIONS - 8)).pid
    the.scene.a_worker(main).send_signal(number)
    return Played(codes=[the.scene.finish()])


def worker_terminated(the: Round) -> Played:
    """The same by SIGTERM."""
    return worker_killed(the, signal.SIGTERM)


def worker_stopped(the: Round) -> Played:
    """A loader worker is stopped."""
    the.scene.start()
    worker = the.scene.a_worker(the.scene.iterating(the.moment(last=ITERATIONS - 8)).pid)
    worker.send_signal(signal.SIGSTOP)
    return Played(codes=[the.scene.finish()])


# --- the supervisor ------------------------------------------------------------------------------


def supervisor_killed(the: Round) -> Played:
    """Kills dualwatch; the training continues and is attached to, or resumed if it ended."""
    process = the.scene.start()
    started = the.scene.iterating(the.moment())
    process.kill()
    process.wait()
    played = Played(codes=[], cut=1)
    if not psutil.pid_exists(started.pid) or not the.scene.left_alive():
        return the.resume(played)
    the.scene.start(attach(the.scene))
    played.codes.append(the.scene.finish())
    return played


def supervisor_killed_then_a_hang(the: Round) -> Played:
    """The same, followed by a fault that it would have resolved."""
    return supervisor_killed(the)


def supervisor_terminated(the: Round, number: signal.Signals = signal.SIGTERM) -> Played:
    """dualwatch is asked to end: it ends the training in order."""
    process = the.scene.start()
    the.scene.iterating(the.moment())
    process.send_signal(number)
    played = Played(codes=[the.scene.finish()])
    return played if played.codes[0] == 0 else the.resume(played)


def supervisor_interrupted(the: Round) -> Played:
    """The same by Ctrl-C."""
    return supervisor_terminated(the, signal.SIGINT)


def supervisor_stopped(the: Round) -> Played:
    """Stops dualwatch until the training has ended, then resumes it."""
    process = the.scene.start()
    started = the.scene.iterating(the.moment())
    process.send_signal(signal.SIGSTOP)
    try:
        with contextlib.suppress(psutil.TimeoutExpired, psutil.NoSuchProcess):
            # A zombie until its parent goes on, which counts as ended here.
            _wait_until_ended(psutil.Process(started.pid))
    finally:
        process.send_signal(signal.SIGCONT)
    return Played(codes=[the.scene.finish()])


# --- what it stands on ---------------------------------------------------------------------------


def disk_full(the: Round) -> Played:
    """The disk of the work dir is full for a while."""
    work_dir = the.scene.work_dir
    work_dir.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(work_dir)]
    subprocess.run(words, check=True)
    the.scene.start()
    the.scene.iterating(the.moment())
    _fill(work_dir / "ballast")
    played = Played(codes=[the.scene.finish()], whole=False, full=True)
    (work_dir / "ballast").unlink()
    return played if played.codes[0] == 0 else the.resume(played)


def checkpoint_truncated(the: Round) -> Played:
    """The newest checkpoint is cut between two runs."""
    process = the.scene.start()
    the.scene.iterating(the.moment(first=ITERATIONS + 2))
    process.send_signal(signal.SIGINT)
    played = Played(codes=[the.scene.finish()], whole=False)
    files = sorted(the.scene.work_dir.glob("*.pth"), key=lambda path: path.stat().st_mtime)
    if len(files) > 1:
        os.truncate(files[-1], int(files[-1].stat().st_size * the.dice.uniform(0.0, 0.99)))
        played.damaged.append(files[-1])
    return the.resume(played)


def clock_jumps(the: Round) -> Played:
    """The wall clock is set forward by an hour while it trains."""
    jumping = ROOT / "tests" / "corpus" / "trainings" / "jumping_clock"
    search = [str(jumping), *filter(None, [os.environ.get("PYTHONPATH")])]
    the.scene.environment["PYTHONPATH"] = os.pathsep.join(search)
    return Played(codes=[the.scene.train()])


# --- the loader ----------------------------------------------------------------------------------


def loader_hangs(the: Round) -> Played:
    """A worker hangs in a random sample."""
    return Played(codes=[the.scene.train()])


def loader_hangs_twice(the: Round) -> Played:
    """The loader that takes its place hangs as well."""
    return Played(codes=[the.scene.train()])


FAMILIES: dict[str, tuple[str, Callable[[Round], Played]]] = {
    "main: kill -9": ("", main_killed),
    "main: SIGTERM": ("", main_terminated),
    "main: SIGSTOP": ("", main_stopped),
    "worker: kill -9": ("", worker_killed),
    "worker: SIGTERM": ("", worker_terminated),
    "worker: SIGSTOP": ("", worker_stopped),
    "supervisor: kill -9": ("", supervisor_killed),
    "supervisor: kill -9, then a hang": ("worker", supervisor_killed_then_a_hang),
    "supervisor: SIGTERM": ("", supervisor_terminated),
    "supervisor: SIGINT": ("", supervisor_interrupted),
    "supervisor: SIGSTOP": ("", supervisor_stopped),
    "disk full": ("", disk_full),
    "checkpoint truncated": ("", checkpoint_truncated),
    "clock jump": ("", clock_jumps),
    "loader hang": ("worker", loader_hangs),
    "loader hang, twice": ("any", loader_hangs_twice),
}
"""Name -> in which processes its training hangs, and what is done to it."""


def settings(name: str, dice: random.Random) -> Settings:
    """The training of a round."""
    where = FAMILIES[name][0]
    hangs: list[Mapping[str, Any]] = []
    if where:
        hang = {"at": dice.randrange(LENGTH), "where": where, "skip": dice.randint(0, 1)}
        # After the supervisor is gone: in the second epoch.
        late = name.startswith("supervisor")
        hangs = [hang | {"skip": 1 if late else hang["skip"], "times": 2 if where == "any" else 1}]
    return nested(
        {
            "model.pause": 0.1,
            "train_dataloader.dataset.length": LENGTH,
            "train_dataloader.dataset.hangs": hangs,
            "train_dataloader.dataset.signs": "{folder}/signs",
            "train_dataloader.persistent_workers": dice.random() < 0.5,
            "train_cfg.max_epochs": EPOCHS,
        }
    )


def attach(scene: Scene) -> list[str]:
    """The command that takes up a living training."""
    words = [sys.executable, "-m", "dualwatch", "attach", str(scene.work_dir)]
    return [*words, "--on-stall", "rerun", "--stall-timeout", f"{scene.stall_timeout:g}s"]


def _wait_until_ended(process: psutil.Process) -> None:
    while process.status() != psutil.STATUS_ZOMBIE:
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(0.2)
            return


def _fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as stream:
        block = b"\0" * 4096
        while stream.write(block) == len(block):
            pass
