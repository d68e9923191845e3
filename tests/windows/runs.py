"""Real mmengine trainings under ``dualwatch train`` on Windows, each judged by what came of it.

usage: python -m tests.windows.runs [--times N] [CASE...]

Runs on Windows' own Python, from the root of the checkout: two spawned, persistent workers, 2
epochs of 64 numbered samples. One line of JSON a run; exit code 1 where one was not right. Every
case says how dualwatch must end and what must be named first; in every one no sample of an epoch
may be lost or learned from twice, and nothing may run when it is over.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.training.recovery import accounting
from tests.windows.job import Job

HERE = Path(__file__).resolve().parent
TRAININGS = HERE.parent / "training" / "recovery" / "trainings"
CONSOLE = HERE / "console.py"
SMALL_DISK = "TESTS_SMALL_DISK"
"""Variable with a folder on a volume of some MiB; without it no disk is filled."""

STALL_TIMEOUT = "60s"
LONGEST = 900.0
"""Seconds after which a run is given up."""

ENDING = 90.0
"""Seconds in which a training must end that dualwatch left behind, and Windows' console hosts."""

EPOCHS, SAMPLES = 2, 64
SEVERE = ("error", "critical")
CREATE_SUSPENDED = 0x00000004
CREATE_NO_WINDOW = 0x08000000


@dataclass(frozen=True)
class Case:
    """What happens to a training, and what must come of it.

    Attributes:
        options: ``--cfg-options``; "{folder}" is that of the run.
        code: Named first of what is an error or worse; "" where nothing may be.
        exits: Exit codes of dualwatch that are right.
        attempts: How often the training is started.
        in_place: Whether its loader is replaced in the running training.
        act: What is done to it once it trains.
        again: It is resumed afterwards, and then trains to the end.
        console: It is started so that its console can be closed.
        small_disk: Its work dir is on a small volume.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    exits: tuple[int, ...] = (0,)
    attempts: int = 1
    in_place: bool = False
    act: Callable[[Run], None] | None = None
    again: bool = False
    console: bool = False
    small_disk: bool = False


class Run:
    """One training of a case, in a folder of its own."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder = case, folder
        self.work_dir = folder / "wd"
        if case.small_disk:
            self.work_dir = Path(os.environ[SMALL_DISK]) / "wd"
            shutil.rmtree(self.work_dir, ignore_errors=True)
        self.book, self.close_sign = folder / "book", folder / "close"
        self.seconds, self.trainings = 0.0, 0
        self.process: subprocess.Popen[bytes]
        self.job: Job

    def train(self, *words: str, act: Callable[[Run], None] | None = None) -> int | None:
        """Runs ``dualwatch train`` to its end; its exit code, None where it was given up."""
        begun = time.monotonic()
        flags = CREATE_SUSPENDED | CREATE_NO_WINDOW
        self.trainings += 1
        with open(self._file("out"), "wb") as out, open(self._file("err"), "wb") as err:
            self.process = subprocess.Popen(
                [*self._program(), *self._words(), *words],
                env={**os.environ, "LOGBOOK": str(self.book)},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                creationflags=flags,
            )
            self.job = Job(int(self.process._handle))  # type: ignore[attr-defined]
            psutil.Process(self.process.pid).resume()
            try:
                if act is not None:
                    self.wait_for_iterations(6)
                    act(self)
                return self.process.wait(LONGEST)
            except subprocess.TimeoutExpired:
                return None
            finally:
                self.seconds = time.monotonic() - begun

    def wait_for_iterations(self, number: int) -> None:
        """Waits until so many were learned from, or dualwatch has ended."""
        while self.process.poll() is None:
            if self.book.exists() and len(self.book.read_bytes().splitlines()) >= number:
                return
            time.sleep(0.2)

    def events(self) -> list[dict[str, Any]]:
        """What dualwatch printed at last."""
        lines = self._file("out").read_text(encoding="ascii").splitlines()
        return [json.loads(line) for line in lines]

    def found(self) -> list[str]:
        """Codes of what it found that is an error or worse, in their order."""
        findings = (event.get("finding") for event in self.events())
        return [one["code"] for one in findings if one and one["severity"] in SEVERE]

    def consumed(self) -> list[accounting.Consumed]:
        """What the model has learned from, after all attempts."""
        text = self.book.read_text(encoding="utf-8") if self.book.exists() else ""
        return accounting.effective(accounting.parse(text))

    def left(self) -> list[str]:
        """What still runs of it, however it is related, when dualwatch has ended."""
        until = time.monotonic() + ENDING
        while (left := self.job.described()) and time.monotonic() < until:
            if not self.case.console and not all(" conhost.exe " in each for each in left):
                break
            time.sleep(0.5)
        self.job.end()
        return left

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}-{self.trainings}"

    def _program(self) -> list[str]:
        if self.case.console:
            return [sys.executable, str(CONSOLE), "closed-at", str(self.close_sign)]
        return [sys.executable, "-m", "dualwatch"]

    def _words(self) -> list[str]:
        options = {
            "env_cfg.mp_cfg.mp_start_method": "spawn",
            "train_dataloader.sampler.shuffle": False,
            **self.case.options,
        }
        pairs = [f"{key}={value}".format(folder=self.folder) for key, value in options.items()]
        return [
            *("train", str(TRAININGS / "counted_cfg.py"), "--script", str(TRAININGS / "train.py")),
            *("--work-dir", str(self.work_dir), "--stall-timeout", STALL_TIMEOUT),
            *("--no-tensorboard", "--json", "--cfg-options", *pairs),
        ]


