"""mmengine, mmdet and the mmcv before it: configurations, logs, checkpoints."""
