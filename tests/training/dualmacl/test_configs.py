"""Every configuration loads, says what it promises, and builds offline."""

from __future__ import annotations

import copy

import dualmacl  # noqa: F401
import pytest
from mmdet.registry import MODELS
from mmengine.config import Config

from tests.support.paths import ROOT

CONFIGS = ROOT / "configs"
ALL = sorted(p for p in CONFIGS.rglob("*.py") if "_base_" not in p.parts)


def load(name: str) -> Config:
    return Config.fromfile(CONFIGS / name)


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.stem)
def test_configuration_is_ascii_and_builds_offline(path):
    for file in (path, *CONFIGS.joinpath("_base_").rglob("*.py")):
        assert file.read_bytes().isascii()
    cfg = Config.fromfile(path)
    assert cfg.custom_imports == {"imports": ["dualmacl"], "allow_failed_imports": False}
    # Building downloads nothing: that is left to init_weights.
    assert sum(p.numel() for p in MODELS.build(copy.deepcopy(cfg.model)).parameters()) > 0


def test_plan_c_is_as_the_user_wrote_it():
    cfg = load("llvip/stage2_2_planC_dualmodality_macl.py")
    loader = cfg.train_dataloader
    assert (loader.batch_size, loader.num_workers, loader.persistent_workers) == (4, 2, True)
    assert loader.dataset.return_modality_pair is True
    assert cfg.model.macl_head.type == "MACLHead"
    assert cfg.optim_wrapper.optimizer.type == "AdamW"
    assert cfg.optim_wrapper.optimizer.lr == 5e-5
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult == 0.1
    assert cfg.optim_wrapper.clip_grad.max_norm == 10
    assert cfg.train_cfg.max_epochs == 6
    assert cfg.val_evaluator == {
        "type": "VOCMetric", "metric": "mAP", "iou_thrs": 0.5, "eval_mode": "11points",
    }  # fmt: skip
    assert cfg.default_hooks.logger.interval == 50
    assert cfg.log_processor.log_with_hierarchy is True
    assert "TensorboardVisBackend" in {backend.type for backend in cfg.visualizer.vis_backends}


def test_demo_is_what_the_supervisor_counts_on():
    cfg = load("demo/dualmacl_tiny_synthetic_2e.py")
    loader = cfg.train_dataloader
    assert (loader.batch_size, loader.num_workers, loader.persistent_workers) == (4, 2, True)
    assert cfg.train_cfg == {"type": "EpochBasedTrainLoop", "max_epochs": 2, "val_interval": 1}
    assert cfg.default_hooks.checkpoint.interval == 1
    assert cfg.default_hooks.logger.interval == 10
    assert "accumulative_counts" not in cfg.optim_wrapper
    assert cfg.env_cfg.cudnn_benchmark is False
    backends = {backend.type for backend in cfg.visualizer.vis_backends}
    assert backends == {"LocalVisBackend", "TensorboardVisBackend"}


def test_deadlock_differs_in_the_loading_transform_and_the_length_only():
    healthy = load("demo/dualmacl_tiny_synthetic_2e.py").to_dict()
    faulty = load("demo/dualmacl_tiny_synthetic_2e_deadlock.py").to_dict()
    for cfg in (healthy, faulty):
        cfg.pop("train_pipeline")
    first = faulty["train_dataloader"]["dataset"]["dataset"]["pipeline"][0]
    assert first["type"] == "LockingPairLoader"
    # In the middle of the second epoch: 300 pairs, seen `times` times by two workers.
    an_epoch = 300 * faulty["train_dataloader"]["dataset"]["times"] / 2
    assert an_epoch < first["after_samples"] < 2 * an_epoch
    faulty["train_dataloader"]["dataset"]["dataset"]["pipeline"][0] = {"type": "LoadImagePair"}
    for cfg in (healthy, faulty):
        cfg["train_dataloader"]["dataset"].pop("times")
    assert faulty == healthy
