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
import os
import re
import runpy
import socket
import traceback
from typing import Any

MAX_TEXT = 1500
_NEEDS_DEVICE = re.compile(r"cuda|gpu|npu|device", re.I)
_OFFLINE = re.compile(
    r"dualwatch: no network|offline mode|couldn't connect|huggingface\.co|Connection error"
    r"|LocalEntryNotFound|Max retries|urlopen error|HTTP Error",
    re.I,
)


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

    def take(self, part, error, key=""):
        """Records an exception of a part: a defect, or a reason why it cannot be tried here."""
        text = "{}".format(error).strip()
        while error.__cause__ is not None and not isinstance(error, (TypeError, KeyError)):
            error = error.__cause__
        if _is_offline(error) or _is_offline_text(text):
            self.skipped[part] = "it downloads something when it is built"
        elif "process group" in text:
            self.skipped[part] = "it needs a distributed start: " + text[:200]
        elif isinstance(error, MemoryError):
            self.skipped[part] = "not enough memory to build it"
        elif isinstance(error, (AssertionError, RuntimeError)) and _needs_device(text):
            self.skipped[part] = "it needs a device that this machine lacks: " + text[:200]
        else:
            self.fail(part, key, type(error).__name__, text, _near_of(text))

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
        names = list(registry.module_dict)
    return next(iter(difflib.get_close_matches(match.group(1), names, 1, 0.8)), "")


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

    # A Runner without that setting has mmengine's scope; with None, as in the pure-Python style,
    # each registry looks into itself first.
    scope = cfg.get("default_scope", "mmengine")
    if scope is not None and not _scope_is_known(scope):
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
    if scope is not None:
        init_default_scope(scope)
    model = _model(cfg, trial)
    _optimizer(cfg, model, trial)
    _loaded("compare_parts.py")["compare"](cfg, trial)


def _loaded(name):
    """The names of another file of this folder, which is in no package here."""
    return runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), name))


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
    _loaded("connect_parts.py")["connect"](model, trial)
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
