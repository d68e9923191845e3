"""Whether model, data sets and augmentations agree on the classes. Pure.

Only what is certain: heads whose outputs are the data set's classes, one by one. RPNs,
class-agnostic and open-vocabulary heads, tracking, panoptic and semantic segmentation have
conventions of their own and are left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dualwatch.core.unread import is_unread
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.mmengine.config import fields

_OTHER_SCOPES = ("mmdet3d", "mmaction", "mmpose", "mmocr", "mmseg", "mmagic", "mmaction2")
_NOT_ONE_BY_ONE = re.compile(
    r"Track|MOT|Sort|ReID|Video|VIS|YouTube|Panoptic|GLIP|Grounding|ODVG|Refer|RefCoco|DetCLIP"
    r"|Caption|OpenVocab|CLIP|Flickr|Distill|Semi|3D"
)
BY_TYPE = {"CocoDataset": 80, "VOCDataset": 20}
"""Classes of the data sets that every version of mmdet has, where the configuration names none."""


MOST = 6


class Head(NamedTuple):
    """A head, and the number of its classes."""

    key: str
    number: int


class Labelled(NamedTuple):
    """A data set with its classes; ``names`` is empty where only their number is known."""

    key: str
    type: str
    number: int
    names: tuple[str, ...]
    written: bool


def defects(
    values: Mapping[str, Any], of_type: Mapping[str, Sequence[str]] = {}
) -> Iterator[Defect]:
    """Disagreements of a configuration.

    Args:
        of_type: Type of a data set -> the classes that it has where none are named.
    """
    yield from _texts(values)
    yield from _upper(values, of_type)
    found = heads(values)
    yield from _augments(values, found)
    if not _is_one_by_one(values):
        return
    yield from _assigner(values, found)
    sets = labelled(values, of_type)
    yield from _against(found, [one for one in sets if one.key.startswith(("train", "data.train"))])
    yield from _between(sets)


def compared(
    values: Mapping[str, Any], of_type: Mapping[str, Sequence[str]] = {}
) -> tuple[str, ...]:
    """The heads and data sets that are compared; empty where there are none of both."""
    found = heads(values)
    sets = labelled(values, of_type) if _is_one_by_one(values) else []
    if not found or not sets:
        return ()
    return tuple(f"{one.key}={one.number}" for one in found) + tuple(
        f"{one.key}: {one.number}" for one in sets[:MOST]
    )


# --- heads ---------------------------------------------------------------------------------------


def heads(values: Mapping[str, Any]) -> list[Head]:
    """The heads of a model whose outputs are the classes of the data set."""
    model = values.get("model")
    return list(_heads("model", model)) if isinstance(model, Mapping) else []


def _heads(key: str, model: Mapping[str, Any]) -> Iterator[Head]:
    for name in ("bbox_head", "mask_head", "head"):
        yield from _head(f"{key}.{name}", model.get(name))
    roi = model.get("roi_head")
    if isinstance(roi, Mapping):
        for name in ("bbox_head", "mask_head"):
            yield from _head(f"{key}.roi_head.{name}", roi.get(name))
    panoptic = model.get("panoptic_head")
    if isinstance(panoptic, Mapping):
        counts = [panoptic.get(f"num_{kind}_classes") for kind in ("things", "stuff")]
        if all(_is_count(one) or one == 0 for one in counts) and str(
            panoptic.get("type", "")
        ).rpartition(".")[2] in ("Mask2FormerHead", "MaskFormerHead"):
            yield Head(f"{key}.panoptic_head", sum(one for one in counts if one))


def _head(key: str, head: Any) -> Iterator[Head]:
    if isinstance(head, (list, tuple)):
        for index, one in enumerate(head):
            yield from _head(f"{key}.{index}", one)
    elif isinstance(head, Mapping) and not head.get("class_agnostic"):
        module = head.get("head_module")  # mmyolo
        if isinstance(module, Mapping) and _is_count(module.get("num_classes")):
            yield Head(f"{key}.head_module.num_classes", module["num_classes"])
        if _is_count(head.get("num_classes")):
            yield Head(f"{key}.num_classes", head["num_classes"])


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_one_by_one(values: Mapping[str, Any]) -> bool:
    """Whether the outputs of its heads are surely the classes of its data sets."""
    model = values.get("model")
    if values.get("default_scope") in _OTHER_SCOPES or not isinstance(model, Mapping):
        return False
    kinds = [str(model.get("type", ""))]
    kinds += [fields.without_scope(_kind(one)) for _, one in fields.loader_sets(values)]
    return "language_model" not in model and not any(_NOT_ONE_BY_ONE.search(k) for k in kinds)


def _kind(dataset: Any) -> str:
    return str(dataset.get("type", "")) if isinstance(dataset, Mapping) else ""


# --- data sets -----------------------------------------------------------------------------------


def labelled(
    values: Mapping[str, Any], of_type: Mapping[str, Sequence[str]] = {}
) -> list[Labelled]:
    """The data sets of training and validation whose classes are known."""
    found = []
    for key, dataset in fields.loader_sets(values):
        if isinstance(dataset, Mapping) and not key.startswith(("test", "data.test")):
            kind = fields.without_scope(_kind(dataset))
            named = _named(dataset)
            if isinstance(named, (list, tuple)):
                if not any(is_unread(one) or not isinstance(one, str) for one in named):
                    found.append(Labelled(key, kind, len(named), tuple(named), True))
            elif named is None and kind in of_type:
                names = tuple(of_type[kind])
                found.append(Labelled(key, kind, len(names), names, False))
            elif named is None and kind in BY_TYPE:
                found.append(Labelled(key, kind, BY_TYPE[kind], (), False))
    return found


def _named(dataset: Mapping[str, Any]) -> Any:
    """The classes that a data set names: mmengine's form, or mmdet 2.x's."""
    meta = dataset.get("metainfo")
    if meta is not None and not isinstance(meta, Mapping):
        return str(meta)  # Not known.
    named = meta.get("classes") if meta is not None else None
    return named if named is not None else dataset.get("classes")


def _upper(values: Mapping[str, Any], of_type: Mapping[str, Sequence[str]]) -> Iterator[Defect]:
    """``metainfo=dict(CLASSES=...)`` was read by early versions of mmdet 3 only."""
    for key, dataset in fields.loader_sets(values):
        meta = _metainfo(dataset)
        kind = fields.without_scope(_kind(dataset))
        if not isinstance(meta, Mapping) or not (kind in of_type or kind in BY_TYPE):
            continue
        if "CLASSES" in meta and "classes" not in meta:
            yield Defect(
                kind=DefectKind.CLASSES,
                key=f"{key}.metainfo.CLASSES",
                text=f"{key}.metainfo names CLASSES, which a {kind} does not read: it has its own "
                f"{len(of_type.get(kind, ())) or BY_TYPE.get(kind)} classes",
                do="Write classes in small letters.",
            )
            return


def _metainfo(dataset: Any) -> Any:
    return dataset.get("metainfo") if isinstance(dataset, Mapping) else None


def _texts(values: Mapping[str, Any]) -> Iterator[Defect]:
    """``classes=('person')`` is a text, whose letters would be the classes."""
    for key, dataset in fields.loader_sets(values):
        named = _named(dataset) if isinstance(dataset, Mapping) else None
        if not isinstance(named, str) or is_unread(named) or "{{" in named or not named.strip():
            continue
        if isinstance(_metainfo(dataset), str) or os.path.splitext(named)[1]:
            continue  # The name of a file with the classes.
        if not os.path.exists(named):
            yield Defect(
                kind=DefectKind.CLASSES,
                key=f"{key}.metainfo.classes",
                text=f"classes is the text {named!r}, not a tuple: its {len(named)} characters "
                "would be the classes",
                do=f"Write classes=({named!r},) with a comma.",
            )


def _against(found: Sequence[Head], sets: Sequence[Labelled]) -> Iterator[Defect]:
    """Heads against the training's data sets."""
    for one in sets:
        # Of a data set that names no classes, a part of the heads may be meant for another one.
        wrong = [head for head in found if head.number != one.number]
        if not wrong:
            continue
        what = f"{one.key} has {_count(one)}"
        if not one.written:
            what = f"{one.key} names no classes, and a {one.type} has {one.number}"
        shown = ", ".join(f"{head.key}={head.number}" for head in wrong[:4])
        effect = (
            "a label beyond the head's classes ends the training"
            if min(head.number for head in wrong) < one.number
            else "the other outputs are never trained, and a prediction of them has no class"
        )
        last = "" if one.written else f", or name the classes in {one.key}.metainfo"
        yield Defect(
            kind=DefectKind.CLASSES,
            key=wrong[0].key,
            text=f"{shown}, and {what}: {effect}",
            do=f"Set num_classes={one.number} in each head{last}.",
        )
        return  # Further data sets show the same.


