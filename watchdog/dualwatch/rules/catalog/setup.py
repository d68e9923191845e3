"""DW6xx: configuration, data, checkpoints, the script itself."""

from __future__ import annotations

from dualwatch.events import Severity
from dualwatch.rules.catalog.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW601",
        name="risky-loader-settings",
        severity=Severity.INFO,
        means="The loader's settings are those under which trainings hang: several workers, "
        "kept over the epochs, with paired images, and more so where workers are "
        "spawned.",
        matters="It is no fault yet. When it hangs, it says nothing, and the first epochs may "
        "pass well.",
        cure="num_workers=0 and persistent_workers=False cost some loading speed and cannot "
        "deadlock. Or leave it to dualwatch train, which cures it when it happens.",
        example="DW601 risky-loader-settings (likely)\n"
        "  train_dataloader: num_workers=2, persistent_workers=True, images in pairs",
    ),
    Code(
        code="DW602",
        name="config-does-not-load",
        severity=Severity.CRITICAL,
        means="The configuration is missing, has an error, or does not end loading.",
        matters="Nothing can be trained with it; dualwatch train does not start one.",
        cure="Correct it; mmengine's Config.fromfile shows the same error.",
        example="DW602 config-does-not-load (almost certain)\n"
        "  the configuration c.py does not load: SyntaxError: invalid syntax in line 12",
        explains=("DW606",),
    ),
    Code(
        code="DW603",
        name="data-missing",
        severity=Severity.CRITICAL,
        means="A folder or an annotation file that the configuration names is not there.",
        matters="A training dies of it when it builds its datasets; dualwatch train does not start "
        "one.",
        cure="Correct the path in the configuration, or give it with --cfg-options.",
        example="DW603 data-missing (almost certain)\n"
        "  data/LLVIP is not there (train_dataloader.dataset.data_root)",
        explains=("DW306", "DW307", "DW606"),
    ),
    Code(
        code="DW604",
        name="pair-missing",
        severity=Severity.ERROR,
        means="An image has no partner in the other modality.",
        matters="A dataset that meets it fails, or falls back to one modality without a word.",
        cure="Complete or correct the two folders that the evidence names, or leave the "
        "image out of the annotations.",
        example="DW604 pair-missing (almost certain)\n"
        "  2 images have no partner in the other modality, of 12025 pairs looked at\n"
        "  without a partner: data/LLVIP/visible/train/010412.jpg\n"
        "  without a partner: data/LLVIP/infrared/train/100833.jpg",
        explains=("DW306", "DW211"),
    ),
    Code(
        code="DW605",
        name="resume-blocked",
        severity=Severity.CRITICAL,
        means="The checkpoint cannot be loaded: it is truncated, or torch refuses a class in it.",
        matters="The training cannot go on from there.",
        cure="Take the checkpoint before it (dualwatch does so, twice at most); under dualwatch "
        "train mmengine's own classes are already allowed.",
        example="DW605 resume-blocked (almost certain)\n"
        "  _pickle.UnpicklingError: Weights only load failed. This file can still be loaded\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
    Code(
        code="DW606",
        name="training-script-error",
        severity=Severity.CRITICAL,
        means="The training ended by itself with an error; it is quoted.",
        matters="It is not a hang: running it again would end the same way.",
        cure="Read the quoted error; the whole console is in attempt-N/console.log.",
        example="DW606 training-script-error (almost certain)\n"
        "  ValueError: num_classes does not match (heads.py:41 in __init__)\n"
        "  the training ended with exit code 1\n"
        '  File "heads.py", line 41, in __init__\n'
        '    raise ValueError("num_classes does not match")',
    ),
)
