"""Builds the parts of a training from its configuration as a trial, and reports what fails.

Called by ``describe_config`` in a child process of the training's Python. Nothing is trained, no
data is read and nothing is downloaded: the model is built without memory for its parameters
(device "meta") and without its weights, and sections that would read data or write files are only
compared with the signatures of their classes.
"""

from __future__ import annotations

import copy
import difflib
import importlib.util
import inspect
import os
import re
import socket
import traceback
from typing import Any

MAX_TEXT = 1500
_NOT_FOUND = re.compile(r"is not in the .*registry|No module named|cannot import name")
_NEEDS_DEVICE = re.compile(r"cuda|gpu|npu|device", re.I)
_OFFLINE = re.compile(
    r"dualwatch: no network|offline mode|couldn't connect|huggingface\.co|Connection error"
    r"|LocalEntryNotFound|Max retries|urlopen error|HTTP Error",
    re.I,
)
_WRAPPERS = ("RandomChoice", "RandomApply", "RandomOrder", "TransformBroadcaster", "KeyMapper")
"""Transforms whose ``transforms`` are transforms of the same registry."""


class Trial:
    """Results of building the parts.

    Attributes:
        built: Names of parts that were built, or whose settings fit the signatures.
        failed: {"part", "key", "kind", "text", "module"} of each part that cannot be built.
        skipped: Part -> why it was not tried.
        classes: Type of a data set -> the classes that it has where none are named.
    """

    def __init__(self):
        self.built: list[str] = []
        self.failed: list[dict[str, str]] = []
        self.skipped: dict[str, str] = {}
        self.classes: dict[str, list[str]] = {}

    def take(self, part, error):
        """Records an exception of a part: a defect, or a reason why it cannot be tried here."""
        text = "{}".format(error).strip()
        while error.__cause__ is not None and not isinstance(error, (TypeError, KeyError)):
            error = error.__cause__
        if _is_offline(error) or _is_offline_text(text):
            self.skipped[part] = "it downloads something when it is built"
        elif isinstance(error, MemoryError):
            self.skipped[part] = "not enough memory to build it"
        elif isinstance(error, (AssertionError, RuntimeError)) and _needs_device(text):
            self.skipped[part] = "it needs a device that this machine lacks: " + text[:200]
        else:
            self.fail(part, "", type(error).__name__, text, _near_of(text))

    def fail(self, part, key, kind, text, near=""):
        """Records a defect; ``near`` is a name that may have been meant."""
        self.failed.append(
            {"part": part, "key": key or part, "kind": kind, "text": text[:MAX_TEXT], "near": near}
        )

    def result(self):
        """As JSON-able values."""
        return {
            "built": self.built,
            "failed": self.failed,
            "skipped": self.skipped,
            "classes": self.classes,
        }


def _near_of(text):
    """A registered model like the one that is not found, "" for none."""
    match = re.match(r"^['\"]?([\w.]+) is not in the [\w:]*::(\w+) registry", text)
    if match is None or match.group(2) != "model":
        return ""
    from mmengine.registry import MODELS

    with MODELS.switch_scope_and_registry(None) as registry:
        return _near(match.group(1), registry)


def _needs_device(text):
    return _NEEDS_DEVICE.search(text) is not None and "install" not in text


def _is_offline(error):
    return isinstance(error, _NoNetworkError) or isinstance(error.__cause__, _NoNetworkError)


def _is_offline_text(text):
    return _OFFLINE.search(text) is not None


class _NoNetworkError(OSError):
    """Raised in place of a connection."""


def _no_network():
    """Nothing that is built may download: a trial must not take minutes or fill a disk."""

    def refuse(*args, **kwargs):
        raise _NoNetworkError("dualwatch: no network in a trial")

    socket.socket.connect = refuse  # type: ignore[method-assign]
    socket.create_connection = refuse
    socket.getaddrinfo = refuse
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
        os.environ[name] = "1"


def build(cfg) -> dict[str, Any]:
    """Builds what a configuration describes; never raises."""
    trial = Trial()
    try:
        _no_network()
        _build(cfg, trial)
    except BaseException as error:
        trial.skipped["all"] = "{}: {}".format(type(error).__name__, error)[:MAX_TEXT]
        trial.skipped["trace"] = traceback.format_exc()[-MAX_TEXT:]
    result: dict[str, Any] = trial.result()
    return result


def _build(cfg, trial):
    from mmengine.registry import init_default_scope

    scope = cfg.get("default_scope") or "mmengine"
    if not _scope_is_known(scope):
        trial.fail(
            "default_scope",
            "default_scope",
            "scope",
            "default_scope is {!r}, and no such package is installed".format(scope),
        )
        scope = "mmengine"
    unknown = sorted(set(_unknown_scopes(cfg, "")))
    for key, package in unknown[:10]:
        text = "{} names the package {!r}, which is not installed".format(key, package)
        trial.fail("scope", key, "scope", text)
    if trial.failed:
        trial.skipped["model"] = "a package that it needs is not installed"
        return  # Everything that follows from it would fail too.
    init_default_scope(scope)
    model = _model(cfg, trial)
    _optimizer(cfg, model, trial)
    _signatures(cfg, trial)


# --- scopes --------------------------------------------------------------------------------------


