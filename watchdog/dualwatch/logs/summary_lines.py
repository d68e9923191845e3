"""Lines of plain scripts that count steps alone or epochs alone, and their results. Pure.

::

    iter 250: loss 3.1021, time 120.33ms, mfu 12.10%
    step 500: train loss 2.9011, val loss 3.0101
     [2024-05-06 09:00:31] iteration  10/ 5000 | lm loss: 9.1E+00 | grad norm: 1.2 |
    Epoch 3/60 | train loss 0.7123 | val loss 0.8001 | val acc 0.642
    Test set: Average loss: 0.0285, Accuracy: 9909/10000 (99%)
     * Acc@1 64.220 Acc@5 88.100 loss 1.412
     Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.123
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dualwatch.core.text import bound
from dualwatch.events import EvaluationLogged, ProgressShown

Spans = Mapping[str, tuple[int, int]]
Found = tuple[ProgressShown | EvaluationLogged, ...]

LABEL_CHARS = 80
MOST_FIELDS = 60
MOST_BEFORE = 120
"""Characters of a logger's prefix."""

_STEP = re.compile(
    r"(?<![\w./-])(?P<word>(?:global[ _]?)?(?:iter(?:ation)?|step|update|batch))s?[ :=#]{0,12}"
    r"[\[(]? {0,12}(?P<done>\d{1,12})(?: {0,12}(?:/|of) {0,12}(?P<total>\d{1,12}))?[\])]?"
    r"(?=[ ,;:|\])\t-])(?!,\d)",
    re.IGNORECASE,
)
_EPOCH = re.compile(
    r"(?<![\w./-])epochs?[ :=#]{0,3}[\[(]? {0,6}(?P<epoch>\d{1,7})"
    r"(?: ?(?:/|of) ?(?P<epochs>\d{1,7}))?[\])]?(?=[ ,;:|\])\t-]|$)",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d+")
_QUALITY = r"loss|acc|err|ppl|perplexity|m?iou|map|f1|auc|dice|psnr"
_FIELD = re.compile(
    rf"(?P<key>(?:[^\W\d_]\w{{0,20}}[ _](?=(?:{_QUALITY}|norm)))?[^\W\d][\w./@-]{{0,60}})"
    r"[ :=]{1,6}"
    # A comma between digits is a decimal one.
    r"(?P<value>[-+]?(?:\d{1,9},\d{1,8}(?![\d.,])|\d+\.?\d*(?:e[-+]?\d+)?|nan|inf))"
    r"(?![\w.:/])(?P<percent>%?)",
    re.IGNORECASE,
)
_SHARE = re.compile(rf"(?:{_QUALITY})", re.IGNORECASE)
"""What is given in percent, besides the load of a machine."""

_NOT_METRICS = frozenset(("eta", "epoch", "step", "iter", "iteration", "batch", "mem", "elapsed"))
_VALIDATION = re.compile(
    r"(?<![a-z])(?:val|valid|validation|test|testing|eval|evaluation|dev)(?![a-z])|验证|测试",
    re.IGNORECASE,
)
_TRAINED = re.compile(r"(?:^|[_./ -])(?:loss|nll)|loss(?:$|[_./ -])|grad[_ ]norm", re.IGNORECASE)
_VALUE = re.compile(r"(?:loss|nll|norm|acc)[^\d\s]{0,20}[ :=]{1,6}[-+]?(?:\d|nan|inf)", re.I)
_RESULT = re.compile(
    r"\s{0,4}\* {1,4}(?=(?:Acc@1|Prec@1|acc1)\b)"
    r"|\W{0,3}(?:val|valid|validation|test|eval|evaluation|dev)(?: set)?\b(?=.{0,30}(?:loss|acc))",
    re.IGNORECASE,
)
_RIGHT_OF_ALL = re.compile(r"acc(?:uracy)?\W{1,4}(?P<right>\d{1,9})/(?P<all>[1-9]\d{0,8})\b", re.I)
_COCO = re.compile(
    r"\s{0,4}Average Precision {1,4}\(AP\) @\[ IoU=(?P<iou>0\.50:0\.95|0\.50) {1,8}\| area= {1,4}"
    r"all \| maxDets= ?\d{1,4} \] = (?P<value>-?\d\.\d{1,6})\s*$"
)
_COCO_NAMES = {"0.50:0.95": "AP", "0.50": "AP50"}


_IN_ENGLISH = (
    ("训练", "train "),
    ("验证", "val "),
    ("测试", "test "),
    ("损失", "loss"),
    ("准确率", "acc"),
    ("精度", "acc"),
    ("轮次", "epoch "),
    ("迭代", "iter "),
    ("步数", "step "),
    ("\uff0c", ", "),
    ("\uff1a", ": "),
    ("Epoche", "epoch"),
    ("Verlust", "loss"),
    ("verlust", " loss"),
    ("Genauigkeit", "acc"),
)


def may_be_foreign(line: str) -> bool:
    """Whether a line can be one of these in words of another language."""
    return "损失" in line or "Verlust" in line or "verlust" in line


SIGNS = ("oss", "OSS", "norm", "NORM", "acc", "Acc", "ACC", "prec", "Prec", "PREC", "损失",
         "erlust")  # fmt: skip
"""One of these is in a word of each such line, its digits made 0."""


def may_hold(line: str) -> bool:
    """Whether a line can be one of these; lines with the words of ``plain_lines`` are not asked."""
    if may_be_foreign(line):
        return True
    if "oss" in line or "norm" in line:
        is_counted = _STEP.search(line, 0, MOST_BEFORE) is not None or _RESULT.match(line)
        return bool(is_counted) and _VALUE.search(line) is not None
    return "Average Precision" in line or _RESULT.match(line) is not None


def parse(line: str, at: float, wall: float) -> Found:
    """The progress and the result that a line states; nothing for all other lines."""
    line = _in_english(line)
    if "Average Precision" in line:
        return _of_coco(line, at, wall)
    match = _counters(line)
    if match is None:
        result = _RESULT.match(line)
        metrics = _of_result(line, result.end()) if result is not None else {}
        return _evaluation(metrics, None, None, at, wall)
    if any(sign in line[: match.start()] for sign in "{}="):
        return ()  # Within a configuration, or among other values.
    values = numbers(line, match.end())
    first = _FIELD.search(line, match.end())
    if first is None or not any(_SHARE.search(n) or _TRAINED.search(n) for n in values):
        return ()
    around = f"{line[: match.start()]} {line[match.end() : first.start()]}"
    results = {
        name: value
        for name, value in values.items()
        if _VALIDATION.search(name) or _VALIDATION.search(around)
    }
    trained = {name: value for name, value in values.items() if name not in results}
    parts = match.groupdict()
    epoch, done = _number(parts.get("epoch")), _number(parts.get("done"))
    found = _evaluation(results, epoch, done, at, wall)
    if not any(_TRAINED.search(name) for name in trained):
        return found
    shown = ProgressShown(
        at=at,
        wall=wall,
        label=bound(match[0].strip(" |,;:"), LABEL_CHARS),
        bar=False,
        mode="train",
        epoch=epoch,
        epochs=_number(parts.get("epochs")),
        done=done or 0,
        total=_number(parts.get("total")),
        metrics=trained,
    )
    return (shown, *found)


def _in_english(line: str) -> str:
    if may_be_foreign(line):
        for word, plain in _IN_ENGLISH:
            line = line.replace(word, plain)
    return line


def _counters(line: str) -> re.Match[str] | None:
    """The step of a line, or its epoch where it has no step."""
    return _STEP.search(line, 0, MOST_BEFORE) or _EPOCH.search(line, 0, MOST_BEFORE)


def places(line: str) -> Spans:
    """Where a line has its counters."""
    plain = _in_english(line)
    match = _counters(plain)
    found = spans(match) if match is not None else {}
    if plain == line:
        return found
    # The words differ, the numbers do not.
    numbers = [number.span() for number in _DIGITS.finditer(line)]
    return {
        name: numbers[len(_DIGITS.findall(plain, 0, start))] for name, (start, _) in found.items()
    }


def spans(match: re.Match[str]) -> Spans:
    """Where the groups of a match are, without those that it lacks."""
    return {name: match.span(name) for name, text in match.groupdict().items() if text}


def numbers(text: str, start: int = 0) -> dict[str, float]:
    """The ``key: value``, ``key=value`` and ``key value`` pairs whose value is a number."""
    found: dict[str, float] = {}
    for field in _FIELD.finditer(text, start):
        key = field["key"]
        if key.lower() in _NOT_METRICS or (field["percent"] and not _SHARE.search(key)):
            continue
        if len(found) < MOST_FIELDS:
            found[key] = float(field["value"].replace(",", "."))
    return found


def _of_result(line: str, start: int) -> dict[str, float]:
    """The numbers of a result without counters."""
    counted = _RIGHT_OF_ALL.search(line)
    share = {"accuracy": int(counted["right"]) / int(counted["all"])} if counted is not None else {}
    metrics = {**numbers(line, start), **share}
    return metrics if any(_SHARE.search(name) for name in metrics) else {}


def _of_coco(line: str, at: float, wall: float) -> Found:
    match = _COCO.match(line)
    if match is None:
        return ()
    return _evaluation({_COCO_NAMES[match["iou"]]: float(match["value"])}, None, None, at, wall)


def _evaluation(
    metrics: Mapping[str, float], epoch: int | None, done: int | None, at: float, wall: float
) -> Found:
    if not metrics:
        return ()
    result = EvaluationLogged(
        at=at,
        wall=wall,
        mode="val",
        epoch=epoch,
        iteration=done or 0,
        total=None,
        metrics=dict(metrics),
    )
    return (result,)


def _number(text: str | None) -> int | None:
    return int(text) if text else None
