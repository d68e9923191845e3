"""Compares the pipelines of training and validation with what model and metric take.

Loaded by ``compare_parts``. Only pipelines of OpenMMLab's own transforms are judged: a transform, a
preprocessor or a collate function of somebody else may do anything, and one transform may hold
others.
"""

from __future__ import annotations

import copy
import re
import warnings

_OF_OPENMMLAB = ("mmengine.", "mmcv.", "mmdet.")
_PACKS = re.compile("pack|format|collect", re.I)
_LOADS = re.compile("Load.*(Annotations|Labels|Gt|GT)")
_FROM_BOXES = ("BoxInstMaskHead",)
"""Mask heads that are trained without masks."""

_WIDTH, _HEIGHT = 640, 480


def compare(cfg, trial):
    """Judges each pipeline that a sample of training and validation goes through."""
    model = cfg.get("model")
    model = model if isinstance(model, dict) else {}
    if _name(model.get("data_preprocessor")) != "DetDataPreprocessor":
        return
    for name in ("train_dataloader", "val_dataloader"):
        loader = cfg.get(name)
        if not isinstance(loader, dict):
            continue
        if loader.get("collate_fn") not in (None, {"type": "pseudo_collate"}):
            continue
        wanted = _trained_on(model) if name.startswith("train") else _measured_on(cfg)
        for kind, chain in _chains(name + ".dataset", loader.get("dataset"), 0):
            made = _made(chain)
            if made is not None:
                _judge(name + ".pipeline", kind, chain, made, wanted, trial)


def _judge(part, kind, chain, made, wanted, trial):
    """One pipeline: ``chain`` has (key, index, settings) of its transforms."""
    names = [one.__name__ for one in made]
    key = chain[-1][0]
    if not any(_PACKS.search(n) for n, one in zip(names, chain) if one[0] == key):
        text = "it ends with {} and packs nothing, so its samples hold no inputs"
        trial.fail(part, key, "unpacked", text.format(names[-1]))
        return
    if _is_of_mmdet(kind):
        _loads(part, key, chain, names, wanted, trial)
        _run(part, chain, made, trial)


def _loads(part, key, chain, names, wanted, trial):
    """Whether the annotations that a head is trained on, or a metric compares with, are loaded."""
    loading = [one[2] for one, name in zip(chain, names) if _LOADS.search(name)]
    if any(_name(one) != "LoadAnnotations" for one in loading):
        return  # Panoptic and other annotations hold masks or segmentation by default.
    for owner, setting, what in wanted:
        if not loading:
            text = "{} needs {}, and no transform loads annotations".format(owner, what)
            do = "Add dict(type='LoadAnnotations', {}=True) to it.".format(setting)
        elif not all(one.get(setting, setting == "with_bbox") for one in loading):
            text = "{} needs {}, and LoadAnnotations loads none: {} is not set".format(
                owner, what, setting
            )
            do = "Set {}=True in its LoadAnnotations.".format(setting)
        else:
            continue
        trial.fail(part, key, "unloaded", text, do)
        return


def _trained_on(model):
    """(what needs it, setting of LoadAnnotations, what) of the heads."""
    roi = model.get("roi_head")
    roi = roi if isinstance(roi, dict) else {}
    found = [("the training", "with_bbox", "boxes")]
    for key, head in (
        ("model.roi_head.mask_head", roi.get("mask_head")),
        ("model.mask_head", model.get("mask_head")),
    ):
        several = head if isinstance(head, (list, tuple)) else [head]
        if any(_name(one) and _name(one) not in _FROM_BOXES for one in several):
            found = [(key, "with_mask", "masks")]
    for key, head in (
        ("model.roi_head.semantic_head", roi.get("semantic_head")),
        ("model.semantic_head", model.get("semantic_head")),
    ):
        if _name(head):
            found.append((key, "with_seg", "a segmentation"))
    return found


def _measured_on(cfg):
    """The same of the metrics that take the annotations out of the samples."""
    section = cfg.get("val_evaluator")
    found = []
    for one in section if isinstance(section, (list, tuple)) else [section]:
        name = _name(one)
        if name == "VOCMetric" or (name == "CocoMetric" and one.get("ann_file") is None):
            found.append((name, "with_bbox", "boxes"))
    return found


# --- the transforms at work ----------------------------------------------------------------------


