"""Lines that are a JSON object each, as scripts keep their history: DETR, DINO, MAE. Pure.

::

    {"train_lr": 0.0001, "train_loss": 0.51, "test_acc1": 71.2, "epoch": 12}
    {"step": 400, "loss": 2.31, "lr": 0.0003}
"""

from __future__ import annotations

import json
import re

from dualwatch.events import EvaluationLogged, ProgressShown

MOST_CHARS = 20_000

_EPOCHS = ("epoch", "ep")
_STEPS = ("step", "global_step", "iter", "iteration", "it", "_step")
_OF_VALIDATION = re.compile(r"(?:val|valid|validation|dev|eval|test)[_./-]", re.IGNORECASE)
_BESIDE = re.compile(r"(?:.*[_./-])?(?:lr|learning_rate|time|n_parameters|eta)", re.IGNORECASE)


def parse(line: str, at: float, wall: float) -> tuple[ProgressShown | EvaluationLogged, ...]:
    """The training and the result that an object holds; nothing where it holds no loss."""
    try:
        row = json.loads(line) if len(line) <= MOST_CHARS else None
    except (ValueError, RecursionError):
        return ()
    if not isinstance(row, dict):
        return ()
    numbers = {
        str(name): value
        for name, value in row.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    epoch = next((numbers.pop(name) for name in _EPOCHS if name in numbers), None)
    step = next((numbers.pop(name) for name in _STEPS if name in numbers), None)
    if epoch is None and step is None:
        return ()
    values = {n: float(v) for n, v in numbers.items() if _BESIDE.fullmatch(n) is None}
    results = {name: value for name, value in values.items() if _OF_VALIDATION.match(name)}
    trained = {name: value for name, value in values.items() if name not in results}
    if not any("loss" in name.lower() for name in trained):
        return ()
    of, done = _whole(epoch), _whole(step)
    shown = ProgressShown(
        at=at,
        wall=wall,
        label=f"epoch {of}" if of is not None else f"step {done}",
        bar=False,
        mode="train",
        epoch=of,
        done=done or 0,
        metrics=trained,
    )
    if not results:
        return (shown,)
    result = EvaluationLogged(
        at=at, wall=wall, mode="val", epoch=of, iteration=done or 0, total=None, metrics=results
    )
    return (shown, result)


def places(line: str) -> dict[str, tuple[int, int]]:
    """Where an object has its epoch and its step, by their whole part."""
    found: dict[str, tuple[int, int]] = {}
    for name, keys in (("epoch", _EPOCHS), ("done", _STEPS)):
        matches = (re.search(rf'"{key}": *(\d{{1,12}})(?!\d)', line) for key in keys)
        match = next((one for one in matches if one is not None), None)
        if match is not None:
            found[name] = match.span(1)
    return found


def _whole(value: float | None) -> int | None:
    """A counter; None where it is none."""
    return int(value) if value is not None and 0 <= value < 10**12 else None
