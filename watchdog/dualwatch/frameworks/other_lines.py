"""Lines with which trainings of other frameworks report that they begin and that they are complete.

For an end a word of the training itself is needed: what a shell prints comes after a crash too.
"""

from __future__ import annotations

import re

from dualwatch.core.text import bound
from dualwatch.events import Event, LogMilestone
from dualwatch.logs.starts import Position

MOST_CHARS = 300

_HINT = re.compile(
    r"omplete|topp|o stop|inished|train_runtime|Running training|Starting training|GPU available"
    r"|完成|结束"
)
_CLOSES = re.compile(
    # Lightning names the goal that it reached; max_time and a signal are other reasons.
    r"`?Trainer\.fit`? stopped: `?(?:max_epochs|max_steps)=\d+`? reached"
    # The Hugging Face Trainer
    r"|\{'train_runtime': [\d.'\"]+,"
    r"|Training completed\. Do not forget to share your model"
    # Ultralytics and YOLOv5
    r"|\d+ epochs completed in \d+\.\d+ hours"
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
_PREFIX = re.compile(r".{0,120} >> |.{0,80}?\bINFO\b[^A-Za-z`{\d]{0,6}(?:[\w.]{1,80}: ?)?")


_NAMES = ((_EARLY, "stopped-early"), (_CLOSES, "run-over"), (_OPENS, "run-announced"))


class OtherLines:
    """Reads one stream. It knows the beginnings and ends of trainings, no training lines."""

    def parse(self, line: str, at: float, wall: float) -> Event | None:
        """The beginning or the end that a line reports; None for all other lines."""
        if len(line) > MOST_CHARS or not self.may_hold(line):
            return None
        prefix = _PREFIX.match(line)
        starts = (0, prefix.end()) if prefix is not None else (0,)
        for pattern, name in _NAMES:
            if any(pattern.match(line.strip(), start) for start in starts):
                return LogMilestone(
                    at=at, wall=wall, name=name, text=bound(line.strip(), MOST_CHARS)
                )
        return None

    def may_hold(self, line: str) -> bool:
        """Whether a line has a word of theirs."""
        return _HINT.search(line) is not None

    def position(self, line: str) -> Position | None:
        """The counters of a training line: there are none."""
        return None

    def split_prefix(self, line: str) -> tuple[str, str]:
        """Splits a logger's prefix off: it knows none."""
        return "", line
