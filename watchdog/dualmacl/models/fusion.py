"""Makes one feature pyramid out of two."""

from __future__ import annotations

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


@MODELS.register_module()
class ModalityFusion(BaseModule):
    """Level by level: a 1 x 1 convolution over both modalities' channels, laid side by side.

    ``fused = W_v visible + W_i infrared + b``, with weights of its own for every level. It begins
    as the mean of the two (``W_v = W_i = I / 2``, ``b = 0``), so that heads trained on a single
    modality keep their meaning at the first iteration, and it learns from there which modality to
    trust for which channel.

    Args:
        channels: Channels of every level.
        num_levels: Number of levels.
        init_cfg: See ``BaseModule``.
    """

    def __init__(self, channels: int, num_levels: int, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.levels = nn.ModuleList(
            nn.Conv2d(2 * channels, channels, kernel_size=1) for _ in range(num_levels)
        )
        half = torch.eye(channels)[:, :, None, None] / 2
        for level in self.levels:
            nn.init.zeros_(level.bias)
            with torch.no_grad():
                level.weight.copy_(torch.cat([half, half], dim=1))

    def forward(
        self, visible: tuple[Tensor, ...], infrared: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """Fuses two pyramids.

        Args:
            visible: Levels of shape (N, C, H_l, W_l).
            infrared: Levels of the same shapes.

        Returns:
            Levels of the same shapes.
        """
        return tuple(
            level(torch.cat([v, i], dim=1))
            for level, v, i in zip(self.levels, visible, infrared, strict=True)
        )
