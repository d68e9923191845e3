"""Detects persons on one pair of image files."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import nn


class PairDetector:
    """A trained detector with the test pipeline of its configuration.

    Args:
        config: Configuration, or its path.
        checkpoint: Path of the weights; None for the untrained model.
        device: Torch device.
    """

    def __init__(
        self, config: Config | str | Path, checkpoint: str | Path | None = None, device: str = "cpu"
    ) -> None:
        cfg = config if isinstance(config, Config) else Config.fromfile(config)
        init_default_scope(cfg.get("default_scope", "mmdet"))
        self.model: nn.Module = MODELS.build(copy.deepcopy(cfg.model))
        if checkpoint is not None:
            load_checkpoint(self.model, str(checkpoint), map_location="cpu")
        self.model.to(device).eval()
        # There is nothing to be annotated: the picture is new.
        steps = [
            step
            for step in cfg.test_dataloader.dataset.pipeline
            if step["type"] != "LoadAnnotations"
        ]
        self.pipeline = Compose(copy.deepcopy(steps))

    @torch.no_grad()
    def __call__(self, visible: str | Path, infrared: str | Path) -> DetDataSample:
        """Detects on one pair.

        Args:
            visible: Path of the visible image.
            infrared: Path of the infrared image, of the same size.

        Returns:
            The sample with ``pred_instances``: ``bboxes`` (n, 4) as (x1, y1, x2, y2) in pixels of
            the files, ``scores`` (n,) and ``labels`` (n,).

        Raises:
            PairShapeError: If the two differ in size.
            OSError: If a file cannot be read.
        """
        sample = self.pipeline(
            {"img_path": str(visible), "infrared_path": str(infrared), "img_id": 0}
        )
        return self.model.test_step(pseudo_collate([sample]))[0]
