"""Lines with which other frameworks report the beginning, the progress and the end of a training.

For an end a word of the training itself is needed: what a shell prints comes after a crash too.

::

    [03/04 10:00:08 d2.utils.events]:  eta: 0:04:00  iter: 19  total_loss: 1.2  loss_cls: 0.7
                     all        320       1120      0.612      0.544      0.571      0.342
"""

from __future__ import annotations

import re

from dualwatch.core.text import bound
from dualwatch.events import EvaluationLogged, Event, LogMilestone, ProgressShown
from dualwatch.logs import bars
from dualwatch.logs.starts import Position

MOST_CHARS = 300
MOST_VALUES = 4000

UNKNOWN_TOTAL = 10**12
"""Iterations of a training that does not print how many it has: more than any has."""

_WORDS = ("omplete", "topp", "o stop", "Overall training", "inished", "train_runtime",
          "Running training", "Starting training", "GPU available", "Best metric", "raining time",
          "done training", "完成", "结束")  # fmt: skip
_CLOSES = re.compile(
    # Lightning names the goal that it reached; max_time and a signal are other reasons.
    r"`?Trainer\.fit`? stopped: `?(?:max_epochs|max_steps)=\d+`? reached"
    # The Hugging Face Trainer
    r"|\{'train_runtime': [\d.'\"]+,"
    r"|Training completed\. Do not forget to share your model"
    # Ultralytics and YOLOv5
    r"|\d+ epochs completed in \d+\.\d+ hours"
    # timm; torchvision's references and what was made of them
    r"|\*\*\* Best metric: [\d.]+ \(epoch \d+\)"
    r"|done training in \d+\.\d+ seconds"  # fairseq
    r"|Training time (?:\d+ days?, )?\d{1,3}:\d\d:\d\d\s*$"
    # tutorials and own loops
    r"|(?:\W*)(?:finished training|training (?:is )?(?:complete|completed|finished|done))\b"
    r"(?! (?:epoch|step|iter|batch|fold))(?!.{0,30}\b(?:not|fail|error)\b)"
    r"|\W*(?:训练(?:已经?)?(?:完成|结束))",
    re.IGNORECASE,
)
_EARLY = re.compile(
    r"EarlyStopping: Stopping training|Early ?stopping(?:!| triggered| at epoch)"
    r"|Training stopped early as no improvement"
    r"|(?:Monitored )?metric \S+ did not improve in the last .{1,80}Signaling Trainer to stop",
    re.IGNORECASE,
)
_OPENS = re.compile(
    r"\*{3,} Running training \*{3,}"  # the Hugging Face Trainer
    r"|Starting training for \d+ epochs"  # Ultralytics and YOLOv5
    r"|Starting training from iteration \d+"  # detectron2
    r"|GPU available: \w+"  # Lightning
)
# detectron2. Its last word comes after a crash as well: the time left decides.
_ITERATION = re.compile(
    r".{0,60}?\beta: (?P<eta>(?:\d{1,4} days?, )?\d{1,2}:\d\d:\d\d) +iter: (?P<done>\d{1,12}) +"
    r"(?P<values>total_loss: .+)"
)
_STOPS = re.compile(r".{0,60}?\bOverall training speed: \d+ iterations in ")
# YOLOv5 and Ultralytics: the row of all classes; images, instances, P, R, mAP50, mAP50-95, of masks
# or key points four more.
_ALL_CLASSES = re.compile(
    r" +all +\d+ +\d+(?P<values>(?: +(?:\d\S*|nan)){4}(?:(?: +(?:\d\S*|nan)){4})?) *$"
)
# detectron2: "copypaste: Task: bbox", "copypaste: AP,AP50,...", "copypaste: 38.1,58.2,..."
_RESULT = re.compile(r".{0,80}?\bcopypaste: (?P<cells>[\w .,:/@-]{1,400})$")
_COLUMNS = (None, None, "mAP50", "mAP50-95", None, None, "second/mAP50", "second/mAP50-95")

