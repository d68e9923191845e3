"""A training with its faults under the real command: started, followed, read and cleaned up."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil
from dualwatch.agent.mmengine import TRAIN_SCRIPT
from dualwatch.events import AttemptStarted, Event, HeartbeatRead, journal

from tests.training.recovery import accounting
from tests.training.recovery.accounting import Consumed

TRAININGS = Path(__file__).resolve().parent / "trainings"
DEADLINE = 150.0
"""Seconds after which a scene is given up; nothing is judged by it."""

Settings = Mapping[str, Any]
_F = TypeVar("_F", bound=Event)
_T = TypeVar("_T")


class SceneError(Exception):
    """A scene did not come about."""


class Scene:
    """One work dir, and what runs in it.

    Args:
        folder: Of this scene alone; made here.
        config: Name of the configuration that it is based on.
        script: The training script; None for the built-in one.
        stall_timeout: Seconds.
        settings: Put over the configuration; "{folder}" in a text is the scene's folder.
        environment: Put over our own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        config: str | Path = "counted_cfg.py",
        script: Path | None = TRAININGS / "train.py",
        stall_timeout: float = 3.0,
        settings: Settings | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True)
        self.folder, self.script = folder, script
        self.stall_timeout = stall_timeout
        self.deadline = DEADLINE
        self.config = folder / "config.py"
        self._logbook = folder / "consumed.jsonl"
        self.environment = {"LOGBOOK": str(self._logbook), **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        _write_config(self.config, TRAININGS / config, _filled(settings or {}, folder))

    @property
    def work_dir(self) -> Path:
        return self.folder / "wd"

    @property
    def own(self) -> Path:
        """Where dualwatch writes."""
        return self.work_dir / "dualwatch"

    # --- running ---------------------------------------------------------------------------------

    def command(self, *words: str) -> list[str]:
        """The command line of ``dualwatch train``."""
        command = [sys.executable, "-m", "dualwatch", "train", str(self.config)]
        if self.script is not None:
            command += ["--script", str(self.script)]
        command += ["--work-dir", str(self.work_dir), "--no-tensorboard"]
        return [*command, "--stall-timeout", f"{self.stall_timeout:g}s", *words]

    def bare(self, *words: str) -> list[str]:
        """The training without dualwatch."""
        script = str(self.script or TRAIN_SCRIPT)
        return [sys.executable, script, str(self.config), "--work-dir", str(self.work_dir), *words]

    def start(self, command: Sequence[str] | None = None) -> subprocess.Popen[bytes]:
        """Starts a command, ``dualwatch train`` unless another is given, in its own session."""
        with open(self.folder / "out", "ab") as out, open(self.folder / "err", "ab") as err:
            self.process = subprocess.Popen(
                list(command or self.command()),
                cwd=self.folder,
                env={**os.environ, "OMP_NUM_THREADS": "1", **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self._started.append(self.process)
        return self.process

    def finish(self) -> int:
        """Waits for the end; gives the exit code."""
        assert self.process is not None
        try:
            return self.process.wait(self.deadline)
        except subprocess.TimeoutExpired:
            raise SceneError(f"it did not end: {self.last_words()}") from None

    def train(self, *words: str) -> int:
        """``dualwatch train`` from beginning to end."""
        self.start(self.command(*words))
        return self.finish()

    def clean_up(self) -> None:
        """Ends what is left: ours by its pid, the training's by its environment."""
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for each in self.left_alive():
            with contextlib.suppress(psutil.Error):
                each.kill()

    def left_alive(self) -> list[psutil.Process]:
        """Processes of any attempt of this scene that still run, told by their environment."""
        place = f"{self.folder}{os.sep}"
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                own = process.environ().get("DUALWATCH_ATTEMPT_DIR", "")
                if own.startswith(place) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    # --- following -------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        """All events so far."""
        path = self.own / "journal.jsonl"
        return list(journal.read(path)) if path.exists() else []

    def of(self, kind: type[_F]) -> list[_F]:
        """The events of one kind."""
        return [event for event in self.events() if isinstance(event, kind)]

    def wait_for(self, wanted: Callable[[Event], bool], what: str) -> Event:
        """Waits until the journal holds an event: the handshake with a run in progress."""
        return self.wait_until(lambda: next(filter(wanted, self.events()), None), what)

    def wait_until(self, look: Callable[[], _T | None], what: str) -> _T:
        """Waits until a look gives something.

        Raises:
            SceneError: The command ended before, or it took too long.
        """
        assert self.process is not None
        end = time.monotonic() + self.deadline
        while time.monotonic() < end:
            over = self.process.poll() is not None
            found = look()
            if found:
                return found
            if over:
                raise SceneError(f"it ended before {what}: {self.last_words()}")
            time.sleep(0.05)
        raise SceneError(f"{what} never came: {self.last_words()}")

    def iterating(self, iteration: int = 1, *, attempt: int = 0) -> AttemptStarted:
        """Waits until an attempt has come to an iteration; tells how it was started."""

        def look() -> AttemptStarted | None:
            started: AttemptStarted | None = None
            for event in self.events():
                if isinstance(event, AttemptStarted):
                    started = event
                elif isinstance(event, HeartbeatRead) and started is not None:
                    there = event.begun >= 0 and event.iteration >= iteration
                    if started.attempt == attempt and there:
                        return started
            return None

        return self.wait_until(look, f"iteration {iteration} of attempt {attempt}")

    def a_worker(self, main: int) -> psutil.Process:
        """Waits for a loader worker of a training's main process."""

        def look() -> psutil.Process | None:
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(main).children():
                    if "resource_tracker" not in " ".join(child.cmdline()):
                        return child
            return None

        return self.wait_until(look, "a worker")

    # --- reading ---------------------------------------------------------------------------------

    @property
    def summary(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(
            (self.own / "summary.json").read_text(encoding="utf-8")
        )
        return document

    @property
    def consumed(self) -> list[Consumed]:
        """What was learnt from and validated, over all attempts and resumptions."""
        if not self._logbook.exists():
            return []
        return accounting.parse(self._logbook.read_text(encoding="utf-8"))

    def weights(self) -> dict[str, Any]:
        """The weights of the newest checkpoint that mmengine names."""
        import torch

        path = (self.work_dir / "last_checkpoint").read_text(encoding="utf-8").strip()
        loaded = torch.load(path, map_location="cpu", weights_only=False)
        return dict(loaded["state_dict"])

    def last_words(self) -> str:
        """The end of what the command printed."""
        texts = [
            (self.folder / name).read_text(encoding="utf-8", errors="replace")[-800:]
            for name in ("out", "err")
            if (self.folder / name).exists()
        ]
        return "\n".join(texts).strip()


class Undisturbed:
    """Trainings without dualwatch, faults and workers: what the others are compared with.

    Args:
        folder: Where they run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: dict[str, Scene] = {}

    def __call__(
        self, *, settings: Settings | None = None, workers: bool = False, **options: Any
    ) -> Scene:
        """The training of a scene with these options, run to its end; each one once.

        Args:
            workers: Leave the loader its workers.
        """
        healthy = faultless(settings or {})
        key = repr((workers, sorted(options.items(), key=str), healthy))
        if key not in self._done:
            scene = Scene(self._folder / f"run-{len(self._done)}", settings=healthy, **options)
            alone = "num_workers=0", "persistent_workers=False"
            pairs = [] if workers else [f"train_dataloader.{one}" for one in alone]
            try:
                process = scene.start(scene.bare(*(["--cfg-options", *pairs] if pairs else [])))
                if scene.finish() != 0:
                    raise SceneError(f"exit {process.returncode}: {scene.last_words()}")
            finally:
                scene.clean_up()
            self._done[key] = scene
        return self._done[key]


def faultless(settings: Any) -> Any:
    """The same settings without their hangs."""
    if isinstance(settings, Mapping):
        return {k: [] if k == "hangs" else faultless(v) for k, v in settings.items()}
    if isinstance(settings, list):
        return [faultless(value) for value in settings]
    return settings


def nested(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """``{"a.b": 1}`` as ``{"a": {"b": 1}}``."""
    result: dict[str, Any] = {}
    for key, value in pairs.items():
        *path, last = key.split(".")
        place = result
        for name in path:
            place = place.setdefault(name, {})
        place[last] = value
    return result


def _filled(value: Any, folder: Path) -> Any:
    if isinstance(value, Mapping):
        return {k: _filled(v, folder) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_filled(v, folder) for v in value]
    return value.replace("{folder}", str(folder)) if isinstance(value, str) else value


def _write_config(path: Path, base: Path, settings: Mapping[str, Any]) -> None:
    lines = [f"_base_ = [{str(base)!r}]", *(f"{k} = {v!r}" for k, v in settings.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
