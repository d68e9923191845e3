"""Compares the pipelines of the training with what the model takes.

Loaded by ``compare_parts``. Only pipelines of OpenMMLab's own transforms are judged: a transform, a
preprocessor or a collate function of somebody else may do anything, and one transform may hold
others.
"""

from __future__ import annotations

import re

_OF_OPENMMLAB = ("mmengine.", "mmcv.", "mmdet.")
_PACKS = re.compile("pack|format|collect", re.I)
_LOADS = re.compile("Load.*(Annotations|Labels|Gt|GT)")
_FROM_BOXES = ("BoxInstMaskHead",)
"""Mask heads that are trained without masks."""


def compare(cfg, trial):
    """Judges each pipeline that a training sample goes through."""
    loader, model = cfg.get("train_dataloader"), cfg.get("model")
    if not isinstance(loader, dict) or not isinstance(model, dict):
        return
    preprocessor = model.get("data_preprocessor")
    if _name(preprocessor) != "DetDataPreprocessor":
        return
    if loader.get("collate_fn") not in (None, {"type": "pseudo_collate"}):
        return
    for key, kind, last, chain in _chains("train_dataloader.dataset", loader.get("dataset"), 0):
        made = _made(chain)
        if made is None:
            continue
        names = [one.__name__ for one in made]
        if last and not any(map(_PACKS.search, names[-len(last) :])):
            text = "it ends with {} and packs nothing, so its samples hold no inputs"
            trial.fail("train_dataloader.pipeline", key, "unpacked", text.format(names[-1]))
        elif _is_of_mmdet(kind):
            _loads(key, chain, names, model, trial)


def _loads(key, chain, names, model, trial):
    """Whether the annotations that the heads are trained on are loaded."""
    loading = [one for one, name in zip(chain, names) if _LOADS.search(name)]
    if not loading:
        text = "no transform loads annotations, so there is nothing to train on"
        do = "Add dict(type='LoadAnnotations', with_bbox=True) behind the loading of the image."
        trial.fail("train_dataloader.pipeline", key, "unloaded", text, do)
        return
    if any(_name(one) != "LoadAnnotations" for one in loading):
        return  # Panoptic and other annotations hold masks or segmentation by default.
    for head, setting, what in _trained_on(model):
        if not any(one.get(setting) for one in loading):
            text = "{} is trained on {}, and LoadAnnotations loads none: {} is not set".format(
                head, what, setting
            )
            do = "Set {}=True in its LoadAnnotations.".format(setting)
            trial.fail("train_dataloader.pipeline", key, "unloaded", text, do)
            return


def _trained_on(model):
    """(key, setting of LoadAnnotations, what) of the heads that need more than boxes."""
    roi = model.get("roi_head")
    roi = roi if isinstance(roi, dict) else {}
    for key, head in (
        ("model.roi_head.mask_head", roi.get("mask_head")),
        ("model.mask_head", model.get("mask_head")),
    ):
        several = head if isinstance(head, (list, tuple)) else [head]
        if any(_name(one) and _name(one) not in _FROM_BOXES for one in several):
            yield key, "with_mask", "masks"
    for key, head in (
        ("model.roi_head.semantic_head", roi.get("semantic_head")),
        ("model.semantic_head", model.get("semantic_head")),
    ):
        if _name(head):
            yield key, "with_seg", "a segmentation"


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

    if any(not isinstance(one, dict) or _holds_others(one) for one in chain):
        return None
    kinds = [one.get("type") for one in chain]
    try:
        with TRANSFORMS.switch_scope_and_registry(None) as registry:
            made = [registry.get(one) if isinstance(one, str) else one for one in kinds]
    except Exception:
        return None
    if all(str(getattr(one, "__module__", "")).startswith(_OF_OPENMMLAB) for one in made):
        return made
    return None


def _chains(key, section, depth):
    """(key, type of the data set, last pipeline, all transforms) that its samples go through.

    A wrapper's own pipeline comes after that of the data set inside.
    """
    if isinstance(section, (list, tuple)):
        for index, one in enumerate(section):
            yield from _chains("{}.{}".format(key, index), one, depth + 1)
    elif isinstance(section, dict) and depth < 20:
        own = section.get("pipeline")
        own = list(own) if isinstance(own, (list, tuple)) else []
        inner = [name for name in ("dataset", "datasets") if name in section]
        if not inner and own:
            yield key + ".pipeline", section.get("type"), own, own
        for name in inner:
            for place, kind, last, before in _chains(key + "." + name, section[name], depth + 1):
                yield (key + ".pipeline" if own else place), kind, own or last, before + own


def _name(section):
    """The name of a section's type, without its scope."""
    kind = section.get("type") if isinstance(section, dict) else None
    return (kind if isinstance(kind, str) else getattr(kind, "__name__", "")).rpartition(".")[2]


def _holds_others(transform):
    """Whether a transform has transforms among its settings."""
    settings = [value for name, value in transform.items() if name != "type"]
    return any("'type'" in str(value) for value in settings)
