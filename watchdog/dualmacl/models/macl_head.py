"""MACL: the instance-level contrastive loss between the modalities."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .info_nce import InfoNCE, info_nce, require_finite

CHANCE = 1.0


@MODELS.register_module()
class MACLHead(BaseModule):
    """Pulls the two views of a person together, and pushes the views of other persons apart.

    A projector of three layers, shared by both modalities, maps a person's RoI features to a unit
    vector; ``info_nce`` compares the vectors.

    **The value** that is logged is InfoNCE over ln(number of candidates): 1.0 is chance for any
    batch size. ``loss_weight`` scales the gradient alone, so that the limits of a checklist hold
    for every weight.

    **The queue** makes sure of ``min_candidates``: where a batch holds fewer persons (down to one
    image with one person) it is filled up with persons of the iterations before. Two things keep
    the network from telling past from present instead of person from person, which it otherwise
    learns at once, since everything drifts while training: the queue holds RoI features, and they
    are projected anew by today's projector; and only the projector is taught to push a person
    away from the past, while backbone and neck learn to pull partners together and to push the
    persons of the same batch apart.

    **Nothing to measure** is logged honestly, without a gradient:

    * No person in the batch: the value measured last. The key must not vanish (mmengine averages
      over a window of iterations, and a missing key would look like a lost pairing), and a zero
      or a one would be a measurement that was never made.
    * A single candidate (the very first person, with an empty queue), or no person and nothing
      measured yet: 1.0, which is what chance gives.

    Every rank of a distributed training contrasts its own persons only.

    Args:
        in_channels: Channels of the RoI features.
        roi_size: Height and width of the RoI features.
        hidden_channels: Width of the two hidden layers.
        embed_channels: Length of the embeddings.
        min_candidates: Number of candidates that the queue fills up to; 0 or 1: no queue.
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
        min_candidates: int = 8,
        temperature: float = 0.07,
        temperature_range: tuple[float, float] = (0.01, 0.5),
        loss_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        low, high = temperature_range
        if not 0 < low <= temperature <= high:
            raise ValueError(f"the temperature {temperature} must lie within {temperature_range}")
        if min_candidates < 0 or loss_weight < 0:
            raise ValueError("min_candidates and loss_weight must not be negative")
        self.loss_weight = loss_weight
        self.min_candidates = min_candidates
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
        # Features of a moment, whose number depends on the batches: no part of a checkpoint, and no
        # buffers, which averaging and synchronising hooks expect to be of one size everywhere.
        self.queue_visible = torch.zeros(0, in_channels, roi_size, roi_size)
        self.queue_infrared = torch.zeros(0, in_channels, roi_size, roi_size)
        self.last_value = torch.tensor(CHANCE)

    @property
    def temperature(self) -> Tensor:
        """The temperature, a scalar."""
        return self.log_temperature.exp()

    def embed(self, roi_features: Tensor) -> Tensor:
        """Maps RoI features (N, C, S, S) to unit vectors (N, D) in float32 or better."""
        embedding = self.projector(roi_features)
        # Under mixed precision the exponentials of similarities need the range of float32.
        return F.normalize(embedding if embedding.dtype == torch.float64 else embedding.float())

    def forward(
        self, visible: Tensor, infrared: Tensor, elsewhere: tuple[Tensor, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Computes the loss, and remembers the features when training.

        Args:
            visible: RoI features of the persons in the visible image (N, C, S, S); N may be 0.
            infrared: RoI features of the same persons, in the same order, in the infrared image.
            elsewhere: Negatives of each person's own, visible and infrared (N, K, C, S, S): what
                the other images of the batch show at the place of the person.

        Returns:
            ``loss_macl`` (its value is the logged one, its gradient is scaled by
            ``loss_weight``), and for the log ``macl_top1`` (if measured), ``macl_pairs`` and
            ``macl_temperature``.

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
        persons = len(visible)
        own = 0 if elsewhere is None else elsewhere[0].shape[1]
        missing = max(0, self.min_candidates - persons - own) if persons else 0
        past_visible = self.queue_visible[:missing].to(visible)
        past_infrared = self.queue_infrared[:missing].to(infrared)
        losses = {
            "macl_pairs": visible.new_tensor(float(persons)),
            "macl_temperature": self.temperature.detach(),
        }
        if not persons or persons + own + len(past_visible) < 2:
            losses["loss_macl"] = self._unmeasured(visible, infrared)
        else:
            hard = {}
            if own:
                names = ("own_visible", "own_infrared")
                hard = {
                    name: self.embed(features.flatten(0, 1)).unflatten(0, (persons, own))
                    for name, features in zip(names, elsewhere, strict=True)
                }
            result = self._contrast(visible, infrared, past_visible, past_infrared, hard)
            value = result.loss.detach()
            self.last_value = value
            losses["loss_macl"] = value + self.loss_weight * (result.loss - value)
            losses["macl_top1"] = result.top1
        self._remember(visible, infrared)
        return losses

    def _contrast(
        self,
        visible: Tensor,
        infrared: Tensor,
        past_visible: Tensor,
        past_infrared: Tensor,
        hard: dict[str, Tensor],
    ) -> InfoNCE:
        now = self.embed(visible), self.embed(infrared)
        if not len(past_visible):
            return info_nce(*now, self.temperature, **hard)
        past = self.embed(past_visible), self.embed(past_infrared)
        anchors = self.embed(visible.detach()), self.embed(infrared.detach())
        return info_nce(*now, self.temperature, *past, past_anchors=anchors, **hard)

    def _unmeasured(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """A value without gradient; all parameters stay in the graph, as DDP demands."""
        nothing = 0.0 * (self.embed(visible).sum() + self.embed(infrared).sum())
        value = CHANCE if len(visible) else self.last_value.to(nothing)
        return value + nothing + 0.0 * self.log_temperature

    @torch.no_grad()
    def _remember(self, visible: Tensor, infrared: Tensor) -> None:
        """Puts features before the queue and cuts it off; validation leaves no trace."""
        if not self.training:
            return
        keep = max(0, self.min_candidates - 1)
        for name, new in (("queue_visible", visible), ("queue_infrared", infrared)):
            queue = torch.cat([new.detach(), getattr(self, name).to(new)])
            setattr(self, name, queue[:keep])
