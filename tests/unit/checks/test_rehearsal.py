"""The items of a rehearsal, from what was seen."""

from __future__ import annotations

from typing import Any

import pytest
from dualwatch.checks.rehearsal import Machine, Rehearsed, document, entries
from dualwatch.events import BatchSeen, LearningSeen, PartLearning, WeightsLoaded
from dualwatch.state.snapshot import Snapshot, fold


def step(name: str, error: str = "", *, ended: bool = True) -> dict[str, Any]:
    where = "here.py:1" if error else ""
    return {"name": name, "ended": ended, "error": error, "where": where, "seconds": 1.0}


def dataset(loader: str, **changes: Any) -> dict[str, Any]:
    sound = {
        "loader": loader,
        "classes": ["car", "person"],
        "images": 50,
        "looked": 50,
        "labelled": True,
        "labels": 80,
        "lowest": 0,
        "highest": 1,
    }
    return {**sound, **changes}


def speed(**changes: Any) -> dict[str, Any]:
    sound = {
        "load": [0.02, 0.02],
        "batch": 4,
        "workers": 2,
        "cores": 8,
        "iterations": 1000,
        "epoch": 100,
    }
    return {**sound, **changes}


def machine(**fields: Any) -> Machine:
    sound = {"memory_used": 10**9, "memory_total": 10**10, "disk": "/data", "disk_free": 10**9}
    responses = {"storage": (("/data/images", 0.01), ("/work", 0.002)), "storage_limit": 10.0}
    return Machine(**{**sound, **responses, **fields})


def seen(**changes: Any) -> Rehearsed:
    """A sound rehearsal with some differences."""
    record: dict[str, Any] = {
        "steps": [step(name) for name in ("train", "validate", "save", "load")],
        "iterations": 3,
        "seconds": [1.0, 0.4, 0.1],
        "waits": [0.9, 0.0, 0.0],
        "losses": ["loss_cls", "loss_macl"],
        "validates": True,
        "metrics": ["tiny/error"],
        "monitored": {"CheckpointHook.save_best": "tiny/error"},
        "checkpoint_bytes": 7000,
        "checkpoints": 2,
        "datasets": [dataset("train"), dataset("val")],
        "heads": {"roi_head.bbox_head": 2},
        "evaluated": ["car", "person"],
        "speed": speed(),
        "gpu": None,
    }
    outside = {key: changes.pop(key) for key in list(changes) if key not in record}
    options: dict[str, Any] = {"required": ("loss_macl",), "exit_code": 0, "seconds": 9.0}
    options["inside"] = inside()
    options["machine"] = machine()
    return Rehearsed(**{"document": {**record, **changes}, **options, **outside})


PAIRED = ("inputs.visible: Tensor 2x3x512x640", "inputs.infrared: Tensor 2x3x512x640")


def inside(
    weights: dict[str, int] | None = None, neck: dict[str, Any] | None = None, **fields: Any
) -> Snapshot:
    """What the agent observed of a model, sound but for some fields of it, or of its neck."""
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
    parts = (whole,)
    if neck is not None:
        parts += (PartLearning(**{**sound, "path": "neck", **neck}),)
    return fold(
        [
            BatchSeen(at=1.0, wall=1.0, rank=0, iteration=1, outline=PAIRED, losses=()),
            WeightsLoaded(
                at=1.0,
                wall=1.0,
                rank=0,
                keys=8,
                parts=(),
                strangers=(),
                **{"missing": 0, "reshaped": 0, "unexpected": 0, **(weights or {})},
            ),
            LearningSeen(
                at=1.0,
                wall=1.0,
                rank=0,
                first=1,
                iteration=3,
                steps=whole.looks,
                cleared=2,
                uncleared=0,
                parts=parts,
            ),
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
        ({"heads": {"bbox_head": 1}}, "rehearsal-classes"),
        ({"datasets": [dataset("train", lowest=-1)]}, "rehearsal-classes"),
        ({"datasets": [dataset("train", labels=0, highest=None)]}, "rehearsal-classes"),
        ({"datasets": [dataset("train", classes=[*"person"])]}, "rehearsal-classes"),
        ({"datasets": [dataset("train", classes=["car"]), dataset("val")]}, "rehearsal-classes"),
        ({"evaluated": ["person", "car"]}, "rehearsal-classes"),
        ({"inside": inside({"missing": 8})}, "rehearsal-weights"),
        ({"checkpoint_bytes": 10**9}, "rehearsal-disk"),
        (
            {
                "document": None,
                "exit_code": None,
                "inside": Snapshot(),
                "machine": machine(storage=(("/data", None), ("/work", 0.1))),
            },
            "rehearsal-storage",
        ),
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
    nothing = seen(document=None, exit_code=0, inside=Snapshot(), machine=Machine())

    assert {item.status for item in entries(nothing)} == {"skip"}
    assert document(nothing, "cfg.py").exit_code == 3


def test_too_few_steps_do_not_pass():
    (item,) = [one for one in entries(seen(inside=inside(looks=1))) if one.status != "pass"]

    assert (item.id, item.status) == ("rehearsal-parts", "skip")


def warned(rehearsed: Rehearsed) -> list[str]:
    return [item.id for item in entries(rehearsed) if item.status == "warn"]


@pytest.mark.parametrize(
    ("changes", "item"),
    [
        ({"heads": {"bbox_head": 80}}, "rehearsal-classes"),
        ({"inside": inside({"missing": 5})}, "rehearsal-weights"),
        ({"speed": speed(workers=0)}, "rehearsal-workers"),
        ({"speed": speed(load=[0.1])}, "rehearsal-workers"),
        ({"gpu": {"name": "Card", "reserved": 95, "total": 100}}, "rehearsal-memory"),
        ({"machine": machine(memory_used=95, memory_total=100)}, "rehearsal-memory"),
        ({"machine": machine(storage=(("/data", 3.0), ("/work", 0.1)))}, "rehearsal-storage"),
    ],
)
def test_a_doubt_is_a_warning(changes, item):
    assert warned(seen(**changes)) == [item]
    assert document(seen(**changes), "cfg.py").exit_code == 0


def test_a_part_that_no_step_used_is_a_doubt_already_after_three():
    whole = seen(inside=inside(neck={"gradient": 0, "called": False}))

    assert warned(whole) == ["rehearsal-parts"]


def test_the_number_of_workers_that_would_feed_it():
    slow = seen(speed=speed(load=[0.1], workers=1))

    (item,) = [item for item in entries(slow) if item.id == "rehearsal-workers"]
    assert item.remedy == "set num_workers=4"


def test_an_unpaired_batch_fails_where_a_required_loss_needs_pairs():
    single = (BatchSeen(at=2.0, wall=2.0, rank=0, iteration=2, outline=PAIRED[:1], losses=()),)
    unpaired = seen(inside=fold([*single]))

    assert "rehearsal-pairs" in failing(unpaired)
    assert "rehearsal-pairs" not in failing(seen(inside=fold([*single]), required=()))


def test_labels_that_no_head_is_known_for_do_not_fail():
    assert failing(seen(heads={})) == []


def test_segmentation_has_no_labels_in_its_samples():
    maps = dataset("train", labelled=False, labels=0, lowest=None, highest=None)

    assert failing(seen(datasets=[maps])) == []
