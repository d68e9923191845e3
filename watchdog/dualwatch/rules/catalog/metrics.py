"""DW2xx: what is trained, and what is missing from it."""

from __future__ import annotations

from dualwatch.events import Severity
from dualwatch.rules.catalog.code import Code

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
        example="DW201 required-metric-missing (almost certain)\n"
        "  2 training lines, none with loss_macl\n"
        "  at epoch 1, iteration 100/375 there is: loss, loss_cls\n"
        "  the log alone does not tell why; `dualwatch train` looks at the batches and "
        "at what the model returns, which tells the causes apart",
    ),
    Code(
        code="DW202",
        name="required-metric-vanished",
        severity=Severity.ERROR,
        means="A required metric was in the training lines and then no more. mmengine goes on "
        "printing the last mean of a loss that is computed no more: one that stands still while "
        "others change is gone as well.",
        matters="From that line on its loss is no longer trained.",
        cure="Look at the console around the first line without it for an error that was caught.",
        example="DW202 required-metric-vanished (almost certain)\n"
        "  loss_macl is 0.2903 in each of the last 4 training lines, and since "
        "iteration 151 the model does not return it\n"
        "  at iteration 151 the model returned: loss, loss_cls, loss_bbox",
    ),
    Code(
        code="DW203",
        name="non-finite-loss",
        severity=Severity.ERROR,
        means="A loss is NaN or infinite, or the gradient norm is in three training lines running: "
        "under mixed precision single ones are normal.",
        matters="The weights are spoilt from there on, and checkpoints go on being saved.",
        cure="Lower the learning rate, clip gradients, look at the batch; go back to a "
        "checkpoint from before.",
        example="DW203 non-finite-loss (almost certain)\n"
        "  grad_norm is nan at epoch 1, iteration 150/375, in 3 training lines running",
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
        example="DW204 metric-out-of-range (very likely)\n"
        "  loss_macl is 1.4, above 1, in 3 of the last 5 training lines\n"
        "  loss_macl 1.2 at epoch 1, iteration 120/375\n"
        "  loss_macl 1.3 at epoch 1, iteration 140/375\n"
        "  loss_macl 1.4 at epoch 1, iteration 150/375",
    ),
    Code(
        code="DW205",
        name="metric-not-converging",
        severity=Severity.WARNING,
        means="The contrastive loss, loss_macl, does not fall over the warm-up as it should.",
        matters="The two modalities are not being aligned: the pairs may not match, or its "
        "weights are not trained.",
        cure="Look at the pairing of the images, and whether the optimizer holds the "
        "parameters of the contrastive head.",
        example="DW205 metric-not-converging (likely)\n"
        "  loss_macl does not fall: 0.911 in the first lines, 0.904 in the newest, "
        "after 30 training lines in 12 minutes\n"
        "  loss_macl 0.9213 at epoch 1, iteration 10/375\n"
        "  loss_macl 0.8997 at epoch 1, iteration 300/375",
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
        example="DW211 batch-unpaired (almost certain)\n"
        "  the batch of iteration 1 is not paired: it holds one image a sample, "
        "inputs[0] of 3x512x640, and names no second one\n"
        "  inputs[0]: Tensor 3x512x640\n"
        "  data_samples[0].img_path: str .../visible/train/010001.jpg",
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
        example="DW212 paired-but-no-loss (almost certain)\n"
        "  the batches are paired, and the model returns no loss_macl\n"
        "  at iteration 1 the model returned: loss, loss_rpn_cls, loss_rpn_bbox, "
        "loss_cls, loss_bbox\n"
        "  the batch: it holds inputs.visible[0] and inputs.infrared[0]",
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
        example="DW213 swallowed-exception (almost certain)\n"
        "  MACL loss failed: mat1 and mat2 shapes cannot be multiplied (12x2352 and "
        "12544x256), at least 100 times, and the training went on\n"
        "  first seen before the first training line, loss_macl never came: it speaks "
        "of macl; it began with the training loop; it came at least 100 times",
        explains=("DW201", "DW202", "DW212"),
    ),
)
