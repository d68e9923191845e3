"""Whether a configuration's evaluator can compute what it is asked for. Pure.

By the metrics of mmdet whose results have fixed names. Of others nothing is judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from dualwatch.core.plain import PlainDict, PlainValue, as_dict, as_list
from dualwatch.core.unread import is_unread
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.mmengine.config.fields import without_scope

PREFIXES = {
    "CocoMetric": "coco",
    "VOCMetric": "pascal_voc",
    "LVISMetric": "lvis",
    "CocoPanopticMetric": "coco_panoptic",
    "OpenImagesMetric": "openimages",
    "CrowdHumanMetric": "crowd_human",
    "DOTAMetric": "dota",
    "Accuracy": "accuracy",
}
"""What the metrics of an evaluator begin with, where the configuration does not say."""

_ASKED = {
    "CocoMetric": ("bbox", "segm", "proposal", "proposal_fast"),
    "LVISMetric": ("bbox", "segm", "proposal", "proposal_fast"),
    "VOCMetric": ("mAP", "recall"),
    "CrowdHumanMetric": ("AP", "MR", "JI"),
}
"""What may be asked for as ``metric``."""

_COCO_ITEMS = ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
_OF_CROWD = {"AP": "mAP", "MR": "mMR", "JI": "JI"}

_BOXES_ONLY = (
    "FasterRCNN",
    "FastRCNN",
    "CascadeRCNN",
    "SparseRCNN",
    "RetinaNet",
    "FCOS",
    "ATSS",
    "GFL",
    "YOLOX",
    "YOLOV3",
    "YOLOF",
    "FSAF",
    "PAA",
    "TOOD",
    "VFNet",
    "NASFCOS",
    "FOVEA",
    "RepPointsDetector",
    "AutoAssign",
    "DDOD",
    "CornerNet",
    "CenterNet",
    "DETR",
    "DeformableDETR",
    "ConditionalDETR",
    "DABDETR",
    "DINO",
    "DDQDETR",
    "RTMDet",
    "RPN",
)
_MASKS = re.compile(r"mask|segm|panoptic|Ins\b|InsHead|InsSepBNHead", re.I)


def defects(values: PlainDict, *, tried: bool = False) -> Iterator[Defect]:
    """What a validation is asked for in vain.

    Args:
        tried: Whether the evaluator was built as a trial, which shows what it refuses.
    """
    for key, one in _evaluators(values.get("val_evaluator")):
        yield from _asked(key, one, values, tried)
    yield from _monitored(values)


def _evaluators(section: PlainValue) -> Iterator[tuple[str, PlainDict]]:
    if isinstance(section, (list, tuple)):
        for index, one in enumerate(section):
            if isinstance(one, Mapping):
                yield f"val_evaluator.{index}", one
    elif isinstance(section, Mapping):
        yield "val_evaluator", section


def _asked(key: str, one: PlainDict, values: PlainDict, tried: bool) -> Iterator[Defect]:
    """The ``metric`` of an evaluator: one that it knows, and that the model has results for."""
    kind = _kind(one)
    known = _ASKED.get(kind)
    asked = _metrics(one)
    if known is None or asked is None:
        return
    wrong = [name for name in asked if name not in known]
    if wrong and not tried:
        yield Defect(
            kind=DefectKind.NOT_BUILDABLE,
            key=f"{key}.metric",
            text=f"{kind} has no metric {', '.join(wrong)} ({key}.metric); it has "
            f"{', '.join(known)}",
            do=f"Set {key}.metric to one of {', '.join(map(repr, known))}.",
        )
    elif not wrong and "segm" in asked and _has_boxes_only(values.get("model")):
        model = as_dict(values.get("model"))
        yield Defect(
            kind=DefectKind.SCHEDULE,
            key=f"{key}.metric",
            text=f"{key}.metric asks for 'segm', and a {_kind(model)} without a mask head returns "
            "boxes only: the first validation ends with a KeyError",
            do=f"Set {key}.metric='bbox'.",
        )


def _has_boxes_only(model: PlainValue) -> bool:
    """Whether a model surely returns no masks."""
    if not isinstance(model, Mapping) or _kind(model) not in _BOXES_ONLY:
        return False
    return not any(_mentions_masks(key, part) for key, part in model.items())


def _mentions_masks(key: object, value: PlainValue, depth: int = 0) -> bool:
    """Whether a head has masks by its name or type. Losses and settings do not count."""
    if value is None or depth > 4 or not str(key).endswith(("head", "module")):
        return False
    if isinstance(value, (list, tuple)):
        return any(_mentions_masks(key, one, depth + 1) for one in value)
    if _MASKS.search(str(key)) or not isinstance(value, Mapping):
        return _MASKS.search(str(key)) is not None
    if _MASKS.search(_kind(value)):
        return True
    return any(_mentions_masks(name, part, depth + 1) for name, part in value.items())


# --- what is monitored ---------------------------------------------------------------------------


def _monitored(values: PlainDict) -> Iterator[Defect]:
    """A metric for the best checkpoint, or for a schedule, that no evaluator computes."""
    hooks = as_dict(values.get("default_hooks"))
    wanted = as_dict(hooks.get("checkpoint")).get("save_best")
    listed = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    named = [one for one in listed if isinstance(one, str) and one != "auto"]
    key = "default_hooks.checkpoint.save_best"
    validates = values.get("val_dataloader") is not None or "_base_" in values
    if named and not validates:
        text = f"save_best={', '.join(named)}, and there is no validation: no best checkpoint"
        do = "Add val_dataloader, val_cfg and val_evaluator."
        yield Defect(kind=DefectKind.SCHEDULE, key=key, text=text, do=do, prevents=False)
        return
    for name in named:
        yield from _named(key, "save_best", name, values, "the first validation ends with KeyError")
    custom = values.get("custom_hooks")
    for index, hook in enumerate(custom if isinstance(custom, (list, tuple)) else ()):
        one = as_dict(hook)
        watched = one.get("monitor")
        if _kind(one) == "EarlyStoppingHook" and isinstance(watched, str):
            place = f"custom_hooks.{index}.monitor"
            effect = "the hook never stops the training"
            if one.get("strict") is True:
                effect = "the first validation ends with an error"
            yield from _named(place, "monitor", watched, values, effect)


def _named(key: str, setting: str, name: str, values: PlainDict, effect: str) -> Iterator[Defect]:
    evaluator = values.get("val_evaluator")
    prefixes, names = _prefixes(evaluator), _names(evaluator)
    if is_unread(name) or prefixes is None:
        return
    prefix, slash, _ = name.partition("/")
    if slash and prefix in prefixes and (names is None or name in names):
        return
    shown = ", ".join(names[:8] if names else [f"{one}/..." for one in sorted(prefixes)])
    first = names[0] if names else f"{sorted(prefixes)[0]}/METRIC"
    yield Defect(
        kind=DefectKind.SCHEDULE,
        key=key,
        text=f"{setting}={name}, and the evaluator's metrics are named {shown}: {effect}",
        do=f"Set {setting}='{first}'" + (" or 'auto'." if setting == "save_best" else "."),
    )


def _prefixes(evaluator: PlainValue) -> set[str] | None:
    """What the names of all metrics begin with; None where that is not known."""
    found = set()
    for one in evaluator if isinstance(evaluator, (list, tuple)) else [evaluator]:
        if not isinstance(one, Mapping):
            return None
        prefix: PlainValue = one.get("prefix") or PREFIXES.get(_kind(one))
        if not isinstance(prefix, str) or is_unread(prefix) or "dataset_prefixes" in one:
            return None
        found.add(prefix)
    return found


def _names(evaluator: PlainValue) -> list[str] | None:
    """The names of all metrics; None where they are not fixed."""
    found: list[str] = []
    for one in evaluator if isinstance(evaluator, (list, tuple)) else [evaluator]:
        own = _names_of(as_dict(one))
        if own is None:
            return None
        prefix = as_dict(one).get("prefix") or PREFIXES[_kind(as_dict(one))]
        found += [f"{prefix}/{name}" for name in own]
    return found


def _names_of(one: PlainDict) -> list[str] | None:
    kind, asked = _kind(one), _metrics(one)
    if asked is None or one.get("classwise") not in (None, False):
        return None
    if kind == "CocoMetric" and set(asked) <= {"bbox", "segm"}:
        given = one.get("metric_items")
        items = _COCO_ITEMS if given is None else _texts(given)
        return [f"{name}_{item}" for name in asked for item in items] if items else None
    if kind == "VOCMetric" and list(asked) == ["mAP"]:
        given = one.get("iou_thrs", 0.5)
        limits = [one for one in as_list(given) or [given] if isinstance(one, float)]
        return ["mAP", *(f"AP{int(limit * 100):02d}" for limit in limits)] if limits else None
    if kind == "CrowdHumanMetric" and set(asked) <= set(_OF_CROWD):
        return [_OF_CROWD[name] for name in asked]
    return None


def _metrics(one: PlainDict) -> Sequence[str] | None:
    """The ``metric`` of an evaluator as a list; None where it is not known."""
    defaults: dict[str, PlainValue] = {
        "CocoMetric": "bbox",
        "LVISMetric": "bbox",
        "VOCMetric": "mAP",
        "CrowdHumanMetric": ["AP", "MR", "JI"],
    }
    given = one.get("metric", defaults.get(_kind(one)))
    return _texts(given if isinstance(given, (list, tuple)) else [given])


def _texts(value: PlainValue) -> Sequence[str] | None:
    """A list of texts, all of them known; None for anything else."""
    found = [one for one in as_list(value) if isinstance(one, str) and not is_unread(one)]
    return found if len(found) == len(as_list(value)) and isinstance(value, (list, tuple)) else None


def _kind(section: PlainDict) -> str:
    kind = section.get("type")
    return without_scope(kind) if isinstance(kind, str) and not is_unread(kind) else ""
