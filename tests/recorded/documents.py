"""What ``check --json`` and ``diagnose --json`` say of a run's folder, without what its age, this
machine and the wording decide."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.paths import WATCHDOG

OF_THIS_MACHINE = (
    "disk",
    "shared-memory",
    "memory",
    "open-files",
    "gpu-memory",
    "stacks",
    "orphans",
    "console-encoding",
    "tensorboard",
)
"""Items of the checklist that look at the machine on which ``check`` runs."""


def of(folder: Path) -> dict[str, Any]:
    """Exit code and items of ``check``; exit code, phase and causes of ``diagnose``."""
    code, checked = _document("check", folder)
    items = [
        [item["id"], item["status"], item["code"]]
        for item in checked.get("items", [])
        if item["id"] not in OF_THIS_MACHINE
    ]
    exit_code, diagnosed = _document("diagnose", folder)
    causes = [
        [
            cause["code"],
            cause["severity"],
            round(cause["confidence"], 3),
            cause.get("attempt"),
            cause.get("rank"),
            cause.get("pid"),
        ]
        for cause in diagnosed.get("causes", [])
    ]
    return {
        "check": {"exit": code, "items": items},
        "diagnose": {
            "exit": exit_code,
            "phase": diagnosed.get("phase"),
            "causes": causes,
            "keys": sorted(diagnosed),
        },
    }


def _document(command: str, folder: Path) -> tuple[int, dict[str, Any]]:
    path = os.pathsep.join(filter(None, [str(WATCHDOG), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "dualwatch", command, str(folder), "--json"],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    # Where nothing can be looked at there is no document: the exit code says so.
    return done.returncode, dict(json.loads(done.stdout)) if done.stdout else {}
