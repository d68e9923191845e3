"""DW801, DW802: every firing history beside its quiet twin."""

from __future__ import annotations

import pytest
from dualwatch.events import ConfigRead, Severity, TensorBoardSeen
from dualwatch.protocol import Phase
from dualwatch.rules import verdict
from dualwatch.rules.metrics.tensorboard import GRACE

URL = "http://localhost:6006/"
REQUIRED = {"required": ("loss_macl",)}
TAGS = ("loss", "loss_cls", "loss_macl")


def seen(story, **fields):
    known = {"url": URL, "alive": True, "answers": True, "files": 1, "tags": TAGS, "step": 20}
    return story.tell(TensorBoardSeen, **{**known, **fields})


def of(story, code: str, **limits):
    return [f for f in story.judged(**(limits or REQUIRED)) if f.code == code]


def lines(story, count: int = 3):
    """Training lines at the iterations 10, 20, ..."""
    for number in range(count):
        story.wait(10).line(loss=1.0, loss_cls=0.5 - number / 100, loss_macl=0.4 - number / 100)
    return story


def configured(story, *backends: str):
    return story.tell(ConfigRead, path="c.py", how="loaded", loaders={}, backends=backends)


# --- DW801 -------------------------------------------------------------------------------------


def test_a_process_that_has_ended_is_told_with_its_last_words(story):
    why = "it ended with code 1: No module named tensorboard"
    (found,) = of(seen(story, alive=False, answers=False, why=why), "DW801")
    assert why in found.headline
    assert "pip install" in found.remedy
    assert found.severity is Severity.WARNING


def test_one_that_runs_and_answers_is_well(story):
    assert not of(seen(story), "DW801")


def test_one_that_could_not_be_started_is_told(story):
    why = "no free port from 6006 to 6055"
    (found,) = of(seen(story, url="", alive=False, answers=False, why=why), "DW801")
    assert why in found.headline


def test_an_answer_that_does_not_come_is_waited_for(story):
    seen(story, answers=False, in_vain_s=GRACE - 1, why="no answer in time")
    assert not of(story, "DW801")
    seen(story, answers=False, in_vain_s=GRACE + 1, why="no answer in time")
    (found,) = of(story, "DW801")
    assert "46 s" in found.headline
    assert not of(seen(story), "DW801")


@pytest.mark.parametrize("answers", [False, None])
def test_one_that_is_none_of_ours_is_no_concern(story, answers):
    assert not of(seen(story, alive=None, answers=answers, in_vain_s=999.0), "DW801")


# --- DW802: tags -------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["loss_macl", "train/loss_macl"])
def test_a_tag_is_there_in_both_forms(story, tag):
    assert not of(seen(lines(story), tags=("loss", tag)), "DW802")


def test_a_tag_that_later_steps_lack_is_missing(story):
    seen(lines(story), tags=("loss", "loss_macl_aux"), step=20)
    (found,) = of(story, "DW802")
    assert found.headline == "loss_macl is in the training lines and not in the event files"
    assert "up to step 20: loss, loss_macl_aux" in found.evidence[1].text
    assert found.severity is Severity.WARNING


@pytest.mark.parametrize("step", [None, 5, 10])
def test_what_may_not_have_been_written_yet_is_waited_for(story, step):
    assert not of(seen(lines(story), tags=("loss",) if step else (), step=step), "DW802")


def test_a_metric_that_came_late_is_waited_for_as_well(story):
    for _ in range(5):
        story.line(loss=1.0)
    lines(story, 2)
    assert not of(seen(story, tags=("loss",), step=50), "DW802")
    assert of(seen(story, tags=("loss",), step=70), "DW802")


def test_a_training_that_ended_in_order_has_written_all(story):
    lines(story)
    assert of(seen(story, tags=(), step=None).ended(0), "DW802")


def test_one_that_was_killed_has_lost_what_was_kept_back(story):
    lines(story)
    assert not of(seen(story, tags=(), step=None).ended(-9, "SIGKILL"), "DW802")


def test_a_metric_that_the_lines_lack_is_another_matter(story):
    for _ in range(3):
        story.line(loss=1.0)
    seen(story, tags=("loss",), step=20)
    assert not of(story, "DW802")
    assert of(story, "DW201")


def test_what_could_not_be_read_is_no_lack(story):
    assert not of(seen(lines(story), files=None, tags=(), why="too long").ended(0), "DW802")


def test_a_tensorboard_that_shows_another_folder(story):
    (found,) = of(seen(lines(story), shows_run=False, logdir="/elsewhere"), "DW802")
    assert "/elsewhere" in found.headline
    assert not of(seen(story, shows_run=None, logdir="work_dirs"), "DW802")


# --- DW802: no event file ----------------------------------------------------------------------


def test_without_a_backend_it_is_said_how_to_configure_one(story):
    configured(story, "LocalVisBackend")
    (found,) = of(seen(lines(story).wait(20), files=0, tags=(), step=None), "DW802")
    assert "3 training lines" in found.headline
    assert "LocalVisBackend" in found.evidence[1].text
    assert found.severity is Severity.WARNING


def test_a_backend_that_writes_elsewhere(story):
    configured(story, "LocalVisBackend", "TensorboardVisBackend")
    (found,) = of(seen(lines(story).wait(20), files=0, tags=(), step=None), "DW802")
    assert "save_dir" in found.remedy


def test_a_look_from_before_the_first_line_proves_nothing(story):
    seen(story, files=0, tags=(), step=None)
    assert not of(lines(story), "DW802")


def test_where_no_metric_is_required_it_is_a_note(story):
    configured(story, "LocalVisBackend")
    seen(lines(story).wait(20), files=0, tags=(), step=None)
    (found,) = of(story, "DW802", required=())
    assert found.severity is Severity.INFO


def test_before_there_are_lines_nothing_is_missing(story):
    assert not of(seen(story.trains(5).wait(500), files=0, tags=(), step=None), "DW802")


def test_no_training_fails_for_it(story):
    """Nor is it the reason that is given for another failure."""
    story.trains(5).pulse(Phase.FINISHED)
    found = of(seen(story, alive=False, answers=False, why="killed").ended(0), "DW801")
    assert verdict.of_ended(story.snapshot, found, ()).outcome == "completed"
    strange = story.snapshot.__class__(ended=story.snapshot.ended)
    assert "TensorBoard" not in verdict.of_ended(strange, found, ()).reason