def _count(one: Labelled) -> str:
    shown = ", ".join(one.names[:3]) + (", ..." if len(one.names) > 3 else "")
    return f"1 class ({shown})" if one.number == 1 else f"{one.number} classes ({shown})"


def _between(sets: Sequence[Labelled]) -> Iterator[Defect]:
    """Training against validation: a metric by other classes says nothing."""
    trained = next((one for one in sets if one.key.startswith(("train", "data.train"))), None)
    for one in sets:
        if trained is None or one.key.startswith(("train", "data.train")) or one is trained:
            continue
        if one.names and trained.names and one.names != trained.names:
            same = sorted(one.names) == sorted(trained.names)
            difference = "the same classes in another order" if same else _count(one)
            yield Defect(
                kind=DefectKind.CLASSES,
                key=f"{one.key}.metainfo.classes",
                text=f"{trained.key} has {_count(trained)}, and {one.key} has {difference}: the "
                "metric compares labels of different meaning",
                do="Name the same classes in both, for instance by one variable metainfo.",
            )
            return


# --- augmentations and assigners ---------------------------------------------------------------


def _augments(values: Mapping[str, Any], found: Sequence[Head]) -> Iterator[Defect]:
    """Batch augmentations and preprocessors that make one-hot labels for a number of classes."""
    model = values.get("model")
    main = next((one for one in found if one.key == "model.head.num_classes"), None)
    if main is None or not isinstance(model, Mapping):
        return
    wrong: list[tuple[str, str, int]] = []
    sections = (
        ("model.train_cfg", model.get("train_cfg")),
        ("model.data_preprocessor", model.get("data_preprocessor")),
        ("data_preprocessor", values.get("data_preprocessor")),
        ("model.data_preprocessor.batch_augments", _at(model, "data_preprocessor.batch_augments")),
    )
    for key, section in sections:
        if not isinstance(section, Mapping):
            continue
        if "preprocessor" in key and _is_count(section.get("num_classes")):
            wrong.append((f"{key}.num_classes", "the preprocessor", section["num_classes"]))
        several = section.get("augments")
        for index, one in enumerate(several if isinstance(several, (list, tuple)) else [several]):
            if isinstance(one, Mapping) and _is_count(one.get("num_classes")):
                place = f"{key}.augments" + (f".{index}" if one is not several else "")
                kind = fields.without_scope(str(one.get("type", "augmentation")))
                wrong.append((f"{place}.num_classes", kind, one["num_classes"]))
    wrong = [one for one in wrong if one[2] != main.number]
    if wrong:
        shown = ", ".join(f"{kind} {classes} ({key})" for key, kind, classes in wrong)
        yield Defect(
            kind=DefectKind.CLASSES,
            key=wrong[0][0],
            text=f"the head has {main.number} classes ({main.key}), and these assume another "
            f"number: {shown}",
            do=f"Set num_classes={main.number} in each of them.",
        )


def _assigner(values: Mapping[str, Any], found: Sequence[Head]) -> Iterator[Defect]:
    """mmyolo's assigners count classes of their own."""
    main = next((one for one in found if ".head_module." in one.key), None)
    for name in ("assigner", "initial_assigner"):
        classes = _at(values, f"model.train_cfg.{name}.num_classes")
        if main is not None and _is_count(classes) and classes != main.number:
            yield Defect(
                kind=DefectKind.CLASSES,
                key=f"model.train_cfg.{name}.num_classes",
                text=f"the assigner has {classes} classes (model.train_cfg.{name}.num_classes), "
                f"the head {main.number} ({main.key})",
                do=f"Set num_classes={main.number} in the assigner too.",
            )


def _at(values: Mapping[str, Any], path: str) -> Any:
    found: Any = values
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
