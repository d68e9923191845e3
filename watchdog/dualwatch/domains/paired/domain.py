"""Pairs of visible and infrared images as ``domains.base`` asks for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dualwatch.datasets.layouts import Place, ReadLayout
from dualwatch.datasets.spec import DatasetSpec
from dualwatch.domains.base import (
    BatchModalities,
    Domain,
    FallingMetric,
    Pairing,
    Progress,
    Range,
    silent,
)
from dualwatch.domains.paired import batch, layouts, modality_names, pairs

LOSS = "loss_macl"

_PROFILES = Path(__file__).resolve().parent / "profiles"

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

    profiles = tuple(
        _PROFILES / f"{name}.toml" for name in ("macl-demo-deadlock", "macl-demo", "macl")
    )
    layouts_of = "dualmacl"
    layouts = {
        "KAISTPairedDataset": layouts.kaist,
        "LLVIPDataset": layouts.llvip,
        "ShuffledLLVIPDataset": layouts.llvip,
    }

    def needs_pair(self, metric: str) -> bool:
        """Whether a metric's name speaks of two modalities."""
        return bool(self.topics & {*_WORD.findall(metric.lower())})

    def batch(self, outline: Sequence[str]) -> BatchModalities:
        """Whether a batch holds both modalities, by names, paths and shapes."""
        return batch.modalities(outline)

    def guess_layout(self, settings: Mapping[str, Any], place: Place) -> ReadLayout | None:
        """LLVIP's or KAIST's layout, by folders and ids."""
        return layouts.guess(settings, place)

    def pairing(
        self,
        datasets: Sequence[DatasetSpec],
        roots: Sequence[Path],
        *,
        whole: bool = True,
        all_pairs: bool = False,
        progress: Progress = silent,
    ) -> Pairing:
        """Compares the names of visible and infrared images."""
        training = next((one.settings for one in datasets if one.role == "train"), None)
        paired = modality_names.is_paired(training, whole=whole)
        if not roots:
            return Pairing(paired=paired)
        unpaired, looked_at = pairs.compare(
            datasets,
            paired=paired is not False,
            all_pairs=all_pairs,
            roots=roots,
            tell=progress,
        )
        return Pairing(paired=paired, unpaired=unpaired, looked_at=looked_at)
