"""Starts the training of an attempt. Light: the training waits for what is imported here."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dualwatch import domains
from dualwatch.actions import launch
from dualwatch.core import clock
from dualwatch.core.clock import Moment
from dualwatch.core.errors import writing
from dualwatch.core.plain import PlainDict
from dualwatch.events import Change, RerunStep


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedTraining:
    """A training that was started.

    Attributes:
        moment: When.
        overrides: Dotted key -> value, of the changes and the checkpoint.
        resumed_from: None where it begins anew.
    """

    process: launch.Launched
    moment: Moment
    command: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    overrides: PlainDict
    resumed_from: Path | None = None


def start(
    folder: Path,
    command: tuple[str, ...],
    environment: Mapping[str, str],
    *,
    rescue: bool,
    step: RerunStep | None = None,
    resume_from: Path | None = None,
) -> StartedTraining:
    """Starts a training.

    Args:
        folder: ``attempt-N``; made here.
        environment: What it inherits.
        rescue: Whether the loader may be replaced, and a checkpoint saved, while it runs.
        step: The remedy in force, None for the user's own configuration.
    """
    with writing(folder):
        folder.mkdir(mode=0o700)
    changes = step.changes if step is not None else ()
    if resume_from is not None:
        changes = (*changes, *_resume_changes(resume_from))
    overrides = {change.key: change.after for change in changes}
    with writing(folder):
        launch.write_orders(
            folder,
            overrides,
            step.stretch if step is not None else 1,
            rescue=rescue,
            parts=domains.parts(),
        )
    remedied = {**environment, **(step.environment if step is not None else {})}
    process = launch.launch(command, folder, uuid.uuid4().hex, base=remedied)
    return StartedTraining(
        process=process,
        moment=clock.now(),
        command=command,
        changes=changes,
        overrides=overrides,
        resumed_from=resume_from,
    )


def _resume_changes(path: Path) -> tuple[Change, Change]:
    why = "newest good checkpoint"
    return (
        Change(key="resume", before=None, after=True, why=why),
        Change(key="load_from", before=None, after=str(path), why=why),
    )
