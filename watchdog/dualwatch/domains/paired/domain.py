"""Pairs of visible and infrared images as ``domains.base`` asks for them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dualwatch.domains.base import BatchModalities, Domain, FallingMetric, Range
from dualwatch.domains.paired import batch

LOSS = "loss_macl"

_WORD = re.compile(r"[a-z]+")


class PairedImages(Domain):
    """Trainings on pairs of images, with a contrastive loss between the two."""

    name = "paired"
    mentions = "macl"
    required = (LOSS,)
    # The loss is 1.0 by chance, and falls from there.
    ranges = {LOSS: Range(high=1.0), "grad_norm": Range(high=20.0, after=50)}
    falling = (FallingMetric(name=LOSS, low_enough=0.3),)
    shown_first = (LOSS,)
    advice = {
        "DW201": "Pairs need return_modality_pair=True in the training dataset and a data "
        "preprocessor for pairs.",
        "DW204": f"{LOSS} above 1.0 usually means that the images of a pair do not match.",
        "DW205": f"{LOSS} stays flat where the images of a pair do not show the same scene.",
        "DW211": "return_modality_pair=True (or what your dataset calls it) switches pairing on.",
    }
    # "nce" alone, since it is also the end of "instance".
    parts = r"macl|.*macl$|nce$|infonce|contrast|supcon|simclr|ntxent"
    topics = frozenset(
        (
            "macl", "contrast", "contrastive", "contrasts", "nce", "infonce", "infrared", "thermal",
            "ir", "modality", "modalities", "modal", "pair", "pairs", "paired", "unpaired",
            "pairing", "projector", "projection", "align", "alignment",
        )
    )  # fmt: skip

    def needs_pair(self, metric: str) -> bool:
        """Whether a metric's name speaks of two modalities."""
        return bool(self.topics & {*_WORD.findall(metric.lower())})

    def batch(self, outline: Sequence[str]) -> BatchModalities:
        """Whether a batch holds both modalities, by names, paths and shapes."""
        return batch.modalities(outline)
