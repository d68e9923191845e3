"""Compares sections of a configuration with the signatures of their classes.

Loaded by ``build_parts``. What would read data or write files when it is built is only compared:
the class must exist and take the settings.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import os
import re
import runpy

_WRAPPERS = ("RandomChoice", "RandomApply", "RandomOrder", "TransformBroadcaster", "KeyMapper")
"""Transforms whose ``transforms`` are transforms of the same registry."""


def compare(cfg, trial):
    """Compares each section with its class; ``trial`` is a ``build_parts.Trial``."""
    from mmengine import registry

    visualizer = cfg.get("visualizer")
    rows = [
        ("default_hooks", registry.HOOKS, _parts("default_hooks", cfg.get("default_hooks"))),
        ("custom_hooks", registry.HOOKS, _parts("custom_hooks", cfg.get("custom_hooks"))),
        ("train_cfg", registry.LOOPS, _loop(cfg.get("train_cfg"))),
        ("visualizer", registry.VISUALIZERS, _parts("visualizer", [visualizer])),
        ("vis_backends", registry.VISBACKENDS, _backends(visualizer)),
    ]
    for name in ("train_dataloader", "val_dataloader"):
        loader = cfg.get(name)
        if isinstance(loader, dict):
            rows += [
                (name + ".sampler", registry.DATA_SAMPLERS,
                 _parts(name + ".sampler", [loader.get("sampler")])),
                (name + ".dataset", registry.DATASETS, _sets(name + ".dataset", loader)),
                (name + ".pipeline", registry.TRANSFORMS, _transforms(name + ".dataset", loader)),
            ]  # fmt: skip
    evaluator = cfg.get("val_evaluator")
    listed = evaluator if isinstance(evaluator, (list, tuple)) else [evaluator]
    if not (isinstance(evaluator, dict) and "metrics" in evaluator):
        rows.append(("val_evaluator", registry.METRICS, _parts("val_evaluator", listed)))
    for part, where, sections in rows:
        before, some = len(trial.failed), False
        for key, section in sections:
            some = True
            _compare(part, key, section, where, trial)
        if some and len(trial.failed) == before and part not in trial.skipped:
            trial.built.append(part)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compare_pipelines.py")
    try:
        runpy.run_path(path)["compare"](cfg, trial)
    except Exception as error:  # Metaclasses and descriptors of somebody else may do anything.
        trial.skipped["pipelines"] = "{}: {}".format(type(error).__name__, error)[:200]


def _parts(key, section):
    """(key, settings) of the sections in a list or in a dictionary of sections."""
    if isinstance(section, dict):
        items = list(section.items())
    elif isinstance(section, (list, tuple)):
        items = list(enumerate(section))
    else:
        return
    single = isinstance(section, list) and len(items) == 1
    for name, one in items:
        if isinstance(one, dict) and one.get("type") is not None:
            yield (key if single else "{}.{}".format(key, name)), one


def _loop(section):
    """The loop, where it has a type; ``by_epoch`` beside one is a fault of its own."""
    if isinstance(section, dict) and section.get("type") is not None:
        yield "train_cfg", {name: one for name, one in section.items() if name != "by_epoch"}


def _backends(visualizer):
    listed = visualizer.get("vis_backends") if isinstance(visualizer, dict) else None
    return _parts("visualizer.vis_backends", listed)


def _sets(key, loader):
    """The data sets of a loader, those inside of wrappers included."""
    yield from _inner_sets(key, loader.get("dataset"), 0)


def _inner_sets(key, section, depth):
    if isinstance(section, (list, tuple)):
        for index, one in enumerate(section):
            yield from _inner_sets("{}.{}".format(key, index), one, depth + 1)
    elif isinstance(section, dict) and depth < 20:
        if section.get("type") is not None:
            yield key, section
        for name in ("dataset", "datasets"):
            if name in section:
                yield from _inner_sets("{}.{}".format(key, name), section[name], depth + 1)


def _transforms(key, loader):
    for place, dataset in _sets(key, loader):
        yield from _inner_transforms(place + ".pipeline", dataset.get("pipeline"), 0)


def _inner_transforms(key, section, depth):
    if isinstance(section, (list, tuple)):
        for index, one in enumerate(section):
            yield from _inner_transforms("{}.{}".format(key, index), one, depth + 1)
    elif isinstance(section, dict) and depth < 20 and section.get("type") is not None:
        yield key, section
        kind = section["type"]
        name = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
        if name.rpartition(".")[2] in _WRAPPERS:
            yield from _inner_transforms(key + ".transforms", section.get("transforms"), depth + 1)


def _holds_others(transform):
    """Whether a transform has transforms among its settings."""
    settings = [value for name, value in transform.items() if name != "type"]
    return any("'type'" in str(value) for value in settings)


def _compare(part, key, section, where, trial):
    """Whether the class exists and takes the settings."""
    kind = section["type"]
    try:
        made, near = kind, ""
        if isinstance(kind, str):
            with where.switch_scope_and_registry(section.get("_scope_")) as registry:
                made = registry.get(kind)
                near = _near(kind, registry) if made is None else ""
    except Exception as error:  # A module that the registry imports to look for it.
        trial.take(part, error)
        return
    if made is None:
        trial.fail(part, key + ".type", "registry", _not_registered(kind, where), near)
        return
    settings = {str(n): v for n, v in section.items() if n not in ("type", "_scope_")}
    if inspect.isclass(made):
        if part.endswith("dataset"):
            meta = getattr(made, "METAINFO", None)
            classes = meta.get("classes") if isinstance(meta, dict) else None
            if isinstance(classes, (list, tuple)) and all(isinstance(c, str) for c in classes):
                trial.classes[made.__name__] = [str(one) for one in classes]
        added = _GIVEN.get(part.rpartition(".")[2], ())
        refused = [n for n in settings if n not in added and not _takes(made, n)]
        for name in refused:
            text = "{}.__init__() got an unexpected keyword argument {!r}".format(
                made.__name__, name
            )
            trial.fail(part, "{}.{}".format(key, name), "TypeError", text)
        lacking = _lacking(made, settings, added)
        if made.__module__.startswith("mmdet.datasets.") and settings.get("file_client_args"):
            text = "{} refuses file_client_args; it is backend_args since mmdet 3.0"
            trial.fail(part, key + ".file_client_args", "RuntimeError", text.format(made.__name__))
        if lacking and not refused:
            text = "{}.__init__() is missing {}".format(made.__name__, ", ".join(lacking))
            trial.fail(part, key, "TypeError", text)
        if not lacking and not refused:
            _try(part, key, section, made, trial)


_LIGHT = ("mmcv.transforms.", "mmdet.datasets.transforms.")
"""Modules whose classes do nothing when they are built but look at their settings."""

_HOOKS = ("CheckpointHook", "EarlyStoppingHook", "LoggerHook")
"""Hooks of mmengine of which that is true; others ask for a visualizer, or for a device."""

_METRICS = ("CocoMetric", "VOCMetric", "CrowdHumanMetric")
"""Metrics of which that is true without their annotation file."""


def _try(part, key, section, made, trial):
    """Builds what costs nothing: its class may refuse values that its signature does not show."""
    settings = {n: v for n, v in section.items() if n not in ("type", "_scope_", "priority")}
    if made.__module__.startswith("mmdet.evaluation.") and made.__name__ in _METRICS:
        if settings.get("ann_file") is not None:
            settings["ann_file"] = "" if made.__name__ == "CrowdHumanMetric" else None
    elif made.__module__.startswith("mmengine.hooks."):
        if made.__name__ not in _HOOKS:
            return
    elif not made.__module__.startswith(_LIGHT) or _holds_others(section):
        return
    try:
        made(**copy.deepcopy(settings))
    except NotImplementedError:
        return
    except Exception as error:
        trial.take(part, error, key)


_GIVEN = {
    "sampler": ("dataset", "seed"),
    "visualizer": ("name", "vis_backends", "save_dir"),
    "vis_backends": ("save_dir",),
    "train_cfg": ("runner", "dataloader"),
    "default_hooks": ("priority",),
    "custom_hooks": ("priority",),
}
"""Part -> arguments that the Runner adds or takes for itself."""


def _not_registered(kind, where):
    return "{} is not in the {} registry".format(kind, where.name)


def _near(kind, registry):
    """A registered name like this one, "" for none."""
    names = list(registry.module_dict)
    if registry.parent is not None:
        names += list(registry.parent.module_dict)
    return next(iter(difflib.get_close_matches(kind.rpartition(".")[2], names, 1, 0.8)), "")


def _takes(made, name):
    """Whether a class takes a keyword, itself or in one that its keywords are passed on to."""
    for one in made.__mro__:
        if "__init__" not in vars(one):
            continue
        try:
            parameters = inspect.signature(one.__init__).parameters
        except (TypeError, ValueError):
            return True
        if one is object:
            return False
        if name in parameters:
            return True
        rest = [p.name for p in parameters.values() if p.kind is p.VAR_KEYWORD]
        if not rest:
            return False
        try:
            source = inspect.getsource(one.__init__)
        except (OSError, TypeError):
            return True
        # Only keywords that do nothing but go to the next class are followed there.
        passed = re.search(r"super\([^)]*\)\s*\.__init__\([^()]*\*\*" + rest[0], source)
        uses = len(re.findall(r"\b" + rest[0] + r"\b", source.partition(":\n")[2]))
        if passed is None or uses > 1 or re.search(r"['\"]" + name + r"['\"]", source):
            return True
    return False


def _lacking(made, settings, given):
    """Required arguments that are not named."""
    try:
        parameters = list(inspect.signature(made.__init__).parameters.values())[1:]
    except (TypeError, ValueError):
        return []
    return [
        p.name
        for p in parameters
        if p.default is p.empty
        and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and p.name not in settings
        and p.name not in given
    ]
