"""DW2xx: the metrics of the training, and those that are missing."""

from __future__ import annotations

from dualwatch.events import Circumstance, Severity
from dualwatch.rules.catalog.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW201",
        name="required-metric-missing",
        severity=Severity.ERROR,
        means="A required metric is absent from the training lines.",
        matters="The part of the loss that it measures is not being trained.",
        remedy="Check that the dataset yields and the model computes what the metric needs, and "
        "search the console for exceptions that were caught and printed.",
        example="DW201 required-metric-missing (certain)\n"
        "  none of 2 training lines has loss_pair\n"
        "  metrics at epoch 1, iteration 100/375: loss, loss_cls\n"
        "  the log alone does not show the cause; dualwatch train inspects the batches and the "
        "losses that the model returns",
    ),
    Code(
        code="DW202",
        name="required-metric-vanished",
        severity=Severity.ERROR,
        means="A required metric was in the training lines and is no longer computed. A framework "
        "may keep printing the last mean of a loss: one that stays constant while others change "
        "counts as gone.",
        matters="From that line on, this loss is not trained.",
        remedy="Search the console around the first line without it for an exception that was "
        "caught and printed.",
        example="DW202 required-metric-vanished (certain)\n"
        "  loss_pair is 0.2903 in each of the last 4 training lines; the model has not returned it "
        "since iteration 151\n"
        "  at iteration 151 the model returned: loss, loss_cls, loss_bbox",
    ),
    Code(
        code="DW203",
        name="non-finite-loss",
        severity=Severity.ERROR,
        means="A loss is NaN or infinite: since which line, and the last checkpoint before it. In "
        "a supervised training every iteration is observed: the first one and the first loss are "
        "named, and the modules whose weights are not finite. It is a warning where single lines "
        "come and go, where the total loss does not contain it, and where only the gradient norm "
        "is so in some consecutive lines: single ones are normal under mixed precision.",
        matters="Where it stays, the weights are corrupt from there on, and checkpoints are still "
        "being saved. Single lines come from single samples and leave the weights sound.",
        remedy="Resume from a checkpoint before that iteration with a lower learning rate or with "
        "gradient clipping.",
        example="DW203 non-finite-loss (certain)\n"
        "  loss_bbox is nan at iteration 641, the first value that is not finite (also loss)\n"
        "  weights of 2 modules are not finite after iteration 641: backbone, bbox_head\n"
        "  loss (also loss_cls, loss_bbox) is nan since epoch 2, iteration 150/500, in 28 "
        "consecutive log lines up to the newest\n"
        "  the last checkpoint from before it: epoch_1.pth\n"
        "  trained since then: 1350 iterations (2.7 epochs)",
        explains=("DW207", "DW216"),
    ),
    Code(
        code="DW204",
        name="metric-out-of-range",
        severity=Severity.WARNING,
        means="A metric is outside the range of a sound training, missed its target at the end of "
        "an epoch, or a loss has diverged: it is many times what the losses of this log began "
        "with, and stays so. No fixed limit fits every loss.",
        matters="A large gradient norm means an unstable training; a loss above its range, that "
        "what it measures is not learned. A diverged loss does not come back by waiting.",
        remedy="For a gradient norm, lower the learning rate or clip the gradients. For a loss, "
        "check the data and the weight of that loss.",
        example="DW204 metric-out-of-range (likely)\n"
        "  grad_norm is 41, above 20, in 3 of the last 5 training lines\n"
        "  grad_norm 38 at epoch 1, iteration 120/375\n"
        "  grad_norm 35 at epoch 1, iteration 140/375\n"
        "  grad_norm 41 at epoch 1, iteration 150/375",
    ),
    Code(
        code="DW205",
        name="metric-not-converging",
        severity=Severity.WARNING,
        means="A loss that must fall during warm-up does not.",
        matters="What it measures is not being learned: its input may be wrong, or its parameters "
        "are not in the optimizer.",
        remedy="Check the input of that loss, and that the optimizer holds the parameters of the "
        "head that computes it.",
        example="DW205 metric-not-converging (likely)\n"
        "  loss_pair does not fall: 0.911 in the first lines, 0.904 in the newest, "
        "after 30 training lines in 12 minutes\n"
        "  loss_pair 0.9213 at epoch 1, iteration 10/375\n"
        "  loss_pair 0.8997 at epoch 1, iteration 300/375",
    ),
    Code(
        code="DW206",
        name="loss-not-learning",
        severity=Severity.WARNING,
        means="The total loss is constant, or has not fallen where it should have, and "
        "no validation shows that something is learned.",
        matters="Iterations run without any learning.",
        remedy="Check that the learning rate is neither 0 nor far too large, that the head's "
        "parameters require gradients and are in the optimizer, and that the labels are right.",
        example="DW206 loss-not-learning (certain)\n"
        "  loss is 3.4012 in each of the last 40 log lines\n"
        "  ln 30 = 3.4012: what guessing among 30 classes costs",
        explains=("DW207",),
    ),
    Code(
        code="DW207",
        name="metric-useless",
        severity=Severity.WARNING,
        means="The metric of the validations is 0, or that of guessing, in all of them. It is an "
        "error where the training has finished or is half done.",
        matters="The training can run to its end like that, and its checkpoints are of no use.",
        remedy="Compare the classes and label ids of the training's and the validation's "
        "annotations, and look at some predictions.",
        example="DW207 metric-useless (certain)\n"
        "  coco/bbox_mAP is 0 in all 4 validations, the newest at epoch 4\n"
        "  loss falls: 1.214 in the first lines, 0.3377 in the newest",
    ),
    Code(
        code="DW208",
        name="slowing-down",
        severity=Severity.WARNING,
        means="Iterations take much longer than this training's own earlier ones, and it lasts.",
        matters="The training will take several times as long as planned. data_time shows "
        "whether loading or computing has become slower.",
        remedy="Look at the storage and the CPU where loading has become slower; at nvidia-smi "
        "(another process, throttled clocks, full memory) where computing has.",
        example="DW208 slowing-down (likely)\n"
        "  an iteration takes 15.8 s, 3.2 times as long as at the beginning (5 s); slower since "
        "about epoch 2, iteration 41/100\n"
        "  of it, waiting for data: 0.001 s, 0.001 s before",
    ),
    Code(
        code="DW209",
        name="input-bound",
        severity=Severity.WARNING,
        means="The training waits for its data most of the time.",
        matters="The GPU is idle meanwhile: a faster loader shortens the training by that share.",
        remedy="More workers, a cheaper pipeline, smaller source images, or the data on a local "
        "disk.",
        example="DW209 input-bound (likely)\n"
        "  6.5 of 7 s of an iteration are spent waiting for data (93 % in 30 log lines)\n"
        "  with 2 workers; at this speed of loading, about 28 would keep up with the computing",
    ),
    Code(
        code="DW211",
        name="batch-unpaired",
        severity=Severity.ERROR,
        means="Cause of a missing metric: the batches hold one modality only.",
        matters="A loss between two modalities cannot be computed from one.",
        remedy="Switch on pairing in the training dataset, and check that the folder of the second "
        "modality exists: a dataset that falls back to one image prints nothing.",
        example="DW211 batch-unpaired (likely)\n"
        "  the batch of iteration 1 is not paired: it holds one image per sample, "
        "inputs[0] of 3x512x640, and names no second one\n"
        "  inputs[0]: Tensor 3x512x640\n"
        "  data_samples[0].img_path: str .../visible/train/010001.jpg",
        explains=("DW201", "DW202"),
    ),
    Code(
        code="DW212",
        name="paired-but-no-loss",
        severity=Severity.ERROR,
        means="Cause of a missing metric: the batches hold both modalities, and the model does not "
        "return the loss.",
        matters="The data is correct; the fault is in the model.",
        remedy="Check the head that computes the loss: that it is built, that loss() calls it, "
        "that no weight of 0 or start epoch switches it off, and that no try block hides its "
        "exception.",
        example="DW212 paired-but-no-loss (likely)\n"
        "  the batches are paired, and the model does not return loss_pair\n"
        "  at iteration 1 the model returned: loss, loss_rpn_cls, loss_rpn_bbox, "
        "loss_cls, loss_bbox\n"
        "  the batch: it holds inputs.visible[0] and inputs.infrared[0]",
        explains=("DW201", "DW202"),
    ),
    Code(
        code="DW213",
        name="swallowed-exception",
        severity=Severity.ERROR,
        means="Cause of a missing metric: an exception that the training caught. dualwatch train "
        "traces one iteration when a required metric is missing, so it is found whatever the "
        "training prints; in a log it is the error that was printed near the line where the metric "
        "went missing.",
        matters="The training continues without the loss whose computation failed.",
        remedy="Correct the quoted error, and let it be raised: an except clause that only prints "
        "hides it in every iteration.",
        example="DW213 swallowed-exception (certain)\n"
        "  pair loss failed: mat1 and mat2 shapes cannot be multiplied (12x2352 and "
        "12544x256), at least 100 times, and the training continued\n"
        "  first seen before the first training line; loss_pair was never logged; its text "
        "mentions pair; it began with the training loop; it came at least 100 times",
        explains=("DW201", "DW202", "DW212"),
    ),
    Code(
        code="DW214",
        name="part-not-trained",
        severity=Severity.WARNING,
        means="A part of the model wants gradients and is not trained: it is in no optimizer, gets "
        "no gradient, has a learning rate of 0, does not change, or was left in eval mode. It is "
        "an error where that holds for the whole model, or where gradients are never cleared. Seen "
        "from inside, in the first steps and two in every 200 iterations.",
        matters="Losses and checkpoints look as usual, and that part stays as it was initialised.",
        remedy="Look at the module that the evidence names. Where it is frozen on purpose, set "
        "requires_grad to False, which also saves its backward pass.",
        remedies={
            Circumstance.OUTSIDE_OPTIMIZER: "Give the optimizer the parameters of that module "
            "(model.parameters(), rather than those of some parts). Where it is frozen on purpose, "
            "set requires_grad to False, which also saves its backward pass.",
            Circumstance.NO_GRADIENT: "Look for detach(), torch.no_grad(), .data, .item() or numpy "
            "between that module and the loss. Where it is frozen on purpose, set requires_grad to "
            "False.",
            Circumstance.NEVER_CALLED: "Call the module in the forward pass, or remove it from the "
            "model.",
            Circumstance.RATE_ZERO: "Check lr of the optimizer, the factors of its groups "
            "and the schedule. A rate of 0 does not freeze a part: its gradients are computed, "
            "and its norm layers keep changing.",
            Circumstance.ZERO_GRADIENT: "Look at the weight of its loss (0 switches it off), and "
            "for activations that are 0 everywhere.",
            Circumstance.UNCHANGED: "Check that the optimizer holds the tensors that the model "
            "uses (not copies made before .to() or a reload), and that the rate is not below what "
            "the number format of the weights can show.",
            Circumstance.EVAL_MODE: "Call train() on it after the evaluation, or look for eval() "
            "in its forward pass.",
            Circumstance.NOT_CLEARED: "Call optimizer.zero_grad() once after (or before) each "
            "step.",
        },
        example="DW214 part-not-trained (certain)\n"
        "  neck (FPN, 3344384 parameters) wants gradients and is in no optimizer\n"
        "  observed in iterations 1 to 4",
        explains=("DW204", "DW205", "DW206", "DW207"),
    ),
    Code(
        code="DW215",
        name="checkpoint-mismatch",
        severity=Severity.WARNING,
        means="Weights were loaded of which many do not fit the model: keys that are missing, "
        "unexpected or of another shape. It is a note where at least half of the model's keys were "
        "loaded, as with a head for other classes, and an error where none was. By a log alone, "
        "which does not show how many keys fit, it is a warning only where the missing keys are in "
        "the checkpoint under another prefix, or many beyond the heads have another shape.",
        matters="What was not loaded starts from its initialisation, and the training begins as if "
        "there were no checkpoint.",
        remedy="Compare the names of the keys: a prefix (backbone., module., model.) that only one "
        "side has, another backbone, or the file of another model.",
        example="DW215 checkpoint-mismatch (certain)\n"
        "  0 of the model's 361 keys were loaded: 361 are missing in the checkpoint, 0 have "
        "another shape, and 318 of its keys are not in the model\n"
        "  keys that are not in the model: model.layer1.0.conv1.weight",
        explains=("DW205", "DW206", "DW207"),
    ),
    Code(
        code="DW216",
        name="best-long-ago",
        severity=Severity.INFO,
        means="The metric of the newest validation is far below that of an earlier one. It is a "
        "warning where it has fallen to 0.",
        matters="The last checkpoint is not the best: the training overfits or became unstable.",
        remedy="Use the checkpoint of the best validation; stop earlier, or lower the rate.",
        example="DW216 best-long-ago (certain)\n"
        "  coco/bbox_mAP was best at epoch 2 (0.56) and is 0.22 at epoch 4\n"
        "  the checkpoint of the best: best_coco_bbox_mAP_epoch_2.pth",
    ),
)
