"""In what the configurations of several runs differ, key by key as ``--cfg-options`` has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from dualwatch.history.reported_run import ReportedRun

MOST = 200
_LEFT_OUT = ("model_words", "work_dir")
"""What is a digest of the rest, or differs in every run."""

ABSENT = "not set"
UNKNOWN = "not known"


class Difference(NamedTuple):
    """A key and what each run has there, in words."""

    key: str
    values: tuple[str, ...]


def flat(value: object, prefix: str = "", depth: int = 0) -> dict[str, object]:
    """Dotted key -> value; a number in it is an index of a list."""
    if depth < 12:
        if isinstance(value, Mapping) and value:
            items: Iterable[tuple[object, object]] | None = value.items()
        elif isinstance(value, (list, tuple)) and any(
            isinstance(item, (Mapping, list, tuple)) for item in value
        ):
            items = enumerate(value)
        else:
            items = None
        if items is not None:
            found: dict[str, object] = {}
            for key, item in items:
                found |= flat(item, f"{prefix}.{key}" if prefix else str(key), depth + 1)
            return found
    return {prefix: value} if prefix else {}


def settings_of(run: ReportedRun) -> dict[str, object]:
    """All that is known of a run's configuration, flat; empty where nothing is."""
    sections = {k: v for k, v in run.sections.items() if k not in _LEFT_OUT}
    if not sections and run.config is not None:
        sections = dict(run.config.loaders)
    known = flat(sections)
    if run.config is not None:
        for name in ("start_method", "preprocessor", "epochs", "iterations", "load_from"):
            value = getattr(run.config, name)
            if value not in (None, ""):
                known.setdefault(name, value)
    if run.started is not None:
        known |= {f"dualwatch.{k}": v for k, v in run.started.settings.items()}
    return known


def differences(runs: Sequence[ReportedRun]) -> list[Difference]:
    """The keys in which not all runs agree, in the order of the first run that has them.

    A run of which no configuration is known has "not known" in every row, and makes none.
    """
    known = [settings_of(run) for run in runs]
    keys = dict.fromkeys(key for values in known for key in values)
    found = []
    for key in keys:
        shown = tuple(
            UNKNOWN if not values else in_words(values[key]) if key in values else ABSENT
            for values in known
        )
        if len({text for text in shown if text != UNKNOWN}) > 1:
            found.append(Difference(key, shown))
    return found


def in_words(value: object) -> str:
    """A value of a configuration; None is what ``not set`` means there."""
    return ABSENT if value is None else str(value)
