"""One step of an escalation: the complete set of changes that overrides make. Pure.

A remedy strengthens the overrides in one respect and keeps the rest, so that what one cause
required is not lost when another one comes. What they change of a configuration is the framework's
matter; here are the name of a step and what is the same for all frameworks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dualwatch import frameworks
from dualwatch.events import RerunStep
from dualwatch.frameworks.base import Overrides, TrainingSpec
from dualwatch.protocol import WORKERS_KEY
from dualwatch.protocol import environment as variables

__all__ = ["Overrides", "overrides_of", "step_of"]

NETWORK_LIMIT = "60"
"""Seconds."""

UTF8 = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}


def step_of(spec: TrainingSpec, overrides: Overrides, keep_effective: bool) -> RerunStep:
    """The step that puts overrides in force."""
    names: list[str] = []
    stretch = 1
    workers, batch, validation = spec.workers(), spec.batch(), spec.batch("val")
    if overrides.workers is not None and overrides.workers < workers:
        fewer = f"workers {workers} -> {overrides.workers}"
        names.append(fewer if overrides.workers > 0 else "no workers")
    framework = frameworks.get(spec.framework)
    changes = framework.changes(spec, overrides, keep_effective=keep_effective)
    if any(change.key == WORKERS_KEY for change in changes):
        names.append("no workers")  # Of a script, whose loaders are not known before it runs.
    if overrides.batch is not None and batch is not None and overrides.batch < batch:
        names.append(f"batch {batch} -> {overrides.batch}")
        stretch = batch // overrides.batch
    if overrides.validation_batch is not None and overrides.validation_batch < (validation or 0):
        names.append(f"validation batch {validation} -> {overrides.validation_batch}")
    names += ["no pool of processes in evaluations"] if overrides.no_pools else []
    names += ["a build folder of its own for extensions"] if overrides.own_builds else []
    names += ["a time limit for servers"] if overrides.network_limit else []
    names += ["loggers offline"] if overrides.offline_logs else []
    names += ["UTF-8 output"] if overrides.utf8 else []
    names += ["the checkpoint before"] if overrides.older_checkpoint else []
    return RerunStep(
        name=" and ".join(names),
        changes=changes,
        stretch=stretch,
        environment={
            **(UTF8 if overrides.utf8 else {}),
            **({variables.NO_POOLS: "1"} if overrides.no_pools else {}),
            **({variables.OWN_BUILDS: "1"} if overrides.own_builds else {}),
            **({variables.WANDB_MODE: "offline"} if overrides.offline_logs else {}),
            **({variables.NETWORK_LIMIT: NETWORK_LIMIT} if overrides.network_limit else {}),
        },
        older_checkpoint=overrides.older_checkpoint,
    )


def overrides_of(
    changed: Mapping[str, Any], spec: TrainingSpec, environment: Mapping[str, str]
) -> Overrides:
    """The overrides of an attempt, from its changed keys and its environment in the journal.

    Args:
        changed: Dotted key -> value, as sent to the agent. Other keys are ignored.
        spec: The user's own configuration.
        environment: What the attempt was given in addition to the user's own environment.
    """
    found = frameworks.get(spec.framework).in_force(spec, changed)
    return replace(
        found,
        no_pools=environment.get(variables.NO_POOLS) == "1",
        own_builds=environment.get(variables.OWN_BUILDS) == "1",
        offline_logs=environment.get(variables.WANDB_MODE) == "offline",
        network_limit=bool(environment.get(variables.NETWORK_LIMIT)),
        utf8=environment.get("PYTHONUTF8") == UTF8["PYTHONUTF8"],
    )
