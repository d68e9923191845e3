"""What is in force in an attempt, relative to the user's own configuration. Pure.

A remedy makes the dose stronger in one respect and keeps the rest, so that what one cause taught is
not forgotten when another one comes. A step is always the complete set of changes of its dose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dualwatch.events import Change, RerunStep
from dualwatch.frameworks.mmengine.config import edits

UTF8 = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What is in force; the default is the user's own configuration.

    Attributes:
        workers: No loader has more workers than this, None: as configured.
        batch: Samples of a training batch, None: as configured.
        validation_batch: No validation loader has larger batches, None: as configured.
        utf8: The training writes UTF-8, whatever its console is said to be.
        older_checkpoint: It takes up from the checkpoint before the one that did not load. True of
            one start only: what it saves itself is newer.
    """

    workers: int | None = None
    batch: int | None = None
    validation_batch: int | None = None
    utf8: bool = False
    older_checkpoint: bool = False


def step_of(sections: edits.Sections, dose: Overrides, keep_effective: bool) -> RerunStep:
    """The complete, consistent set of changes that makes the user's configuration this dose."""
    changes: list[Change] = []
    names: list[str] = []
    before = edits.workers(sections)
    if dose.workers is not None and (fewer := edits.at_most_workers(sections, dose.workers)):
        changes += fewer
        names.append("no workers" if dose.workers <= 0 else f"workers {before} -> {dose.workers}")
    stretch = 1
    size = edits.batch_size(sections)
    if dose.batch is not None and size is not None and dose.batch < size:
        changes += edits.smaller_batch(sections, dose.batch, keep_effective=keep_effective)
        names.append(f"batch {size} -> {dose.batch}")
        stretch = size // dose.batch
    if dose.validation_batch is not None:
        evaluated = edits.validation_batch(sections)
        smaller = edits.smaller_validation_batch(sections, dose.validation_batch)
        changes += smaller
        names += [f"validation batch {evaluated} -> {dose.validation_batch}"] if smaller else []
    names += ["UTF-8 output"] if dose.utf8 else []
    names += ["the checkpoint before"] if dose.older_checkpoint else []
    return RerunStep(
        name=" and ".join(names),
        changes=tuple(changes),
        stretch=stretch,
        environment=dict(UTF8) if dose.utf8 else {},
        older_checkpoint=dose.older_checkpoint,
    )


def overrides_of(
    overrides: Mapping[str, Any], sections: edits.Sections, environment: Mapping[str, str]
) -> Overrides:
    """The dose of an attempt whose overrides and environment stand in the journal.

    Args:
        overrides: Dotted key -> value, as the agent was told. Other keys are passed over.
        sections: The user's own configuration.
        environment: What the attempt was given beside the user's own environment.
    """
    counts = [
        overrides[key]
        for path, _ in edits.loaders(sections)
        if (key := f"{path}.num_workers") in overrides
    ]
    evaluated = [
        overrides[key]
        for path, _ in edits.loaders(sections, edits.VALIDATION)
        for key in (f"{path}.batch_size", f"{path}.batch_sampler.batch_size")
        if key in overrides
    ]
    trained = [overrides[key] for key in edits.TRAINING_BATCH if key in overrides]
    return Overrides(
        workers=max(counts, default=None),
        batch=min(trained, default=None),
        validation_batch=max(evaluated, default=None),
        utf8=environment.get("PYTHONUTF8") == UTF8["PYTHONUTF8"],
    )