def _run(part, chain, made, trial):
    """Sends one plain image with one box through the transforms.

    What they are given wrong in their settings often shows only there. A key that is absent from
    the sample is no defect: data sets may add what this one lacks.
    """
    sample = None
    for (key, index, settings), kind in zip(chain, made):
        name = kind.__name__
        if name.startswith("LoadImage") or name == "LoadMultiChannelImageFromFiles":
            sample = _sample("float32" if settings.get("to_float32") else "uint8")
        elif _mixes(kind):
            continue
        elif name.startswith("Load") and (name != "LoadAnnotations" or settings.get("with_seg")):
            return
        elif sample is not None:
            place = "{}.{}".format(key, index)
            sample = _through(part, place, name, settings, kind, sample, trial)
            if sample is None:
                return


def _mixes(kind):
    """Whether a transform takes several images; the method is looked up without being bound."""
    return any(n in vars(one) for one in kind.__mro__ for n in ("get_indexes", "get_indices"))


def _through(part, key, name, settings, kind, sample, trial):
    """The sample behind a transform; None where it is left out, or where the transform failed."""
    given = {n: v for n, v in settings.items() if n not in ("type", "_scope_")}
    try:
        transform = kind(**copy.deepcopy(given))
    except Exception:
        return None  # Reported where the classes are compared.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = transform(sample)
        return found if isinstance(found, dict) else None
    except (TypeError, ValueError, AssertionError, AttributeError, IndexError) as error:
        size = "{} fails on an image of {}x{}".format(name, _WIDTH, _HEIGHT)
        text = "{}: {}: {}".format(size, type(error).__name__, error)
        trial.fail(part, key, "transform", text, name)
    except Exception:
        return None
    return None


def _sample(kind):
    """What a data set of mmdet hands out, with the image loaded."""
    import numpy

    size = (_HEIGHT, _WIDTH)
    box, outline = [100, 100, 300, 300], [[100, 100, 300, 100, 300, 300, 100, 300]]
    one = {"bbox": box, "bbox_label": 0, "mask": outline, "ignore_flag": 0}
    return {
        "img": numpy.zeros((_HEIGHT, _WIDTH, 3), kind),
        "img_path": "",
        "img_id": 0,
        "img_shape": size,
        "ori_shape": size,
        "height": _HEIGHT,
        "width": _WIDTH,
        "instances": [one],
        "sample_idx": 0,
    }


# --- pipelines -----------------------------------------------------------------------------------


def _is_of_mmdet(kind):
    """Whether a data set is mmdet's own: others may hand out what is otherwise loaded."""
    from mmengine.registry import DATASETS

    try:
        with DATASETS.switch_scope_and_registry(None) as registry:
            made = registry.get(kind) if isinstance(kind, str) else kind
    except Exception:
        return False
    return str(getattr(made, "__module__", "")).startswith("mmdet.")


def _made(chain):
    """The classes of transforms; None where one is not OpenMMLab's, or holds others."""
    from mmengine.registry import TRANSFORMS

    settings = [one[2] for one in chain]
    if any(not isinstance(one, dict) or _holds_others(one) for one in settings):
        return None
    kinds = [one.get("type") for one in settings]
    try:
        with TRANSFORMS.switch_scope_and_registry(None) as registry:
            made = [registry.get(one) if isinstance(one, str) else one for one in kinds]
    except Exception:
        return None
    if all(str(getattr(one, "__module__", "")).startswith(_OF_OPENMMLAB) for one in made):
        return made
    return None


def _chains(key, section, depth):
    """(type of the data set, its transforms) of what the samples of a section go through.

    A transform is (key of its pipeline, index, settings); a wrapper's come after the inner ones.
    """
    if isinstance(section, (list, tuple)):
        for index, one in enumerate(section):
            yield from _chains("{}.{}".format(key, index), one, depth + 1)
    elif isinstance(section, dict) and depth < 20:
        pipeline = section.get("pipeline")
        pipeline = pipeline if isinstance(pipeline, (list, tuple)) else []
        own = [(key + ".pipeline", index, one) for index, one in enumerate(pipeline)]
        inner = [name for name in ("dataset", "datasets") if name in section]
        if not inner and own:
            yield section.get("type"), own
        for name in inner:
            for kind, before in _chains(key + "." + name, section[name], depth + 1):
                yield kind, before + own


def _name(section):
    """The name of a section's type, without its scope."""
    kind = section.get("type") if isinstance(section, dict) else None
    return (kind if isinstance(kind, str) else getattr(kind, "__name__", "")).rpartition(".")[2]


def _holds_others(transform):
    """Whether a transform has transforms among its settings."""
    settings = [value for name, value in transform.items() if name != "type"]
    return any("'type'" in str(value) for value in settings)
