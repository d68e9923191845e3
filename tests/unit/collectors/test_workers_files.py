"""Steps with the workers of replaced loaders, as the agents record them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dualwatch.actions.launch import write_trials
from dualwatch.agent.heartbeat import HeartbeatWriter
from dualwatch.agent.torch.probation import Probation
from dualwatch.collectors.agent_files.workers import WorkersFiles
from dualwatch.protocol import Phase
from dualwatch.protocol.workers import WorkersReason, WorkersStep, steps_file


@pytest.fixture
def probation(tmp_path: Path) -> Probation:
    heart = HeartbeatWriter(str(tmp_path), 0)
    heart.iteration = 40
    heart.beat(Phase.WAITING)
    return Probation(str(tmp_path), heart)


def test_what_the_agent_notes_is_read_once(tmp_path: Path, probation: Probation) -> None:
    reader = WorkersFiles(tmp_path)
    probation.note(WorkersStep.GAIN, WorkersReason.WAITS, count=2, without_s=0.45, fresh_s=0.18)
    (step,) = reader.poll(1.0, 2.0)
    assert (step.iteration, step.step, step.workers) == (40, WorkersStep.GAIN, 2)
    assert (step.before_s, step.without_s, step.fresh_s) == (None, 0.45, 0.18)
    assert reader.poll(1.0, 2.0) == []


def test_a_later_supervisor_reads_what_is_new(tmp_path: Path, probation: Probation) -> None:
    probation.note(WorkersStep.STARTING, WorkersReason.WAITS)
    reader = WorkersFiles(tmp_path, from_end=True)
    assert reader.poll(0.0, 0.0) == []
    probation.note(WorkersStep.TAKEN_OVER, WorkersReason.WAITS)
    assert [step.step for step in reader.poll(0.0, 0.0)] == [WorkersStep.TAKEN_OVER]


def test_what_is_no_step_is_passed_over(tmp_path: Path, probation: Probation) -> None:
    probation.note("later-version", "unknown")
    path = tmp_path / steps_file(0)
    path.write_text(path.read_text() + "nonsense\n[]\n" + json.dumps({"step": "gain"}) + "\n")
    assert WorkersFiles(tmp_path).poll(0.0, 0.0) == []


def test_the_trials_that_the_supervisor_allows(tmp_path: Path, probation: Probation) -> None:
    probation.begin()
    assert probation.reason_against == WorkersReason.ASKED
    write_trials(tmp_path, (None, 1), "DW111")
    probation.begin()
    assert (probation.reason_against, probation.count(4)) == ("", 4)
    probation.relapses += 1
    assert (probation.reason_against, probation.count(4)) == ("", 1)
    probation.relapses += 1
    assert probation.reason_against == WorkersReason.USED_UP
