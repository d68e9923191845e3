"""Small real processes with a handshake; whatever a test leaves is ended by its marker."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.paths import WATCHDOG

Start = Callable[..., "subprocess.Popen[str]"]


def _marked(marker: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            own = process.environ().get("DUALWATCH_MARKER")
            if own == marker and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.fixture
def marker() -> str:
    """What the processes of one test carry in their environment."""
    return uuid.uuid4().hex


@pytest.fixture
def left(marker: str) -> Callable[[], list[psutil.Process]]:
    """Living processes of this test."""
    return lambda: _marked(marker)


@pytest.fixture
def start(marker: str, tmp_path: Path) -> Iterator[Start]:
    """Starts ``python -c code`` and returns when it has printed its first line, in ``.hello``."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        path = os.pathsep.join(filter(None, [str(WATCHDOG), os.environ.get("PYTHONPATH", "")]))
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "DUALWATCH_MARKER": marker, **environment},
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        process.hello = process.stdout.readline().strip()  # type: ignore[attr-defined]
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
    for orphan in _marked(marker):
        with contextlib.suppress(psutil.Error):
            orphan.kill()
