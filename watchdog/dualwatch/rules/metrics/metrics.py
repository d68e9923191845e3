"""DW201, DW202: required metrics that are missing from the training lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dualwatch.events import BatchSeen, Evidence, Finding
from dualwatch.rules.catalog import finding
from dualwatch.rules.metrics import swallowed_errors
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.metric_series import Metric, done, is_followed, place
from dualwatch.state.snapshot import Snapshot

LINES_BEFORE_MISSING = 2
"""One line can be without it by chance (no object in its images); two cannot."""

ITERATIONS_BEFORE_MISSING = 20
"""The same of iterations whose losses were seen inside the training, before any line ..."""

SLOW_ITERATIONS = 3
SLOW_S = 20.0
"""... and of fewer ones that took so many seconds: those whose first line is far away."""

LINES_BEFORE_VANISHED = 3
LINES_BEFORE_FROZEN = 5
NOTHING = 0.01
"""A loss below this may be constant because it is nearly zero."""

SHOWN = 12
INSIDE = "inside agent"


def named(metrics: Mapping[str, Metric], name: str) -> Metric | None:
    """A metric by its name, with or without the ``train/`` of hierarchical tags."""
    for key, metric in metrics.items():
        if is_called(key, name):
            return metric
    return None


def is_called(key: str, name: str) -> bool:
    """Whether a key is a metric's name, with or without folders before it."""
    return key == name or key.endswith("/" + name) or name.endswith("/" + key)


@dataclass(frozen=True, slots=True)
class MissingMetric:
    """A required metric that is not trained.

    Attributes:
        held: Training lines up to which it was there; 0 where it never came.
        code: "DW201" or "DW202".
        text: The headline.
        confidence: 0 to 1.
    """

    name: str
    held: int
    code: str
    text: str
    confidence: float


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Findings about the metrics of the training lines."""
    for absence in absences(s, limits):
        yield _absent(s, absence)


def missing_at_end(s: Snapshot, required: tuple[str, ...]) -> list[str]:
    """Required metrics that a finished training never logged."""
    found = {name: named(s.metrics, name) for name in required}
    return [name for name, metric in found.items() if metric is None or not metric.last_line]


def batch_of_log(s: Snapshot) -> BatchSeen | None:
    """The batch of the rank whose values are in the log: the first."""
    return s.batches[min(s.batches)] if s.batches else None


# --- DW201, DW202 --------------------------------------------------------------------------------


def absences(s: Snapshot, limits: Thresholds) -> list[MissingMetric]:
    """Required metrics that were never logged or vanished, each once."""
    found = (_absence(s, name) for name in dict.fromkeys(limits.required))
    return [absence for absence in found if absence is not None]


def _absence(s: Snapshot, name: str) -> MissingMetric | None:
    metric = named(s.metrics, name)
    if metric is None or not metric.last_line:
        text = f"none of {s.train_lines} training lines has {name}"
        enough = s.train_lines >= LINES_BEFORE_MISSING
        if not enough:
            return _unreturned(s, name)
        return MissingMetric(name, 0, "DW201", text, 1.0)
    gone = s.train_lines - metric.last_line
    if gone >= LINES_BEFORE_VANISHED:
        text = (
            f"{name} is absent from the last {gone} training lines, after "
            f"{metric.last_line} with it (last value {metric.value:g})"
        )
        return MissingMetric(name, metric.last_line, "DW202", text, 0.9)
    return _frozen(s, name, metric) if not gone else None


def _unreturned(s: Snapshot, name: str) -> MissingMetric | None:
    """A loss that the model did not return in the first iterations, which no line shows yet."""
    batch = batch_of_log(s)
    if batch is None or not batch.losses or batch.logged is None or "loss" not in name:
        return None
    if any(is_called(key, name) for key in (*batch.losses, *batch.logged)):
        return None
    # A record is written whenever the names change: they were the same ever since.
    same = (s.last_iteration or 0) - batch.iteration + 1
    is_slow = same >= SLOW_ITERATIONS and s.at - batch.at >= SLOW_S
    if same < ITERATIONS_BEFORE_MISSING and not is_slow:
        return None
    text = f"the model has not returned {name} in any iteration since iteration {batch.iteration}"
    return MissingMetric(name, 0, "DW201", text, 0.95)


def _frozen(s: Snapshot, name: str, metric: Metric) -> MissingMetric | None:
    """A loss that is no longer computed, whose last mean the framework keeps printing."""
    same = s.train_lines - metric.since + 1
    if "loss" not in name:
        return None
    batch = batch_of_log(s)
    held = max(1, metric.since - 1)
    text = f"{name} is {metric.value:g} in each of the last {same} training lines"
    if batch is not None and batch.losses:
        is_returned = any(is_called(key, name) for key in batch.losses)
        if is_returned or same < LINES_BEFORE_VANISHED:
            return None
        text += f"; the model has not returned it since iteration {batch.iteration}"
        return MissingMetric(name, held, "DW202", text, 0.95)
    others = [m for key, m in s.metrics.items() if is_followed(key) and not is_called(key, name)]
    moves = any(m.last_line == s.train_lines and m.since > metric.since for m in others)
    if same < LINES_BEFORE_FROZEN or abs(metric.value) < NOTHING or not moves:
        return None
    return MissingMetric(name, held, "DW202", f"{text} while other losses change", 0.7)


def _absent(s: Snapshot, absence: MissingMetric) -> Finding:
    """DW201 or DW202; its causes are other findings."""
    evidence = [_quote(s, absence.text)]
    remedy = None
    if not absence.held and s.last_train is not None:
        seen = [key for key in s.last_train.metrics if "loss" in key]
        shown = ", ".join(seen[:SHOWN]) or "none"
        evidence.append(_quote(s, f"losses at {place(s.last_train)}: {shown}"))
    batch = batch_of_log(s)
    if batch is not None and batch.losses:
        shown = ", ".join(batch.losses[:SHOWN])
        text = f"at iteration {batch.iteration} the model returned: {shown}"
        evidence.append(Evidence(text=text, source=INSIDE, wall=batch.wall))
        is_returned = any(is_called(key, absence.name) for key in batch.losses)
        if is_returned and s.last_train is not None and done(s.last_train) > batch.iteration:
            remedy = (
                f"The model returns {absence.name} and the log lines leave it out: check what "
                "formats the log lines, and hooks that change them."
            )
    elif swallowed_errors.suspect(s, absence.name, absence.held) is None:
        text = (
            "the log alone does not show the cause; dualwatch train inspects the batches and the "
            "losses that the model returns"
        )
        evidence.append(Evidence(text=text, source="dualwatch"))
    config = s.config
    if config is not None and config.paired is False:
        text = f"the configuration names one modality only: {config.path}"
        evidence.append(Evidence(text=text, source="configuration", wall=config.wall))
    return finding(
        absence.code,
        evidence,
        confidence=absence.confidence,
        remedy=remedy,
        attempt=s.attempt,
        subject=absence.name,
    )


def _quote(s: Snapshot, text: str) -> Evidence:
    if s.last_train is None:
        return Evidence(text=text, source=INSIDE, wall=s.wall)
    return Evidence(text=text, source=s.log, wall=s.last_train.wall)
