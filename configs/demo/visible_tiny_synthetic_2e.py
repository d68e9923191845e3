# The demo's detector on the visible images alone.
_base_ = [
    "../_base_/models/faster_rcnn_tiny.py",
    "../_base_/datasets/synthetic_paired.py",
    "../_base_/schedules/adamw_2e_tiny.py",
    "../_base_/default_runtime.py",
]

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale_factor=1.0),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PackDetInputs"),
]
single = dict(return_modality_pair=False, modality="visible")

train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline, **single)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, **single))
test_dataloader = val_dataloader

default_hooks = dict(logger=dict(type="LoggerHook", interval=10))
log_processor = dict(window_size=10)
randomness = dict(seed=0)
