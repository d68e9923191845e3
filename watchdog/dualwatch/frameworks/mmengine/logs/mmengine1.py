"""Lines of mmengine's logger, in the file or on the console.

The shape of the line after the logger's prefix (mmengine 0.7 to 0.10, ``LogProcessor``)::

    Epoch(train)  [1][  50/200]  base_lr: 1e-3 lr: 1e-4  eta: 0:10:00  time: 0.5  loss: 0.3
    Epoch(val) [1][10/10]    pascal_voc/mAP: 0.6  coco/AP (M): -1.0  time: 0.1
    Epoch(test) [1/3]    eta: 0:00:05  time: 2.9
    Iter(train) [ 100/8000]  lr: 1e-3  loss: 0.1

Most lines of a huge log are of this kind, so the way to them holds no regular expression.
"""

from __future__ import annotations

import re

from msgspec import structs

from dualwatch.core.metric_names import without_mode
from dualwatch.core.text import bound, strip_control
from dualwatch.events import Event, GoalAnnounced, LogMilestone
from dualwatch.frameworks.mmengine.logs.fields import (
    crowded,
    natural,
    progress,
    seconds_of,
)

_INFO = " - INFO - "
_MODES = frozenset(("train", "val", "test"))
_BASIC = frozenset(("time", "data_time", "memory"))
"""Fields of an iteration line of validation or test; anything more is a result."""

_MANY_SPACES = re.compile(" {3,}")
_LEVEL = re.compile(r" - (?:DEBUG|INFO|WARNING|ERROR|CRITICAL) - ")
_PREFIX = re.compile(
    r"(?:\d{4}[/-])?\d\d[/-]\d\d \d\d:\d\d:\d\d(?:,\d{3})? - [^\n]{1,80}? - "
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) - "
)
# mmengine puts the place of the call before the message of an error.
_ERROR_PLACE = re.compile(r"\S[^\n]{0,300}? - \S{1,100} - \d+ - ")

_SAVING = re.compile(r"Saving checkpoint at (?P<number>\d{1,18}) (?P<unit>epoch|iter)")
_BEST = re.compile(
    r" saved (?:to|as) "
    r"(?P<file>\S{0,300}?best_\S{0,300}?(?P<unit>epoch|iter)_(?P<number>\d{1,18})\.pth)"
)

_MILESTONES = (
    ("System environment:", "environment"),
    ("Environment info:", "environment"),
    ("Config:", "config-dump"),
    ("Hooks will be executed in the following order", "hooks-listed"),
    ("after_run:", "hooks-listed"),
    ("Start running, host:", "run-announced"),
    ("Name of parameter - Initialization information", "weights-initialised"),
    ("initialize ", "weights-initialised"),
    ("Load checkpoint from", "checkpoint-loaded"),
    ("load checkpoint from", "checkpoint-loaded"),
    ("load model from", "checkpoint-loaded"),
    ("Loads checkpoint by", "checkpoint-loaded"),
    ("Auto resumed from", "resumed"),
    ("resumed epoch", "resumed"),
    ("resumed from epoch", "resumed"),
    ("Checkpoints will be saved to", "checkpoints-announced"),
    ("Advance dataloader", "dataloader-advancing"),
    ("load model from", "checkpoint-loaded"),
    ("Saving checkpoint at", "checkpoint-saving"),
    ("Evaluating ", "results-computed"),
    ("Loading and preparing results", "results-computed"),
    ("Running per image evaluation", "results-computed"),
    ("Accumulating evaluation results", "results-computed"),
    ("The best checkpoint with", "best-checkpoint-saved"),
    ("Now best checkpoint is saved as", "best-checkpoint-saved"),
    ("the monitored metric did not improve in the last", "stopped-early"),
    ("Stopping threshold reached:", "stopped-early"),
)
_RESUMED = re.compile(
    r"resumed (?:from )?epoch:? (?P<epochs>\d{1,12})(?:, iter:? (?P<iterations>\d{1,12}))?"
)
_PLACES = {
    "run-announced": re.compile(
        r"Start running, host: [^@\s]{1,100}@(?P<host>[\w.-]{1,200}), work_dir: (?P<work_dir>.+)"
    ),
    "checkpoints-announced": re.compile(
        r"Checkpoints will be saved to (?P<work_dir>.+?)(?: by \w+)?\.?$"
    ),
}
_EVALUATING = re.compile(r"Evaluating [\w/ ]{1,40}\.{3}")
_GOAL = re.compile(r"workflow: .{1,300}, max: (?P<number>\d{1,12}) (?P<unit>epoch|iter)")
_MILESTONE_STARTS = tuple(start for start, _ in _MILESTONES)
STARTS = ("Epoch(", "Iter(", "workflow: ", *_MILESTONE_STARTS)
"""What it begins with, all that it knows."""

_WHOLE_LINE = frozenset(("System environment:", "Environment info:", "Config:", "after_run:"))


