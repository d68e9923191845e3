# Plan C on LLVIP: both modalities, with MACL.
#
# The loader settings are those that plan C began with (2 persistent workers, batch of 4).
# Another place of the data: set LLVIP_ROOT in the environment, or
#   --cfg-options train_dataloader.dataset.data_root=D val_dataloader.dataset.data_root=D
# (data_root=D alone does not reach the loaders, which were built from it already).
_base_ = [
    "../_base_/models/dual_faster_rcnn_r50_fpn_macl.py",
    "../_base_/datasets/llvip_paired.py",
    "../_base_/schedules/adamw_6e.py",
    "../_base_/default_runtime.py",
]

train_dataloader = dict(batch_size=4, num_workers=2, persistent_workers=True)
default_hooks = dict(
    checkpoint=dict(type="CheckpointHook", interval=1, save_best="pascal_voc/mAP", rule="greater")
)
randomness = dict(seed=0)
