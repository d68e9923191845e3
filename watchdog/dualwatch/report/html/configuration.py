"""What a run was started with, what its reruns changed, and in what several runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dualwatch.events import Change
from dualwatch.frameworks import LOADER_KEY
from dualwatch.history.config_diff import MOST, Difference, differences, in_words
from dualwatch.history.model import RunHistory

MOST_CHANGES = 60


@dataclass(slots=True)
class Edits:
    """What an attempt changed."""

    title: str
    rows: list[tuple[str, str, str, str]]
    resumed_from: str


@dataclass(slots=True)
class Configuration:
    """Of one run: events as (what, value), and the changes of its attempts."""

    label: str
    events: list[tuple[str, str]]
    loaders: list[tuple[str, str]]
    edits: list[Edits]


@dataclass(slots=True)
class Comparison:
    """Of several runs."""

    labels: list[str]
    rows: list[Difference]
    left_out: int

    def table(self) -> list[list[str]]:
        """Key and values, row by row."""
        return [[row.key, *row.values] for row in self.rows]


def configuration(chapter: RunHistory) -> Configuration:
    """What is known of the configuration of a run."""
    started, config = chapter.started, chapter.config
    shown = [("configuration", chapter.config_path)]
    if started is not None:
        required = ", ".join(started.required_metrics) or "none"
        shown += [
            ("script", started.script),
            ("command", " ".join(started.command)),
            ("work dir", started.work_dir),
            ("required metrics", f"{required} ({started.required_because})"),
            ("supervised by", f"dualwatch {started.version}"),
        ]
    if config is not None:
        hows = {"loaded": "as the training loads it", "read": "read without executing it"}
        shown += [
            ("how it was read", hows.get(config.how, config.how)),
            ("workers start by", config.start_method or "the platform's own way"),
            ("does not load", config.error),
        ]
    if chapter.versions:
        shown.append(("versions", ", ".join(f"{k} {v}" for k, v in chapter.versions.items())))
    loaders = _loaders(chapter)
    return Configuration(
        label=chapter.label,
        events=[(name, value) for name, value in shown if value],
        loaders=loaders,
        edits=[
            Edits(
                f"Attempt {attempt.number}",
                [_row(change) for change in attempt.started.changes[:MOST_CHANGES]],
                attempt.started.resumed_from or "",
            )
            for attempt in chapter.attempts
            if attempt.started is not None and attempt.started.changes
        ],
    )


def comparison(chapters: Sequence[RunHistory]) -> Comparison:
    """The table of what differs."""
    found = differences(chapters)
    return Comparison([c.label for c in chapters], found[:MOST], max(0, len(found) - MOST))


def _loaders(chapter: RunHistory) -> list[tuple[str, str]]:
    """The user's own loader settings: the section of the start, else those that were read."""
    section = chapter.sections.get(LOADER_KEY)
    if not isinstance(section, dict) and chapter.config is not None:
        section = chapter.config.training_loader
    if not isinstance(section, dict):
        return []
    return [(str(k), in_words(v)) for k, v in section.items() if k != "dataset"]


def _row(change: Change) -> tuple[str, str, str, str]:
    return change.key, in_words(change.before), in_words(change.after), change.why
