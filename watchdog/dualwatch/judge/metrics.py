"""DW201-DW203: is what must be trained in the training lines, and is it a number?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from dualwatch.facts import Evidence, Finding
from dualwatch.judge.codes import finding
from dualwatch.judge.limits import Limits
from dualwatch.judge.series import Metric
from dualwatch.judge.snapshot import Snapshot

LINES_BEFORE_MISSING = 2
"""One line may come from a window without any person in it; two are no accident."""

LINES_BEFORE_VANISHED = 3


def named(metrics: Mapping[str, Metric], name: str) -> Metric | None:
    """A metric by its name, with or without the ``train/`` of hierarchical tags."""
    for key, metric in metrics.items():
        if key == name or key.endswith("/" + name) or name.endswith("/" + key):
            return metric
    return None


def judge(s: Snapshot, limits: Limits) -> Iterator[Finding]:
    """Findings about the metrics of the training lines."""
    if s.last_train is None:
        return
    attempt = s.started.attempt if s.started is not None else None
    for name in limits.required:
        yield from _required(s, name, attempt)
    for name, value in s.last_train.metrics.items():
        is_loss = name.split("/")[-1].startswith("loss") or name.endswith("grad_norm")
        if is_loss and not math.isfinite(value):
            text = f"{name} is {value} at {_place(s)}"
            yield finding("DW203", [_quote(s, text)], confidence=1.0, attempt=attempt)
            return


def _required(s: Snapshot, name: str, attempt: int | None) -> Iterator[Finding]:
    metric = named(s.metrics, name)
    if metric is None:
        if s.train_lines >= LINES_BEFORE_MISSING:
            assert s.last_train is not None
            seen = ", ".join(key for key in s.last_train.metrics if "loss" in key) or "no loss"
            evidence = [
                _quote(s, f"{s.train_lines} training lines, none with {name}"),
                _quote(s, f"at {_place(s)} there is: {seen}"),
            ]
            yield finding("DW201", evidence, confidence=1.0, attempt=attempt)
    elif s.train_lines - metric.last_line >= LINES_BEFORE_VANISHED:
        text = (
            f"{name} was in {metric.last_line} training lines, last {metric.value:g}, and is "
            f"absent from the {s.train_lines - metric.last_line} since"
        )
        yield finding("DW202", [_quote(s, text)], confidence=0.9, attempt=attempt)


def missing_at_end(s: Snapshot, required: tuple[str, ...]) -> list[str]:
    """Required metrics that never came, of a training that has ended."""
    return [name for name in required if named(s.metrics, name) is None]


def _place(s: Snapshot) -> str:
    line = s.last_train
    assert line is not None
    total = f"/{line.total}" if line.total else ""
    epoch = f"epoch {line.epoch}, " if line.epoch is not None else ""
    return f"{epoch}iteration {line.iteration}{total}"


def _quote(s: Snapshot, text: str) -> Evidence:
    assert s.last_train is not None
    return Evidence(text=text, source="console.log", wall=s.last_train.wall)
