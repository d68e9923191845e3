"""Schedules, validations and checkpoints that are never reached or have no effect. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeGuard

from dualwatch.core.plain import PlainDict, PlainValue
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.mmengine.config.dump import goal
from dualwatch.frameworks.mmengine.config.fields import without_scope
from dualwatch.frameworks.spec import Goal

_DECAYS = ("MultiStep", "Step", "CosineAnnealing", "Poly", "Exponential", "OneCycle")
_KEEPS = ("LR", "Momentum", "ParamScheduler")


class _Decay(NamedTuple):
    """A schedule that lowers a value, and when."""

    place: int
    kind: str
    what: str
    by_epoch: bool
    begin: float
    end: float


def defects(values: PlainDict) -> Iterator[Defect]:
    """What a configuration asks for in vain."""
    yield from _validation(values)
    yield from _schedules(values)
    yield from _rate(values)
    yield from _saving(values)


def _defect(key: str, text: str, do: str, *, prevents: bool = False) -> Defect:
    return Defect(kind=DefectKind.SCHEDULE, key=key, text=text, do=do, prevents=prevents)


def _validation(values: PlainDict) -> Iterator[Defect]:
    loop, wanted = values.get("train_cfg"), goal(values)
    last = wanted.epochs or wanted.iterations
    if not isinstance(loop, Mapping) or last is None or values.get("val_dataloader") is None:
        return
    unit = "epochs" if wanted.epochs else "iterations"
    begin, interval = loop.get("val_begin"), loop.get("val_interval")
    # One more than the last one is how "no validation" is written on purpose.
    if last + 1 in (begin, interval):
        return
    if _is_count(begin) and begin > last:
        yield _defect(
            "train_cfg.val_begin",
            f"no validation ever takes place: val_begin={begin}, and the training ends after "
            f"{last} {unit}",
            f"Set train_cfg.val_begin to {last} or less.",
        )
    elif _is_count(interval) and interval > last:
        yield _defect(
            "train_cfg.val_interval",
            f"val_interval={interval}, and the training ends after {last} {unit}: there is no "
            "validation before its end",
            f"Set train_cfg.val_interval to {last} or less.",
        )


def _schedules(values: PlainDict) -> Iterator[Defect]:
    wanted = goal(values)
    for path, group in _groups(values.get("param_scheduler")):
        reached: list[_Decay] = []
        for index, one in enumerate(group):
            if not isinstance(one, Mapping):
                continue
            by_epoch = one.get("by_epoch", True)
            last = wanted.epochs if by_epoch else wanted.iterations
            begin = one.get("begin", 0)
            end = one.get("end", last)
            kind = without_scope(str(one.get("type", "")))
            key = f"{path}.{index}" if len(group) > 1 else path
            unit = "epochs" if by_epoch else "iterations"
            if not _is_number(begin):
                continue
            if _never_steps(values, one, wanted):
                yield _defect(
                    f"{key}.by_epoch",
                    f"{kind} counts epochs, and the training counts iterations (max_iters="
                    f"{wanted.iterations}), which are one epoch: it is never in force",
                    "Set by_epoch=False in it, with begin, end and milestones in iterations.",
                )
                continue
            if last is not None and begin >= last:
                yield _defect(
                    f"{key}.begin",
                    f"{kind} is never in force: begin={begin}, and the training ends after "
                    f"{last} {unit}",
                    f"Set begin below {last}, or train longer.",
                )
                continue
            if _is_number(end) and end <= begin:
                yield _defect(
                    f"{key}.end",
                    f"{kind} is never in force: begin={begin}, end={end}",
                    "Set end beyond begin.",
                    prevents=True,
                )
                continue
            yield from _milestones(key, kind, one, last, unit)
            yield from _warmup(key, kind, one, last, unit)
            if _is_number(end) and kind.startswith(_DECAYS):
                reached.append(_Decay(index, kind, _what(kind), bool(by_epoch), begin, end))
        yield from _overlaps(path, reached)


def _milestones(
    key: str, kind: str, one: PlainDict, last: int | None, unit: str
) -> Iterator[Defect]:
    steps = one.get("milestones")
    if last is None or not isinstance(steps, (list, tuple)) or not all(map(_is_number, steps)):
        return
    if steps and min(steps) >= last:
        yield _defect(
            f"{key}.milestones",
            f"{kind} never takes effect: milestones={list(steps)}, and the training ends after "
            f"{last} {unit}",
            f"Set milestones below {last}, or train longer.",
        )


def _warmup(key: str, kind: str, one: PlainDict, last: int | None, unit: str) -> Iterator[Defect]:
    """A warm-up that is longer than the training: its rate is never the configured one."""
    end, start, full = one.get("end"), one.get("start_factor"), one.get("end_factor", 1.0)
    if last is None or not kind.startswith("Linear") or one.get("convert_to_iter_based") is True:
        return
    if not (_is_number(end) and _is_number(full)) or end <= last:
        return
    start = start if _is_number(start) else 1 / 3
    if start < full:
        forgot = ": by_epoch=False is not set" if one.get("by_epoch") is None else ""
        yield _defect(
            f"{key}.end",
            f"{kind} warms up for {end:g} {unit}{forgot}, and the training ends after {last}: it "
            "never reaches its learning rate",
            "Set by_epoch=False in it, if its end counts iterations, or a smaller end.",
        )


def _never_steps(values: PlainDict, one: PlainDict, wanted: Goal) -> bool:
    """Whether a schedule counts the epochs of a loop that counts iterations."""
    loop = values.get("train_cfg")
    kind = without_scope(str(loop.get("type", ""))) if isinstance(loop, Mapping) else ""
    by_iteration = kind == "IterBasedTrainLoop" or (
        isinstance(loop, Mapping) and not kind and loop.get("by_epoch") is False
    )
    if not by_iteration or wanted.iterations is None:
        return False
    return one.get("by_epoch", True) is True and one.get("convert_to_iter_based") is not True


def _overlaps(path: str, reached: Sequence[_Decay]) -> Iterator[Defect]:
    """Two schedules that lower the same value at the same time: their factors multiply."""
    for place, one in enumerate(reached):
        for other in reached[place + 1 :]:
            first, last = max(one.begin, other.begin), min(one.end, other.end)
            if (one.what, one.by_epoch) != (other.what, other.by_epoch) or first >= last:
                continue
            unit = "epochs" if one.by_epoch else "iterations"
            yield _defect(
                f"{path}.{other.place}",
                f"{one.kind} ({path}.{one.place}) and {other.kind} ({path}.{other.place}) both "
                f"change the same value in {unit} {first:g} to {last:g}: their factors multiply",
                "Give each its own begin and end.",
            )


def _what(kind: str) -> str:
    return next((what for what in _KEEPS if kind.endswith(what)), "")


def _groups(schedules: PlainValue) -> Iterator[tuple[str, Sequence[PlainValue]]]:
    """The lists of schedules: one, or one for each optimizer."""
    if isinstance(schedules, (list, tuple)):
        yield "param_scheduler", schedules
    elif isinstance(schedules, Mapping) and "type" in schedules:
        yield "param_scheduler", [schedules]
    elif isinstance(schedules, Mapping):
        for name, several in schedules.items():
            listed = several if isinstance(several, (list, tuple)) else [several]
            yield f"param_scheduler.{name}", listed


def _rate(values: PlainDict) -> Iterator[Defect]:
    wrapper = values.get("optim_wrapper")
    optimizer = wrapper.get("optimizer") if isinstance(wrapper, Mapping) else None
    rate = optimizer.get("lr") if isinstance(optimizer, Mapping) else None
    if _is_number(rate) and rate <= 0:
        text = f"the learning rate is {rate:g}: nothing is trained"
        do = "Set optim_wrapper.optimizer.lr to a positive number."
        yield _defect("optim_wrapper.optimizer.lr", text, do, prevents=True)


def _saving(values: PlainDict) -> Iterator[Defect]:
    """Checkpoints by the epoch of a loop that counts iterations: one, at the end."""
    hooks = values.get("default_hooks")
    hook = hooks.get("checkpoint") if isinstance(hooks, Mapping) else None
    wanted = goal(values)
    if not isinstance(hook, Mapping) or not _never_steps(values, hook, wanted):
        return
    if _is_count(hook.get("interval")) and without_scope(str(hook.get("type"))) == "CheckpointHook":
        yield _defect(
            "default_hooks.checkpoint.by_epoch",
            f"checkpoints are saved by the epoch, and the training counts iterations (max_iters="
            f"{wanted.iterations}), which are one epoch: none is saved before the end",
            "Set default_hooks.checkpoint = dict(by_epoch=False, interval=ITERATIONS).",
        )


def _is_count(value: PlainValue) -> TypeGuard[int]:
    return type(value) is int and value > 0


def _is_number(value: PlainValue) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
