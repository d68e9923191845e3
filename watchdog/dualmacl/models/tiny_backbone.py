"""A backbone small enough to be trained from scratch on two CPU cores."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


def _block(inside: int, outside: int, stride: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel_size=3, stride=stride, padding=1, bias=False),
        # Not BatchNorm: the batch may be halved, down to a single image.
        nn.GroupNorm(groups, outside),
        nn.ReLU(inplace=True),
    )


@MODELS.register_module()
class TinyConvNet(BaseModule):
    """A stem of stride 2, then stages that each halve the resolution (strides 4, 8, ...).

    Args:
        in_channels: Channels of the image.
        stem_channels: Channels of the stem.
        channels: Channels of each stage; all stages are returned.
        groups: Groups of the group normalisation; must divide every number of channels.
        init_cfg: See ``BaseModule``.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: int = 16,
        channels: Sequence[int] = (32, 48, 64),
        groups: int = 8,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.stem = _block(in_channels, stem_channels, 2, groups)
        inputs = [stem_channels, *channels[:-1]]
        self.stages = nn.ModuleList(
            nn.Sequential(_block(inside, outside, 2, groups), _block(outside, outside, 1, groups))
            for inside, outside in zip(inputs, channels, strict=True)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Maps (N, C, H, W) to one feature map for each stage."""
        features = []
        x = self.stem(image)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return tuple(features)
