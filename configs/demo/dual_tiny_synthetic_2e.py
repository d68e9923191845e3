# The demo without MACL: both modalities, fused, and no contrastive loss.
_base_ = [
    "../_base_/models/dual_faster_rcnn_tiny.py",
    "../_base_/datasets/synthetic_paired.py",
    "../_base_/schedules/adamw_2e_tiny.py",
    "../_base_/default_runtime.py",
]

default_hooks = dict(logger=dict(type="LoggerHook", interval=10))
log_processor = dict(window_size=10)
randomness = dict(seed=0)
