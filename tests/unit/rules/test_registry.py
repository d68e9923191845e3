"""The registry of rules, and what a rule that fails leads to."""

from __future__ import annotations

import pytest
from dualwatch.events import ConfigRead, ErrorSeen, NotObserved, Severity
from dualwatch.protocol import Phase
from dualwatch.rules import registry


def test_a_rule_that_raises_is_a_finding_and_the_others_go_on(story, monkeypatch) -> None:
    def broken(snapshot, limits):
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(registry, "RULES", (broken, *registry.RULES))
    found = story.trains().stops_in(Phase.STEP).silent(300).judged()
    assert [f.code for f in found] == ["DW001", "DW102"]
    assert "broken failed: ZeroDivisionError: on purpose" in found[0].headline


def test_what_a_rule_found_before_it_raised_is_kept(story, monkeypatch) -> None:
    def half(snapshot, limits):
        yield from registry.stall.find(snapshot, limits)
        raise KeyError("metrics")

    monkeypatch.setattr(registry, "RULES", (half,))
    assert story.trains().silent(300).codes() == ["DW102", "DW001"]


def test_no_rule_raises_on_an_empty_or_a_minimal_snapshot(new_story) -> None:
    assert new_story().codes(required=("loss_macl",)) == []
    assert new_story().line(loss=1.0).codes() == []
    assert new_story().captured().sample().codes() == []
    assert new_story().started().wait(900).codes() == []


# --- DW606, DW404, DW504 -----------------------------------------------------------------------


def test_a_training_that_died_is_told_with_its_last_error(story) -> None:
    for message in ("first", "last"):
        story.tell(
            ErrorSeen,
            exception="ValueError",
            message=message,
            where="model.py:7 in forward",
            excerpt=("Traceback (most recent call last):", f"ValueError: {message}"),
        )
    (found,) = story.ended(exit_code=1).judged()
    assert (found.code, found.severity) == ("DW606", Severity.CRITICAL)
    assert found.headline == "ValueError: last (model.py:7 in forward)"
    assert found.confidence == 1.0


@pytest.mark.parametrize(
    ("kinds", "told", "sure"),
    [
        (["ValueError", "torch.distributed.elastic.ChildFailedError"], "ValueError", True),
        (["ChildFailedError"], "ChildFailedError", True),
        (["KeyError", ""], "KeyError", True),
        ([""], "the training ended with exit code 1", False),
    ],
    ids=["launcher", "launcher alone", "a line without a name", "only that"],
)
def test_the_error_that_ended_it_is_not_what_others_say_of_it(story, kinds, told, sure) -> None:
    for kind in kinds:
        story.tell(ErrorSeen, exception=kind, message="")
    (found,) = story.ended(exit_code=1).judged()
    assert found.headline == told
    assert (found.confidence == 1.0) is sure


@pytest.mark.parametrize(
    ("exit_code", "signal", "words", "code"),
    [(1, None, "exit code 1", "DW606"), (-9, "SIGKILL", "ended by SIGKILL", "DW609")],
)
def test_a_training_that_died_without_a_word(story, exit_code, signal, words, code) -> None:
    story.prints(5)
    (found,) = story.ended(exit_code=exit_code, signal=signal).judged()
    assert found.code == code
    assert words in found.headline
    assert found.evidence[-1].text == "last line: line 1"
    assert found.confidence < 1.0


def test_a_caught_error_of_a_training_that_ended_well_is_none(story) -> None:
    story.tell(ErrorSeen, exception="OSError", message="retried")
    assert story.codes() == []
    assert story.ended(exit_code=0).codes() == []


@pytest.mark.parametrize(
    ("what", "code"), [("gpu", "DW404"), ("stacks of pid 7", "DW504"), ("io of pid 7", None)]
)
def test_what_could_not_be_seen_is_said(story, what, code) -> None:
    story.tell(NotObserved, what=what, why="not permitted")
    found = story.judged()
    assert [f.code for f in found] == ([code] if code else [])
    assert all(f.severity is Severity.INFO and "not permitted" in f.headline for f in found)


@pytest.mark.parametrize(
    ("config", "framework", "advised"),
    [("c.py", "mmengine", True), ("c.py", "", True), ("c.py", "lightning", False), ("", "", False)],
)
def test_only_the_framework_of_a_training_advises(story, config, framework, advised) -> None:
    if config:
        story.tell(ConfigRead, path=config, how="read", loaders={}, framework=framework)
    story.complains("OSError", "[Errno 28] No space left on device", where="a.py:1 in f")
    (found,) = [f for f in story.ended(exit_code=1).judged() if f.code == "DW502"]
    assert ("max_keep_ckpts" in found.remedy) is advised


def test_a_configuration_of_the_generation_before_is_advised_in_its_own_terms(story) -> None:
    story.tell(ConfigRead, path="c.py", how="read", loaders={"data": {}}, framework="mmengine")
    story.complains("RuntimeError", "CUDA out of memory. Tried to allocate", where="a.py:1 in f")
    (found,) = [f for f in story.ended(exit_code=1).judged() if f.code == "DW401"]
    assert "samples_per_gpu" in found.remedy
    assert "train_dataloader" not in found.remedy
