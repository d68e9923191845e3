"""Whether a configuration describes a training: the sections that a Runner needs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dualwatch.core.plain import PlainDict, PlainValue
from dualwatch.core.unread import is_unread
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.mmengine.config.literal import REST

_TRAINING = ("train_dataloader", "train_cfg", "optim_wrapper")
_TESTING = ("test_dataloader", "test_cfg", "test_evaluator")
_VALIDATION = ("val_dataloader", "val_cfg", "val_evaluator")
_OLD = (
    "data",
    "runner",
    "optimizer",
    "optimizer_config",
    "lr_config",
    "total_epochs",
    "total_iters",
    "evaluation",
    "checkpoint_config",
    "log_config",
    "workflow",
)
"""Sections of mmcv 1.x that mmengine does not read."""

_NEWER = {
    "data": "train_dataloader, val_dataloader and test_dataloader",
    "runner": "train_cfg",
    "total_epochs": "train_cfg",
    "total_iters": "train_cfg",
    "optimizer": "optim_wrapper",
    "optimizer_config": "optim_wrapper",
    "lr_config": "param_scheduler",
    "evaluation": "val_cfg and val_evaluator",
    "checkpoint_config": "default_hooks.checkpoint",
    "log_config": "default_hooks.logger and visualizer",
}


def is_old(values: PlainDict) -> bool:
    """Whether it is a training in mmcv 1.x's form, without any of the new sections."""
    if any(_has(values, name) for name in _TRAINING):
        return False
    named = {name for name in _OLD if _has(values, name)}
    return ("data" in named and len(named) > 1) or len(named) > 2


def defects(values: PlainDict) -> Iterator[Defect]:
    """What is wrong with the sections of a configuration all of whose names are known."""
    if values.get("runner_type") is not None:
        return  # A runner of the user's own has needs of its own.
    if is_old(values):
        yield _of_another_version(values)
        return
    absent = [name for name in ("model", *_TRAINING) if not _has(values, name)]
    if absent:
        yield _not_a_training(values, absent)
        return
    yield from _loop(values["train_cfg"])
    yield from _together(values, _VALIDATION)
    yield from _together(values, _TESTING)


def _has(values: PlainDict, name: str) -> bool:
    return values.get(name) is not None


def _of_another_version(values: PlainDict) -> Defect:
    named = [name for name in _OLD if _has(values, name)]
    changed = "; ".join(f"{name} is now {_NEWER[name]}" for name in named if name in _NEWER)
    return Defect(
        kind=DefectKind.OTHER_VERSION,
        key="",
        text=f"written for mmcv 1.x (mmdet 2.x): it has {', '.join(named)}, which mmengine does "
        f"not read, and no {', '.join(_TRAINING)}",
        do=f"Train it with mmdet 2.x and mmcv 1.x, or rewrite it: {changed}.",
    )


def _not_a_training(values: PlainDict, absent: list[str]) -> Defect:
    if not any(_has(values, name) for name in ("model", *_TRAINING, *_VALIDATION, *_TESTING)):
        names = ", ".join(sorted(str(name) for name in values)[:8])
        text = "it contains nothing to train" + (f", only {names}" if names else ": it is empty")
        do = "Name the configuration of a training: one with model, train_dataloader, train_cfg "
        do += "and optim_wrapper, or with a _base_ that has them."
    elif len([name for name in absent if name in _TRAINING]) == len(_TRAINING):
        testing = _has(values, "model") and (
            _has(values, "test_dataloader") or _has(values, "val_dataloader")
        )
        what = "it can be tested, not trained" if testing else "it is a part of a configuration"
        text = f"{what}: no {', '.join(absent)}"
        do = f"Add {', '.join(absent)}, or name the configuration that builds on this file."
    else:
        text = f"not a complete training: no {', '.join(absent)}"
        do = f"Add {', '.join(absent)}, or a _base_ that has them."
    return Defect(kind=DefectKind.NOT_A_TRAINING, key="", text=text, do=do)


def _loop(settings: PlainValue) -> Iterator[Defect]:
    """What ``Runner.build_train_loop`` refuses."""
    if not isinstance(settings, Mapping):
        if not is_unread(settings):
            yield _incomplete("train_cfg", f"train_cfg is {settings!r}, not a dict", "")
        return
    if REST in settings or is_unread(settings.get("type")):
        return
    kind, by_epoch = settings.get("type"), settings.get("by_epoch")
    if kind is not None and "by_epoch" in settings:
        text = f"train_cfg has type={kind} and by_epoch={by_epoch}: mmengine takes only one of both"
        do = "Remove by_epoch, or set train_cfg = dict(_delete_=True, by_epoch=..., ...)."
        yield _incomplete("train_cfg", text, do)
        return
    if kind is None and "by_epoch" not in settings:
        text = "train_cfg has neither type nor by_epoch"
        yield _incomplete("train_cfg", text, "Add by_epoch=True (and max_epochs) to train_cfg.")
        return
    by_name = {"EpochBasedTrainLoop": "max_epochs", "IterBasedTrainLoop": "max_iters"}
    length = by_name.get(str(kind).rpartition(".")[2])
    if kind is None and isinstance(by_epoch, bool):
        length = "max_epochs" if by_epoch else "max_iters"
    if length is None:
        return
    other = "max_iters" if length == "max_epochs" else "max_epochs"
    loop = f"by_epoch={by_epoch}" if kind is None else f"type={kind}"
    if settings.get(length) is None:
        text = f"train_cfg has {loop} and no {length}"
        yield _incomplete("train_cfg", text, f"Add {length} to train_cfg.")
    elif other in settings:
        text = f"train_cfg has {loop} and {other}, which that loop does not take"
        do = f"Remove {other}, or set train_cfg = dict(_delete_=True, ...) to drop the base's."
        yield _incomplete("train_cfg", text, do)


def _together(values: PlainDict, names: tuple[str, ...]) -> Iterator[Defect]:
    present = [name for name in names if _has(values, name)]
    absent = [name for name in names if name not in present]
    if present and absent:
        text = f"it has {', '.join(present)} and no {', '.join(absent)}: mmengine wants all three "
        text += "or none"
        do = f"Add {', '.join(absent)}, or set {' = '.join(present)} = None."
        yield _incomplete(absent[0], text, do)


def _incomplete(key: str, text: str, do: str) -> Defect:
    return Defect(kind=DefectKind.INCOMPLETE, key=key, text=text, do=do)
