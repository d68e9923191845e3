"""Edits of a configuration that keep the meaning of the training. Pure.

A configuration is what ``inside.describe`` printed: the sections of the user's file as plain
dictionaries. An edit never stands alone: without workers there is nothing to persist or prefetch,
and a smaller batch needs accumulation and stretched schedules to stay the same training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dualwatch.facts import Change

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")

# mmengine's "for ever".
_INF = 10**9

_IN_STEPS = ("Linear", "Poly", "Constant", "Exponential")

Sections = Mapping[str, Any]


def loaders(sections: Sections) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every loader that the configuration describes, with its dotted path."""
    for name in LOADERS:
        loader = sections.get(name)
        if isinstance(loader, Mapping):
            yield name, loader
        elif isinstance(loader, list):
            for index, item in enumerate(loader):
                if isinstance(item, Mapping):
                    yield f"{name}.{index}", item


def without_workers(sections: Sections) -> list[Change]:
    """num_workers=0 in every loader, and what hangs together with it."""
    changes = []
    for path, loader in loaders(sections):
        if not loader.get("num_workers"):
            continue
        edits: list[tuple[str, Any, str]] = [
            ("num_workers", 0, "no worker can block"),
        ]
        if loader.get("persistent_workers"):
            edits.append(("persistent_workers", False, "no worker to keep"))
        if loader.get("prefetch_factor") is not None:
            edits.append(("prefetch_factor", None, "only workers prefetch"))
        if loader.get("timeout"):
            edits.append(("timeout", 0, "only workers can time out"))
        if loader.get("multiprocessing_context") is not None:
            edits.append(("multiprocessing_context", None, "no worker to start"))
        changes += [
            Change(key=f"{path}.{key}", before=loader.get(key), after=after, why=why)
            for key, after, why in edits
        ]
    return changes


def batch_size(sections: Sections) -> int | None:
    """Batch size of the training loader, None where the configuration does not say."""
    loader = sections.get("train_dataloader")
    size = loader.get("batch_size") if isinstance(loader, Mapping) else None
    return size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None


def half(size: int) -> int:
    """The largest divisor of a batch that is at most its half, so that accumulation is exact."""
    return max((d for d in range(1, size // 2 + 1) if size % d == 0), default=1)


def smaller_batch(sections: Sections, size: int, *, keep_effective: bool) -> list[Change]:
    """Batches of ``size``, and everything that counts in batches.

    Args:
        size: A divisor of the batch size of the configuration.
        keep_effective: Accumulate gradients so that an optimizer step sees as many samples as
            before.
    """
    before = batch_size(sections)
    if before is None or size >= before:
        return []
    factor = before // size
    changes = [
        Change(
            key="train_dataloader.batch_size",
            before=before,
            after=size,
            why="less memory and work at once",
        )
    ]
    if keep_effective:
        changes += _accumulate(sections, factor)
    changes += _stretch_loop(sections, factor)
    changes += _stretch_schedules(sections, factor)
    return changes


def can_accumulate(sections: Sections) -> bool:
    """Whether there is one optimizer wrapper whose steps can be accumulated."""
    wrapper = sections.get("optim_wrapper")
    return isinstance(wrapper, Mapping) and "optimizer" in wrapper


def _accumulate(sections: Sections, factor: int) -> Iterator[Change]:
    if can_accumulate(sections):
        counts = sections["optim_wrapper"].get("accumulative_counts") or 1
        yield Change(
            key="optim_wrapper.accumulative_counts",
            before=counts,
            after=counts * factor,
            why="a step still sees as many samples",
        )
        scaling = sections.get("auto_scale_lr")
        if (
            isinstance(scaling, Mapping)
            and scaling.get("enable")
            and scaling.get("base_batch_size")
        ):
            base = scaling["base_batch_size"]
            yield Change(
                key="auto_scale_lr.base_batch_size",
                before=base,
                after=base / factor,
                why="the effective batch is the same",
            )


def is_iteration_based(sections: Sections) -> bool:
    """Whether the training counts iterations rather than epochs."""
    loop = sections.get("train_cfg")
    return isinstance(loop, Mapping) and loop.get("max_iters") is not None


def _stretch_loop(sections: Sections, factor: int) -> Iterator[Change]:
    why = f"one iteration of before is {factor} now"
    if is_iteration_based(sections):
        for key in ("max_iters", "val_interval", "val_begin"):
            value = sections["train_cfg"].get(key)
            if isinstance(value, int) and 1 < value < _INF:
                yield Change(key=f"train_cfg.{key}", before=value, after=value * factor, why=why)
        dynamic = sections["train_cfg"].get("dynamic_intervals")
        if dynamic:
            # A milestone is the first iteration of its interval.
            after = [[(start - 1) * factor + 1, step * factor] for start, step in dynamic]
            yield Change(key="train_cfg.dynamic_intervals", before=dynamic, after=after, why=why)
    hooks = sections.get("default_hooks")
    saver = hooks.get("checkpoint") if isinstance(hooks, Mapping) else None
    if isinstance(saver, Mapping) and saver.get("by_epoch") is False:
        interval = saver.get("interval")
        if isinstance(interval, int) and interval > 0:
            yield Change(
                key="default_hooks.checkpoint.interval",
                before=interval,
                after=interval * factor,
                why=why,
            )


def _stretch_schedules(sections: Sections, factor: int) -> Iterator[Change]:
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
            for index, schedule in enumerate(schedules or [])
            if isinstance(schedule, Mapping)
        ]
    for path, schedule in groups:
        if schedule.get("by_epoch", True) is False:
            yield from _stretch_schedule(path, schedule, factor)


def _stretch_schedule(path: str, schedule: Mapping[str, Any], factor: int) -> Iterator[Change]:
    """One schedule that counts iterations. Those that count epochs need no change."""
    stretched: dict[str, Any] = {}
    begin = schedule.get("begin") or 0
    end = schedule.get("end")
    if begin:
        stretched["begin"] = begin * factor
    if isinstance(end, int) and end < _INF:
        # mmengine moves these in `end - begin - 1` steps: keep the steps in proportion, then each
        # old iteration has exactly the old learning rate.
        in_steps = str(schedule.get("type")).split(".")[-1].startswith(_IN_STEPS)
        stretched["end"] = (
            begin * factor + (end - begin - 1) * factor + 1 if in_steps else end * factor
        )
    for key in ("T_max", "total_steps", "step_size"):
        if isinstance(schedule.get(key), int):
            stretched[key] = schedule[key] * factor
    for key in ("milestones", "periods"):
        if isinstance(schedule.get(key), list):
            stretched[key] = [value * factor for value in schedule[key]]
    kind = str(schedule.get("type"))
    if "Exponential" in kind and isinstance(schedule.get("gamma"), (int, float)):
        stretched["gamma"] = schedule["gamma"] ** (1 / factor)
    for key, after in stretched.items():
        yield Change(
            key=f"{path}.{key}",
            before=schedule.get(key),
            after=after,
            why="same rate over the samples seen",
        )


def applied(sections: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Sections of a configuration with the overrides that lie in them, as the agent applies them.

    Only what is addressed by names; positions in lists are not followed.
    """
    changed = {name: dict(part) for name, part in sections.items() if isinstance(part, Mapping)}
    for key, value in overrides.items():
        section, _, rest = key.partition(".")
        if section not in changed or not rest or "." in rest:
            continue
        if value is None:
            changed[section].pop(rest, None)
        else:
            changed[section][rest] = value
    return changed
