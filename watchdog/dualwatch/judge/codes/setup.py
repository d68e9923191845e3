"""DW6xx: configuration, data, checkpoints, the script itself."""

from __future__ import annotations

from dualwatch.facts import Severity
from dualwatch.judge.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW601",
        name="risky-loader-settings",
        severity=Severity.WARNING,
        means="The loader's settings are those under which trainings hang: several workers, "
        "kept over the epochs, with paired images, and more so where workers are "
        "spawned.",
        matters="It is no fault yet. When it hangs, it says nothing, and the first epochs may "
        "pass well.",
        cure="num_workers=0 and persistent_workers=False cost some loading speed and cannot "
        "deadlock. Or leave it to dualwatch train, which cures it when it happens.",
    ),
    Code(
        code="DW602",
        name="config-does-not-load",
        severity=Severity.CRITICAL,
        means="The configuration is missing, has an error, or does not end loading.",
        matters="Nothing was started.",
        cure="Correct it; mmengine's Config.fromfile shows the same error.",
        explains=("DW606",),
    ),
    Code(
        code="DW603",
        name="data-missing",
        severity=Severity.CRITICAL,
        means="A folder or an annotation file that the configuration names is not there.",
        matters="Nothing was started: the training would die when it builds its datasets.",
        cure="Correct the path in the configuration, or give it with --cfg-options.",
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
        explains=("DW306", "DW211"),
    ),
    Code(
        code="DW605",
        name="resume-blocked",
        severity=Severity.CRITICAL,
        means="The checkpoint cannot be loaded: it is truncated, or torch refuses a class in it.",
        matters="The training cannot go on from there.",
        cure="Take the checkpoint before it; under dualwatch train mmengine's own classes are "
        "already allowed.",
        explains=("DW606",),
    ),
    Code(
        code="DW606",
        name="training-script-error",
        severity=Severity.CRITICAL,
        means="The training ended by itself with an error; it is quoted.",
        matters="It is not a hang: running it again would end the same way.",
        cure="Read the quoted error; the whole console is in attempt-N/console.log.",
    ),
)
