"""What the data sets of image pairs have in common."""

from __future__ import annotations

import os
from collections.abc import Iterable

from mmdet.datasets import BaseDetDataset
from mmengine.fileio import get
from mmengine.logging import print_log

from .pairing import MODALITIES, Pair, match_pairs
from .voc_xml import read_voc_xml


class PairedVOCDataset(BaseDetDataset):
    """Registered visible + infrared pairs with VOC annotations.

    The partner of an image is found once, when the data set is built, and its path is part of the
    sample's own record. So it survives the serialisation of ``data_list`` and the way into a
    worker process, and getting a pair takes one look-up, however large the data set.

    Args:
        return_modality_pair: True: a sample holds ``img_path`` (visible) and
            ``infrared_path``. False: a sample holds ``img_path`` only, of ``modality``, and any
            single-modality detector of MMDetection can be trained on it.
        modality: The one modality that is wanted without pairs, ``"visible"`` or ``"infrared"``.
        on_missing_pair: ``"error"``: an image without partner is a ``MissingPairError`` that
            names both paths. ``"drop"``: such pairs are left out, and their number is logged and
            kept in ``num_dropped``. Never is one image passed on alone.
        ann_subdir: Folder of the XML files, relative to ``data_root``.
        ignored_classes: Objects of these classes are neither person nor background.
        kwargs: See ``mmengine.dataset.BaseDataset``.

    Raises:
        MissingPairError: See ``on_missing_pair``.
        FileNotFoundError: If a folder, a list or an annotation is missing, or nothing is found.
        AnnotationError: If an annotation cannot be used.
    """

    METAINFO = {"classes": ("person",), "palette": [(220, 20, 60)]}

    def __init__(
        self,
        *args,
        return_modality_pair: bool = True,
        modality: str = "visible",
        on_missing_pair: str = "error",
        ann_subdir: str = "Annotations",
        ignored_classes: Iterable[str] = (),
        **kwargs,
    ) -> None:
        if modality not in MODALITIES:
            raise ValueError(f"modality must be one of {MODALITIES}, not {modality!r}")
        if on_missing_pair not in ("error", "drop"):
            raise ValueError(f"on_missing_pair must be 'error' or 'drop', not {on_missing_pair!r}")
        self.return_modality_pair = return_modality_pair
        self.modality = modality
        self.on_missing_pair = on_missing_pair
        self.ann_subdir = ann_subdir
        self.ignored_classes = frozenset(ignored_classes)
        self.num_dropped = 0
        super().__init__(*args, **kwargs)

    def find_pairs(self) -> tuple[list[Pair], dict[str, frozenset[str]]]:
        """Finds all the pairs of which at least one image is known.

        Returns:
            The pairs in a stable order, and the paths that exist for each modality.
        """
        raise NotImplementedError

    def annotation_path(self, pair: Pair) -> str:
        """Path of the XML file of a pair."""
        raise NotImplementedError

    def load_data_list(self) -> list[dict]:
        """Reads the annotations of all the pairs (or of the one modality)."""
        pairs, present = self.find_pairs()
        if self.return_modality_pair:
            pairs, dropped = match_pairs(pairs, present, self.on_missing_pair)
            self._report_dropped(dropped)
        else:
            mine = present[self.modality]
            pairs = [pair for pair in pairs if getattr(pair, self.modality) in mine]
        if not pairs:
            raise FileNotFoundError(
                f"{type(self).__name__} found no usable image under {self.data_root or '.'!r} "
                f"(data_prefix: {self.data_prefix}, ann_file: {self.ann_file!r})"
            )
        labels = {name: label for label, name in enumerate(self.metainfo["classes"])}
        return [self._record(pair, labels) for pair in pairs]

    def _report_dropped(self, dropped: list[Pair]) -> None:
        self.num_dropped = len(dropped)
        if dropped:
            keys = ", ".join(pair.key for pair in dropped[:5])
            more = ", ..." if len(dropped) > 5 else ""
            print_log(
                f"{type(self).__name__}: dropped {len(dropped)} incomplete pair(s): {keys}{more}",
                logger="current",
                level=30,
            )

    def _record(self, pair: Pair, labels: dict[str, int]) -> dict:
        xml_path = self.annotation_path(pair)
        text = get(xml_path, backend_args=self.backend_args)
        record = read_voc_xml(text, xml_path, labels, self.ignored_classes)
        record.update(img_id=pair.key, xml_path=xml_path)
        if self.return_modality_pair:
            record.update(img_path=pair.visible, infrared_path=pair.infrared)
        else:
            record.update(img_path=getattr(pair, self.modality))
        return record

    def filter_data(self) -> list[dict]:
        """Leaves out what ``filter_cfg`` (``filter_empty_gt``, ``min_size``) asks for."""
        if self.test_mode or not self.filter_cfg:
            return self.data_list
        min_size = self.filter_cfg.get("min_size", 0)
        skip_empty = self.filter_cfg.get("filter_empty_gt", False)
        return [
            record
            for record in self.data_list
            if min(record["width"], record["height"]) >= min_size
            and not (skip_empty and all(i["ignore_flag"] for i in record["instances"]))
        ]

    def get_cat_ids(self, idx: int) -> list[int]:
        """Labels of the objects of one sample (for class-balanced sampling)."""
        return [item["bbox_label"] for item in self.get_data_info(idx)["instances"]]


def images_in(folder: str, suffix: str = ".jpg") -> dict[str, str]:
    """The images of a folder: basename without suffix -> path, in the order of the names.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"no such image folder: {folder}")
    names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(suffix))
    return {name[: -len(suffix)]: os.path.join(folder, name) for name in names}
