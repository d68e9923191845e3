"""What counts in iterations, and how it is stretched when a batch becomes smaller. Pure.

With half the batch, one iteration of before is two now. Whatever counts iterations counts twice as
far then: loops, hooks and schedules. What counts epochs needs no change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dualwatch.core.plain import PlainDict, PlainValue, as_dict, as_int, as_list, as_number
from dualwatch.events import Change

# mmengine's "for ever".
_INF = 10**9

# mmengine's default, which counts iterations as well.
_VAL_INTERVAL = 1000

_IN_STEPS = ("Linear", "Poly", "Constant", "Exponential")

# Moving averages whose momentum fades with the iterations, and over how many where nothing is said.
_FADING = {"ExpMomentumEMA": 2000, "MomentumAnnealingEMA": 100}


def stretched(sections: PlainDict, factor: int) -> list[Change]:
    """The changes of all that counts in iterations.

    Args:
        factor: Iterations now for one of the configuration's own.
    """
    return [
        *_loop(sections, factor),
        *_hooks(sections, factor),
        *_schedules(sections, factor),
    ]


def is_iteration_based(sections: PlainDict) -> bool:
    """Whether the training counts iterations rather than epochs."""
    return as_dict(sections.get("train_cfg")).get("max_iters") is not None


def last_part(kind: PlainValue) -> str:
    """A type's own name: the pure-Python style names classes, and names may be dotted."""
    return str(kind).rsplit(".", 1)[-1]


# --- loops ---------------------------------------------------------------------------------------


def _loop(sections: PlainDict, factor: int) -> Iterator[Change]:
    if not is_iteration_based(sections):
        return
    why = _why(factor)
    loop = as_dict(sections["train_cfg"])
    for key, least in (("max_iters", 1), ("val_interval", 1), ("val_begin", 2)):
        value = loop.get(key)
        if isinstance(value, int) and least <= value < _INF:
            yield Change(key=f"train_cfg.{key}", before=value, after=value * factor, why=why)
    if sections.get("val_dataloader") and loop.get("val_interval") is None:
        after = _VAL_INTERVAL * factor
        yield Change(key="train_cfg.val_interval", before=None, after=after, why=why)
    dynamic = as_list(loop.get("dynamic_intervals"))
    if dynamic:
        # A milestone is the first iteration of its interval.
        pairs = [[as_int(n) or 0 for n in as_list(pair)] for pair in dynamic]
        moved = [[(start - 1) * factor + 1, step * factor] for start, step in pairs]
        yield Change(key="train_cfg.dynamic_intervals", before=dynamic, after=moved, why=why)


# --- hooks ---------------------------------------------------------------------------------------


def _hooks(sections: PlainDict, factor: int) -> Iterator[Change]:
    """Hooks that act on the training by iterations. How often lines are logged does not count."""
    for path, hook in _listed(sections):
        kind = last_part(hook.get("type"))
        if kind.endswith("EMAHook"):
            yield from _average(path, hook, factor)
        elif kind == "MeanTeacherHook":
            yield _interval(path, hook, factor, default=1)
        elif hook.get("by_epoch") is False:
            for key in ("interval", "save_begin", "begin"):
                yield from _times(path, hook, key, factor)


def _listed(sections: PlainDict) -> Iterator[tuple[str, PlainDict]]:
    defaults, custom = sections.get("default_hooks"), sections.get("custom_hooks")
    found = list(defaults.items()) if isinstance(defaults, Mapping) else []
    pairs = [(f"default_hooks.{name}", hook) for name, hook in found]
    if isinstance(custom, list):
        pairs += [(f"custom_hooks.{index}", hook) for index, hook in enumerate(custom)]
    for path, hook in pairs:
        if isinstance(hook, Mapping):
            yield path, hook


def _average(path: str, hook: PlainDict, factor: int) -> Iterator[Change]:
    """A moving average of the weights, taken once per old iteration.

    The interval is stretched and the momentum is left: with accumulated gradients the weights
    change once in ``factor`` iterations only, so this is the average of before, where a momentum
    per iteration would approach it, and would differ for each kind of average.
    """
    yield from _times(path, hook, "begin_iter", factor)
    yield _interval(path, hook, factor, default=1)
    fading = _FADING.get(last_part(hook.get("ema_type")))
    if fading is not None:
        gamma = as_number(hook.get("gamma"))
        after = (fading if gamma is None else gamma) * factor
        yield Change(key=f"{path}.gamma", before=gamma, after=after, why=_why(factor))


def _interval(path: str, hook: PlainDict, factor: int, *, default: int) -> Change:
    before = hook.get("interval")
    after = (before if isinstance(before, int) else default) * factor
    return Change(key=f"{path}.interval", before=before, after=after, why=_why(factor))


def _times(path: str, hook: PlainDict, key: str, factor: int) -> Iterator[Change]:
    value = hook.get(key)
    if type(value) is int and value > 0:
        yield Change(key=f"{path}.{key}", before=value, after=value * factor, why=_why(factor))


def _why(factor: int) -> str:
    return f"one iteration of before is {factor} now"


# --- schedules -----------------------------------------------------------------------------------


def _schedules(sections: PlainDict, factor: int) -> Iterator[Change]:
    schedules = sections.get("param_scheduler")
    if isinstance(schedules, Mapping):
        groups = [("param_scheduler", schedules)] if "type" in schedules else []
        if not groups:  # One list of schedules per optimizer.
            groups = [
                (f"param_scheduler.{name}.{index}", schedule)
                for name, several in schedules.items()
                for index, schedule in enumerate(several if isinstance(several, list) else [])
            ]
    else:
        groups = [
            (f"param_scheduler.{index}", schedule)
            for index, schedule in enumerate(as_list(schedules))
            if isinstance(schedule, Mapping)
        ]
    for path, schedule in groups:
        if isinstance(schedule, Mapping) and schedule.get("by_epoch", True) is False:
            yield from _schedule(path, schedule, factor)


def _schedule(path: str, schedule: PlainDict, factor: int) -> Iterator[Change]:
    """One schedule that counts iterations. Those that count epochs need no change."""
    after: dict[str, PlainValue] = {}
    kind = last_part(schedule.get("type"))
    begin = as_int(schedule.get("begin")) or 0
    end = as_int(schedule.get("end"))
    if begin:
        after["begin"] = begin * factor
    if end is not None and end < _INF:
        # mmengine moves these in `end - begin - 1` steps: keep the steps in proportion, then each
        # old iteration has exactly the old learning rate.
        in_steps = kind.startswith(_IN_STEPS)
        after["end"] = begin * factor + (end - begin - 1) * factor + 1 if in_steps else end * factor
    for key in ("T_max", "total_steps", "step_size"):
        steps = as_int(schedule.get(key))
        if steps is not None:
            after[key] = steps * factor
    for key in ("milestones", "periods"):
        if isinstance(schedule.get(key), list):
            after[key] = [(as_number(n) or 0) * factor for n in as_list(schedule[key])]
    gamma = as_number(schedule.get("gamma"))
    if "Exponential" in kind and gamma is not None:
        after["gamma"] = gamma ** (1 / factor)
    for key, value in after.items():
        yield Change(
            key=f"{path}.{key}",
            before=schedule.get(key),
            after=value,
            why="same rate over the samples seen",
        )
