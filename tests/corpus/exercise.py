"""Runs a case under the real command, in a process of its own, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from dualwatch.events import (
    Event,
    FindingRaised,
    HeartbeatRead,
    ProcessesSampled,
    RunEnded,
    Severity,
    journal,
)

from tests.corpus.actors import ACTORS
from tests.corpus.case import Case, InWorkDir, Stalls
from tests.corpus.judged import Judged, judged, printed
from tests.support.paths import ROOT

TRAININGS = Path(__file__).resolve().parent / "trainings"
BUSY = 60.0
"""Seconds that a start may take, at least."""

LONGEST = 180.0
"""Seconds, on top of some stall timeouts, after which a case is given up."""


class CaseError(Exception):
    """The case itself did not come about."""


@dataclass(slots=True)
class Scene:
    """One case in progress.

    Attributes:
        folder: Of this case alone.
        stall_timeout: Seconds; of the settings if they are the default ones.
        companion: Another training that runs beside it, if its actors want one.
    """

    case: Case
    folder: Path
    stall_timeout: float
    default_timeouts: bool = False
    process: subprocess.Popen[bytes] = field(init=False)
    deadline: float = field(init=False)
    _companion: Scene | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.deadline = time.monotonic() + LONGEST + 6 * self.stall_timeout

    @property
    def work_dir(self) -> Path:
        return self.folder / "wd"

    @property
    def journal(self) -> Path:
        return self.work_dir / "dualwatch" / "journal.jsonl"

    @property
    def companion(self) -> Scene:
        if self._companion is None:
            from tests.corpus.corpus import BY_NAME

            case = BY_NAME["lock held while forking"]
            self._companion = Scene(case, self.folder / "beside", self.stall_timeout)
            self._companion.start()
        return self._companion

    def start(self) -> None:
        """Starts dualwatch."""
        if self.case.prepare:
            script = str(TRAININGS / "prepare.py")
            words = [sys.executable, script, self.case.prepare, str(self.work_dir)]
            subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        with open(self.folder / "out", "ab") as out, open(self.folder / "err", "ab") as err:
            self.process = subprocess.Popen(
                self._in_namespace(self.command()),
                cwd=self.folder,
                env={**os.environ, "OMP_NUM_THREADS": "1", **self._environment()},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def command(self) -> list[str]:
        """The command line of dualwatch."""
        case = self.case
        config = str(TRAININGS / self._word(case.config))
        command = [sys.executable, "-m", "dualwatch", "train", config]
        command += ["--script", str(TRAININGS / case.script)] if case.script else []
        command += ["--work-dir", str(self.work_dir)]
        command += ["--max-reruns", "0"]
        if not self.default_timeouts:
            command += ["--stall-timeout", f"{self.stall_timeout}s"]
            # Long beside the stall timeout, and beside a start on a crowded machine: busy silence
            # is no stall before it.
            command += ["--busy-timeout", f"{max(BUSY, self.stall_timeout * 4)}s"]
        if "--tensorboard" not in case.words:
            command += ["--no-tensorboard"]
        if case.options:
            pairs = [f"{key}={self._value(value)}" for key, value in case.options.items()]
            command += ["--cfg-options", *pairs]
        return [*command, *case.words]

    def events(self) -> list[Event]:
        """All events so far."""
        return list(journal.read(self.journal)) if self.journal.exists() else []

    def wait_for(self, wanted: Callable[[Event], bool], what: str) -> Event:
        """Waits until the journal holds an event: the handshake with a run in progress."""
        while time.monotonic() < self.deadline:
            for event in self.events():
                if wanted(event):
                    return event
            if self.process.poll() is not None:
                raise CaseError(f"it ended before {what}: {self._last_words()}")
            time.sleep(0.1)
        raise CaseError(f"{what} never came")

    def wait_for_file(self, name: str) -> None:
        """Waits until the training has made a file in its work dir."""
        while not (self.work_dir / name).exists():
            if time.monotonic() > self.deadline or self.process.poll() is not None:
                raise CaseError(f"{name} never came: {self._last_words()}")
            time.sleep(0.1)

    def iterating(self) -> int:
        """Waits until the training does iterations; returns its main process."""
        pulse = self.wait_for(
            lambda event: isinstance(event, HeartbeatRead) and event.iteration > 0, "iterations"
        )
        assert isinstance(pulse, HeartbeatRead)
        return pulse.pid

    def a_worker(self) -> int:
        """Waits until a loader worker was seen; returns it."""
        self.iterating()
        event = self.wait_for(lambda event: bool(_workers(event)), "a worker")
        return _workers(event)[0]

    def wait_until_found(self) -> None:
        """Waits until something is said that is more than a note."""
        self.wait_for(
            lambda f: isinstance(f, FindingRaised) and f.finding.severity > Severity.INFO,
            "a finding",
        )

    def finish(self) -> int:
        """Waits for the end; an interrupted one ends in order."""
        if self.case.ends == "finding":
            self.wait_until_found()
            time.sleep(1.0)  # What is found at one look is told one after the other.
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(timeout=max(1.0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise CaseError("it did not end") from None

    def clean_up(self) -> None:
        """Ends what is left: ours by its pid, the training's by its environment."""
        if self._companion is not None:
            self._companion.clean_up()
        if hasattr(self, "process"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for process in self.left_alive():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def left_alive(self) -> list[psutil.Process]:
        """Processes of any attempt of this case that still run, told by their environment."""
        place = f"{self.folder}{os.sep}"
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                own = process.environ().get("DUALWATCH_ATTEMPT_DIR", "")
                if own.startswith(place) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def _environment(self) -> dict[str, str]:
        return {key: self._word(value) for key, value in self.case.environment.items()}

    def _word(self, word: str) -> str:
        places = {"trainings": TRAININGS, "root": ROOT, "folder": self.folder}
        for name, place in places.items():
            word = word.replace(f"{{{name}}}", str(place))
        return word

    def _value(self, value: Any) -> str:
        if isinstance(value, Stalls):
            return str(value.share * self.stall_timeout)
        if isinstance(value, InWorkDir):
            return str(self.work_dir / value.name)
        return str(value)

    def _in_namespace(self, command: list[str]) -> list[str]:
        """The command in a mount namespace of its own, where the case wants small disks.

        What the run wrote to a disk that is gone with the namespace is copied out at the end.
        """
        if not self.case.mounts:
            return command
        lines = ["set -e"]
        for place, size in self.case.mounts.items():
            folder = shlex.quote(self._value(place))
            lines += [f"mkdir -p {folder}", f"mount -t tmpfs -o size={size} tmpfs {folder}"]
        work_dir = shlex.quote(str(self.work_dir))
        lines += ["code=0", f"{shlex.join(command)} || code=$?"]
        if InWorkDir("") in self.case.mounts:
            lines += [f"cp -r {work_dir}/dualwatch {shlex.quote(str(self.folder / 'kept'))}"]
        return ["unshare", "-m", "sh", "-c", "\n".join([*lines, "exit $code"])]

    def verdict(self, exit_code: int | None, trouble: str = "") -> Judged:
        """What was said."""
        kept = self.folder / "kept" / "journal.jsonl"
        events = list(journal.read(kept)) if kept.exists() else self.events()
        if trouble or any(isinstance(event, RunEnded) for event in events):
            return judged(self.case, events, exit_code, trouble)
        return printed(self.case, self._text("out") + self._text("err"), exit_code)

    def _last_words(self) -> str:
        return self._text("err")[-400:]

    def _text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8", errors="replace")


def run(
    case: Case, folder: Path, stall_timeout: float, *, default_timeouts: bool = False
) -> Judged:
    """Runs a case to its end, in a folder below ``folder``, and says what dualwatch said."""
    lacking = _lacking(case)
    if lacking:
        return Judged(case=case, skipped=lacking)
    # No spaces: mmengine drops them from --cfg-options.
    place = folder / re.sub(r"\W+", "-", case.name)
    scene = Scene(case, place, stall_timeout, default_timeouts)
    try:
        scene.start()
        for actor in case.actors:
            ACTORS[actor](scene)
        return scene.verdict(scene.finish())
    except Exception as error:
        # One case that does not come about must not end all others; it counts as missed.
        return scene.verdict(None, f"{type(error).__name__}: {error}".strip().replace("\n", " "))
    finally:
        scene.clean_up()


def _lacking(case: Case) -> str:
    """Why a case cannot be run here; "" where it can."""
    for name in ("torch", "mmengine", *case.needs):
        if importlib.util.find_spec(name) is None:
            return f"{name} is not installed"
    if case.mounts and (sys.platform != "linux" or os.geteuid() != 0):
        return "a mount of its own needs root on Linux"
    if case.mounts:
        tried = subprocess.run(
            ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True
        )
        if tried.returncode != 0:
            return "this container allows no mount"
    return ""


def _workers(event: Event) -> list[int]:
    if not isinstance(event, ProcessesSampled):
        return []
    return [process.pid for process in event.processes if process.role == "worker"]
