"""The items of a rehearsal, from what was seen."""

from __future__ import annotations

from typing import Any

import pytest
from dualwatch.checks.rehearsal import Rehearsed, document, entries
from dualwatch.events import LearningSeen, PartLearning
from dualwatch.state.snapshot import Snapshot, fold


def step(name: str, error: str = "", *, ended: bool = True) -> dict[str, Any]:
    where = "here.py:1" if error else ""
    return {"name": name, "ended": ended, "error": error, "where": where, "seconds": 1.0}


def seen(**changes: Any) -> Rehearsed:
    """A sound rehearsal with some differences."""
    record: dict[str, Any] = {
        "steps": [step(name) for name in ("train", "validate", "save", "load")],
        "iterations": 3,
        "seconds": [1.0, 0.1, 0.1],
        "losses": ["loss_cls", "loss_macl"],
        "validates": True,
        "metrics": ["tiny/error"],
        "monitored": {"CheckpointHook.save_best": "tiny/error"},
        "checkpoint_bytes": 7000,
    }
    outside = {key: changes.pop(key) for key in list(changes) if key not in record}
    options: dict[str, Any] = {"required": ("loss_macl",), "exit_code": 0, "seconds": 9.0}
    options["inside"] = inside()
    return Rehearsed(**{"document": {**record, **changes}, **options, **outside})


def inside(**fields: Any) -> Snapshot:
    """What the agent observed of a model of one part, sound but for some fields of it."""
    sound: dict[str, Any] = {
        "path": "",
        "kind": "Module",
        **dict.fromkeys(("parameters", "trainable", "optimised", "rated", "rising", "gradient"), 8),
        **dict.fromkeys(("sampled", "changed", "moves"), 2),
        "looks": 3,
        "called": True,
        "evaluating": 0,
    }
    whole = PartLearning(**{**sound, **fields})
    return fold(
        [
            LearningSeen(
                at=1.0,
                wall=1.0,
                rank=0,
                first=1,
                iteration=3,
                steps=whole.looks,
                cleared=2,
                uncleared=0,
                parts=(whole,),
            )
        ]
    )


def failing(rehearsed: Rehearsed) -> list[str]:
    return [item.id for item in entries(rehearsed) if item.status == "fail"]


def test_a_sound_rehearsal_passes():
    assert {item.status for item in entries(seen())} == {"pass"}
    assert document(seen(), "cfg.py").exit_code == 0


@pytest.mark.parametrize(
    ("changes", "item"),
    [
        ({"losses": ["loss_cls"]}, "rehearsal-losses"),
        ({"monitored": {"CheckpointHook.save_best": "tiny/eror"}}, "rehearsal-monitored"),
        (
            {"steps": [step("train"), step("validate", "KeyError: 'x'")], "metrics": None},
            "rehearsal-validates",
        ),
        ({"steps": [step("train", "ValueError: no")], "metrics": None}, "rehearsal-trains"),
        ({"steps": [step("train"), step("save", "OSError: no")]}, "rehearsal-checkpoint"),
        ({"steps": [step("train"), step("save"), step("load", "E: no")]}, "rehearsal-checkpoint"),
        ({"document": None, "exit_code": 1}, "rehearsal-trains"),
        ({"inside": inside(rated=0, rising=0, changed=0)}, "rehearsal-parts"),
        ({"document": None, "exit_code": None, "timed_out": True}, "rehearsal-trains"),
        (
            {"steps": [step("train"), step("validate", ended=False)], "metrics": None},
            "rehearsal-validates",
        ),
    ],
)
def test_one_fault_fails_one_item(changes, item):
    assert failing(seen(**changes)) == [item]
    assert document(seen(**changes), "cfg.py").exit_code == 1


def test_the_nearest_metric_is_named():
    wrong = seen(monitored={"CheckpointHook.save_best": "tiny/eror"})

    (item,) = [item for item in entries(wrong) if item.status == "fail"]
    assert "'tiny/error'" in item.observed


def test_an_error_that_the_missing_metric_brought_is_reported_once():
    steps = [step("train"), step("validate", "KeyError: 'tiny/eror'"), step("save"), step("load")]
    wrong = seen(steps=steps, monitored={"CheckpointHook.save_best": "tiny/eror"})

    assert failing(wrong) == ["rehearsal-monitored"]


def test_what_was_not_seen_does_not_pass():
    nothing = seen(document=None, exit_code=0, inside=Snapshot())

    assert {item.status for item in entries(nothing)} == {"skip"}
    assert document(nothing, "cfg.py").exit_code == 3


def test_too_few_steps_do_not_pass():
    (item,) = [one for one in entries(seen(inside=inside(looks=1))) if one.status != "pass"]

    assert (item.id, item.status) == ("rehearsal-parts", "skip")
