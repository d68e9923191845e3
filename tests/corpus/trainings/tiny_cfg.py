# ruff: noqa: C408
model = dict(type="Line")
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    collate_fn=dict(type="default_collate"),
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="Numbers"),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    collate_fn=dict(type="default_collate"),
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="Numbers", length=4),
)
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=3, val_interval=1)
val_cfg = dict()
val_evaluator = dict(type="MeanError")
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.01))
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=2),
    checkpoint=dict(type="CheckpointHook", interval=1),
)
env_cfg = dict(mp_cfg=dict(mp_start_method="fork"))
default_scope = "mmengine"
randomness = dict(seed=0)
