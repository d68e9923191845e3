"""DW215: weights were loaded of which many do not fit the model, by module. Pure.

A head for another number of classes, or a checkpoint of the backbone alone, is usual: a note. It is
a warning where less than half of the model's keys were loaded, an error where none was.
"""

from __future__ import annotations

from collections.abc import Iterator

from dualwatch.events import Evidence, Finding, Severity, WeightsPart
from dualwatch.rules.catalog import finding
from dualwatch.rules.metrics import reported_weights
from dualwatch.rules.metrics.metrics import INSIDE
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

ENOUGH = 0.5
"""Share of the model's keys that are loaded from a checkpoint of such a model."""

SHOWN = 6


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """At most one finding, about the weights that were loaded last."""
    seen = s.weights
    if seen is None and s.keys is not None:
        yield from reported_weights.find(s, s.keys)
    if seen is None or not seen.keys or not (seen.missing or seen.reshaped or seen.unexpected):
        return
    loaded = seen.keys - seen.missing - seen.reshaped
    texts = [
        f"{loaded} of the model's {seen.keys} keys were loaded: {seen.missing} are missing in the "
        f"checkpoint, {seen.reshaped} have another shape, and {seen.unexpected} of its keys are "
        "not in the model"
    ]
    texts += [_text(part) for part in _worst(seen.parts)[:SHOWN]]
    if seen.strangers:
        texts.append(f"keys that are not in the model: {', '.join(seen.strangers)}")
    severity = Severity.INFO
    if not loaded:
        severity = Severity.ERROR
    elif loaded < ENOUGH * seen.keys:
        severity = Severity.WARNING
    evidence = [Evidence(text=text, source=INSIDE, wall=seen.wall) for text in texts]
    yield finding("DW215", evidence, confidence=1.0, severity=severity, attempt=s.attempt)


def _worst(parts: tuple[WeightsPart, ...]) -> list[WeightsPart]:
    """Modules that do not fit as a whole, those with the most keys first."""
    bad = [part for part in parts if part.missing or part.reshaped or part.unexpected]
    return sorted(bad, key=lambda part: -(part.missing + part.reshaped + part.unexpected))


def _text(part: WeightsPart) -> str:
    counts = (
        (part.missing, "missing"),
        (part.reshaped, "of another shape"),
        (part.unexpected, "not in the model"),
    )
    listed = ", ".join(f"{count} {words}" for count, words in counts if count)
    return f"{part.path}: {listed} (the model has {part.keys} keys there)"
