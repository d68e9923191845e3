"""The fold: a night replayed from its journal is the night."""

from __future__ import annotations

import math

import pytest
from dualwatch.core.json_codec import plain
from dualwatch.events import (
    AgentReported,
    ErrorSeen,
    EvaluationLogged,
    FindingRaised,
    GpuSample,
    GpusSampled,
    IterationLogged,
    NotObserved,
    journal,
)
from dualwatch.protocol import Phase
from dualwatch.rules.registry import judge
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import KEPT_ERRORS, advance, advance_lines, fold


def eventful(story, frame, *, error: bool = True):
    """One of everything, and a stall at the end."""
    story.pulse(Phase.BUILDING).prints(20)
    story.tell(
        AgentReported, pid=100, rank=0, applied={"a.b": 1}, refused={"c": "built"}, work_dir="w"
    )
    story.trains(60).line(loss=1.0, loss_macl=math.nan).line(loss=math.inf)
    story.tell(EvaluationLogged, mode="val", epoch=1, iteration=2, total=2, metrics={"mAP": 0.5})
    if error:
        story.tell(
            ErrorSeen, exception="OSError", message="no \x1b[1m way", excerpt=("a",), worker=3
        )
    gpu = GpuSample(index=0, name="GPU", used=None, total=10, tree=None, utilisation=3)
    story.tell(GpusSampled, gpus=(gpu,)).tell(NotObserved, what="stacks of pid 7", why="Yama")
    story.paused(100).trains(20).stops_in(Phase.STEP).silent(200).captured(frame("forward"))
    story.silent(150)
    return story.tell(FindingRaised, finding=story.judged()[0])


@pytest.mark.parametrize("error", [False, True])
def test_a_journal_read_back_folds_to_the_same_snapshot(story, frame, tmp_path, error) -> None:
    eventful(story, frame, error=error)
    written = journal.Journal(tmp_path / "journal.jsonl")
    for event in story.events:
        written.append(event)
    written.close()

    again = fold(journal.read(tmp_path / "journal.jsonl"))

    # NaN is not equal to itself: compared as what would be written.
    assert plain(again) == plain(story.snapshot)
    limits = Thresholds(required=("loss_rpn",))
    assert judge(again, limits) == judge(story.snapshot, limits)
    assert {f.code for f in judge(again, limits)} >= {"DW102", "DW201", "DW203", "DW504"}


def test_folding_in_two_parts_is_folding_at_once(story, frame) -> None:
    events = eventful(story, frame).events
    for cut in range(0, len(events), 17):
        assert plain(fold(events[cut:], fold(events[:cut]))) == plain(fold(events))


def test_advance_leaves_the_old_snapshot_alone(story, frame) -> None:
    before = eventful(story, frame).snapshot
    kept = plain(before)
    for event in story.events:
        advance(before, event)
    assert plain(before) == kept


def test_a_new_attempt_knows_nothing_of_the_last(story, frame) -> None:
    eventful(story, frame).iteration = 0
    story.started(attempt=1)
    s = story.snapshot
    assert s.started is not None
    assert s.started.attempt == 1
    assert (s.pulses, s.gaps, s.stacks, s.errors, s.metrics, s.last_iteration) == (
        {},
        {},
        (),
        (),
        {},
        None,
    )
    assert s.progress_at == story.t


def test_errors_are_bounded_and_the_newest_are_kept(story) -> None:
    for number in range(KEPT_ERRORS + 5):
        story.tell(ErrorSeen, exception="ValueError", message=str(number))
    kept = [error.message for error in story.snapshot.errors]
    assert kept == [str(number) for number in range(5, KEPT_ERRORS + 5)]


def test_only_the_first_rank_speaks_for_the_agent(story) -> None:
    for rank in (1, 0, 2):
        story.tell(AgentReported, pid=rank, rank=rank, applied={}, refused={}, work_dir="")
    assert story.snapshot.agent is not None
    assert story.snapshot.agent.rank == 0


@pytest.mark.parametrize(
    ("epoch", "expected"), [(1, 10), (3, 410), (None, 10)], ids=["first", "third", "iterations"]
)
def test_without_an_agent_iterations_are_counted_from_the_log(story, epoch, expected) -> None:
    story.line(epoch=epoch, loss=1.0)
    assert story.snapshot.last_iteration == expected


def test_the_heartbeat_knows_better_than_the_log(story) -> None:
    story.trains(7).line(epoch=3, loss=1.0)
    assert (story.snapshot.first_iteration, story.snapshot.last_iteration) == (1, 7)


def test_a_resumed_attempt_counts_from_where_it_began(story) -> None:
    story.pulse(Phase.WAITING, begun=200, iteration=200)
    assert story.snapshot.last_iteration is None
    story.wait(1).pulse(Phase.WAITING, begun=200, iteration=201)
    assert (story.snapshot.first_iteration, story.snapshot.last_iteration) == (201, 201)


@pytest.mark.parametrize("with_agent", [False, True])
def test_lines_taken_together_are_lines_taken_one_by_one(story, with_agent) -> None:
    begun = story.started()
    if with_agent:
        begun = begun.pulse(Phase.STEP, iteration=1)
    lines = [
        IterationLogged(
            at=100.0 + n,
            wall=100.0 + n,
            mode="train",
            epoch=1,
            iteration=n,
            total=200,
            metrics={"loss": 1.0 / n, "lr": 0.1},
        )
        for n in range(1, 150)
    ]
    before = fold(begun.events)

    assert advance_lines(before, lines) == fold(lines, before)
