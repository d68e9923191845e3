"""Trainings that print what a sound one prints, and are not."""

from __future__ import annotations

from tests.corpus.case import Case, InWorkDir

MODEL = "model.type"
PARTS = {MODEL: "Parts"}
CONSTRUCTOR = "optim_wrapper.constructor"
NOT_TRAINED = ("DW214",)

MEMORY = {
    "model.pause": 0.25,
    "train_dataloader.dataset.length": 400,
    "default_hooks.extra.type": "KeepsAPiece",
    "default_hooks.logger.interval": 20,
}
"""Hundred iterations in an epoch, each long enough that memory is looked at beside them."""

PINNED = {
    "train_dataloader.dataset.type": "Pinned",
    "train_dataloader.dataset.length": 200,
}

CASES = (
    Case(
        name="workers share one CPU",
        cause="each worker is pinned to the same CPU of several",
        expected=("DW506",),
        options=PINNED,
        twin="each worker has its CPU",
    ),
    Case(
        name="memory creeps",
        cause="a list keeps a megabyte of each iteration, for hundreds of thousands of them",
        expected=("DW505",),
        options={**MEMORY, "train_cfg.max_epochs": 10000},
        ends="finding",
        twin="a cache that fills once",
    ),
    Case(
        name="neck outside the optimizer",
        cause="the optimizer is given the parameters of all parts but the neck",
        expected=NOT_TRAINED,
        options={**PARTS, CONSTRUCTOR: "LeavesOutTheNeck"},
        twin="three parts",
    ),
    Case(
        name="backbone is detached",
        cause="detach() between the backbone and the neck",
        expected=NOT_TRAINED,
        options={MODEL: "DetachesItsBackbone"},
        twin="backbone is frozen",
    ),
    Case(
        name="learning rate is 0",
        cause="the optimizer has a learning rate of 0",
        expected=NOT_TRAINED,
        options={**PARTS, "optim_wrapper.optimizer.lr": 0.0},
        twin="warm-up from almost 0",
    ),
    Case(
        name="gradients are never cleared",
        cause="the gradients of all steps add up",
        expected=NOT_TRAINED,
        options={**PARTS, "optim_wrapper.type": "NeverClears"},
        twin="gradients are accumulated",
    ),
    Case(
        name="backbone stays in eval mode",
        cause="the backbone is trained in eval mode",
        expected=NOT_TRAINED,
        options={MODEL: "StaysInEval"},
        twin="norm layers are frozen",
    ),
    Case(
        name="weights of another model",
        cause="the keys of load_from have a prefix, so that none of them is loaded",
        expected=("DW215",),
        prepare="weights_of_another_model",
        options={"load_from": InWorkDir("pretrained.pth")},
        twin="weights that fit",
    ),
    Case(
        name="neck is never called",
        cause="the neck is built, and the forward pass leaves it out",
        expected=NOT_TRAINED,
        options={
            MODEL: "ForgetsItsNeck",
            "train_dataloader.dataset.length": 1000,
            "train_cfg.max_epochs": 1,
            "default_hooks.logger.interval": 50,
        },
        twin="three parts",
    ),
)

HEALTHY = (
    Case(
        name="each worker has its CPU",
        cause="the workers are pinned on purpose, each to another CPU",
        healthy=True,
        options={**PINNED, "train_dataloader.dataset.together": False},
    ),
    Case(
        name="a cache that fills once",
        cause="a cache grows in the first epoch and is full then",
        healthy=True,
        options={**MEMORY, "train_cfg.max_epochs": 4, "default_hooks.extra.full": 100},
    ),
    Case(
        name="weights that fit",
        cause="all weights of load_from are loaded",
        healthy=True,
        prepare="pretrained",
        options={"load_from": InWorkDir("pretrained.pth")},
    ),
    Case(name="three parts", cause="nothing", healthy=True, options=PARTS),
    Case(
        name="backbone is frozen",
        cause="the backbone is frozen on purpose, as frozen_stages does it",
        healthy=True,
        options={**PARTS, "model.frozen": True},
    ),
    Case(
        name="norm layers are frozen",
        cause="norm_eval keeps the statistics of the norm layers",
        healthy=True,
        options={**PARTS, "model.norm_eval": True},
    ),
    Case(
        name="gradients are accumulated",
        cause="a step is taken every 4 iterations",
        healthy=True,
        options={**PARTS, "optim_wrapper.accumulative_counts": 4},
    ),
    Case(
        name="warm-up from almost 0",
        cause="the learning rate rises from a millionth of its value",
        healthy=True,
        options={
            **PARTS,
            "param_scheduler.type": "LinearLR",
            "param_scheduler.start_factor": 1e-6,
            "param_scheduler.by_epoch": False,
            "param_scheduler.end": 20,
        },
    ),
    Case(
        name="one loss is constant on purpose",
        cause="a loss that is logged beside the others never changes",
        healthy=True,
        options={**PARTS, "model.constant": 0.5, "model.at": 1},
    ),
)
