"""What the supervisor and the agent say to each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from dualwatch import protocol
from dualwatch.protocol import PHASES, RECORD_SIZE, HeartbeatRecord, read_record, write_record

STEP = PHASES.index(protocol.Phase.STEP)
VALUES = (41, 3, STEP, 7, 1, 0, 50, 40, 200, 12, 2400, 99.5)


def written(sequence: int = 0, values: tuple[float, ...] = VALUES) -> bytearray:
    buffer = bytearray(RECORD_SIZE)
    write_record(buffer, sequence, values)
    return buffer


def test_a_record_comes_back() -> None:
    assert read_record(bytes(written())) == HeartbeatRecord(*VALUES)._replace(phase="train-step")


def test_the_sequence_goes_up_by_two() -> None:
    buffer = bytearray(RECORD_SIZE)
    sequence = 0
    for expected in (2, 4, 6):
        sequence = write_record(buffer, sequence, VALUES)
        assert sequence == expected


@pytest.mark.parametrize("values", [(1, 2, 3), ("no", *VALUES[1:])], ids=["too few", "no number"])
def test_a_writer_that_was_stopped_in_the_middle_is_not_believed(values) -> None:
    buffer = written()
    with pytest.raises(Exception, match=r"pack|argument"):
        write_record(buffer, 2, values)
    assert read_record(bytes(buffer)) is None
    write_record(buffer, 4, VALUES)
    assert read_record(bytes(buffer)) is not None


def corrupted(at: int, value: int) -> bytes:
    buffer = written()
    buffer[at] = value
    return bytes(buffer)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(RECORD_SIZE),
        bytes(written())[:-1],
        corrupted(0, 0),
        corrupted(8, 1),
        corrupted(8, 3),
        corrupted(8, 0),
        bytes(written(values=(*VALUES[:2], len(PHASES), *VALUES[3:]))),
        bytes(written(values=(*VALUES[:2], -1, *VALUES[3:]))),
    ],
    ids=[
        "empty",
        "never written",
        "cut",
        "not ours",
        "odd at first",
        "odd later",
        "no sequence",
        "phase of a later version",
        "no phase",
    ],
)
def test_what_is_no_whole_record(data) -> None:
    assert read_record(data) is None


def test_a_longer_record_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert read_record(bytes(written()) + b"more") == read_record(bytes(written()))


def test_the_phases_have_their_numbers_for_ever() -> None:
    # Append only: an agent of one version is read by a supervisor of another.
    assert PHASES == (
        "starting",
        "building",
        "building-data",
        "loading-checkpoint",
        "waiting-for-batch",
        "train-step",
        "waiting-for-val-batch",
        "val-step",
        "computing-metrics",
        "saving-checkpoint",
        "finished",
    )
    named = {value for name, value in vars(protocol.Phase).items() if not name.startswith("_")}
    by_a_log_alone = {"training", "first-iteration", "not-run"}
    assert named == set(PHASES) | by_a_log_alone
    assert not protocol.STARTUP_PHASES & protocol.VALIDATION_PHASES


@pytest.mark.parametrize(
    ("environ", "rank"),
    [
        ({}, 0),
        ({"RANK": "3"}, 3),
        ({"RANK": "0", "SLURM_PROCID": "5"}, 0),
        ({"SLURM_PROCID": "5"}, 5),
        ({"OMPI_COMM_WORLD_RANK": "2"}, 2),
        ({"RANK": "", "OMPI_COMM_WORLD_RANK": "2"}, 2),
        ({"RANK": "none"}, 0),
        ({"RANK": "-1"}, 0),
        ({"LOCAL_RANK": "4"}, 0),
    ],
    ids=str,
)
def test_the_rank_of_a_process(environ, rank) -> None:
    assert protocol.rank_from_environment(environ) == rank


def test_each_rank_has_its_own_files() -> None:
    files = (protocol.heartbeat_file, protocol.agent_file, protocol.batch_file)
    names = {name(rank) for rank in range(12) for name in files}
    assert len(names) == 36


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has the signal that is sent")
def test_the_signal_for_stacks_does_nothing_where_nobody_waits_for_it() -> None:
    # Whatever else it is, it must never end a program that was just started.
    number = getattr(signal, protocol.STACKS_SIGNAL)
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import os; os.kill(os.getpid(), {int(number)})"],
        check=False,
    )
    assert done.returncode == 0
