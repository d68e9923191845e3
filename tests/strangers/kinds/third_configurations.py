"""A third round: what mmdet's own classes refuse, drop or pass over without a word."""

from __future__ import annotations

import json

from tests.strangers.case import Case, Truth, configured, unfit
from tests.strangers.kinds.configurations import CHILD, DATA, SOUND, both, coco, data

EPOCHS = SOUND.replace("default_scope", "max_epochs = 12\ndefault_scope", 1).replace(
    "max_epochs=12,", "max_epochs=max_epochs,"
)
"""The sound configuration, with a variable that it uses itself."""

AS_TEXT = Truth(
    outcome=configured().outcome,
    exit=(3,),
    check_exit=(3,),
    unpassed=("config-loads",),
    spared=DATA,
)
FEW = "default_hooks = dict(checkpoint=dict(type='CheckpointHook', save_best='{}'))\n"
ONE, SEVERAL = "scale=(64, 48)", "scale=[(64, 48), (96, 64)]"
LOADS = "num_workers=2, persistent_workers=False"


def renumbered() -> str:
    """The training annotations, whose boxes name their images by text."""
    document = json.loads(coco(["a.png", "b.png", "c.png"], ["bus", "van"]))
    for box in document["annotations"]:
        box["image_id"] = str(box["image_id"])
    return json.dumps(document)


def others() -> str:
    """Annotations of other images, with the same categories."""
    document = json.loads(coco(["x.png", "y.png"], ["bus", "van"]))
    for image in document["images"]:
        image["id"] += 100
    return json.dumps(document)


CASES: tuple[Case, ...] = (
    *both(
        "epochs that the base has used already",
        CHILD + "max_epochs = 40\n",
        unfit("DW611", facts=("max_epochs", "12")),
        more={"base.py": EPOCHS},
        sound=CHILD + "max_epochs = 40\ntrain_cfg = dict(max_epochs=max_epochs)\n"
        "param_scheduler = [dict(type='MultiStepLR', begin=0, end=40, milestones=[30, 36])]\n",
        sound_more={"base.py": EPOCHS},
    ),
    *both(
        "the evaluator has the annotations of other images",
        SOUND.replace("ann_file=data_root + 'val.json'", "ann_file=data_root + 'others.json'"),
        unfit("DW611", facts=(".*others\\.json",)),
        more={"set/others.json": others()},
    ),
    *both(
        "no workers that persist",
        SOUND.replace(LOADS, "num_workers=0, persistent_workers=True"),
        unfit("DW610", "DW602", facts=("persistent_workers",)),
        sound=SOUND.replace("num_workers=2", "num_workers=0"),
    ),
    *both(
        "boxes that name their images by text",
        SOUND,
        unfit("DW611", "DW603", "DW307", facts=(".*train\\.json",)),
        more={**data(), "set/train.json": renumbered()},
    ),
    *both(
        "the best checkpoint by a metric of another name",
        SOUND + FEW.format("coco/mAP"),
        unfit("DW611", "DW610", facts=("coco/mAP",)),
        sound=SOUND + FEW.format("coco/bbox_mAP"),
    ),
    *both(
        "a transform that is given several sizes",
        SOUND.replace(ONE, SEVERAL),
        unfit("DW610", facts=("Resize",)),
        sound=SOUND.replace(ONE, SEVERAL).replace("'Resize'", "'RandomResize'"),
    ),
    *both(
        "read without any framework: schedules by the epoch in a loop of iterations",
        SOUND.replace(
            "type='EpochBasedTrainLoop', max_epochs=12, val_interval=1",
            "type='IterBasedTrainLoop', max_iters=900, val_interval=90",
        ),
        unfit("DW611", facts=("MultiStepLR",)),
        light=True,
        health=AS_TEXT,
    ),
)
