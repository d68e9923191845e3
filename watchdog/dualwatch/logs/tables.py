"""Tables of a training, as fastai prints them and loggers keep them in CSV files. Pure.

::

    epoch     train_loss  valid_loss  accuracy  time
    0         0.912311    0.701234    0.712000  00:41

    epoch,step,train_loss,val_acc
    0,49,0.5312,
"""

from __future__ import annotations

import re

from dualwatch.events import EvaluationLogged, ProgressShown

_NAME = re.compile(r"[A-Za-z][\w./@() -]{0,60}")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?|nan|inf|-inf", re.IGNORECASE)
_ROW = re.compile(
    r"\s{0,10}\|?\s{0,4}\d{1,6}\s{0,10}\|?(?:\s{1,20}|\|)\|?\s{0,4}(?:nan|inf|-?\d)"
    r"|(?=[^,]*,[^,]*,)[\s\d.,+-]*(?:(?:e[-+]?\d|nan|inf|NaN|Inf)[\s\d.,+-]*)*\Z"
)
_COUNTERS = ("epoch", "step", "iter", "iteration", "global_step")
_OF_TIME = re.compile(
    r"(?:.*/)?(?:time|lr|lr[-/].*|.*/pg\d+|learning_rate|elapsed.*)", re.IGNORECASE
)
_OF_TRAINING = ("train_loss", "loss", "training_loss")
_LOSS = re.compile(r"(?:^|[_/.])(?:train(?:ing)?[_/.].*loss|loss)", re.IGNORECASE)
_OF_VALIDATION = re.compile(r"(?:val|valid|validation|dev|eval|test|metrics)[_./-]", re.IGNORECASE)


def may_be_row(line: str) -> bool:
    """Whether a line can be a row: it begins with two numbers, or has numbers and commas alone."""
    return _ROW.match(line) is not None


def columns(line: str) -> tuple[str, ...]:
    """The names of the columns, if a line is the head of such a table."""
    names = _cells(line)
    low = [name.lower() for name in names]
    if len(names) < 3 or not any(name in _COUNTERS for name in low):
        return ()
    if "," not in line and (low[0] != "epoch" or not any(one in _OF_TRAINING for one in low)):
        return ()
    if not any(_LOSS.search(name) for name in low):
        return ()
    return names if all(map(_NAME.fullmatch, names)) else ()


def row(
    line: str, names: tuple[str, ...], at: float, wall: float
) -> tuple[ProgressShown | EvaluationLogged, ...]:
    """What a row shows of its epoch or step; nothing for other lines."""
    cells = _cells(line)
    if len(cells) != len(names):
        return ()
    values = {
        name: float(cell)
        for name, cell in zip(names, cells, strict=True)
        if _NUMBER.fullmatch(cell) and _OF_TIME.fullmatch(name) is None
    }
    counters = {name.lower(): int(values.pop(name)) for name in names if _counts(name, values)}
    if not counters:
        return ()
    epoch = counters.pop("epoch", None)
    step = next(iter(counters.values()), None)
    results = {name: value for name, value in values.items() if _OF_VALIDATION.match(name)}
    trained = {name: value for name, value in values.items() if name not in results}
    if "," not in line:
        results |= {name: value for name, value in trained.items() if "loss" not in name}
        trained = {name: value for name, value in trained.items() if "loss" in name}
    found: list[ProgressShown | EvaluationLogged] = []
    if any("loss" in name.lower() for name in trained):
        label = f"epoch {epoch}" if epoch is not None else f"step {step}"
        found.append(
            ProgressShown(
                at=at,
                wall=wall,
                label=label,
                bar=False,
                mode="train",
                epoch=epoch,
                done=step or 0,
                metrics=trained,
            )
        )
    if results:
        found.append(
            EvaluationLogged(
                at=at,
                wall=wall,
                mode="val",
                epoch=epoch,
                iteration=step or 0,
                total=None,
                metrics=results,
            )
        )
    return tuple(found)


def _counts(name: str, values: dict[str, float]) -> bool:
    """Whether a column holds the epoch or the step."""
    return name.lower() in _COUNTERS and name in values and values[name].is_integer()


def _cells(line: str) -> tuple[str, ...]:
    if "," in line:
        return tuple(cell.strip() for cell in line.split(","))
    return tuple(line.replace("|", " ").split())
