"""The configuration that a training printed into its log, and how far it was meant to go."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from dualwatch.core.plain import PlainDict, PlainValue, as_int
from dualwatch.frameworks.base import Goal

_STAMPED = re.compile(r"^(?:\d{4}[/-])?\d\d[/-]\d\d \d\d:\d\d:\d\d(?:,\d{3})? - ")
_BEGINS = re.compile(r" - INFO - Config:\s*$")
_ASSIGNS = re.compile(r"[A-Za-z_]\w* = ")
_RANK = re.compile(r"^(?:\[[A-Za-z_]+\d{1,6}\]: ?)+")
MAX_LINES = 20_000
MOST_CUTS = 8


def config_text(lines: list[str]) -> str:
    """The configuration between the line ``Config:`` and the next line of the logger.

    Of several, as in a log that a second start went on with, the last one.
    """
    found: list[str] = []
    collecting = False
    for line in lines:
        if line.startswith("["):
            line = _RANK.sub("", line)
        if _BEGINS.search(line):
            found, collecting = [], True
        elif collecting:
            # A value may hold what looks like a line of the logger; it is indented then.
            if _STAMPED.match(line) or len(found) >= MAX_LINES:
                collecting = False
            else:
                found.append(line)
    return _without_others(found)


def _without_others(lines: list[str]) -> str:
    """The lines without those of other programs behind them, which have no stamp either."""
    for _ in range(MOST_CUTS):
        text = "\n".join(lines).strip("\n")
        try:
            ast.parse(text)
        except SyntaxError as error:
            cut = (error.lineno or 1) - 1
            if not 0 < cut < len(lines) or any(map(_ASSIGNS.match, lines[cut:])):
                return text  # What follows is part of it.
            lines = lines[:cut]
        except (ValueError, RecursionError, MemoryError):
            return text
        else:
            return text
    return "\n".join(lines).strip("\n")


def goal(values: PlainDict) -> Goal:
    """The goal that a configuration names, mmengine's or mmcv's form of it."""
    for section in ("train_cfg", "runner"):
        loop = values.get(section)
        if isinstance(loop, Mapping):
            epochs, iterations = _natural(loop.get("max_epochs")), _natural(loop.get("max_iters"))
            if epochs is not None or iterations is not None:
                return Goal(epochs, iterations if epochs is None else None)
    return Goal(_natural(values.get("total_epochs")), _natural(values.get("total_iters")))


def due_at_end(values: PlainDict) -> tuple[str, ...]:
    """What the framework does after the last iteration of a training, as far as that is certain.

    Newer versions also validate after an epoch that the interval does not name, if it is the last.
    """
    epochs, iterations = goal(values)
    reached = epochs or iterations
    if reached is None:
        return ()
    found: list[str] = []
    loop, hooks = values.get("train_cfg"), values.get("default_hooks")
    if isinstance(loop, Mapping):
        saving = hooks.get("checkpoint") if isinstance(hooks, Mapping) else None
        validates = isinstance(values.get("val_dataloader"), Mapping)
        interval = loop.get("val_interval", 1 if epochs else 1000)
        is_dynamic = bool(loop.get("dynamic_intervals"))
        if isinstance(saving, Mapping) and saving.get("save_last", True) is True:
            # Saving by epochs does not see the end of a training that counts iterations.
            found += ["checkpoint"] if saving.get("by_epoch", True) is bool(epochs) else []
    else:
        saving, evaluation = values.get("checkpoint_config"), values.get("evaluation")
        validates, is_dynamic = isinstance(evaluation, Mapping), False
        interval = evaluation.get("interval", 1) if isinstance(evaluation, Mapping) else 0
        saved = saving.get("interval") if isinstance(saving, Mapping) else None
        found += ["checkpoint"] if _divides(saved, reached) else []
    if validates and not is_dynamic and _divides(interval, reached):
        found.append("validation")
    return tuple(found)


def validates_every(values: PlainDict) -> int | None:
    """Epochs from one validation to the next, None where a training counts iterations."""
    loop, evaluation = values.get("train_cfg"), values.get("evaluation")
    if goal(values).epochs is None:
        return None
    if isinstance(loop, Mapping) and "max_epochs" in loop:
        return _natural(loop.get("val_interval", 1))
    return _natural(evaluation.get("interval", 1)) if isinstance(evaluation, Mapping) else None


def validates(values: PlainDict) -> bool | None:
    """Whether a training of mmengine validates; None where its configuration does not say."""
    parts = [values[key] for key in ("val_cfg", "val_dataloader") if key in values]
    if any(part is None for part in parts):
        return False
    return True if any(isinstance(part, Mapping) for part in parts) else None


def _divides(interval: PlainValue, reached: int) -> bool:
    every = _natural(interval)
    return every is not None and reached % every == 0


def _natural(value: PlainValue) -> int | None:
    number = as_int(value)
    return number if number is not None and number > 0 else None
