"""DW609: a training that dualwatch itself stopped."""

from __future__ import annotations

import pytest
from dualwatch.events import Decided, ErrorSeen, Severity, StopKind, TrainingStopped
from dualwatch.protocol import Phase
from dualwatch.rules import ranking


def codes(story) -> list[str]:
    return [found.code for found in ranking.rank(story.judged())]


def stopped(story, why: StopKind, **more):
    story.tell(TrainingStopped, why=why, reason="because", **more)
    return story.wait(1).ended(exit_code=-15, signal="SIGTERM")


@pytest.mark.parametrize(
    ("why", "severity"),
    [
        (StopKind.UNWANTED, Severity.CRITICAL),
        (StopKind.INTERRUPTED, Severity.ERROR),
        (StopKind.STALLED, Severity.INFO),
    ],
)
def test_a_stop_of_our_own_is_no_error_of_the_script(story, why, severity):
    (found,) = stopped(story.trains(5), why).judged()

    assert (found.code, found.severity, found.certainty) == ("DW609", severity, "certain")
    assert "because" in found.headline


def test_a_signal_of_somebody_else_is_not_ours(story):
    assert codes(story.trains(5).ended(exit_code=-15, signal="SIGTERM")) == ["DW609"]


@pytest.mark.parametrize("action", ["stop", "give-up", "rerun"])
def test_an_older_journal_has_the_decision_only(story, action):
    story.trains(5).tell(Decided, action=action, reason="because", cause="DW112")

    assert codes(story.wait(1).ended(exit_code=-15, signal="SIGTERM")) == ["DW609"]


@pytest.mark.parametrize("action", ["replace", "wake", "report"])
def test_a_decision_that_keeps_it_alive_is_no_stop(story, action):
    story.trains(5).tell(Decided, action=action, reason="because", cause="DW112")

    assert codes(story.wait(1).ended(exit_code=-15, signal="SIGTERM")) == ["DW609"]


def test_a_decision_about_a_training_that_has_died_is_no_stop(story):
    story.trains(5).ended(exit_code=-9, signal="SIGKILL")
    story.tell(Decided, action="rerun", reason="because", cause="DW501")

    assert codes(story) == ["DW609"]


def test_an_error_that_the_training_survived_is_not_what_ended_it(story):
    error = {"exception": "RuntimeError", "message": "2x256 and 1024x128", "where": "head.py:7"}
    story.trains(5).tell(ErrorSeen, **error)

    assert codes(stopped(story, StopKind.UNWANTED)) == ["DW609"]


def test_an_error_in_the_stop_follows_from_it(story):
    story.trains(5).tell(TrainingStopped, why=StopKind.STALLED, reason="because")
    story.wait(1).tell(ErrorSeen, exception="SystemExit", message="15", where="a.py:1 in handler")

    assert codes(story.wait(1).ended(exit_code=143)) == ["DW609"]


def test_a_training_that_stalled_after_an_error_has_that_error_as_its_cause(story):
    error = {"exception": "ValueError", "message": "no boxes", "where": "head.py:7 in loss"}
    story.trains(5).tell(ErrorSeen, **error).wait(300)

    assert codes(stopped(story, StopKind.STALLED)) == ["DW606", "DW609"]


def test_a_finished_training_that_does_not_exit_has_no_error(story):
    story.trains(5).stops_in(Phase.FINISHED).wait(300)

    (found,) = stopped(story, StopKind.NO_EXIT).judged()

    assert (found.code, found.severity) == ("DW609", Severity.WARNING)


def test_a_stop_that_dualwatch_did_not_survive_explains_no_later_end(story):
    """The window was closed and the training continued; it was taken up, and died much later."""
    story.trains(5).tell(TrainingStopped, why=StopKind.INTERRUPTED, reason="because")
    story.paused(600).trains(5).ended(exit_code=0)
    assert story.codes() == []
