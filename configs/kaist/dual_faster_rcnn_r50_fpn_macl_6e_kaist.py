# KAIST in VOC layout: both modalities, with MACL.
_base_ = [
    "../_base_/models/dual_faster_rcnn_r50_fpn_macl.py",
    "../_base_/datasets/kaist_paired.py",
    "../_base_/schedules/adamw_6e.py",
    "../_base_/default_runtime.py",
]

train_dataloader = dict(batch_size=4, num_workers=2, persistent_workers=True)
default_hooks = dict(
    checkpoint=dict(type="CheckpointHook", interval=1, save_best="pascal_voc/mAP", rule="greater")
)
randomness = dict(seed=0)
