"""The corpus itself, and its quick part: real trainings with a short stall timeout."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from dualwatch.events import (
    AttemptStarted,
    Decided,
    Event,
    Evidence,
    Finding,
    FindingRaised,
    HeartbeatRead,
    Severity,
)
from dualwatch.protocol import Phase
from dualwatch.rules.catalog import BY_CODE, finding

from tests.corpus import exercise
from tests.corpus.actors import ACTORS
from tests.corpus.case import Case
from tests.corpus.corpus import BY_NAME, CASES, FAULTY, HEALTHY, NOT_MADE
from tests.corpus.judged import Judged, judged, printed

# Its trainings are shared: they run once where the tests stay in one process.
pytestmark = pytest.mark.xdist_group("corpus")

STALL_TIMEOUT = 5.0
AT_ONCE = 2

QUICK = (
    "lock held while forking",
    "transform loops",
    "dataset list loops",
    "forward sleeps",
    "worker is killed",
    "broken sample without workers",
    "CUDA out of memory",
    "loss becomes NaN",
    "data is not there",
    "silent busy evaluation",
)


# --- the table --------------------------------------------------------------------------------


def test_every_code_that_can_be_made_here_has_a_case():
    made = {code for case in CASES for code in case.expected}

    assert made | set(NOT_MADE) == set(BY_CODE)
    assert made.isdisjoint(NOT_MADE)


def test_there_are_enough_of_both_kinds():
    assert len(FAULTY) >= 30
    assert len(HEALTHY) >= 15
    assert len(BY_NAME) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_is_whole(case):
    assert BY_NAME[case.twin].healthy
    assert case.healthy or case.expected
    assert len(case.expected) <= 2
    assert set(case.actors) <= set(ACTORS)
    if case.script:
        assert (exercise.TRAININGS / case.script).is_file()


# --- how a verdict is read ----------------------------------------------------------------------

FAULT = Case(name="a", cause="b", expected=("DW111",))
WELL = Case(name="c", cause="d", healthy=True)


def started(at: float = 0.0, attempt: int = 0) -> AttemptStarted:
    return AttemptStarted(
        at=at, wall=at, attempt=attempt, pid=1, create_time=0.0, command=(), overrides={}
    )


def pulse(at: float) -> HeartbeatRead:
    return HeartbeatRead(
        at=at,
        wall=at,
        rank=0,
        pid=1,
        phase=Phase.STEP,
        beats=int(at),
        epoch=0,
        begun=0,
        iteration=int(at),
        batch=1,
        batches=8,
        max_epochs=1,
        max_iterations=8,
    )


def said(at: float, code: str, severity: Severity | None = None) -> FindingRaised:
    evidence = [Evidence(text="seen", source="py-spy")]
    verdict: Finding = finding(code, evidence, confidence=0.9, severity=severity)
    return FindingRaised(at=at, wall=at, finding=verdict)


def acted(at: float, action: str) -> Decided:
    return Decided(at=at, wall=at, action=action, reason="because")


STALL: tuple[Event, ...] = (
    started(),
    pulse(7),
    said(17, "DW104"),
    said(27, "DW102"),
    said(28, "DW111"),
)


def test_the_cause_comes_before_its_symptom_and_times_count_from_the_last_progress():
    result = judged(FAULT, [*STALL, acted(29, "give-up")], 4)

    assert result.right
    assert (result.first, result.suspected, result.named) == ("DW111", 10.0, 21.0)
    assert result.acted == ("give-up",)


def test_what_was_found_after_acting_is_no_verdict():
    late = [*STALL[:4], acted(28, "rerun"), said(29, "DW111"), started(30, 1), said(31, "DW111")]

    result = judged(FAULT, late, 4)

    assert result.first == "DW102"
    assert not result.right
    assert result.named is None


@pytest.mark.parametrize(
    ("events", "right"),
    [
        ((started(), pulse(1), said(2, "DW104")), True),
        ((started(), pulse(1), said(2, "DW102")), False),
        ((started(), pulse(1), said(2, "DW102", Severity.WARNING)), True),
        ((started(), pulse(1), acted(2, "rerun")), False),
        ((started(), pulse(1), acted(2, "report")), True),
        ((started(), acted(2, "rerun"), started(3, 1), said(4, "DW606")), False),
    ],
)
def test_a_healthy_training_is_neither_acted_on_nor_accused(events, right):
    result = judged(WELL, events, 0)

    assert result.right is right
    assert result.false_alarm is not right
    assert not judged(WELL, events, 70).right


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24 03:59:01 DW111 loader-deadlock (error, almost certain): both wait\n"
        "2026-11-24 03:59:01 DW102 stalled-training (error, certain): no progress\n",
        "dualwatch: the loader is stuck [DW111]\n  why: DW606\n",
    ],
)
def test_where_there_is_no_journal_what_was_printed_counts(text):
    assert printed(FAULT, text, 5).right
    assert not printed(FAULT, text.replace("DW111", "DW606"), 5).right


def test_what_did_not_come_about_is_never_right():
    assert not judged(WELL, [started()], None, "it did not end").right
    assert not Judged(case=WELL, skipped="needs root").right


# --- real trainings -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """All quick cases, some at a time, since most of a stall is waiting."""
    pytest.importorskip("mmengine")
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("faults")
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        yield {
            name: pool.submit(exercise.run, BY_NAME[name], folder, STALL_TIMEOUT) for name in QUICK
        }


@pytest.mark.parametrize("name", QUICK)
def test_the_true_cause_comes_first_and_the_healthy_are_left_alone(
    runs: dict[str, Future[Judged]], name: str
):
    result = runs[name].result()

    if result.skipped:
        pytest.skip(result.skipped)
    assert result.right, result
