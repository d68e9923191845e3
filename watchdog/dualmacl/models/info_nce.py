"""The symmetric InfoNCE over instance pairs, as a pure function."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class NonFiniteEmbeddingError(FloatingPointError):
    """An embedding or the temperature is NaN or infinite."""


class InfoNCE(NamedTuple):
    """The result of ``info_nce``.

    Attributes:
        loss: Mean cross entropy in nats, divided by ln(candidates): 0 is perfect, 1.0 is the
            value of pure chance for any number of candidates. A scalar with gradient.
        top1: Share of instances whose own partner is the most similar candidate; no gradient.
        candidates: Number of candidates for each instance: its partner and the negatives.
    """

    loss: Tensor
    top1: Tensor
    candidates: int


def info_nce(
    visible: Tensor,
    infrared: Tensor,
    temperature: Tensor | float,
    past_visible: Tensor | None = None,
    past_infrared: Tensor | None = None,
    past_anchors: tuple[Tensor, Tensor] | None = None,
    own_visible: Tensor | None = None,
    own_infrared: Tensor | None = None,
) -> InfoNCE:
    """Contrasts the two views of every instance with the views of all the others.

    For instance k, with s(a, b) the dot product over the temperature, the visible view asks for
    its infrared partner: ``-log(exp s(v_k, i_k) / sum_j exp s(v_k, i_j))``, where j runs over the
    instances at hand and the past ones; and the infrared view asks for its visible partner in the
    same way. The loss is the mean over all the instances and both directions (van den Oord et
    al., 2018, arXiv:1807.03748, eq. 4; symmetric as in Radford et al., 2021, arXiv:2103.00020).

    Args:
        visible: Unit vectors (N, D), N >= 1.
        infrared: Unit vectors (N, D); row k shows the same instance as row k of ``visible``.
        temperature: Positive.
        past_visible: Visible embeddings of other instances (Q, D), negatives only.
        past_infrared: Infrared embeddings of other instances (Q, D), negatives only.
        past_anchors: ``visible`` and ``infrared`` once more, equal in value, for the comparison
            with the past. Through another graph, they decide what learns from it.
        own_visible: Further visible negatives of each instance, its own (N, K, D).
        own_infrared: Further infrared negatives of each instance, its own (N, K, D).

    Raises:
        ValueError: If the shapes do not fit, or there are fewer than two candidates: then there
            is nothing to be told apart, and no chance level to divide by.
        NonFiniteEmbeddingError: If anything is NaN or infinite.
    """
    if visible.ndim != 2 or visible.shape != infrared.shape or not len(visible):
        raise ValueError(
            "two equal, non-empty sets of embeddings (N, D) are needed, not "
            f"{tuple(visible.shape)} and {tuple(infrared.shape)}"
        )
    temperature = torch.as_tensor(temperature, dtype=visible.dtype, device=visible.device)
    require_finite(visible=visible, infrared=infrared, temperature=temperature)
    to_infrared = visible @ infrared.T
    to_visible = infrared @ visible.T
    if past_visible is not None and past_infrared is not None:
        if past_visible.shape != past_infrared.shape:
            raise ValueError("as many past visible as past infrared embeddings are needed")
        require_finite(past_visible=past_visible, past_infrared=past_infrared)
        asking_visible, asking_infrared = past_anchors or (visible, infrared)
        to_infrared = torch.cat([to_infrared, asking_visible @ past_infrared.T], dim=1)
        to_visible = torch.cat([to_visible, asking_infrared @ past_visible.T], dim=1)
    if own_visible is not None and own_infrared is not None:
        if own_visible.shape != own_infrared.shape or len(own_visible) != len(visible):
            raise ValueError("every instance needs equally many negatives of its own")
        require_finite(own_visible=own_visible, own_infrared=own_infrared)
        hard_infrared = torch.einsum("nd,nkd->nk", visible, own_infrared)
        hard_visible = torch.einsum("nd,nkd->nk", infrared, own_visible)
        to_infrared = torch.cat([to_infrared, hard_infrared], dim=1)
        to_visible = torch.cat([to_visible, hard_visible], dim=1)
    candidates = to_infrared.shape[1]
    if candidates < 2:
        raise ValueError("InfoNCE needs at least two candidates, got one")
    partner = torch.arange(len(visible), device=visible.device)
    nats = (
        F.cross_entropy(to_infrared / temperature, partner)
        + F.cross_entropy(to_visible / temperature, partner)
    ) / 2
    with torch.no_grad():
        hits = torch.cat([to_infrared.argmax(1) == partner, to_visible.argmax(1) == partner])
    return InfoNCE(nats / math.log(candidates), hits.to(visible.dtype).mean(), candidates)


def require_finite(**tensors: Tensor) -> None:
    """Raises ``NonFiniteEmbeddingError`` naming the first tensor that is not finite."""
    for name, tensor in tensors.items():
        good = torch.isfinite(tensor)
        if not good.all():
            bad = int((~good).sum())
            raise NonFiniteEmbeddingError(
                f"MACL: {bad} of {tensor.numel()} values of {name} {tuple(tensor.shape)} are NaN "
                "or infinite. The training has diverged (learning rate, gradient clipping) or the "
                "input is broken; a loss of zero would only hide it"
            )
