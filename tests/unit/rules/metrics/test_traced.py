"""DW213 from a traced iteration: the exception that removed the loss, and none of sound code."""

from __future__ import annotations

import pytest
from dualwatch.events import CaughtException, CommandAnswered
from dualwatch.protocol import AgentCommand, Phase
from dualwatch.rules import ranking

PAIR = ("inputs.visible[0]: Tensor 3x512x640", "inputs.infrared[0]: Tensor 3x512x640")
SHAPES = "mat1 and mat2 shapes cannot be multiplied (2x256 and 1024x128)"


def caught(exception="RuntimeError", message=SHAPES, handler="except Exception as e:", **more):
    known = {
        "raised": "/home/u/fork/models/macl_head.py:88 in project",
        "caught": "/home/u/fork/models/macl_head.py:140 in loss",
        "path": ("MACLHead.project (macl_head.py)", "MACLHead.loss (macl_head.py)"),
    }
    return CaughtException(exception=exception, message=message, handler=handler, **known | more)


HOOK = {
    "raised": "/home/u/fork/hooks.py:3 in push",
    "caught": "/home/u/fork/hooks.py:9 in after_train_iter",
    "path": ("push (hooks.py)", "Uploader.after_train_iter (hooks.py)", "train (runner.py)"),
}
ATTRIBUTE = caught("AttributeError", "prior", "except AttributeError:")
LOOKUP = caught(
    "KeyError",
    "'depth'",
    "except KeyError:",
    raised="/home/u/fork/data/batch.py:9 in unpack",
    caught="/home/u/fork/data/batch.py:11 in unpack",
    path=("unpack (batch.py)", "Detector.forward (detector.py)"),
)
IN_A_PACKAGE = caught(
    raised="/e/site-packages/mmdet/models/losses/loss.py:3 in weighted",
    caught="/e/site-packages/mmdet/models/losses/loss.py:9 in weighted",
    path=("weighted (loss.py)",),
    handler="except TypeError:",
    foreign=True,
)


def told(story, *exceptions, metrics=("loss", "loss_cls")):
    story.pulse(Phase.WAITING).saw(*PAIR, losses=metrics)
    for number in range(3):
        story.line(loss=1.0 - number / 100, loss_cls=0.5)
    answer = {"rank": 0, "number": 1, "order": AgentCommand.TRACE, "done": True}
    story.tell(CommandAnswered, **answer, caught=exceptions)
    return ranking.causes(story.judged(required=("loss_macl",)))


def test_an_exception_of_the_loss_is_the_cause_whatever_the_console_shows(story):
    first = told(story, caught())[0]

    assert (first.code, first.certainty) == ("DW213", "likely")
    texts = "\n".join(one.text for one in first.evidence)
    assert SHAPES in texts
    assert "macl_head.py:88 in project" in texts
    assert "macl_head.py:140 in loss" in texts


def test_what_the_console_shows_too_is_certain(story):
    story.pulse(Phase.WAITING).complains("", f"[WARNING] no contrast: {SHAPES}", told=2)

    first = told(story, caught())[0]

    assert first.code == "DW213"
    assert len({one.source for one in first.evidence}) == 2


@pytest.mark.parametrize(
    "other",
    [
        caught("RuntimeError", "offline", **HOOK),
        LOOKUP,
        caught("AttributeError", "x", "", raised="a.py:1 in __getattr__", path=("M.__getattr__",)),
        IN_A_PACKAGE,
    ],
    ids=["a hook", "a lookup", "hasattr", "a package"],
)
def test_what_sound_code_catches_is_no_cause(story, other):
    assert told(story, other)[0].code == "DW212"


@pytest.mark.parametrize("other", [LOOKUP, ATTRIBUTE, IN_A_PACKAGE])
@pytest.mark.parametrize("order", [1, -1])
def test_of_several_the_one_nearest_to_the_loss_is_named(story, other, order):
    first = told(story, *(caught(), other)[::order])[0]

    assert first.code == "DW213"
    assert SHAPES in first.headline


@pytest.mark.parametrize(
    "handler", ["except:", "except RuntimeError as e:", "with suppress(Exception):"]
)
def test_any_handler(story, handler):
    assert told(story, caught(handler=handler))[0].code == "DW213"


def test_names_that_say_nothing_but_loss(story):
    plain = {
        "raised": "/home/u/net.py:88 in extra",
        "caught": "/home/u/net.py:90 in loss",
        "path": ("extra (net.py)", "Net.loss (net.py)", "Net.forward (net.py)"),
    }
    assert told(story, caught(**plain))[0].code == "DW213"


def test_a_training_in_which_nothing_is_missing_has_no_cause(story):
    story.pulse(Phase.WAITING)
    for _ in range(3):
        story.line(loss=1.0, loss_macl=0.5)
    answer = {"rank": 0, "number": 1, "order": AgentCommand.TRACE, "done": True}
    story.tell(CommandAnswered, **answer, caught=(caught(),))

    assert [f.code for f in story.judged(required=("loss_macl",))] == []
