"""DW2xx: what is trained, and what is missing from it."""

from __future__ import annotations

from dualwatch.facts import Severity
from dualwatch.judge.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW201",
        name="required-metric-missing",
        severity=Severity.ERROR,
        means="A required metric is absent from the training lines.",
        matters="The part of the loss that it stands for is not being trained: with loss_macl, "
        "the pairing of visible and infrared images does not work.",
        cure="Check return_modality_pair=True in the training dataset, the paired data "
        "preprocessor, and the console for errors that were caught and printed.",
    ),
    Code(
        code="DW202",
        name="required-metric-vanished",
        severity=Severity.ERROR,
        means="A required metric was in the training lines and then no more.",
        matters="From that line on its loss is no longer trained.",
        cure="Look at the console around the first line without it for an error that was caught.",
    ),
    Code(
        code="DW203",
        name="non-finite-loss",
        severity=Severity.ERROR,
        means="A loss or the gradient norm is NaN or infinite.",
        matters="The weights are spoilt from there on, and checkpoints go on being saved.",
        cure="Lower the learning rate, clip gradients, look at the batch; go back to a "
        "checkpoint from before.",
    ),
    Code(
        code="DW204",
        name="metric-out-of-range",
        severity=Severity.WARNING,
        means="A metric is beyond the limits of a sound training, such as loss_macl over 1.0 "
        "or grad_norm over 20.",
        matters="A contrastive loss over 1.0 usually means that the pairs do not match; a large "
        "gradient norm that the training is unstable.",
        cure="For loss_macl look at the pairing of the two modalities; for grad_norm lower "
        "the learning rate or clip the gradients.",
    ),
    Code(
        code="DW205",
        name="metric-not-converging",
        severity=Severity.WARNING,
        means="loss_macl does not fall over the warm-up as it should.",
        matters="The two modalities are not being aligned: the pairs may not match, or its "
        "weights are not trained.",
        cure="Look at the pairing of the images, and whether the optimizer holds the "
        "parameters of the contrastive head.",
    ),
    Code(
        code="DW211",
        name="batch-unpaired",
        severity=Severity.ERROR,
        means="Cause of a missing metric: the batches hold no second modality.",
        matters="A contrastive loss between two modalities cannot be computed from one.",
        cure="Set return_modality_pair=True (or what your dataset calls it) in the training "
        "dataset, and check that the infrared folder is found: a dataset that falls "
        "back to one image says nothing.",
        explains=("DW201", "DW202"),
    ),
    Code(
        code="DW212",
        name="paired-but-no-loss",
        severity=Severity.ERROR,
        means="Cause of a missing metric: the batches hold both modalities, and the model "
        "returns no such loss.",
        matters="The data are right, so looking for the fault in the dataset would cost days: "
        "it is in the model.",
        cure="Look at the head that computes the loss: whether it is built, called in "
        "loss(), switched off by a weight of 0 or an epoch, or caught in a try.",
        explains=("DW201", "DW202"),
    ),
    Code(
        code="DW213",
        name="swallowed-exception",
        severity=Severity.ERROR,
        means="The console shows an error that was caught and printed, near a metric that is "
        "missing; it is quoted.",
        matters="The training goes on as if nothing were wrong, without the loss whose "
        "computation failed.",
        cure="Mend what the quoted error says, and let it be raised: an except that prints "
        "hides it in every iteration.",
        explains=("DW201", "DW202", "DW212"),
    ),
)
