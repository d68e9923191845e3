"""Results of building the parts of a training, as defects."""

from __future__ import annotations

import pytest
from dualwatch.events import DefectKind
from dualwatch.frameworks.mmengine.config.trial import of_parts

VALUES = {
    "model": {"type": "RetinaNet", "rpn_head": {}, "backbone": {"type": "Resnet"}},
    "optim_wrapper": {"optimizer": {"type": "AdamWW"}},
}


def failed(text: str, kind: str = "TypeError", part: str = "model") -> dict[str, object]:
    return {"failed": [{"part": part, "key": part, "kind": kind, "text": text}]}


@pytest.mark.parametrize(
    ("parts", "kind", "key"),
    [
        (
            failed("RetinaNet.__init__() got an unexpected keyword argument 'rpn_head'"),
            DefectKind.NOT_BUILDABLE,
            "model.rpn_head",
        ),
        (
            failed("'Resnet is not in the mmdet::model registry. Please check", "KeyError"),
            DefectKind.UNKNOWN_CODE,
            "model.backbone",
        ),
        (
            failed("default_scope is 'mine', and no such package is installed", "scope"),
            DefectKind.UNKNOWN_CODE,
            "model",
        ),
        (
            failed("the neck takes [512] channels", "channels", part="model.neck.in_channels"),
            DefectKind.NOT_BUILDABLE,
            "model.neck.in_channels",
        ),
        (
            failed("it ends with Resize and packs nothing", "unpacked", part="a.pipeline"),
            DefectKind.INCOMPLETE,
            "a.pipeline",
        ),
        (
            failed("None is not a callable object", part="optim_wrapper"),
            DefectKind.UNKNOWN_CODE,
            "optim_wrapper.optimizer.type",
        ),
        (
            failed("lap is not installed, please install it by: pip install lap", "RuntimeError"),
            DefectKind.UNKNOWN_CODE,
            "model",
        ),
        (failed("", "AssertionError"), DefectKind.NOT_BUILDABLE, "model"),
    ],
)
def test_what_failed(parts: dict[str, object], kind: DefectKind, key: str) -> None:
    (found,) = of_parts(parts, VALUES).defects
    assert (found.kind, found.key) == (kind, key)
    assert found.do


def test_what_was_not_tried_is_no_defect() -> None:
    trial = of_parts({"built": ["model"], "skipped": {"optim_wrapper": "slow", "trace": "x"}}, {})
    assert (trial.defects, trial.built, trial.not_built) == (
        (),
        ("model",),
        {"optim_wrapper": "slow"},
    )