def _scope_is_known(scope):
    from mmengine.registry import MODELS

    if scope == "mmengine" or scope in MODELS.children:
        return True
    try:
        return importlib.util.find_spec(scope) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _unknown_scopes(value, key):
    """(key, package) of ``type='package.Class'`` whose package does not exist."""
    if isinstance(value, dict):
        kind = value.get("type")
        if isinstance(kind, str) and re.match(r"^[A-Za-z_]\w*\.\w", kind):
            scope = kind.partition(".")[0]
            if not _scope_is_known(scope) and _is_scope(kind):
                yield (key + ".type" if key else "type"), scope
        for name, part in value.items():
            yield from _unknown_scopes(part, "{}.{}".format(key, name) if key else str(name))
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _unknown_scopes(part, "{}.{}".format(key, index))


def _is_scope(kind):
    """Whether "a.B" is a scope and a class of its registry, not a name such as "torch.float"."""
    last = kind.rpartition(".")[2]
    return last[:1].isupper()


# --- the model -----------------------------------------------------------------------------------


def _model(cfg, trial):
    from mmengine.registry import MODELS

    section = cfg.get("model")
    if not isinstance(section, dict):
        return None
    section = copy.deepcopy(section)
    if cfg.get("data_preprocessor") is not None:
        section.setdefault("data_preprocessor", copy.deepcopy(cfg.get("data_preprocessor")))
    if "type" not in section:
        trial.fail("model", "model.type", "KeyError", "the model has no type")
        return None
    try:
        model = _without_memory(lambda: MODELS.build(copy.deepcopy(section)))
    except Exception:
        # What a model computes while it is built may need real numbers.
        try:
            model = _without_initial_values(lambda: MODELS.build(copy.deepcopy(section)))
        except Exception as error:
            trial.take("model", error)
            return None
    trial.built.append("model")
    return model


def _without_memory(make):
    import torch

    with torch.device("meta"):
        return make()


def _without_initial_values(make):
    """Builds with memory that is never touched: parameters are not initialised."""
    import torch
    from torch.nn import init

    names = [n for n in dir(init) if n.endswith("_") and not n.startswith("_")]
    kept = {name: getattr(init, name) for name in names}
    try:
        for name in names:
            setattr(init, name, lambda tensor, *args, **kwargs: tensor)
        with torch.no_grad():
            return make()
    finally:
        for name, function in kept.items():
            setattr(init, name, function)


# --- optimizer and schedules ---------------------------------------------------------------------


def _optimizer(cfg, model, trial):
    section = cfg.get("optim_wrapper")
    if not isinstance(section, dict):
        return
    if model is None:
        trial.skipped["optim_wrapper"] = "the model was not built"
        return
    from mmengine.optim import OptimWrapperDict, build_optim_wrapper

    section = copy.deepcopy(section)
    if str(section.get("type", "")).rpartition(".")[2] in ("AmpOptimWrapper", "ApexOptimWrapper"):
        # Mixed precision needs a device; what it takes beside an ordinary one is left out.
        section["type"] = "OptimWrapper"
        for name in ("loss_scale", "dtype", "use_fsdp", "opt_level", "loss_scale_window"):
            section.pop(name, None)
    try:
        wrapper = build_optim_wrapper(model, section)
    except NotImplementedError as error:  # It computes with parameters, which have no values.
        trial.skipped["optim_wrapper"] = "{}".format(error)[:200]
        return
    except Exception as error:
        if "meta" in str(error):
            trial.skipped["optim_wrapper"] = "{}".format(error)[:200]
        else:
            trial.take("optim_wrapper", error)
        return
    trial.built.append("optim_wrapper")
    if isinstance(wrapper, OptimWrapperDict):
        trial.skipped["param_scheduler"] = "it has several optimizers"
        return
    _schedules(cfg, wrapper, trial)


def _schedules(cfg, wrapper, trial):
    from mmengine.registry import PARAM_SCHEDULERS

    section = cfg.get("param_scheduler")
    if section is None:
        return
    several = section if isinstance(section, (list, tuple)) else [section]
    loop = cfg.get("train_cfg") or {}
    epochs, iterations = loop.get("max_epochs"), loop.get("max_iters")
    for index, one in enumerate(several):
        if not isinstance(one, dict) or "type" not in one:
            continue
        one = copy.deepcopy(one)
        by_epoch = one.get("by_epoch", True)
        end = epochs if by_epoch else iterations or (epochs or 0) * 1000
        if end:
            one.setdefault("end", end)
        defaults = {"optimizer": wrapper, "epoch_length": 1000}
        try:
            PARAM_SCHEDULERS.build(one, default_args=defaults)
        except Exception as error:
            key = "param_scheduler.{}".format(index) if len(several) > 1 else "param_scheduler"
            trial.take(key, error)
            return
    trial.built.append("param_scheduler")


# --- the rest, by its signatures -----------------------------------------------------------------


def _signatures(cfg, trial):
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
        if lacking and not refused:
            text = "{}.__init__() is missing {}".format(made.__name__, ", ".join(lacking))
            trial.fail(part, key, "TypeError", text)


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
    """Whether a class takes a keyword, by itself or in one that its keywords are passed on to."""
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
