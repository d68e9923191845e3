"""KAIST in VOC layout: the two images of a pair have different ids in the same folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from mmdet.registry import DATASETS
from mmengine.fileio import list_from_file

from .paired import PairedVOCDataset, images_in
from .pairing import MODALITIES, Pair

# set00_V000_visible_I01216 and set00_V000_lwir_I01216
_ID = re.compile(r"^(?P<before>.*)_(?P<modality>visible|lwir)_(?P<after>I\d+)$")


@DATASETS.register_module()
class KAISTPairedDataset(PairedVOCDataset):
    """``JPEGImages/<id>.jpg``, ``Annotations/<id>.xml`` and ``ImageSets/*.txt``.

    A list may hold the visible ids, the infrared (``lwir``) ids, or both: a pair is taken once.
    The annotation is looked up under the visible id, then under the infrared one: both describe
    the same scene, and some conversions keep only one of the two files.

    Args:
        ann_file: The list, for example ``ImageSets/Main/train.txt``.
        ignored_classes: Objects that the benchmark neither counts as person nor as background.
        kwargs: See ``PairedVOCDataset``.
    """

    def __init__(
        self,
        *args,
        ignored_classes: Iterable[str] = ("people", "person?", "person?a", "cyclist"),
        **kwargs,
    ) -> None:
        kwargs.setdefault("data_prefix", {"images": "JPEGImages"})
        super().__init__(*args, ignored_classes=ignored_classes, **kwargs)

    def find_pairs(self) -> tuple[list[Pair], dict[str, frozenset[str]]]:
        """Turns the list of ids into pairs, and lists the image folder once."""
        folder = self.data_prefix["images"]
        paths = frozenset(images_in(folder).values())
        pairs: dict[str, Pair] = {}
        for line in list_from_file(self.ann_file):
            if not line.strip():
                continue
            # Some lists carry a label behind the id, as VOC's own do.
            identity = line.split()[0]
            match = _ID.match(identity)
            if match is None:
                raise ValueError(
                    f"{self.ann_file}: {identity!r} is not a KAIST id "
                    "(expected something like set00_V000_visible_I01216)"
                )
            before, after = match["before"], match["after"]
            key = f"{before}_{after}"
            visible, infrared = (
                os.path.join(folder, f"{before}_{name}_{after}.jpg") for name in ("visible", "lwir")
            )
            pairs.setdefault(key, Pair(key, visible, infrared))
        return list(pairs.values()), dict.fromkeys(MODALITIES, paths)

    def annotation_path(self, pair: Pair) -> str:
        folder = os.path.join(self.data_root or "", self.ann_subdir)
        names = (os.path.splitext(os.path.basename(p))[0] for p in (pair.visible, pair.infrared))
        candidates = [os.path.join(folder, f"{name}.xml") for name in names]
        for path in candidates:
            if os.path.exists(path):
                return path
        raise FileNotFoundError(f"no annotation for {pair.key}: neither {' nor '.join(candidates)}")
