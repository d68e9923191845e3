"""Runs against items: the checklist of the demo, healthy and with faults.

Trains the demo under ``dualwatch train`` once as it is and once with each fault, goes through the
checklist of each run, and prints a table: a row an item, a column a run. A healthy run must have no
failed item; a run with a fault must fail the items that the fault is of. Exits with 1 where not.

Needs the demo's data (``python bootstrap.py demo`` makes it), and takes about 15 minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import machine, say, table

CONFIGS = Path("configs/demo")
SOUND = "dualmacl_tiny_synthetic_2e.py"
SHORT = ("train_cfg.max_epochs=1",)
SIGNS = {"pass": "ok", "warn": "warn", "fail": "**fail**", "skip": "-", "pending": "..."}


@dataclass(frozen=True)
class Run:
    """One training, and the items that must fail; no other item may.

    Attributes:
        config: None for one that is only checked, never started.
        kill_at: Iteration at which its main process is killed, 0 for never.
        tolerated: Items that may fail as well: a fault has consequences.
    """

    name: str
    config: str = SOUND
    options: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    tolerated: tuple[str, ...] = ()
    trained: bool = True
    kill_at: int = 0


RUNS = (
    Run("healthy"),
    Run(
        "deadlock, resolved",
        config="dualmacl_tiny_synthetic_2e_deadlock.py",
        words=("--stall-timeout", "20s"),
    ),
    Run(
        "deadlock, stopped",
        config="dualmacl_tiny_synthetic_2e_deadlock.py",
        words=("--stall-timeout", "20s", "--on-stall", "stop"),
        fails=("no-stall",),
        tolerated=("alive",),
    ),
    Run(
        "no MACL",
        config="dual_tiny_synthetic_2e.py",
        options=SHORT,
        words=("--require", "loss_macl"),
        checked=("--profile", "macl-demo"),
        fails=("macl-in-model", "loss-macl", "required-metrics"),
        tolerated=("tensorboard-tags",),
    ),
    Run(
        "one modality",
        config="visible_tiny_synthetic_2e.py",
        options=SHORT,
        checked=("--profile", "macl-demo"),
        fails=("pairing", "macl-in-model", "preprocessor", "loss-macl"),
        tolerated=("tensorboard-tags",),
    ),
    Run(
        "shuffled pairs",
        config="dualmacl_tiny_synthetic_2e_shuffled.py",
        options=SHORT,
        fails=("epoch-1-loss-macl",),
        tolerated=("loss-macl-falls",),
    ),
    Run(
        "learning rate x 300",
        options=(*SHORT, "optim_wrapper.optimizer.lr=0.3", "optim_wrapper.clip_grad=None"),
        fails=("epoch-1-map",),
        tolerated=(
            "finite",
            "grad-norm",
            "grad-norm-at-50",
            "loss-macl-at-50",
            "loss-macl-falls",
            "epoch-1-loss-macl",
        ),
    ),
    Run(
        "no TensorBoard",
        options=(*SHORT, "visualizer.vis_backends=[]"),
        fails=("tensorboard-backend",),
    ),
    Run("killed", fails=("alive",), kill_at=60),
    Run(
        "no data",
        checked=("--select", "preflight"),
        options=("train_dataloader.dataset.dataset.data_root=data/nowhere",),
        fails=("data-present",),
        trained=False,
    ),
)


def main() -> int:
    """Trains, checks, prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", metavar="NAME", help="repeatable")
    arguments = parser.parse_args()
    runs = [run for run in RUNS if not arguments.only or run.name in arguments.only]
    folder = Path(tempfile.mkdtemp(prefix="dualwatch-checklist-"))
    documents: dict[str, dict[str, Any]] = {}
    try:
        for run in runs:
            say(f"{run.name} ...")
            documents[run.name] = trained_and_checked(run, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{machine()}\n")
    print(table(("item", *(run.name for run in runs)), rows(runs, documents)))
    wrong = [text for run in runs for text in verdict(run, documents[run.name])]
    for text in wrong:
        print(f"\n**wrong**: {text}")
    return 1 if wrong else 0


def trained_and_checked(run: Run, folder: Path) -> dict[str, Any]:
    """The document of ``dualwatch check --json`` on a run."""
    if not run.trained:
        target = _changed(run, folder)
        return _check(str(target), *run.checked)
    work_dir = folder / run.name.replace(" ", "-").replace(",", "")
    words = ["train", str(CONFIGS / run.config), "--work-dir", str(work_dir), *run.words]
    if run.options:
        words += ["--cfg-options", *run.options]
    process = subprocess.Popen(
        [sys.executable, "-m", "dualwatch", *words, "--json", "--port", "6306"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # Two threads of OpenMP that wait for each other on a busy machine are ten times as slow.
        env={"OMP_NUM_THREADS": "1", **os.environ},
    )
    _follow(process, run.kill_at)
    say(f"  exit code {process.wait()}")
    return _check(str(work_dir), *run.checked)


def _follow(process: subprocess.Popen[str], kill_at: int) -> None:
    """Reads its events to their end; kills the training where that is the fault."""
    assert process.stdout is not None
    pid = 0
    for line in process.stdout:
        event = json.loads(line)
        if event.get("kind") == "attempt-started":
            pid = event["pid"]
        if kill_at and event.get("kind") == "iteration-logged" and event["iteration"] >= kill_at:
            with contextlib.suppress(ProcessLookupError):
                subprocess.run(["kill", f"-{signal.SIGKILL.value}", str(pid)], check=False)
            kill_at = 0


def _changed(run: Run, folder: Path) -> Path:
    """A configuration upon the demo's with some options in force."""
    path = folder / "changed_macl_tiny_synthetic.py"
    base = (CONFIGS / run.config).resolve()
    lines = [f"_base_ = {str(base)!r}"]
    for option in run.options:
        key, _, value = option.partition("=")
        first, *more = key.split(".")
        inner = repr(value)
        for name in reversed(more):
            inner = f"dict({name}={inner})"
        lines.append(f"{first} = {inner}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _check(*words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "dualwatch", "check", *words, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout.startswith("{"):
        raise SystemExit(f"check {' '.join(words)} said: {done.stderr}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def rows(runs: list[Run], documents: dict[str, dict[str, Any]]) -> list[list[str]]:
    """A row an item, in the order of the longest checklist."""
    told = {
        name: {item["id"]: item["status"] for item in document["items"]}
        for name, document in documents.items()
    }
    longest = max(told.values(), key=len)
    return [
        [item, *(SIGNS.get(told[run.name].get(item, ""), "") for run in runs)] for item in longest
    ]


def verdict(run: Run, document: dict[str, Any]) -> list[str]:
    """What is not as it should be."""
    failed = {item["id"] for item in document["items"] if item["status"] == "fail"}
    wrong = [f"{run.name}: {item} should fail" for item in run.fails if item not in failed]
    more = failed - {*run.fails, *run.tolerated}
    return wrong + [f"{run.name}: {item} should not fail" for item in sorted(more)]


if __name__ == "__main__":
    sys.exit(main())
