# ruff: noqa: C408
# For two ranks: gradients are averaged by hand, and nobody validates.
_base_ = "./tiny_cfg.py"

model = dict(type="AveragesGradients")
val_dataloader = None
val_evaluator = None
val_cfg = None
custom_hooks = [dict(type="MeetsAfterEpoch")]
