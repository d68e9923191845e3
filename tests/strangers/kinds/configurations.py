"""Kind I: configurations that cannot be trained, or that train something else."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace

from tests.strangers.case import Case, Files, Kind, Truth, configured, suspect, unfit

I = Kind.CONFIG  # noqa: E741
NEEDS = ("mmdet", "mmcv")
DATA = ("data-present", "images-present")


def png(width: int = 32, height: int = 24) -> bytes:
    """A grey image."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    rows = (b"\0" + b"\x80" * 3 * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def coco(images: Sequence[str], names: Sequence[str]) -> str:
    """An annotation file with one box a category."""
    return json.dumps(
        {
            "images": [
                {"id": n, "file_name": name, "width": 32, "height": 24}
                for n, name in enumerate(images)
            ],
            "categories": [{"id": n + 1, "name": name} for n, name in enumerate(names)],
            "annotations": [
                {
                    "id": n,
                    "image_id": n % len(images),
                    "category_id": n + 1,
                    "bbox": [2, 2, 9, 9],
                    "area": 81,
                    "iscrowd": 0,
                }
                for n in range(len(names))
            ],
        }
    )


def data(names: Sequence[str] = ("bus", "van")) -> dict[str, str | bytes]:
    """Images and annotations, whole."""
    images = ["a.png", "b.png", "c.png"]
    files: dict[str, str | bytes] = {f"set/pics/{name}": png() for name in images}
    return {**files, "set/train.json": coco(images, names), "set/val.json": coco(images, names)}


MODEL = """model = dict(
    type='RetinaNet',
    data_preprocessor=dict(type='DetDataPreprocessor', mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4]),
    backbone=dict(type='ResNet', depth=18, num_stages=4, out_indices=(1, 2, 3), style='pytorch'),
    neck=dict(type='FPN', in_channels=[128, 256, 512], out_channels=64, num_outs=4),
    bbox_head=dict(
        type='RetinaHead', num_classes=2, in_channels=64, feat_channels=64, stacked_convs=1,
        anchor_generator=dict(type='AnchorGenerator', octave_base_scale=4, scales_per_octave=2,
                              ratios=[0.5, 1.0], strides=[8, 16, 32, 64])),
    train_cfg=dict(assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0)),
    test_cfg=dict(nms_pre=1000, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100))
"""
LOADERS = """data_root = '{{ fileDirname }}/set/'
metainfo = dict(classes=('bus', 'van'))
pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
            dict(type='Resize', scale=(64, 48), keep_ratio=True), dict(type='PackDetInputs')]
train_dataloader = dict(
    batch_size=2, num_workers=2, persistent_workers=False, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='CocoDataset', data_root=data_root, metainfo=metainfo, ann_file='train.json',
                 data_prefix=dict(img='pics/'), pipeline=pipeline))
val_dataloader = dict(
    batch_size=1, num_workers=1, persistent_workers=False, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CocoDataset', data_root=data_root, metainfo=metainfo, ann_file='val.json',
                 data_prefix=dict(img='pics/'), test_mode=True, pipeline=pipeline))
val_evaluator = dict(type='CocoMetric', ann_file=data_root + 'val.json', metric='bbox')
"""
SCHEDULE = """default_scope = 'mmdet'
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=12, val_interval=1)
val_cfg = dict(type='ValLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9))
param_scheduler = [dict(type='MultiStepLR', begin=0, end=12, by_epoch=True, milestones=[8, 11], gamma=0.1)]
visualizer = dict(type='DetLocalVisualizer', vis_backends=[dict(type='TensorboardVisBackend')], name='visualizer')
"""
SOUND = MODEL + LOADERS + SCHEDULE

