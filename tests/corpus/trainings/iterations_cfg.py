# ruff: noqa: C408
# The same training, counted in iterations; a checkpoint every eight.
_base_ = "./tiny_cfg.py"

train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters=24, val_interval=8)
train_dataloader = dict(sampler=dict(type="InfiniteSampler"))
default_hooks = dict(checkpoint=dict(type="CheckpointHook", interval=8, by_epoch=False))
log_processor = dict(by_epoch=False)
