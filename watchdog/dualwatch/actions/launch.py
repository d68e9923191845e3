"""Starts a training, with the agent loaded through its environment."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from dualwatch import agent, protocol
from dualwatch.actions import windows_job
from dualwatch.core import own_session, process_identity
from dualwatch.core.errors import DualwatchError, writing
from dualwatch.core.files import write_atomically
from dualwatch.core.settings import SECRET_ENV
from dualwatch.protocol import environment as environment_names
from dualwatch.protocol import workers
from dualwatch.protocol.rehearsal import Order

SITE_FOLDER = agent.SITE_FOLDER


@dataclass(slots=True)
class Launched:
    """A started training, identified by (pid, create time).

    Attributes:
        job: The job object with its tree on Windows; None elsewhere.
        notes: Lines for the user about the start.
    """

    process: subprocess.Popen[bytes]
    create_time: float
    marker: str
    job: windows_job.Job | None = None
    notes: tuple[str, ...] = ()

    @property
    def pid(self) -> int:
        """Process id of the training's main process."""
        return self.process.pid

    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.process.poll()

    def wait(self, timeout: float) -> None:
        """Waits until it has ended, at most ``timeout`` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=timeout)


def environment(base: Mapping[str, str], attempt_dir: Path, marker: str) -> dict[str, str]:
    """The training's environment: the user's, plus what loads the agent.

    The user's own PYTHONPATH follows the agent's folder.
    """
    # Without the addresses and passwords of notifications.
    environ = {name: value for name, value in base.items() if name not in SECRET_ENV}
    own_path = environ.get("PYTHONPATH")
    environ["PYTHONPATH"] = os.pathsep.join(part for part in (str(SITE_FOLDER), own_path) if part)
    environ[protocol.ENV_ATTEMPT_DIR] = str(attempt_dir)
    environ[protocol.ENV_MARKER] = marker
    environ[protocol.ENV_SUPERVISOR] = str(os.getpid())
    if base.get(environment_names.OWN_BUILDS):
        environ[environment_names.BUILD_FOLDER] = str(
            attempt_dir.resolve().parent / "torch_extensions"
        )
    # The console is a file: without this Python would buffer lines for minutes.
    environ.setdefault("PYTHONUNBUFFERED", "1")
    return environ


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The user's part of the environment of a training that dualwatch started."""
    theirs = {key: value for key, value in environ.items() if key not in protocol.INTERNAL_ENV}
    path = theirs.get("PYTHONPATH", "").split(os.pathsep)
    path = [part for part in path if part and part != str(SITE_FOLDER)]
    theirs.pop("PYTHONPATH", None)
    return {**theirs, "PYTHONPATH": os.pathsep.join(path)} if path else theirs


def write_orders(
    attempt_dir: Path,
    overrides: Mapping[str, object],
    stretch: int,
    *,
    rescue: bool = True,
    parts: str = "",
    rehearsal: Order | None = None,
) -> None:
    """Writes the instructions for the agent, and the overrides alone for people.

    Args:
        parts: Pattern of words in the names of modules that the agent records at any depth.
        rehearsal: How much is rehearsed; None for the whole training.
    """
    orders: protocol.OverridesDocument = {
        "overrides": dict(overrides),
        "stretch": stretch,
        "rescue": rescue,
        "parts": parts,
        "rehearsal": rehearsal,
    }
    for name, data in (
        (protocol.OVERRIDES_FILE, orders),
        ("overrides.json", dict(overrides)),
    ):
        write_atomically(attempt_dir / name, json.dumps(data, indent=1).encode())


def write_trials(attempt_dir: Path, trials: Sequence[int | None], code: str) -> None:
    """Writes which fresh workers the agent may try once it has replaced a loader."""
    document: workers.TrialsDocument = {"trials": list(trials), "code": code}
    write_atomically(attempt_dir / workers.TRIALS_FILE, json.dumps(document).encode())


def launch(
    command: Sequence[str], attempt_dir: Path, marker: str, *, base: Mapping[str, str]
) -> Launched:
    """Starts a command in its own session, with its output in ``console.log``.

    A file and not a pipe: a training never waits for dualwatch, and survives it. A session of its
    own (on Windows a console): a Ctrl-C on the terminal reaches dualwatch alone, which stops the
    training in order, and the end of the terminal ends no training.

    Raises:
        DualwatchError: The command cannot be started.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    with writing(attempt_dir):
        console = os.open(attempt_dir / "console.log", flags, 0o600)
    options = own_session.options()
    if sys.platform == "win32":
        options["creationflags"] |= windows_job.CREATE_SUSPENDED
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            env=environment(base, attempt_dir, marker),
            **options,
        )
        joined = (
            windows_job.of_started(process)
            if sys.platform == "win32"
            else windows_job.JobAssignment(None)
        )
    except (OSError, psutil.Error) as error:
        raise DualwatchError(
            "the training cannot be started",
            why=f"{command[0]}: {getattr(error, 'strerror', None) or error}",
            do="correct --script, --python or the permissions of the file",
        ) from error
    finally:
        os.close(console)
    try:
        create_time = process_identity.created(psutil.Process(process.pid))
    except psutil.Error:
        create_time = 0.0  # Already ended; its exit code follows.
    why_not = joined.why_not
    notes = (f"{why_not}: its processes will be ended one by one",) if why_not else ()
    return Launched(process, create_time, marker, job=joined.job, notes=notes)
