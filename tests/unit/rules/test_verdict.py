"""How a run ended, and what it lost."""

from __future__ import annotations

import pytest
from dualwatch.core.errors import Exit
from dualwatch.events import Evidence, Severity
from dualwatch.protocol import Phase
from dualwatch.rules.catalog import finding
from dualwatch.rules.ranking import causes
from dualwatch.rules.verdict import lost_iterations, of_ended

MACL = ("loss_macl",)


def found(code: str, text: str = "seen", **fields):
    return finding(code, [Evidence(text=text, source="test")], confidence=1.0, **fields)


@pytest.mark.parametrize(
    ("exit_code", "finished", "codes", "required", "outcome", "exit_"),
    [
        (0, True, [], (), "completed", Exit.OK),
        (0, False, [], (), "completed", Exit.OK),
        (0, True, ["DW404", "DW104", "DW115"], (), "completed", Exit.OK),
        (0, True, ["DW102"], (), "completed", Exit.OK),
        (0, True, [], MACL, "completed-with-findings", Exit.WRONG),
        (0, True, ["DW203"], (), "completed-with-findings", Exit.WRONG),
        (1, True, ["DW606"], (), "completed-with-findings", Exit.WRONG),
        (1, False, ["DW606"], (), "failed", Exit.TRAINING_FAILED),
        (1, False, ["DW606"], MACL, "failed", Exit.TRAINING_FAILED),
        (-9, False, [], (), "failed", Exit.TRAINING_FAILED),
        (None, False, [], (), "failed", Exit.NOT_OBSERVED),
        (None, False, ["DW606"], (), "failed", Exit.TRAINING_FAILED),
        (None, True, [], (), "completed", Exit.OK),
    ],
    ids=[
        "well",
        "well, without an agent",
        "only mild findings",
        "a stall that passed by itself",
        "required metric never came",
        "a loss that was not a number",
        "trained to the end, died afterwards",
        "died",
        "died, worse than a missing metric",
        "killed",
        "not known how",
        "not known how, with an error on its console",
        "not known how, and done",
    ],
)
def test_how_it_ended(story, exit_code, finished, codes, required, outcome, exit_) -> None:
    if finished:
        story.trains().line(loss=1.0).pulse(Phase.FINISHED)
    story.ended(exit_code=exit_code)
    verdict = of_ended(story.snapshot, [found(code) for code in codes], required)
    assert (verdict.outcome, verdict.code) == (outcome, exit_)
    assert all(name in verdict.reason for name in required if outcome != "failed")


def test_a_run_that_has_not_ended_is_no_success(story) -> None:
    assert of_ended(story.trains().snapshot, [], ()).code is Exit.TRAINING_FAILED


def test_a_metric_that_came_is_not_missing(story) -> None:
    story.trains().line(train__loss_macl=0.4).pulse(Phase.FINISHED).ended()
    assert of_ended(story.snapshot, [], MACL).code is Exit.OK


def test_the_reason_of_a_failure_is_its_error(story) -> None:
    story.ended(exit_code=1)
    verdict = of_ended(story.snapshot, [found("DW404"), found("DW606", "ValueError: bad")], ())
    assert verdict.reason == "ValueError: bad"


def test_the_reason_of_a_failure_is_its_error_in_any_order(story) -> None:
    story.ended(exit_code=1)
    verdict = of_ended(story.snapshot, [found("DW606", "ValueError: bad"), found("DW404")], ())
    assert verdict.reason == "ValueError: bad"


@pytest.mark.parametrize("order", [1, -1])
def test_the_reason_of_a_failure_is_its_cause_before_its_symptom(story, order) -> None:
    story.ended(exit_code=1)
    findings = [found("DW501", "Killed process 7"), found("DW301", "worker 7 was killed")]
    assert of_ended(story.snapshot, findings[::order], ()).reason == "Killed process 7"


def test_a_note_is_no_reason(story) -> None:
    story.ended(exit_code=-9)
    assert of_ended(story.snapshot, [found("DW404")], ()).reason == "the training failed"


def test_an_exit_in_the_middle_of_an_epoch_is_not_the_end(story) -> None:
    story.trains(5).ended(exit_code=0)
    assert of_ended(story.snapshot, [], ()).outcome != "completed"


@pytest.mark.parametrize(
    ("iterations", "begun", "phase", "saved", "by_epoch", "lost"),
    [
        (30, 0, Phase.STEP, None, False, 30),
        (30, 0, Phase.STEP, 20, False, 10),
        (30, 0, Phase.STEP, 30, False, 0),
        (450, 0, Phase.STEP, 2, True, 50),
        (450, 400, Phase.STEP, None, False, 50),
        (450, 400, Phase.STEP, 1, True, 50),
        (30, 0, Phase.FINISHED, None, False, 0),
        (0, -1, Phase.BUILDING, None, False, 0),
    ],
    ids=[
        "nothing saved",
        "saved by iteration",
        "saved just now",
        "saved by epoch",
        "resumed, nothing saved since",
        "the checkpoint it began from",
        "finished",
        "never began",
    ],
)
def test_lost_iterations(story, iterations, begun, phase, saved, by_epoch, lost) -> None:
    place = {"max_epochs": 3, "max_iterations": 600}
    story.pulse(Phase.WAITING, begun=begun, iteration=max(begun, 0), **place)
    story.wait(1).pulse(phase, begun=begun, iteration=iterations, **place)
    assert lost_iterations(story.snapshot, saved=saved, by_epoch=by_epoch) == lost


def test_lost_iterations_when_nothing_is_known(new_story) -> None:
    assert lost_iterations(new_story().snapshot, saved=None, by_epoch=False) == 0


def test_severity_decides_not_the_number_of_findings(story) -> None:
    story.trains().pulse(Phase.FINISHED).ended()
    mild = [found("DW209", severity=Severity.WARNING)] * 5
    assert of_ended(story.snapshot, mild, ()).code is Exit.OK


@pytest.mark.parametrize("code", ["DW203", "DW205", "DW207", "DW214", "DW215", "DW216"])
def test_a_warning_about_the_result_counts(story, code) -> None:
    story.trains().pulse(Phase.FINISHED).ended()
    verdict = of_ended(story.snapshot, [found(code, severity=Severity.WARNING)], ())
    assert (verdict.outcome, verdict.code) == ("completed-with-findings", Exit.WRONG)


@pytest.mark.parametrize("code", ["DW204", "DW209", "DW311", "DW801"])
def test_a_remark_on_a_finished_training_is_no_cause(code) -> None:
    warning = found(code, severity=Severity.WARNING)
    assert causes([warning]) == [warning]
    assert causes([warning], finished=True) == []