def press_ctrl_c(run: Run) -> None:
    """In the console of dualwatch."""
    words = [sys.executable, str(CONSOLE), "press", str(run.process.pid)]
    subprocess.run(words, check=True, creationflags=CREATE_NO_WINDOW)


def close_console(run: Run) -> None:
    """As if the window of dualwatch were closed."""
    run.close_sign.touch()


def fill_disk(run: Run) -> None:
    """Takes the last byte of the volume."""
    try:
        with open(run.work_dir / "filler", "wb", buffering=0) as filler:
            while filler.write(bytes(512)):
                pass
    except OSError:
        return


SLOW = {"model.pause": 0.5}
CASES = (
    Case("healthy"),
    Case(
        "with-lock",
        options={"train_dataloader.dataset.faults.crossed.at": 24},
        code="DW111",
        in_place=True,
    ),
    Case(
        "acquire",
        options={
            "train_dataloader.dataset.faults.crossed.at": 24,
            "train_dataloader.dataset.faults.crossed.plain": True,
        },
        code="DW111",
        in_place=True,
    ),
    Case(
        "killed-worker",
        options={
            "train_dataloader.dataset.faults.killed.at": 24,
            "train_dataloader.dataset.faults.killed.sign": "{folder}/sign",
        },
        code="DW305",
        attempts=2,
    ),
    Case(
        "endless",
        options={"train_dataloader.dataset.faults.endless.at": 24},
        code="DW112",
        exits=(4,),
    ),
    Case("ctrl-c", options=SLOW, exits=(130,), act=press_ctrl_c, again=True),
    # After 5 seconds Windows ends it, whatever it has done by then.
    Case(
        "closed-console",
        options=SLOW,
        exits=(143, 0xC000013A),
        act=close_console,
        again=True,
        console=True,
    ),
    Case(
        "full-disk",
        options=SLOW,
        code="DW502",
        exits=(5,),
        act=fill_disk,
        again=True,
        small_disk=True,
    ),
)
BY_NAME = {case.name: case for case in CASES}


def judged(case: Case, folder: Path) -> dict[str, Any]:
    """Runs a case; what came of it, and in ``wrong`` what should not have."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run = Run(case, folder)
    code = run.train(act=case.act)
    left = run.left()
    found, events = run.found(), run.events()
    attempts = sum(event.get("kind") == "attempt-started" for event in events)
    answers = [(e["order"], e["done"]) for e in events if e.get("kind") == "order-answered"]
    in_place = ("replace", True) in answers
    wrong = [
        *([] if code in case.exits else [f"exit code: {code}, not {case.exits}"]),
        *_differs("first code", next(iter(found), ""), case.code),
        *_differs("attempts", attempts, case.attempts),
        *_differs("replaced in place", in_place, case.in_place),
        *(f"still runs: {process}" for process in left),
    ]
    seconds, again = run.seconds, None
    if case.again:
        (run.work_dir / "filler").unlink(missing_ok=True)
        again = run.train("--resume")
        wrong += [*_differs("exit code of the resumed", again, 0)]
        wrong += [f"still runs after that: {process}" for process in run.left()]
    whole = EPOCHS if case.exits == (0,) or case.again else 0
    due = Counter[accounting.Sample](range(SAMPLES))
    lines = run.consumed()
    wrong += accounting.wrong(lines, due, whole)
    return {
        "case": case.name,
        "right": not wrong,
        "wrong": wrong,
        "exit": code,
        "seconds": round(seconds),
        "found": found,
        "attempts": attempts,
        "answers": answers,
        "iterations": len(lines),
        "resumed": again,
    }


def _differs(what: str, value: object, wanted: object) -> Iterable[str]:
    if value != wanted:
        yield f"{what}: {value}, not {wanted}"


def main(words: list[str]) -> int:
    """Runs cases, all of them by default."""
    times = 1
    if words[:1] == ["--times"]:
        times, words = int(words[1]), words[2:]
    if not set(words) <= set(BY_NAME):
        print(__doc__, f"cases: {', '.join(BY_NAME)}", file=sys.stderr)
        return 2
    base = Path(tempfile.gettempdir()) / "dualwatch-runs"
    right = True
    for number in range(times):
        for name in words or BY_NAME:
            case = BY_NAME[name]
            if case.small_disk and not os.environ.get(SMALL_DISK):
                print(json.dumps({"case": name, "skipped": f"no {SMALL_DISK}"}), flush=True)
                continue
            result = judged(case, base / f"{name}-{number}")
            right = right and result["right"]
            print(json.dumps(result), flush=True)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
