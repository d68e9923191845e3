"""MACL: the instance-level contrastive loss between the modalities."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .info_nce import info_nce, require_finite

CHANCE = 1.0


@MODELS.register_module()
class MACLHead(BaseModule):
    """Pulls the two views of a person together, and pushes the views of other persons apart.

    A projector of three layers, shared by both modalities, maps a person's RoI features to a unit
    vector; ``info_nce`` compares the vectors. A short queue of past embeddings supplies
    negatives, so that one image with one person still has something to be told apart from.

    The logged value is InfoNCE over ln(number of candidates): 1.0 is chance for any batch size.
    ``loss_weight`` scales the gradient alone, so the checklist's limits hold for every weight.

    What is logged when there is nothing to measure:

    * No person in the batch: the value measured last, with no gradient. The key must not vanish
      (mmengine averages over a window of iterations, and a missing key would look like a lost
      pairing), and a zero or a one would be a measurement that was never made.
    * Nothing measured yet at all, or a single candidate (the very first person, with an empty
      queue): 1.0, which is what chance gives, with no gradient.

    Every rank of a distributed training contrasts its own persons only.

    Args:
        in_channels: Channels of the RoI features.
        roi_size: Height and width of the RoI features.
        hidden_channels: Width of the two hidden layers.
        embed_channels: Length of the embeddings.
        queue_size: Number of past instances kept as negatives; 0 for none.
        temperature: Initial temperature; it is learnt.
        temperature_range: Limits of the temperature.
        loss_weight: Factor of the gradient.
        init_cfg: See ``BaseModule``.
    """

    def __init__(
        self,
        in_channels: int = 256,
        roi_size: int = 7,
        hidden_channels: int = 256,
        embed_channels: int = 128,
        queue_size: int = 32,
        temperature: float = 0.07,
        temperature_range: tuple[float, float] = (0.01, 0.5),
        loss_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        low, high = temperature_range
        if not 0 < low <= temperature <= high:
            raise ValueError(f"the temperature {temperature} must lie within {temperature_range}")
        if queue_size < 0 or loss_weight < 0:
            raise ValueError("queue_size and loss_weight must not be negative")
        self.loss_weight = loss_weight
        self.queue_size = queue_size
        # LayerNorm, not BatchNorm: a batch may hold a single person.
        self.projector = nn.Sequential(
            nn.Flatten(),
            nn.Linear(in_channels * roi_size**2, hidden_channels),
            nn.LayerNorm(hidden_channels),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_channels, hidden_channels),
            nn.LayerNorm(hidden_channels),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_channels, embed_channels),
        )
        # The logarithm is learnt, so that the temperature stays positive.
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))
        self._log_range = (math.log(low), math.log(high))
        # Not part of a checkpoint: embeddings of a moment, whose number depends on the batches.
        for name in ("queue_visible", "queue_infrared"):
            self.register_buffer(name, torch.zeros(0, embed_channels), persistent=False)
        self.register_buffer("last_value", torch.tensor(CHANCE), persistent=False)

    @property
    def temperature(self) -> Tensor:
        """The temperature, a scalar."""
        return self.log_temperature.exp()

    def embed(self, roi_features: Tensor) -> Tensor:
        """Maps RoI features (N, C, S, S) to unit vectors (N, D) in float32 or better."""
        embedding = self.projector(roi_features)
        # Under mixed precision the exponentials of similarities need the range of float32.
        return F.normalize(embedding if embedding.dtype == torch.float64 else embedding.float())

    def forward(self, visible: Tensor, infrared: Tensor) -> dict[str, Tensor]:
        """Computes the loss, and remembers the embeddings when training.

        Args:
            visible: RoI features of the persons in the visible image (N, C, S, S); N may be 0.
            infrared: RoI features of the same persons, in the same order, in the infrared image.

        Returns:
            ``loss_macl`` (its value is the logged one, its gradient is scaled by
            ``loss_weight``), and for the log ``macl_top1``, ``macl_pairs``, ``macl_temperature``.

        Raises:
            ValueError: If the two differ in shape.
            NonFiniteEmbeddingError: If a feature or an embedding is NaN or infinite.
        """
        if visible.shape != infrared.shape:
            raise ValueError(
                "MACL needs the same persons in both modalities: "
                f"{tuple(visible.shape)} != {tuple(infrared.shape)}"
            )
        require_finite(visible_features=visible, infrared_features=infrared)
        with torch.no_grad():
            self.log_temperature.clamp_(*self._log_range)
        v, i = self.embed(visible), self.embed(infrared)
        log = {
            "macl_pairs": v.new_tensor(float(len(v))),
            "macl_temperature": self.temperature.detach(),
        }
        if len(v) + len(self.queue_visible) < 2 or not len(v):
            # All parameters stay in the graph: a distributed training waits for every gradient.
            nothing = 0.0 * (v.sum() + i.sum() + self.log_temperature)
            value = self.last_value if not len(v) else self.last_value.new_tensor(CHANCE)
            self._remember(v, i)
            return {"loss_macl": value.detach().clone() + nothing, **log}
        result = info_nce(v, i, self.temperature, self.queue_visible, self.queue_infrared)
        value = result.loss.detach()
        self.last_value = value.to(self.last_value.dtype)
        self._remember(v, i)
        loss = value + self.loss_weight * (result.loss - value)
        return {"loss_macl": loss, "macl_top1": result.top1, **log}

    @torch.no_grad()
    def _remember(self, visible: Tensor, infrared: Tensor) -> None:
        """Puts embeddings before the queue and cuts it off; validation leaves no trace."""
        if not self.training or not self.queue_size:
            return
        for name, new in (("queue_visible", visible), ("queue_infrared", infrared)):
            queue = torch.cat([new.detach().to(self.queue_visible.dtype), getattr(self, name)])
            setattr(self, name, queue[: self.queue_size])
