"""Folders that tests refer to."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WATCHDOG = ROOT / "watchdog"
TRAININGS = ROOT / "tests" / "trainings"
