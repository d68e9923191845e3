# AdamW 5e-5 for 6 epochs, a tenth of it for the backbones; clipped at 10.
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=6, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=5e-5, weight_decay=0.05),
    paramwise_cfg=dict(
        # "backbone" matches backbone_infrared, too.
        custom_keys={"backbone": dict(lr_mult=0.1), "log_temperature": dict(decay_mult=0.0)},
        norm_decay_mult=0.0,
    ),
    clip_grad=dict(max_norm=10, norm_type=2),
)

param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=500),
    dict(type="MultiStepLR", by_epoch=True, begin=0, end=6, milestones=[4, 5], gamma=0.1),
]
