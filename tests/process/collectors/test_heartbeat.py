"""Reading heartbeat records while they are being written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from dualwatch import protocol
from dualwatch.collectors.agent_files.heartbeat import HeartbeatFiles, read

from tests.support.systems import WINDOWS

TRAIN_STEP = protocol.PHASES.index(protocol.Phase.STEP)

RESTLESS_WRITER = """
import mmap, sys
from dualwatch import protocol
with open(sys.argv[1], "w+b") as file:
    file.truncate(protocol.RECORD_SIZE)
    mapped = mmap.mmap(file.fileno(), protocol.RECORD_SIZE)
    sequence = n = 0
    while True:
        n += 1
        rest = [n] * (len(protocol.HeartbeatRecord._fields) - 3)
        values = (1, 0, n % len(protocol.PHASES), *rest)
        sequence = protocol.write_record(mapped, sequence, values)
        if n == 1:
            print("ready", flush=True)
"""


def write(folder: Path, rank: int, beats: int, *, sequence: int = 0, changed: float = 0.0) -> Path:
    buffer = bytearray(protocol.RECORD_SIZE)
    fields = {
        "pid": 100 + rank,
        "rank": rank,
        "phase": TRAIN_STEP,
        "beats": beats,
        "epoch": 1,
        "iteration": 50,
        "batch": 40,
        "batches": 200,
        "max_epochs": 12,
        "changed": changed,
    }
    values = [fields.get(name, 0) for name in protocol.HeartbeatRecord._fields]
    protocol.write_record(buffer, sequence, values)
    path = folder / protocol.heartbeat_file(rank)
    path.write_bytes(buffer)
    return path


def test_all_fields_come_through(tmp_path: Path) -> None:
    write(tmp_path, 0, beats=7)
    with HeartbeatFiles(tmp_path) as heartbeats:
        (pulse,) = heartbeats.poll(1.0, 2.0)
    assert (pulse.at, pulse.wall, pulse.rank, pulse.pid, pulse.phase, pulse.beats) == (
        1.0,
        2.0,
        0,
        100,
        "train-step",
        7,
    )
    assert (pulse.epoch, pulse.iteration, pulse.batch, pulse.batches) == (1, 50, 40, 200)
    assert (pulse.max_epochs, pulse.max_iterations) == (12, 0)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [(400.0, (400.0, 900.0)), (600.0, (500.0, 1000.0))],  # the latter is of another boot
)
def test_one_look_tells_how_long_a_record_stands(tmp_path: Path, changed, expected) -> None:
    write(tmp_path, 0, beats=7, changed=changed)
    (pulse,) = read(tmp_path, 500.0, 1000.0)
    assert (pulse.at, pulse.wall) == expected


def test_changes_and_new_ranks_are_seen(tmp_path: Path) -> None:
    with HeartbeatFiles(tmp_path) as heartbeats:
        assert heartbeats.poll(0, 0) == []
        write(tmp_path, 1, beats=1)
        assert [pulse.rank for pulse in heartbeats.poll(0, 0)] == [1]
        write(tmp_path, 0, beats=1)
        write(tmp_path, 1, beats=2)
        assert [(pulse.rank, pulse.beats) for pulse in heartbeats.poll(0, 0)] == [(0, 1), (1, 2)]


@pytest.mark.skipif(WINDOWS, reason="Windows does not give the name of an open file to another")
def test_a_file_put_in_the_place_of_another_is_read(tmp_path: Path) -> None:
    with HeartbeatFiles(tmp_path) as heartbeats:
        path = write(tmp_path, 0, beats=1)
        heartbeats.poll(0, 0)
        path.unlink()
        write(tmp_path, 0, beats=9)
        heartbeats.poll(0, 0)
        assert [pulse.beats for pulse in heartbeats.poll(0, 0)] == [9]


@pytest.mark.parametrize("damage", ["odd", "short", "empty", "strange", "cut while open"])
def test_what_is_not_whole_is_not_believed(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path, 0, beats=1, sequence=1 if damage == "odd" else 0)
    with HeartbeatFiles(tmp_path) as heartbeats:
        if damage == "cut while open":
            assert len(heartbeats.poll(0, 0)) == 1
        if damage in ("short", "cut while open"):
            os.truncate(path, 20)
        elif damage == "empty":
            path.write_bytes(b"")
        elif damage == "strange":
            path.write_bytes(b"x" * protocol.RECORD_SIZE)
        assert heartbeats.poll(0, 0) == []


def test_other_files_and_a_missing_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "heartbeat-x.bin").write_bytes(b"")
    (tmp_path / "heartbeat-0.bin.tmp").write_bytes(b"")
    assert read(tmp_path, 0, 0) == []
    assert read(tmp_path / "nowhere", 0, 0) == []


def test_no_torn_record_is_ever_believed(tmp_path: Path, spawn: Any) -> None:
    writer = spawn(RESTLESS_WRITER, str(tmp_path / protocol.heartbeat_file(0)))
    assert writer.hello == "ready"
    seen = set()
    with HeartbeatFiles(tmp_path) as heartbeats:
        for _ in range(3000):
            for pulse in heartbeats.poll(0, 0):
                seen.add(pulse.beats)
                values = {pulse.beats, pulse.epoch, pulse.iteration, pulse.batch, pulse.batches}
                assert values == {pulse.beats}
                assert pulse.phase == protocol.PHASES[pulse.beats % len(protocol.PHASES)]
    assert len(seen) > 1
