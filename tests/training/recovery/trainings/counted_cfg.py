model = dict(type="Curve")
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    collate_fn=dict(type="default_collate"),
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(type="Counted", length=64),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    collate_fn=dict(type="default_collate"),
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="Counted", length=6),
)
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=2, val_interval=1)
val_cfg = dict()
val_evaluator = dict(type="CurveError")
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.05, momentum=0.9))
param_scheduler = [
    # Over before the drop: a rate between two batches is on a step or on a line, not on both.
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=12),
    dict(type="MultiStepLR", by_epoch=True, milestones=[1], gamma=0.1),
]
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=4),
    checkpoint=dict(type="CheckpointHook", interval=1),
)
custom_hooks = [dict(type="Logbook")]
env_cfg = dict(mp_cfg=dict(mp_start_method="fork"))
default_scope = "mmengine"
randomness = dict(seed=0)