def parse_line(line: str, at: float, wall: float) -> Event | None:
    """The event that one line of an mmengine log states, None for all other lines."""
    cut = line.find(_INFO)
    if cut < 0 and "\x1b" in line:
        line = strip_control(line)
        cut = line.find(_INFO)
    body = line[cut + len(_INFO) :] if cut >= 0 else line
    if body.startswith(("Epoch(", "Iter(")):
        return _progress(body, at, wall)
    if body.startswith(_MILESTONE_STARTS):
        return _milestone(body, at, wall)
    if body.startswith("workflow: "):
        found = _GOAL.match(body)
        return GoalAnnounced(at=at, wall=wall, **_count(found)) if found is not None else None
    return None


def split_prefix(line: str) -> tuple[str, str]:
    """Splits a logger's prefix off: ("ERROR", message), or ("", line) where there is none.

    The place that mmengine prints in front of an error's message belongs to the prefix.
    """
    if " - " not in line or _LEVEL.search(line) is None:
        return "", line
    match = _PREFIX.search(line)
    if match is None:
        return "", line
    level, end = match["level"], match.end()
    if level == "ERROR":
        place = _ERROR_PLACE.match(line, end)
        if place is not None:
            end = place.end()
    return level, line[end:]


def _progress(body: str, at: float, wall: float) -> Event | None:
    """An ``Epoch(mode) [e][i/n]  fields`` or ``Iter(mode) [i/n]  fields`` line."""
    # partition() splits once from the left, which is all that the head needs.
    head, _, rest = body.partition("]")
    kind_mode, _, first = head.partition("[")
    mode = kind_mode.partition("(")[2].rstrip(" )")
    epoch: int | None = None
    if rest.startswith("["):
        counter, _, rest = rest[1:].partition("]")
        epoch = natural(first)
        if epoch is None:
            return None
    else:
        counter = first
    done, _, all_of_them = counter.partition("/")
    iteration, total = natural(done), natural(all_of_them)
    if mode not in _MODES or iteration is None or total is None:
        return None
    metrics, eta_s = _fields(rest, mode)
    is_result = mode != "train" and _is_result(metrics, eta_s, iteration, total)
    return progress(at, wall, mode, epoch, iteration, total, metrics, eta_s, is_result=is_result)


def _is_result(metrics: dict[str, float], eta_s: float | None, iteration: int, total: int) -> bool:
    """Whether a line of validation or test reports a result rather than one more iteration.

    Only iteration lines have an eta (they may have losses too). A result without any metric,
    as when predictions are only dumped, still has the mean times and the full count.
    """
    if eta_s is not None:
        return False
    if metrics.keys() - _BASIC:
        return True
    return iteration == total and "time" in metrics


def _fields(text: str, mode: str) -> tuple[dict[str, float], float | None]:
    """The ``key: value`` fields, two spaces apart; keys may hold spaces, dots and brackets."""
    metrics: dict[str, float] = {}
    eta_s: float | None = None
    if "   " in text:
        text = _MANY_SPACES.sub("  ", text)
    for field in text.split("  "):
        key, colon, value = field.rpartition(": ")
        if not colon:
            continue
        try:
            if ": " in key:
                crowded(field, metrics)
            else:
                metrics[key] = float(value)
        except ValueError:
            if key == "eta":
                eta_s = seconds_of(value)
    if "/" in text:
        metrics = {without_mode(key, mode): value for key, value in metrics.items()}
    return metrics, eta_s


def _milestone(body: str, at: float, wall: float) -> Event | None:
    for start, name in _MILESTONES:
        if body.startswith(start):
            # Short starts are everyday words, believed only where they are the whole line.
            if start in _WHOLE_LINE and body.rstrip() != start:
                return None
            if start == "Evaluating " and _EVALUATING.fullmatch(body.rstrip()) is None:
                return None
            if start == "initialize " and " with init_cfg" not in body:
                return None
            text = bound(body.rstrip(), 500)
            return _place(_checkpoint(LogMilestone(at=at, wall=wall, name=name, text=text)))
    return None


def _place(event: LogMilestone) -> LogMilestone:
    """The machine and the folder that a line names."""
    found = _PLACES.get(event.name)
    match = found.match(event.text) if found is not None else None
    return structs.replace(event, **match.groupdict("")) if match is not None else event


def _checkpoint(event: LogMilestone) -> LogMilestone:
    """The milestone with the checkpoint that it is about."""
    if event.name == "checkpoint-saving":
        found = _SAVING.match(event.text)
    elif event.name == "best-checkpoint-saved":
        found = _BEST.search(event.text)
    elif event.name == "resumed":
        state = _RESUMED.match(event.text)
        reached = state.groupdict("0") if state is not None else {}
        return structs.replace(event, **{unit: int(number) for unit, number in reached.items()})
    else:
        return event
    if found is None:
        return event
    file = found.groupdict().get("file") or f"{found['unit']}_{found['number']}.pth"
    return structs.replace(event, file=file, **_count(found))


def _count(found: re.Match[str] | None) -> dict[str, int]:
    """How many epochs or iterations a line names."""
    if found is None:
        return {}
    return {"epochs" if found["unit"] == "epoch" else "iterations": int(found["number"])}
