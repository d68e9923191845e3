"""Reading the agents' notes of batches and losses."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from dualwatch import protocol
from dualwatch.collectors.agent_files.batches import BatchFiles
from dualwatch.collectors.agent_files.records import MAX_BYTES, MAX_LINES

RECORD: dict[str, Any] = {
    "rank": 0,
    "iteration": 1,
    "outline": ["inputs.visible: Tensor 2x3x512x640"],
    "losses": ["loss", "loss_macl"],
}


def write(folder: Path, data: Any = None, rank: int = 0, **changes: Any) -> None:
    """Puts a record in its place as the agent does."""
    if not isinstance(data, bytes):
        data = json.dumps({**RECORD, "rank": rank, **changes} if data is None else data).encode()
    path = folder / protocol.batch_file(rank)
    path.with_suffix(".tmp").write_bytes(data)
    os.replace(path.with_suffix(".tmp"), path)


def test_a_record_is_given_once_and_again_when_it_changes(tmp_path: Path) -> None:
    batches = BatchFiles(tmp_path)
    assert batches.poll(0, 0) == []
    write(tmp_path)
    (event,) = batches.poll(1.0, 2.0)
    assert (event.at, event.wall, event.rank, event.iteration) == (1.0, 2.0, 0, 1)
    assert event.outline == ("inputs.visible: Tensor 2x3x512x640",)
    assert event.losses == ("loss", "loss_macl")
    assert batches.poll(3.0, 4.0) == []
    write(tmp_path, iteration=2)  # As long as before, and perhaps in the same tick of the clock.
    assert [event.iteration for event in batches.poll(0, 0)] == [2]


def test_every_rank_has_its_own(tmp_path: Path) -> None:
    for rank in (10, 2):
        write(tmp_path, rank=rank)
    batches = BatchFiles(tmp_path)
    assert [event.rank for event in batches.poll(0, 0)] == [2, 10]
    write(tmp_path, rank=10, iteration=5)
    assert [(event.rank, event.iteration) for event in batches.poll(0, 0)] == [(10, 5)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        json.dumps(RECORD).encode()[:40],
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b" " * MAX_BYTES + json.dumps(RECORD).encode(),
        [],
        "text",
        {},
        {**RECORD, "rank": "0"},
        {**RECORD, "rank": -1},
        {**RECORD, "iteration": None},
        {**RECORD, "iteration": True},
        {**RECORD, "outline": None},
        {**RECORD, "outline": "inputs"},
        {**RECORD, "losses": [1, 2]},
        {key: value for key, value in RECORD.items() if key != "losses"},
    ],
    ids=lambda data: repr(data)[:40],
)
def test_what_is_no_record_is_passed_over_until_it_is_one(tmp_path: Path, data: Any) -> None:
    batches = BatchFiles(tmp_path)
    write(tmp_path, data)
    assert batches.poll(0, 0) == []
    write(tmp_path)
    assert len(batches.poll(0, 0)) == 1


def test_text_from_outside_is_cleaned_and_bounded(tmp_path: Path) -> None:
    write(tmp_path, outline=["a\x1b[2J\nb"] * 1000, losses=["x" * 5000])
    (event,) = BatchFiles(tmp_path).poll(0, 0)
    assert event.outline == ("ab",) * MAX_LINES
    assert len(event.losses[0]) == 200


def test_a_batch_without_losses_has_none_and_is_seen(tmp_path: Path) -> None:
    write(tmp_path, losses=[])
    (event,) = BatchFiles(tmp_path).poll(0, 0)
    assert event.losses == ()


def test_other_files_and_a_missing_folder_are_left_alone(tmp_path: Path) -> None:
    for name in ("batch-x.json", "batch-0.json.tmp", "orders.json"):
        (tmp_path / name).write_text(json.dumps(RECORD), encoding="utf-8")
    (tmp_path / "batch-3.json").mkdir()
    assert BatchFiles(tmp_path).poll(0, 0) == []
    assert BatchFiles(tmp_path / "nowhere").poll(0, 0) == []
