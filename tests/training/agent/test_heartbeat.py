"""The heartbeat as the agent writes it and the supervisor reads it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import dualwatch
import pytest
from dualwatch import protocol
from dualwatch.agent.heartbeat import HeartbeatWriter
from dualwatch.collectors.agent_files.heartbeat import read


def test_a_pulse_arrives_with_all_its_fields(tmp_path) -> None:
    heart = HeartbeatWriter(str(tmp_path), 3)
    heart.epoch, heart.begun, heart.iteration = 2, 400, 450
    heart.batch, heart.batches, heart.max_epochs, heart.max_iterations = 50, 200, 12, 2400
    heart.beat(protocol.Phase.SAVING)
    (pulse,) = read(tmp_path, 1.0, 2.0)
    assert (pulse.at, pulse.wall) == (1.0, 2.0)
    assert (pulse.rank, pulse.pid, pulse.phase, pulse.beats) == (
        3,
        os.getpid(),
        "saving-checkpoint",
        1,
    )
    assert (pulse.epoch, pulse.begun, pulse.iteration) == (2, 400, 450)
    assert (pulse.batch, pulse.batches) == (50, 200)
    assert (pulse.max_epochs, pulse.max_iterations) == (12, 2400)


@pytest.mark.parametrize("phase", protocol.PHASES)
def test_every_phase_arrives(tmp_path, phase) -> None:
    heart = HeartbeatWriter(str(tmp_path), 0)
    for beats in (1, 2):
        heart.beat(phase)
        (pulse,) = read(tmp_path, 0.0, 0.0)
        assert (pulse.phase, pulse.beats) == (phase, beats)
    assert heart.phase == phase


def test_before_the_first_beat_there_is_nothing(tmp_path) -> None:
    HeartbeatWriter(str(tmp_path), 0)
    assert read(tmp_path, 0.0, 0.0) == []


def test_before_training_begins_it_has_not_begun(tmp_path) -> None:
    HeartbeatWriter(str(tmp_path), 0).beat(protocol.Phase.BUILDING)
    (pulse,) = read(tmp_path, 0.0, 0.0)
    assert (pulse.begun, pulse.iteration) == (-1, 0)


def test_ranks_have_their_own_records(tmp_path) -> None:
    for rank in (1, 0):
        HeartbeatWriter(str(tmp_path), rank).beat(protocol.Phase.STEP)
    assert [pulse.rank for pulse in read(tmp_path, 0.0, 0.0)] == [0, 1]


def test_a_second_runner_of_the_process_goes_on_in_the_same_record(tmp_path) -> None:
    first = HeartbeatWriter(str(tmp_path), 0)
    for _ in range(5):
        first.beat(protocol.Phase.STEP)
    HeartbeatWriter(str(tmp_path), 0).beat(protocol.Phase.BUILDING)
    (pulse,) = read(tmp_path, 0.0, 0.0)
    assert pulse.phase == "building"


@pytest.mark.skipif(os.name == "nt", reason="the permissions are those of POSIX")
def test_only_its_owner_can_read_it(tmp_path) -> None:
    before = os.umask(0)
    try:
        HeartbeatWriter(str(tmp_path), 0)
    finally:
        os.umask(before)
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_last_beat_outlives_its_process(tmp_path) -> None:
    code = (
        "import os, sys\n"
        "from dualwatch.agent.heartbeat import HeartbeatWriter\n"
        "HeartbeatWriter(sys.argv[1], 0).beat('train-step')\n"
        "os._exit(9)\n"
    )
    watchdog = Path(dualwatch.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(watchdog)},
        check=False,
    )
    assert done.returncode == 9
    (pulse,) = read(tmp_path, 0.0, 0.0)
    assert pulse.phase == "train-step"
    assert pulse.pid != os.getpid()