OLD = """model = dict(type='RetinaNet', backbone=dict(type='ResNet', depth=18))
data = dict(samples_per_gpu=2, workers_per_gpu=2,
            train=dict(type='CocoDataset', ann_file='{{ fileDirname }}/set/train.json', img_prefix='{{ fileDirname }}/set/pics/'),
            val=dict(type='CocoDataset', ann_file='{{ fileDirname }}/set/val.json', img_prefix='{{ fileDirname }}/set/pics/'))
optimizer = dict(type='SGD', lr=0.02)
runner = dict(type='EpochBasedRunner', max_epochs=12)
checkpoint_config = dict(interval=1)
log_config = dict(interval=50, hooks=[dict(type='TextLoggerHook')])
"""


CAN_TRAIN = configured(spared=DATA)


def both(
    name: str,
    config: str,
    truth: Truth,
    *,
    more: Files | None = None,
    sound: str = SOUND,
    sound_more: Files | None = None,
    light: bool = False,
    health: Truth = CAN_TRAIN,
    without: tuple[str, ...] = (),
) -> tuple[Case, Case]:
    """A configuration beside its data, and its sound twin."""
    files = {key: value for key, value in data().items() if key not in without}
    sick = {**files, **(more or {}), "config.py": config}
    well = {**data(), **(sound_more or {}), "config.py": sound}
    needs = () if light else NEEDS
    return (
        Case(
            name=name,
            kind=I,
            files=lambda: sick,
            target="config.py",
            truth=truth,
            needs=needs,
            light=light,
        ),
        Case(
            name=f"{name} / sound",
            kind=I,
            files=lambda: well,
            target="config.py",
            truth=health,
            twin=True,
            needs=needs,
            light=light,
        ),
    )


CHILD = "_base_ = './base.py'\n"
UNREAD = Truth(
    outcome=configured().outcome,
    exit=(0, 1, 3),
    check_exit=(0, 1, 2, 3),
    unpassed=("config-loads",),
)

