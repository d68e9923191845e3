"""The checks of the chaos find what is wrong; a check that finds nothing would pass for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dualwatch.core.json_codec import encode
from dualwatch.events import AttemptStarted, HeartbeatRead

from benchmarks.chaos import checks
from benchmarks.chaos.faults import BATCH, EPOCHS, LENGTH, Played
from tests.training.recovery.scene import Scene


@pytest.fixture
def healthy(tmp_path: Path) -> Scene:
    """What a round leaves in which nothing went wrong."""
    made = Scene(tmp_path / "scene")
    made.own.mkdir(parents=True)
    lines = [
        {
            "mode": "train",
            "epoch": epoch,
            "iteration": 0,
            "position": start,
            "samples": list(range(start, start + BATCH)),
            "rate": 0.1,
            "pid": 1,
            "since": 0.0,
            "wall": 0.0,
        }
        for epoch in range(EPOCHS)
        for start in range(0, LENGTH, BATCH)
    ]
    (made.folder / "consumed.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    summary = {"outcome": "completed", "exit_code": 0, "attempts": [{}]}
    (made.own / "summary.json").write_text(json.dumps(summary))
    _journal(made.own / "journal.jsonl", resumed_from=None)
    return made


def _journal(path: Path, resumed_from: Path | None) -> None:
    started = AttemptStarted(
        at=0.0,
        wall=0.0,
        attempt=0,
        pid=1,
        create_time=0.0,
        command=(),
        overrides={},
        resumed_from=str(resumed_from) if resumed_from else None,
    )
    numbers = {"epoch": 0, "begun": 3, "iteration": 4, "batch": 0, "batches": 0}
    pulse = HeartbeatRead(
        at=1.0,
        wall=1.0,
        rank=0,
        pid=1,
        phase="train-step",
        beats=1,
        max_epochs=0,
        max_iterations=0,
        **numbers,
    )
    path.write_bytes(b"".join(encode(event) + b"\n" for event in (started, pulse)))


def found(scene: Scene, **played: Any) -> str:
    return "; ".join(checks.violations(scene, Played(**{"codes": [0], **played})))


def test_nothing_is_found_where_nothing_is_wrong(healthy: Scene):
    assert found(healthy) == ""


def test_a_doubled_sample_is_found_unless_it_was_learnt_again(healthy: Scene):
    book = healthy.folder / "consumed.jsonl"
    again = json.loads(book.read_text().splitlines()[-1]) | {"pid": 2}
    book.write_text(book.read_text() + json.dumps(again) + "\n")

    assert "epoch 1: doubled 4" in found(healthy)
    assert found(healthy, whole=False) == ""


def test_a_lost_sample_is_found_either_way(healthy: Scene):
    book = healthy.folder / "consumed.jsonl"
    book.write_text("".join(line + "\n" for line in book.read_text().splitlines()[1:]))

    assert "epoch 0: lost 4 (0, 1, 2, 3)" in found(healthy)
    assert "epoch 0: lost 4" in found(healthy, whole=False)


def test_a_cut_line_needs_a_supervisor_that_was_killed(healthy: Scene):
    path = healthy.own / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"kind": "pul')

    assert "its last line is cut" in found(healthy)
    assert found(healthy, cut=1) == ""
    path.write_bytes(b"[]\n" + path.read_bytes())
    assert "line 1 is damaged" in found(healthy, cut=1)


def test_a_damaged_checkpoint_must_not_teach(healthy: Scene):
    path = healthy.work_dir / "rescue_iter_3.pth"
    path.write_bytes(b"half of it")
    _journal(healthy.own / "journal.jsonl", resumed_from=path)

    assert "which does not load" in found(healthy)
    assert "trained on from" in found(healthy, damaged=[path])


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"outcome": "completed", "exit_code": 5, "attempts": [{}]}, "with exit code 5"),
        ({"outcome": "failed", "exit_code": 5, "attempts": [{}]}, "its summary says 5"),
        ({"outcome": None, "exit_code": None, "attempts": [{}]}, "outcome None"),
        ({"outcome": "completed", "exit_code": 0, "attempts": []}, "no attempt"),
    ],
)
def test_an_end_that_is_not_explained_is_found(
    healthy: Scene, document: dict[str, Any], complaint: str
):
    (healthy.own / "summary.json").write_text(json.dumps(document))

    assert complaint in found(healthy)


def test_no_summary_is_found(healthy: Scene):
    (healthy.own / "summary.json").unlink()

    assert "cannot be read" in found(healthy)
