"""Resumes checkpoints: safe classes under torch >= 2.6, counters under another batch size, and the
position in the data.

When a rerun reads smaller batches, an epoch has more iterations: ``stretch`` times as many.
Counters and schedules in a checkpoint are in the units of the attempt that wrote it; they are
converted here, so that the learning rate stays the same function of the samples seen.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING

from dualwatch.agent import files
from dualwatch.agent.mmengine import checkpoint as rescue
from dualwatch.agent.mmengine import ranks

if TYPE_CHECKING:
    from dualwatch.agent.mmengine.objects import LoadedState

STRETCH_KEY = "dualwatch_stretch"
POSITION_KEY = "dualwatch_place"
"""In a checkpoint's ``meta``: the position in the data; see ``position``."""
VALIDATION_KEY = "dualwatch_validation"
"""In ``meta``: the validation that was due after this iteration was not finished."""

# Counters of a scheduler; everything else in its state is its configuration.
_COUNTERS = ("last_step", "_global_step")
# Derived from the optimizer at its beginning; kept from the checkpoint.
_DERIVED = ("base_values", "_last_value")

_loaded_stretch = 1
_loaded: LoadedState = {}
"""Of the checkpoint that was loaded last: its position, and what only a rescue contains."""


def allow_safe_classes() -> None:
    """Registers the classes of mmengine's own checkpoints as safe to load.

    torch >= 2.6 loads with ``weights_only=True`` and refuses them; switching that off would also
    let a malicious checkpoint run code. See the decision ``0003-safe-classes.md``.
    """
    import torch

    register = getattr(torch.serialization, "add_safe_globals", None)
    if register is None:
        return  # Before torch 2.4 there is no list, and none is needed.
    try:
        register(_safe_classes())
    except Exception:
        files.note_error("registering safe classes")


def _method_of_history_buffer(owner, name):
    """Replaces ``getattr`` while a checkpoint is read.

    A HistoryBuffer contains its own methods; pickle writes ``getattr(HistoryBuffer, "mean")``.
    The real ``getattr`` would let a checkpoint reach anything; this one returns just those.
    """
    from mmengine.logging.history_buffer import HistoryBuffer

    if owner is HistoryBuffer and not name.startswith("_"):
        return getattr(owner, name)
    raise ValueError(f"dualwatch does not let a checkpoint read {name!r} of {owner!r}")


def _safe_classes():
    import numpy
    from mmengine.logging.history_buffer import HistoryBuffer

    try:
        multiarray = importlib.import_module("numpy._core.multiarray")
    except ImportError:  # numpy 1
        multiarray = importlib.import_module("numpy.core.multiarray")
    classes = [HistoryBuffer, numpy.ndarray, numpy.dtype]
    classes += [multiarray._reconstruct, multiarray.scalar]
    # Checkpoints written under numpy 1 name the old home of the same two functions.
    classes += [
        (multiarray._reconstruct, "numpy.core.multiarray._reconstruct"),
        (multiarray.scalar, "numpy.core.multiarray.scalar"),
    ]
    classes += [
        (_method_of_history_buffer, home + ".getattr") for home in ("builtins", "__builtin__")
    ]
    dtypes = getattr(numpy, "dtypes", None)
    for name in dir(dtypes) if dtypes is not None else ():
        kind = getattr(dtypes, name)
        if isinstance(kind, type) and name.endswith("DType") and name != "ObjectDType":
            classes.append(kind)
    return classes


def mark(checkpoint, stretch, where=None) -> None:
    """Adds the units of the counters, and the position, to a checkpoint about to be saved."""
    if isinstance(checkpoint, dict) and isinstance(checkpoint.get("meta"), dict):
        checkpoint["meta"][STRETCH_KEY] = stretch
        if where is not None:
            checkpoint["meta"][POSITION_KEY] = where


def remember(checkpoint=None, **_) -> None:
    """Keeps what mmengine ignores of a checkpoint that was just loaded."""
    global _loaded_stretch, _loaded
    meta = checkpoint.get("meta", {}) if isinstance(checkpoint, dict) else {}
    meta = meta if hasattr(meta, "get") else {}
    _loaded_stretch = int(meta.get(STRETCH_KEY, 1))
    kept = checkpoint.get(rescue.KEY) if isinstance(checkpoint, dict) else None
    place = meta.get(POSITION_KEY)
    mine = ranks.mine(kept)
    if mine is not None:
        place, kept = mine.get("place"), mine
    _loaded = {
        "place": place,
        "validation": bool(meta.get(VALIDATION_KEY)),
        "kept": kept,
    }


def resuming(runner, stretch, resumed):
    """Wraps ``load_or_resume`` so that what was resumed counts in the units of this attempt.

    Args:
        resumed: Called with what mmengine ignores of the checkpoint, once counters are converted.
    """
    original = runner.load_or_resume

    @functools.wraps(original)
    def load_or_resume(*args, **kwargs):
        if runner._has_loaded:
            return original(*args, **kwargs)
        fresh = _scheduler_settings(runner)
        result = original(*args, **kwargs)
        if getattr(runner, "_resume", False) and runner._has_loaded:
            if runner.iter > 0 and stretch != _loaded_stretch:
                _convert(runner, stretch / _loaded_stretch, fresh)
            try:
                resumed(_loaded)
            except Exception:
                files.note_error("restoring the position in the data")
        return result

    return load_or_resume


def _schedulers(runner):
    every = runner.param_schedulers or []
    groups = every.values() if isinstance(every, dict) else [every]
    flat = [item for group in groups for item in (group if isinstance(group, list) else [group])]
    return [item for item in flat if hasattr(item, "state_dict")]


def _scheduler_settings(runner):
    """The schedulers' configuration in this attempt, before a checkpoint overwrites it."""
    return [
        {
            key: value
            for key, value in scheduler.state_dict().items()
            if key not in _COUNTERS and key not in _DERIVED
        }
        for scheduler in _schedulers(runner)
    ]


def _convert(runner, ratio, fresh) -> None:
    loop = runner.train_loop
    if hasattr(loop, "run_epoch"):
        loop._iter = loop.epoch * len(loop.dataloader)
    else:
        loop._iter = round(loop.iter * ratio)
    for scheduler, settings in zip(_schedulers(runner), fresh):
        if scheduler.by_epoch:
            continue
        scheduler.__dict__.update(settings)
        for counter in _COUNTERS:
            if hasattr(scheduler, counter):
                setattr(scheduler, counter, round(getattr(scheduler, counter) * ratio))
    runner.message_hub.update_info("iter", loop.iter)
