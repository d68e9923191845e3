"""Tables of epochs, as fastai and notebooks print them: a line of names, then a row an epoch. Pure.

::

    epoch     train_loss  valid_loss  accuracy  time
    0         0.912311    0.701234    0.712000  00:41
"""

from __future__ import annotations

import re

from dualwatch.events import EvaluationLogged, ProgressShown

_NAME = re.compile(r"[A-Za-z][\w./@-]{0,60}")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?|nan|inf|-inf", re.IGNORECASE)
_ROW = re.compile(r"\s{0,10}\|?\s{0,4}\d{1,6}\s{0,10}\|?(?:\s{1,20}|\|)\|?\s{0,4}(?:nan|inf|-?\d)")
_OF_VALIDATION = re.compile(r"(?:val(?:id|idation)?|dev|eval|test)[_.-]?loss", re.IGNORECASE)


def may_be_row(line: str) -> bool:
    """Whether a line can be a row: it begins with two numbers."""
    return _ROW.match(line) is not None


def columns(line: str) -> tuple[str, ...]:
    """The names of the columns, the epoch first, if a line is the head of such a table."""
    names = tuple(line.replace("|", " ").split())
    if len(names) < 3 or names[0].lower() != "epoch":
        return ()
    if not any(name.lower() in ("train_loss", "loss", "training_loss") for name in names):
        return ()
    return names if all(map(_NAME.fullmatch, names)) else ()


def row(
    line: str, names: tuple[str, ...], at: float, wall: float
) -> tuple[ProgressShown | EvaluationLogged, ...]:
    """What a row says of its epoch; nothing where a line is no row of that table."""
    cells = line.replace("|", " ").split()
    if len(cells) != len(names) or not cells[0].isdecimal():
        return ()
    values = {
        name: float(cell)
        for name, cell in zip(names[1:], cells[1:], strict=True)
        if _NUMBER.fullmatch(cell) and name.lower() not in ("time", "lr")
    }
    epoch = int(cells[0])
    trained = {n: v for n, v in values.items() if "loss" in n and not _OF_VALIDATION.fullmatch(n)}
    results = {name: value for name, value in values.items() if name not in trained}
    if not trained:
        return ()
    shown = ProgressShown(
        at=at,
        wall=wall,
        label=f"epoch {epoch}",
        bar=False,
        mode="train",
        epoch=epoch,
        metrics=trained,
    )
    if not results:
        return (shown,)
    result = EvaluationLogged(
        at=at, wall=wall, mode="val", epoch=epoch, iteration=0, total=None, metrics=results
    )
    return (shown, result)
