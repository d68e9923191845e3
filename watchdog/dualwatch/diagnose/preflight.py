"""What is asked about a training that may not have begun: data, checkpoint, surroundings.

These questions take seconds: ``check`` asks them of every target, ``diagnose`` those about data and
checkpoint of a configuration that was not run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dualwatch import frameworks
from dualwatch.collectors.stacks import self_test
from dualwatch.collectors.target import Target
from dualwatch.core import clock
from dualwatch.core.policies import CheckPolicy
from dualwatch.datasets import scan
from dualwatch.diagnose.parallel import Collector, Once
from dualwatch.events import ConfigRead, Event, NotObserved
from dualwatch.frameworks import config_read, interpreter
from dualwatch.frameworks.base import TIME_LIMIT
from dualwatch.frameworks.config_read import FoundConfig, PairOptions

CONFIG_S = TIME_LIMIT
"""Seconds for loading, which may import torch. What follows has its own after them."""

PAIRS_S = 30.0
DATA_S = 60.0

CHECKPOINT_S = 20.0
SURROUNDINGS_S = 10.0

Tell = Callable[[str, int, int], None]
"""Told what is looked at, how many of it were, and of how many; 0 for an unknown number."""


def _nobody(what: str, done: int, total: int) -> None:
    """The default: reports no progress."""


def collectors(
    target: Target, policy: CheckPolicy, *, all_pairs: bool = False, tell: Tell = _nobody
) -> dict[str, Collector]:
    """The questions for a target. "config" is that of ``diagnose``, which is read once.

    Args:
        all_pairs: Compares all pairs and looks for every image, rather than for some.
        tell: Called now and then, from other threads.
    """
    if target.kind == "log":
        return {}  # It may be of any machine: what lies on ours says nothing about it.
    python = interpreter.training_python(policy.python)
    asked = {"surroundings": Collector(lambda: self_test.look(python, **_now()), SURROUNDINGS_S)}
    if target.config is None and target.work_dir is None:
        return asked
    pairs = PairOptions(all_pairs, lambda done, total: tell("pairs", done, total))
    known = Once(lambda: _known(target, python, pairs))
    asked["config"] = Collector(lambda: _fact(known.get()), CONFIG_S + PAIRS_S)
    asked["checkpoint"] = Collector(
        lambda: checkpoint(target, known.get()), CONFIG_S + PAIRS_S + CHECKPOINT_S
    )
    asked["data sets"] = Collector(
        lambda: data_sets(known.get(), all_pairs, lambda done, total: tell("images", done, total)),
        CONFIG_S + PAIRS_S + DATA_S,
    )
    return asked


def _now() -> dict[str, Any]:
    return clock.now()._asdict()


def _known(target: Target, python: str, pairs: PairOptions) -> FoundConfig | None:
    """The configuration that was named, else the one that the run dumped; None for none."""
    if target.config is not None:
        return config_read.load(python, target.config, Path.cwd(), CONFIG_S, pairs)
    path = config_read.find(target.work_dir, target.log) if target.work_dir is not None else None
    if path is None:
        return None
    folder = target.training.cwd if target.training is not None else None
    return config_read.read(path, **_now(), folder=folder, pairing=pairs)


def _fact(known: FoundConfig | None) -> ConfigRead | None:
    return known.event if known is not None else None


def checkpoint(target: Target, known: FoundConfig | None) -> list[Event]:
    """The weights that a training of a configuration starts from; nothing where there are none."""
    if known is None or known.event.error:
        return [_unseen("checkpoint", known)]
    folder = target.work_dir or _work_dir(known, target)
    framework = frameworks.get(known.spec.framework)
    seen = framework.start_checkpoint(known.event, folder, **_now(), roots=known.roots)
    return [seen] if seen is not None else []


def _work_dir(known: FoundConfig, target: Target) -> Path | None:
    """Where a training of this configuration would work, as ``tools/train.py`` settles it."""
    if known.spec.work_dir:
        return Path(known.spec.work_dir)
    return Path("work_dirs", target.config.stem) if target.config is not None else None


def data_sets(
    known: FoundConfig | None,
    all_images: bool = False,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> list[Event]:
    """The data sets of a configuration: which of their images are there."""
    if known is None or not known.spec.sections:
        return [_unseen("data sets", known)]
    return [
        scan.look(
            known.spec.datasets,
            *config_read.layouts(known.spec),
            known.roots,
            **_now(),
            all_images=all_images,
            limit=DATA_S,
            tell=tell,
        )
    ]


def _unseen(what: str, known: FoundConfig | None) -> NotObserved:
    why = "no configuration of the run was found"
    if known is not None:
        why = f"the configuration could not be read: {known.event.error or 'it assigns nothing'}"
    return NotObserved(**_now(), what=what, why=why)
