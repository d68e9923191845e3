"""The tests' tiny training as a load: bare, supervised by dualwatch, or under torchrun's agent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from benchmarks.measure import ROOT

SCRIPT = ROOT / "tests" / "trainings" / "tiny.py"
CONFIG = ROOT / "tests" / "trainings" / "tiny_cfg.py"
BATCH = 4
"""Samples of a batch in ``tiny_cfg.py``."""

_GRACE = 30.0


def options(*, iterations: int, epochs: int, pause: float, log_every: int) -> list[str]:
    """``--cfg-options`` of a training whose iterations take ``pause`` seconds and a little.

    The logged ``time`` is the mean of the iterations since the line before.
    """
    return [
        f"train_dataloader.dataset.length={iterations * BATCH}",
        f"train_cfg.max_epochs={epochs}",
        f"model.pause={pause}",
        f"default_hooks.logger.interval={log_every}",
        f"log_processor.window_size={log_every}",
    ]


def bare(work_dir: Path, pairs: Sequence[str], config: Path = CONFIG) -> list[str]:
    """The training without dualwatch."""
    return [sys.executable, *_arguments(work_dir, pairs, config)]


def supervised(work_dir: Path, pairs: Sequence[str], config: Path = CONFIG) -> list[str]:
    """The same under ``dualwatch train``, without TensorBoard."""
    words = [sys.executable, "-m", "dualwatch", "train", str(config), "--script", str(SCRIPT)]
    words += ["--work-dir", str(work_dir), "--no-tensorboard"]
    return [*words, "--cfg-options", *pairs]


def by_torchrun(work_dir: Path, pairs: Sequence[str], config: Path = CONFIG) -> list[str]:
    """The same under torchrun's agent, one process."""
    agent = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]
    return [sys.executable, *agent, *_arguments(work_dir, pairs, config)]


@contextlib.contextmanager
def started(
    words: Sequence[str],
    output: IO[bytes],
    *,
    stderr: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a training in a session of its own; ends it in order if the caller leaves early."""
    process = subprocess.Popen(
        words,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if stderr is None else stderr,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def last_words(output: IO[Any], count: int = 15) -> str:
    """The end of what a training printed, for when it failed."""
    output.seek(0)
    text: bytes = output.read()
    return "\n".join(text.decode("utf-8", "replace").splitlines()[-count:])


def _arguments(work_dir: Path, pairs: Sequence[str], config: Path) -> list[str]:
    return [str(SCRIPT), str(config), "--work-dir", str(work_dir), "--cfg-options", *pairs]
