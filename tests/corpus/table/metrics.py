"""Trainings that go on, and train something else than they should."""

from __future__ import annotations

from tests.corpus.case import Case
from tests.corpus.table.stalls import DATASET

MACL = ("--require", "loss_macl")
MODEL = "model.type"
STEEP = {
    MODEL: "SteepLoss",
    "model.at": 60,
    "optim_wrapper.clip_grad.max_norm": 1,
    # Each line tells of its own iterations alone, as with the usual interval of 50.
    "log_processor.window_size": 2,
}
LONG = {"train_dataloader.dataset.length": 400, "train_cfg.max_epochs": 1}
"""A hundred iterations: gradients and courses are not judged by the first ones."""

CASES = (
    Case(
        name="loss becomes NaN",
        cause="the loss is not a number from step 10 on",
        expected=("DW203",),
        options={MODEL: "LossBecomes", "model.value": "nan"},
    ),
    Case(
        name="loss becomes infinite",
        cause="the loss is infinite from step 10 on",
        expected=("DW203",),
        options={MODEL: "LossBecomes", "model.value": "inf"},
    ),
    Case(
        name="batches without partners",
        cause="the dataset gives the visible image alone",
        expected=("DW211",),
        words=MACL,
        options={DATASET: "VisibleOnly"},
        twin="required metric",
    ),
    Case(
        name="batches lose their partners",
        cause="the dataset gives the visible image alone from the middle of an epoch on",
        expected=("DW211",),
        words=MACL,
        options={**LONG, DATASET: "VisibleOnly", "train_dataloader.dataset.after": 200},
        twin="required metric",
    ),
    Case(
        name="demo on one modality",
        cause="the demo is trained on visible images, and loss_macl is asked for",
        expected=("DW211",),
        script="",
        config="{root}/configs/demo/visible_tiny_synthetic_2e.py",
        words=MACL,
        prepare="synthetic_pairs",
        options={"default_hooks.logger.interval": 2},
        needs=("mmdet",),
        twin="demo",
    ),
    Case(
        name="loss is never computed",
        cause="the batches are paired, and the model returns no loss_macl",
        expected=("DW212",),
        words=MACL,
        options={MODEL: "ForgetsMacl"},
        twin="required metric",
    ),
    Case(
        name="error is caught and printed",
        cause="a shape mismatch in the contrast is printed as one line",
        expected=("DW213",),
        words=MACL,
        options={MODEL: "PrintsItsError"},
        twin="harmless warnings",
    ),
    Case(
        name="error is caught and printed in full",
        cause="a shape mismatch in the contrast is printed as a traceback",
        expected=("DW213",),
        words=MACL,
        options={MODEL: "PrintsItsTraceback"},
        twin="harmless warnings",
    ),
    Case(
        name="error is caught and logged",
        cause="a shape mismatch in the contrast is logged as a warning",
        expected=("DW213",),
        words=MACL,
        options={MODEL: "LogsItsError"},
        twin="harmless warnings",
    ),
    Case(
        name="error is caught in silence",
        cause="a shape mismatch in the contrast is caught, and nothing is printed",
        expected=("DW213",),
        words=MACL,
        options={MODEL: "SaysNothingOfItsError", "model.pause": 0.3},
        twin="harmless warnings",
    ),
    Case(
        name="error is caught and printed late",
        cause="a shape mismatch in the contrast is printed, and the lines stay in a buffer",
        expected=("DW213",),
        words=MACL,
        options={MODEL: "PrintsItsErrorLate", "model.pause": 0.3},
        twin="harmless warnings",
    ),
    Case(
        name="lookups beside a forgotten loss",
        cause="the loss is dropped; caught lookups of sound code have no part in it",
        expected=("DW212",),
        words=MACL,
        options={MODEL: "ForgetsMaclAmongLookups", "model.pause": 0.3},
        twin="harmless warnings",
    ),
    Case(
        name="error is caught later on",
        cause="from step 10 on the contrast fails, which is printed",
        expected=("DW213",),
        words=MACL,
        options={MODEL: "PrintsItsError", "model.at": 10},
        twin="harmless warnings",
    ),
    Case(
        name="loss stops without a word",
        cause="from step 10 on the model returns no loss_macl, although the batches are paired",
        expected=("DW202", "DW212"),
        words=MACL,
        options={MODEL: "StopsMacl"},
        twin="required metric",
    ),
    Case(
        name="plain loop without the metric",
        cause="a loop without mmengine never prints the metric that is asked for",
        expected=("DW201",),
        script="plain_loop.py",
        words=MACL,
        twin="plain loop",
    ),
    Case(
        name="contrast is too high",
        cause="loss_macl is 7.5",
        expected=("DW204",),
        words=MACL,
        options={MODEL: "MaclTooHigh"},
        twin="required metric",
    ),
    Case(
        name="gradients explode",
        cause="gradients are a hundred times too large from step 60 on",
        expected=("DW204",),
        words=MACL,
        options={**LONG, **STEEP},
        twin="one gradient spike",
    ),
    Case(
        name="contrast is never learnt",
        cause="loss_macl stands at 0.9",
        expected=("DW205",),
        words=MACL,
        options={**LONG, MODEL: "MaclStands"},
        twin="required metric",
    ),
)
