"""DW6xx: configuration, data, checkpoints, the training script."""

from __future__ import annotations

from dualwatch.events import Severity
from dualwatch.rules.catalog.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW601",
        name="risky-loader-settings",
        severity=Severity.INFO,
        means="A loader has settings that are known to deadlock: several workers that are "
        "persistent or spawned, and two images per sample.",
        matters="The training can hang without any message, even after epochs that went well.",
        remedy="Set num_workers=0 and persistent_workers=False: loading is slower and cannot "
        "deadlock. Or keep the settings and use dualwatch train, which answers a hang.",
        example="DW601 risky-loader-settings (likely)\n"
        "  train loader: num_workers=2, persistent_workers=True, images in pairs",
    ),
    Code(
        code="DW602",
        name="config-does-not-load",
        severity=Severity.CRITICAL,
        means="The configuration is missing, has an error, or does not finish loading.",
        matters="No training can start with it, and dualwatch train does not start one.",
        remedy="Correct the error that the evidence quotes.",
        example="DW602 config-does-not-load (certain)\n"
        "  the configuration c.py does not load: SyntaxError: invalid syntax in line 12",
        explains=("DW606",),
    ),
    Code(
        code="DW603",
        name="data-missing",
        severity=Severity.CRITICAL,
        means="A folder or an annotation file that the configuration names does not exist.",
        matters="The training would fail when it builds its datasets; dualwatch train does not "
        "start it.",
        remedy="Correct the path in the configuration, or pass it with --cfg-options.",
        example="DW603 data-missing (certain)\n  data/LLVIP does not exist (dataset.data_root)",
        explains=("DW306", "DW307", "DW606"),
    ),
    Code(
        code="DW604",
        name="pair-missing",
        severity=Severity.ERROR,
        means="An image has no partner in the other modality.",
        matters="A dataset that meets it fails, or silently falls back to one image.",
        remedy="Complete the two folders that the evidence names, or remove the image from the "
        "annotations.",
        example="DW604 pair-missing (likely)\n"
        "  2 of 12025 images have no partner in the other modality\n"
        "  without a partner: data/LLVIP/visible/train/010412.jpg\n"
        "  without a partner: data/LLVIP/infrared/train/100833.jpg",
        explains=("DW306", "DW211"),
    ),
    Code(
        code="DW605",
        name="resume-blocked",
        severity=Severity.CRITICAL,
        means="The checkpoint cannot be loaded: it is truncated, or torch refuses a class in it.",
        matters="The training cannot continue from it.",
        remedy="Resume from an earlier checkpoint. dualwatch train does so, twice at most.",
        example="DW605 resume-blocked (certain)\n"
        "  _pickle.UnpicklingError: Weights only load failed. This file can still be loaded\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
    Code(
        code="DW606",
        name="training-script-error",
        severity=Severity.CRITICAL,
        means="The training ended with an error of its own, which is quoted.",
        matters="This is not a hang. Running it again would end the same way.",
        remedy="Correct the quoted error; attempt-N/console.log holds the whole output.",
        example="DW606 training-script-error (certain)\n"
        "  ValueError: num_classes does not match (heads.py:41 in __init__)\n"
        "  the training ended with exit code 1\n"
        '  File "heads.py", line 41, in __init__\n'
        '    raise ValueError("num_classes does not match")',
    ),
    Code(
        code="DW607",
        name="code-not-found",
        severity=Severity.CRITICAL,
        means="A module, a registered class or a file of the training's code is not found, or a "
        "version does not fit.",
        matters="The training cannot start in this Python.",
        remedy="Install what is missing into the Python that runs the training.",
        example="DW607 code-not-found (certain)\n"
        "  default_scope is 'mmpretrain', and no such package is installed",
        explains=("DW606",),
    ),
    Code(
        code="DW609",
        name="ended-from-outside",
        severity=Severity.ERROR,
        means="The training was ended from outside: by Ctrl-C, a signal, the scheduler, or by "
        "dualwatch itself. The evidence names who ended it, and why, where that is known.",
        matters="The training has no error that this end comes from, and it is not complete.",
        remedy="Resume from the newest checkpoint. If you did not end it, find out who did: the "
        "time limit or preemption of the scheduler, another user, a script.",
        example="DW609 ended-from-outside (certain)\n"
        "  the training was stopped by dualwatch: loss_pair is missing, which stops the training, "
        "as you asked\n"
        "  its process ended with SIGTERM\n"
        "  rescue checkpoint at iteration 12: work_dirs/a/rescue_iter_12.pth",
    ),
    Code(
        code="DW610",
        name="config-cannot-train",
        severity=Severity.CRITICAL,
        means="The configuration loads, and no training can be made of it: sections that a "
        "training needs are absent, it is written for another version, or a part refuses its "
        "settings.",
        matters="The training would end before its first iteration.",
        remedy="Correct the sections that the evidence names.",
        example="DW610 config-cannot-train (certain)\n"
        "  RetinaNet.__init__() got an unexpected keyword argument 'rpn_head' (model.rpn_head)",
        explains=("DW606",),
    ),
    Code(
        code="DW611",
        name="config-disagrees",
        severity=Severity.ERROR,
        means="Parts of the configuration contradict each other or the annotations: numbers or "
        "names of classes differ, or a schedule is never reached.",
        matters="It trains something else than was meant, or fails at the first label or "
        "validation that meets the difference.",
        remedy="Make the settings that the evidence names agree.",
        example="DW611 config-disagrees (certain)\n"
        "  model.bbox_head.num_classes=80, and the training data has 1 class (person)",
        explains=("DW606",),
    ),
)
