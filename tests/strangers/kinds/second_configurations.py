"""A second round: configurations that cannot be trained, or train something else."""

from __future__ import annotations

from dataclasses import replace

from tests.strangers.case import Case, suspect, unfit
from tests.strangers.kinds.configurations import LOADERS, MODEL, SCHEDULE, SOUND, both, data

CASES: tuple[Case, ...] = (
    *both(
        "class names that differ by their case only",
        SOUND.replace("('bus', 'van')", "('Bus', 'Van')"),
        unfit("DW611", "DW308", "DW603", facts=("Bus|Van|bus|van",)),
    ),
    *both(
        "the neck takes other channels than the backbone gives",
        SOUND.replace("in_channels=[128, 256, 512]", "in_channels=[512, 1024, 2048]"),
        unfit("DW610", "DW602", "DW611", facts=("512|128",)),
    ),
    *both(
        "an optimizer that does not exist",
        SOUND.replace("dict(type='SGD', lr=0.01, momentum=0.9)", "dict(type='AdamWW', lr=0.01)"),
        unfit("DW607", "DW610", "DW602", facts=("AdamWW",)),
    ),
    *both(
        "a pipeline that packs nothing",
        SOUND.replace(", dict(type='PackDetInputs')]", "]"),
        unfit("DW610", "DW602", facts=("PackDetInputs|.*[Pp]ack\\w*",)),
    ),
    *both(
        "validated after the last epoch only",
        SOUND.replace("val_interval=1", "val_interval=24"),
        suspect(facts=("24",), may=("DW611", "DW602", "DW601"), fails=("schedules-reached",)),
    ),
    *both(
        "trained on the annotations of the validation",
        MODEL + LOADERS.replace("ann_file='train.json'", "ann_file='val.json'") + SCHEDULE,
        replace(suspect(may=("DW611", "DW612", "DW601")), exit=(0, 1, 3)),
        more=data(),
    ),
)
