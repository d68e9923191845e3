"""Lines of mmcv 1.x (mmdet 2.x and its sisters), ``TextLoggerHook``.

::

    2023-02-09 22:37:36,092 - mmdet - INFO - Epoch [1][150/8576]<tab>lr: 7.468e-04, eta: 1:56:37
    2023-02-08 11:45:32,710 - mmdet - INFO - Epoch(val) [5][2476]<tab>mAP: 0.8440, AP50: 0.8440
    2023-02-08 11:45:32,710 - mmseg - INFO - Iter [50/80000]<tab>lr: 1.000e-02, eta: 1 day, 0:01:02
"""

from __future__ import annotations

import re

from dualwatch.core.metric_names import without_mode
from dualwatch.events import EvaluationLogged, Event
from dualwatch.frameworks.mmengine.logs.fields import (
    crowded,
    natural,
    progress,
    seconds_of,
)

_INFO = " - INFO - "
_RESULT = re.compile(r"\('([^']{1,100})', (-?\d+(?:\.\d+)?(?:e-?\d+)?|nan)\)")
STARTS = ("Epoch [", "Iter [", "Epoch(", "Iter(")


def parse_line(line: str, at: float, wall: float) -> Event | None:
    """The event that one line of an mmcv 1.x log states, None for all other lines.

    Milestones have the same words in both generations: ``mmengine_log`` knows them.
    """
    cut = line.find(_INFO)
    body = line[cut + len(_INFO) :] if cut >= 0 else line
    if not body.startswith(STARTS):
        return None
    head, tab, fields = body.partition("\t")
    if not tab:
        return None
    kind, _, brackets = head.partition("[")
    _, parenthesis, mode = kind.rstrip().partition("(")
    mode = mode.rstrip(")") if parenthesis else "train"
    counters = brackets.rstrip("] ").split("][")
    epoch = natural(counters[0]) if kind.startswith("Epoch") and len(counters) == 2 else None
    done, slash, all_of_them = counters[-1].partition("/")
    iteration = natural(done)
    total = natural(all_of_them) if slash else None
    if mode not in ("train", "val") or iteration is None or (slash and total is None):
        return None
    metrics, eta_s = _fields(fields, mode)
    return progress(
        at, wall, mode, epoch, iteration, total, metrics, eta_s, is_result=mode == "val"
    )


def parse_result(line: str, at: float, wall: float) -> Event | None:
    """The result that a test prints last: ``OrderedDict([('bbox_mAP', 0.374), ...])``."""
    found = _RESULT.findall(line)
    metrics = {name: float(value) for name, value in found}
    if not metrics:
        return None
    return EvaluationLogged(
        at=at, wall=wall, mode="test", epoch=None, iteration=0, total=None, metrics=metrics
    )


def _fields(text: str, mode: str) -> tuple[dict[str, float], float | None]:
    """The ``key: value`` fields with commas between; an eta of days holds a comma itself."""
    metrics: dict[str, float] = {}
    eta_s: float | None = None
    days = ""
    for field in text.split(", "):
        key, colon, value = field.partition(": ")
        if not colon:
            if days:
                eta_s, days = seconds_of(f"{days}, {field}"), ""
        elif key == "eta":
            eta_s = seconds_of(value)
            days = value if eta_s is None else ""
        else:
            try:
                crowded(field, metrics)
            except ValueError:
                continue  # words, as in "bbox_mAP_copypaste: 0.412 0.593 ..."
    if "/" in text:
        metrics = {without_mode(key, mode): value for key, value in metrics.items()}
    return metrics, eta_s
