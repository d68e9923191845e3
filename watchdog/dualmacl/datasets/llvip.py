"""LLVIP: visible|infrared/{train,test}/*.jpg with equal basenames, and Annotations/*.xml."""

from __future__ import annotations

import os

from mmdet.registry import DATASETS
from mmengine.fileio import list_from_file

from .paired import PairedVOCDataset, images_in
from .pairing import MODALITIES, Pair


@DATASETS.register_module()
class LLVIPDataset(PairedVOCDataset):
    """A split of LLVIP, or of anything in its layout.

    Args:
        split: ``"train"`` or ``"test"``: the folder below ``visible`` and ``infrared``.
        ann_file: Optional list of basenames, one a line, relative to ``data_root``; without it,
            all the images of the split are taken.
        kwargs: See ``PairedVOCDataset``.
    """

    def __init__(self, *args, split: str = "train", **kwargs) -> None:
        prefix = {name: os.path.join(name, split) for name in MODALITIES}
        kwargs.setdefault("data_prefix", prefix)
        super().__init__(*args, **kwargs)

    def find_pairs(self) -> tuple[list[Pair], dict[str, frozenset[str]]]:
        """Lists both folders once; a name in either of them is a pair to be completed."""
        needed = MODALITIES if self.return_modality_pair else (self.modality,)
        found = {name: images_in(self.data_prefix[name]) for name in needed}
        if self.ann_file:
            keys = [line.strip() for line in list_from_file(self.ann_file) if line.strip()]
        else:
            keys = sorted(set().union(*found.values()))
        present = {name: frozenset(found.get(name, {}).values()) for name in MODALITIES}
        folders = self.data_prefix
        return [
            Pair(key, *(os.path.join(folders[name], f"{key}.jpg") for name in MODALITIES))
            for key in keys
        ], present

    def annotation_path(self, pair: Pair) -> str:
        return os.path.join(self.data_root or "", self.ann_subdir, f"{pair.key}.xml")
