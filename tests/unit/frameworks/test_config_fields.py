"""What a configuration names beside its loaders, in the form of mmengine or of mmcv 1.x."""

from __future__ import annotations

import pytest
from dualwatch.frameworks.mmengine.config import fields
from dualwatch.frameworks.mmengine.config.static import read

DET = "DetDataPreprocessor"
LOCAL, TENSORBOARD = "LocalVisBackend", "TensorboardVisBackend"
TEXT, BOARD = "TextLoggerHook", "TensorboardLoggerHook"
LOADERS = "train_dataloader = dict(batch_size=4)\n"
OLD = "data = dict(samples_per_gpu=4, train=dict(type='CocoDataset'))\n"


def values(text: str):
    return read(text).values


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"model = dict(data_preprocessor=dict(type='mmdet.{DET}'))", DET),
        ("model = dict(type='A')\ndata_preprocessor = dict(type='P')", "P"),
        ("model = dict(data_preprocessor=dict(type=find()))", ""),
        ("model = dict(data_preprocessor=dict(mean=[0]))", ""),
        ("model = make()", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_the_preprocessor(text: str, kind: str) -> None:
    assert fields.preprocessor(values(text)) == kind


@pytest.mark.parametrize(
    ("text", "backends"),
    [
        (f"b = [dict(type='{LOCAL}'), dict(type='{TENSORBOARD}')]\n"
         "visualizer = dict(type='V', vis_backends=b)", (LOCAL, TENSORBOARD)),
        (f"visualizer = dict(vis_backends=dict(type='mmengine.{LOCAL}'))", (LOCAL,)),
        ("visualizer = dict(type='V')", ()),
        ("model = dict()", ()),
        # Without a visualizer that takes it, it is a name like any other.
        ("vis_backends = [dict(type='TensorboardVisBackend')]", ()),
        ("_base_ = 'a.py'\nmodel = dict()", None),
        ("_base_ = 'a.py'\nvisualizer = dict(name='v')", None),
        ("visualizer = dict(vis_backends=choose())", None),
        ("visualizer = dict(vis_backends=[dict(type=choose())])", None),
        ("visualizer = choose()", None),
        (OLD + f"log_config = dict(hooks=[dict(type='{TEXT}'), dict(type='{BOARD}')])",
         (TEXT, BOARD)),
        (OLD, ()),
        # mmengine does not look at it.
        (LOADERS + "log_config = dict(hooks=[dict(type='TensorboardLoggerHook')])", ()),
        ("", None),
    ],
)  # fmt: skip
def test_the_backends(text: str, backends) -> None:
    assert fields.backends(values(text)) == backends


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("load_from = 'a.pth'", ("a.pth", False)),
        ("load_from = 'a.pth'\nresume = True", ("a.pth", True)),
        ("load_from = None\nresume = True", ("", True)),
        ("resume_from = 'a.pth'\nload_from = None", ("a.pth", True)),
        ("resume_from = None\nload_from = None", ("", False)),
        ("load_from = 3\nresume = 'yes'", ("", False)),
        ("", ("", False)),
    ],
)
def test_where_it_starts(text: str, start) -> None:
    assert fields.start(values(text)) == start


def test_data_sets_inside_of_others() -> None:
    leaf = {"type": "CocoDataset"}
    given = {
        "train_dataloader": {
            "dataset": {
                "type": "RepeatDataset",
                "dataset": {"type": "ConcatDataset", "datasets": [leaf, {"dataset": leaf}]},
            }
        },
        "val_dataloader": {"dataset": leaf},
        "test_dataloader": None,
        "data": {"train": leaf},
    }
    assert [key for key, _ in fields.loader_sets(given)] == [
        "train_dataloader.dataset.dataset.datasets.0",
        "train_dataloader.dataset.dataset.datasets.1.dataset",
        "val_dataloader.dataset",
    ]
    old = {"data": {"train": [leaf, leaf], "val": leaf, "samples_per_gpu": 4}}
    assert [key for key, _ in fields.loader_sets(old)] == [
        "data.train.0",
        "data.train.1",
        "data.val",
    ]


def test_a_data_set_that_holds_itself_ends() -> None:
    loop: dict = {}
    loop["dataset"] = loop
    assert len(list(fields.loader_sets({"train_dataloader": {"dataset": loop}}))) == 1
