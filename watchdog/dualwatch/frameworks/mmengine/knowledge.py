"""What mmengine's and mmdet's own functions, files and errors mean, and what to advise."""

from __future__ import annotations

import re

from dualwatch.protocol import Phase

PHASES = {
    **dict.fromkeys(("build_dataloader", "full_init", "load_data_list"), Phase.BUILDING_DATA),
    **dict.fromkeys(("save_checkpoint", "_save_checkpoint"), Phase.SAVING),
    **dict.fromkeys(("compute_metrics", "collect_results"), Phase.METRICS),
    **dict.fromkeys(("collect_results_cpu", "collect_results_gpu"), Phase.METRICS),
    **dict.fromkeys(("val_step", "test_step"), Phase.VAL_STEP),
    **dict.fromkeys(("single_gpu_test", "multi_gpu_test"), Phase.VAL_STEP),
    **dict.fromkeys(("train_step", "parse_losses", "update_params"), Phase.STEP),
    **dict.fromkeys(("load_or_resume", "load_checkpoint"), Phase.LOADING),
    **dict.fromkeys(("build_model", "build_train_loop"), Phase.BUILDING),
}

LIBRARIES = ((re.compile(r"mmcv/image/|mmdet/datasets/transforms/"), "OpenCV"),)

ERROR_PLACES = (
    (re.compile(r"mmengine/config/config\.py\", line \d+, in fromfile"), "DW602"),
    (re.compile(r"mmengine/runner/checkpoint\.py\", line \d+, in \w*load_"), "DW605"),
)

LOOP_PLACES = re.compile(
    r"(?:mmengine|mmcv|mmcv_custom)/(?:runner/(?!checkpoint)|hooks/|engine/hooks/)|"
    r"mmdet/(?:apis/train|engine/hooks)|[\\/]hooks[\\/]\w+\.py\", line"
)
"""Files of the training loop and of what it calls in between."""

ERROR_PATTERNS = (("DW307", re.compile(r"Cannot find valid image after")),)

ADVICE = {
    "DW111": "In an mmengine configuration: env_cfg.mp_cfg.opencv_num_threads=0 against OpenCV's "
    "threads, env_cfg.mp_cfg.mp_start_method='spawn' for spawned workers.",
    "DW117": "serialize_data=True keeps the annotations as one array, which pickles fast.",
    "DW118 while-evaluating": "In an mmengine configuration: env_cfg.dist_cfg.timeout=7200 "
    "(seconds; --cfg-options env_cfg.dist_cfg.timeout=7200).",
    "DW118 different-branches": "For a data set of mmdet: filter_cfg=dict(filter_empty_gt=True) "
    "leaves out images without boxes.",
    "DW202": "mmengine prints the last mean of a loss that is no longer computed.",
    "DW401": "--cfg-options train_dataloader.batch_size=N optim_wrapper.accumulative_counts=M "
    "keeps the effective batch.",
    "DW502": "max_keep_ckpts of the CheckpointHook limits the checkpoints that are kept.",
    "DW505": "For a data set of mmengine: serialize_data=True (the default) keeps its annotations "
    "as one array, which workers do not copy.",
    "DW601": "--cfg-options train_dataloader.num_workers=0 "
    "train_dataloader.persistent_workers=False",
    "DW602": "python -c \"from mmengine import Config; Config.fromfile('CONFIG')\" shows the "
    "same error.",
    "DW605": "Under dualwatch train, mmengine's own classes are allowed in a checkpoint.",
    "DW606 unused-parameters": "In an mmengine configuration: find_unused_parameters=True at the "
    "top level (--cfg-options find_unused_parameters=True).",
    "DW802": "In the configuration: vis_backends = [dict(type='LocalVisBackend'), "
    "dict(type='TensorboardVisBackend')], and visualizer.vis_backends = vis_backends.",
}
"""One line for each finding whose remedy has a name in mmengine."""

OLDER_ADVICE = {
    "DW111": "In an mmcv 1.x configuration: opencv_num_threads=0 against OpenCV's threads, "
    "mp_start_method='spawn' for spawned workers.",
    "DW401": "--cfg-options data.samples_per_gpu=N, and in the configuration "
    "optimizer_config = dict(type='GradientCumulativeOptimizerHook', cumulative_iters=M), keep "
    "the effective batch.",
    "DW502": "checkpoint_config.max_keep_ckpts limits the checkpoints that are kept.",
    "DW601": "--cfg-options data.workers_per_gpu=0 data.persistent_workers=False",
    "DW602": "python -c \"from mmcv import Config; Config.fromfile('CONFIG')\" shows the "
    "same error.",
    "DW802": "In the configuration: log_config.hooks = [dict(type='TextLoggerHook'), "
    "dict(type='TensorboardLoggerHook')].",
}
"""The same in the terms of mmcv 1.x."""
