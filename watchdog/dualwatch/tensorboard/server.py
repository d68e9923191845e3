"""TensorBoard as a supervised process on loopback."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from dualwatch.actions import terminate
from dualwatch.core import process_identity

HOST = "127.0.0.1"
PORTS_TO_TRY = 50


@dataclass(slots=True)
class TensorBoardServer:
    """A running TensorBoard.

    Attributes:
        asked: The port that was asked for; another one is used where it was taken.
    """

    process: subprocess.Popen[bytes]
    identity: terminate.Identity
    port: int
    asked: int

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://localhost:{self.port}/"

    def stop(self) -> None:
        """Ends it and its data server."""
        tree = {self.identity}
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(self.process.pid).children(recursive=True)
            tree |= {(child.pid, process_identity.created(child)) for child in children}
        terminate.stop(tree, grace=3.0)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=3.0)


def free_port(first: int) -> int | None:
    """The first port from ``first`` upwards that is free on loopback; None where none is."""
    for port in range(first, min(first + PORTS_TO_TRY, 65536)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            if sys.platform != "win32":
                # Windows takes this for leave to share a port that is in use.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return port
    return None


def is_installed(python: str) -> bool:
    """Whether a Python has TensorBoard; True where unknown, as the start will show it."""
    look = "from importlib.util import find_spec as f; exit(0 if f('tensorboard') else 3)"
    try:
        done = subprocess.run(
            [python, "-c", look], stdin=subprocess.DEVNULL, capture_output=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    return done.returncode != 3


def _die_with_parent() -> None:
    """In the child, before it becomes TensorBoard: killed as we may be, the port gets free."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM, 0, 0, 0)


def start(python: str, logdir: Path, port: int, log: Path) -> TensorBoardServer | str:
    """Starts TensorBoard with the training's Python, or says why not.

    Args:
        python: Interpreter that has tensorboard installed.
        logdir: Folder whose event files are shown.
        log: Where its own output goes.
    """
    free = free_port(port)
    if free is None:
        return f"no free port from {port} to {port + PORTS_TO_TRY - 1}"
    try:
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        return str(error)
    command = [python, "-m", "tensorboard.main", "--logdir", str(logdir)]
    command += ["--host", HOST, "--port", str(free)]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            # Its own session: a Ctrl-C on our terminal must not end it before we do.
            start_new_session=sys.platform != "win32",
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        create_time = process_identity.created(psutil.Process(process.pid))
    except (OSError, psutil.Error) as error:
        return str(error)
    finally:
        os.close(stream)
    return TensorBoardServer(process, (process.pid, create_time), free, port)