_PREFIX = re.compile(r".{0,120} >> |.{0,80}?\bINFO\b[^A-Za-z`{\d]{0,6}(?:[\w.]{1,80}(?:: ?| \| ))?")


_NAMES = ((_EARLY, "stopped-early"), (_CLOSES, "run-over"), (_OPENS, "run-announced"))


class OtherLines:
    """Reads one stream; of what it shows it remembers the time that is left."""

    def __init__(self) -> None:
        self._is_last = False
        self._names: tuple[str, ...] = ()

    def parse(self, line: str, at: float, wall: float) -> Event | None:
        """The beginning, progress or end that a line reports; None for all other lines."""
        if "total_loss: " in line:
            return self._iteration(line, at, wall)
        if "copypaste: " in line:
            return self._result(line, at, wall)
        if line.startswith("   ") and " all " in line:
            return _of_all_classes(line, at, wall)
        if len(line) > MOST_CHARS or not any(word in line for word in _WORDS):
            return None
        if self._is_last and _STOPS.match(line) is not None:
            return LogMilestone(at=at, wall=wall, name="run-over", text=line.strip())
        name = _milestone(line)
        if name is None:
            return None
        return LogMilestone(at=at, wall=wall, name=name, text=bound(line.strip(), MOST_CHARS))

    def may_hold(self, line: str) -> bool:
        """Whether a line is one of theirs."""
        if "total_loss: " in line:
            return _ITERATION.match(line[:MOST_VALUES]) is not None
        if "copypaste: " in line or (line.startswith("   ") and " all " in line):
            return True
        if not any(word in line for word in _WORDS) or len(line) > MOST_CHARS:
            return False
        return _STOPS.match(line) is not None or _milestone(line) is not None

    def _iteration(self, line: str, at: float, wall: float) -> ProgressShown | None:
        match = _ITERATION.match(line[:MOST_VALUES])
        if match is None:
            return None
        self._is_last = match["eta"] == "0:00:00"
        return ProgressShown(
            at=at,
            wall=wall,
            label=f"iter: {match['done']}",
            bar=False,
            mode="train",
            done=int(match["done"]),
            metrics=bars.fields(match["values"]),
        )

    def _result(self, line: str, at: float, wall: float) -> EvaluationLogged | None:
        match = _RESULT.match(line)
        if match is None or match["cells"].startswith("Task"):
            return None
        cells = tuple(match["cells"].strip().split(","))
        try:
            values = [float(cell) for cell in cells]
        except ValueError:
            self._names = cells
            return None
        metrics = dict(zip(self._names, values, strict=False))
        return EvaluationLogged(
            at=at, wall=wall, mode="val", epoch=None, iteration=0, total=None, metrics=metrics
        )

    def position(self, line: str) -> Position | None:
        """The counter of a line of detectron2, which has no total; None for all other lines."""
        match = _ITERATION.match(line[:MOST_VALUES]) if "total_loss: " in line else None
        if match is None:
            return None
        self._is_last = match["eta"] == "0:00:00"
        return Position(0, int(match["done"]), UNKNOWN_TOTAL)

    def split_prefix(self, line: str) -> tuple[str, str]:
        """Splits a logger's prefix off: it knows none."""
        return "", line


def _milestone(line: str) -> str | None:
    """The name of the beginning or end that a line reports, whatever its digits are."""
    prefix = _PREFIX.match(line)
    starts = (0, prefix.end()) if prefix is not None else (0,)
    text = line.strip()
    return next(
        (name for pattern, name in _NAMES if any(pattern.match(text, start) for start in starts)),
        None,
    )


def _of_all_classes(line: str, at: float, wall: float) -> EvaluationLogged | None:
    match = _ALL_CLASSES.match(line[:MOST_CHARS])
    if match is None:
        return None
    try:
        values = [float(value) for value in match["values"].split()]
    except ValueError:
        return None
    metrics = {n: v for n, v in zip(_COLUMNS, values, strict=False) if n is not None}
    return EvaluationLogged(
        at=at, wall=wall, mode="val", epoch=None, iteration=0, total=None, metrics=metrics
    )