CASES: tuple[Case, ...] = (
    *both(
        "mmdet 2.x under mmengine",
        OLD,
        unfit("DW610", "DW602", "DW607", facts=("train_dataloader",)),
    ),
    *both(
        "a dataset fragment, not a training",
        LOADERS,
        unfit("DW610", "DW602", "DW607", facts=("model|train_cfg|optim_wrapper",)),
        sound=CHILD + MODEL + SCHEDULE,
        sound_more={"base.py": LOADERS},
    ),
    *both(
        "a type that no registry knows",
        SOUND.replace("type='RetinaHead'", "type='RetinaThermalHead'"),
        unfit("DW607", "DW602", facts=("RetinaThermalHead",)),
    ),
    *both(
        "a transform that no registry knows",
        SOUND.replace(
            "dict(type='Resize', scale=(64, 48), keep_ratio=True)",
            "dict(type='ThermalResize', scale=(64, 48))",
        ),
        unfit("DW607", "DW602", facts=("ThermalResize",)),
    ),
    *both(
        "keys of the base that the new type does not take",
        CHILD + "model = dict(bbox_head=dict(type='FCOSHead'))\n",
        unfit("DW610", "DW602", "DW607", facts=("stacked_anchors|anchor_generator|_delete_",)),
        more={"base.py": SOUND},
        sound=CHILD
        + "model = dict(bbox_head=dict(_delete_=True, type='FCOSHead', num_classes=2, in_channels=64, feat_channels=64, stacked_convs=1, strides=[8, 16, 32, 64], regress_ranges=((-1, 64), (64, 128), (128, 256), (256, 99999))))\n",
        sound_more={"base.py": SOUND},
    ),
    *both(
        "five classes, a head for two",
        SOUND.replace("('bus', 'van')", "('bus', 'van', 'car', 'bike', 'tram')"),
        unfit("DW611", "DW308", "DW602", facts=("5|five",)),
        more=data(("bus", "van", "car", "bike", "tram")),
    ),
    *both(
        "two classes, a head for 80",
        SOUND.replace("num_classes=2", "num_classes=80"),
        replace(unfit("DW611", "DW308", "DW602", facts=("80",)), check_exit=(0, 1), exit=(1,)),
    ),
    *both(
        "classes that the annotations do not have",
        SOUND.replace("classes=('bus', 'van')", "classes=('person', 'cyclist')"),
        unfit("DW611", "DW308", "DW602", "DW603", facts=("person|cyclist|bus|van",)),
    ),
    *both(
        "an annotation file that is not there",
        SOUND.replace("ann_file='train.json'", "ann_file='instances_train.json'"),
        unfit("DW603", facts=("instances_train\\.json",), fails=("data-present",)),
    ),
    *both(
        "an image folder that is not there",
        SOUND.replace(
            "data_prefix=dict(img='pics/'), pipeline",
            "data_prefix=dict(img='images/train2017/'), pipeline",
        ),
        unfit("DW603", facts=(".*train2017/?",)),
    ),
    *both(
        "one annotated image is missing",
        SOUND,
        replace(
            unfit(facts=("b\\.png|1",), fails=("images-present",)),
            exit=(0, 1, 3),
            may=("DW603",),
            check_exit=(0, 1),
        ),
        without=("set/pics/b.png",),
    ),
    *both(
        "a comma is missing between two bases",
        "_base_ = ['./model.py' './rest.py']\n",
        unfit("DW602", facts=("comma|.*model\\.py\\./rest\\.py",), check=(2,)),
        more={"model.py": MODEL, "rest.py": LOADERS + SCHEDULE},
        sound="_base_ = ['./model.py', './rest.py']\n",
        sound_more={"model.py": MODEL, "rest.py": LOADERS + SCHEDULE},
    ),
    *both(
        "a bracket is not closed",
        SOUND.replace("dict(type='ValLoop')", "dict(type='ValLoop'"),
        unfit("DW602", check=(2,)),
    ),
    *both(
        "the package of the scope is not installed",
        SOUND.replace("default_scope = 'mmdet'", "default_scope = 'mmrotate_lab'"),
        unfit("DW607", "DW602", facts=("mmrotate_lab",)),
    ),
    *both(
        "custom_imports of a module that is not there",
        SOUND + "custom_imports = dict(imports=['det_lab.heads'], allow_failed_imports=False)\n",
        unfit("DW607", "DW602", facts=("det_lab(?:\\.heads)?",)),
    ),
    *both(
        "a validation without its evaluator",
        "\n".join(line for line in SOUND.splitlines() if not line.startswith("val_evaluator"))
        + "\n",
        unfit("DW610", "DW602", facts=("val_evaluator",)),
    ),
    *both(
        "milestones behind the last epoch",
        SOUND.replace(
            "end=12, by_epoch=True, milestones=[8, 11]",
            "end=36, by_epoch=True, milestones=[24, 33]",
        ),
        suspect(facts=("24|33|36",), may=("DW611", "DW602", "DW601")),
    ),
    *both(
        "64 workers on a machine with fewer cores",
        SOUND.replace("num_workers=2", "num_workers=64"),
        suspect(facts=("64",), fails=("loader-settings",), may=("DW601",)),
    ),
    *both(
        "weights to start from are not there",
        SOUND + "load_from = './weights/retinanet_r18.pth'\n",
        unfit("DW605", facts=(".*retinanet_r18\\.pth",), fails=("checkpoint",)),
    ),
    *both(
        "read without any framework: a base that cannot be followed",
        "_base_ = 'mmtwin::_base_/models/twin_r50_fpn.py'\ntrain_dataloader = dict(batch_size=2)\n",
        replace(UNREAD, unpassed=("config-loads", "data-present", "loader-settings")),
        light=True,
        health=Truth(
            outcome=configured().outcome, exit=(0, 3), check_exit=(0, 3), unpassed=("config-loads",)
        ),
    ),
    *both(
        "read without any framework: an annotation file is not there",
        SOUND.replace("ann_file='train.json'", "ann_file='instances_train.json'"),
        replace(unfit("DW603", facts=("instances_train\\.json",)), exit=(1, 3)),
        light=True,
        health=Truth(
            outcome=configured().outcome,
            exit=(0, 3),
            check_exit=(0, 3),
            unpassed=("config-loads",),
            spared=DATA,
        ),
    ),
)
