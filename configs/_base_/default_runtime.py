# What every training of this project has in common.
custom_imports = dict(imports=["dualmacl"], allow_failed_imports=False)
default_scope = "mmdet"

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", interval=1),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    visualization=dict(type="DetVisualizationHook"),
)

# mmengine sets the start method everywhere but on Windows, where only spawn exists.
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)

vis_backends = [dict(type="LocalVisBackend"), dict(type="TensorboardVisBackend")]
visualizer = dict(type="DetLocalVisualizer", vis_backends=vis_backends, name="visualizer")
# Tags as train/loss_macl and val/pascal_voc/mAP.
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=True, log_with_hierarchy=True)

log_level = "INFO"
load_from = None
resume = False
