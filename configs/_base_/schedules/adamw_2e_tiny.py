# Two short epochs from scratch.
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=2, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.01),
    paramwise_cfg=dict(
        # The contrast is learnt best when its projector does not run ahead of the features.
        custom_keys={
            "macl_head": dict(lr_mult=0.3),
            "log_temperature": dict(lr_mult=0.3, decay_mult=0.0),
        }
    ),
    clip_grad=dict(max_norm=10, norm_type=2),
)

param_scheduler = [dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=20)]
