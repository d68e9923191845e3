"""Recorded runs: 107 trainings of the corpus, the demo, the trainings of the recovery tests.

Journals, summaries and consoles as version 0.1.0 wrote them; only paths and the machine's name were
replaced. ``expected.json`` holds that version's answers but for one change that was wanted: causes
hold no warning that explains neither how the run ended nor its stall. So DW204 is no cause of
demo-deadlock, of cure-test_by_rescue_and_rerun_it_se0 and of cure-test_in_place_the_detector_bec0,
and DW115 none of worker-is-stopped. Where dualwatch itself stopped a training, that is DW609 and no
longer DW606 (an error of the script); a main process that a signal from outside ended is DW609,
too (main-is-killed, main-is-stopped, worker-is-stopped). ``diagnose`` exits with 1 for a warning.
Speed is judged: big-samples and many-tensors wait for their data most of the time (DW209). Of a
training that finished, warnings about its speed, its surroundings or the targets of a profile are
no causes, and ``diagnose`` exits with 0 as ``train`` did. A training that died before its first
line has no slow start.
"""

from __future__ import annotations

import functools
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent


@functools.cache
def expected() -> dict[str, Any]:
    """Run -> what was said about it when it was recorded."""
    answers: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
    return answers


@functools.cache
def unpacked() -> Path:
    """A folder with one work dir a run; it goes with the process."""
    holder = _kept(tempfile.TemporaryDirectory(prefix="dualwatch-recorded-"))
    with tarfile.open(FOLDER / "runs.tar.xz") as archive:
        archive.extractall(holder, filter="data")
    return Path(holder)


_folders: list[tempfile.TemporaryDirectory[str]] = []


def _kept(folder: tempfile.TemporaryDirectory[str]) -> str:
    _folders.append(folder)
    return folder.name


def journal_of(name: str) -> Path:
    """The journal of a run."""
    return unpacked() / name / "dualwatch" / "journal.jsonl"
