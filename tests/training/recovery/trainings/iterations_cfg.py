_base_ = "./counted_cfg.py"
train_dataloader = dict(sampler=dict(_delete_=True, type="InfiniteSampler", shuffle=True))
train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters=40, val_interval=20)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type="MultiStepLR", by_epoch=False, milestones=[30], gamma=0.1),
]
default_hooks = dict(checkpoint=dict(type="CheckpointHook", interval=20, by_epoch=False))
log_processor = dict(by_epoch=False)
