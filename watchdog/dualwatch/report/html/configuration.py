"""What a run was started with, what its reruns changed, and in what several runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dualwatch.events import Change
from dualwatch.history.reported_run import ReportedRun
from dualwatch.report.html.config_diff import MOST, Difference, differences, in_words

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
    loader: str
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


def configuration(run: ReportedRun) -> Configuration:
    """What is known of the configuration of a run."""
    started, config = run.started, run.config
    shown = [("configuration", run.config_path)]
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
    if run.history.versions:
        shown.append(("versions", ", ".join(f"{k} {v}" for k, v in run.history.versions.items())))
    loader, loaders = _loader(run)
    return Configuration(
        label=run.label,
        events=[(name, value) for name, value in shown if value],
        loader=loader,
        loaders=loaders,
        edits=[
            Edits(
                f"Attempt {attempt.number}",
                [_row(change) for change in attempt.started.changes[:MOST_CHANGES]],
                attempt.started.resumed_from or "",
            )
            for attempt in run.attempts
            if attempt.started is not None and attempt.started.changes
        ],
    )


def comparison(runs: Sequence[ReportedRun]) -> Comparison:
    """The table of what differs."""
    found = differences(runs)
    return Comparison([c.label for c in runs], found[:MOST], max(0, len(found) - MOST))


def _loader(run: ReportedRun) -> tuple[str, list[tuple[str, str]]]:
    """Name and settings of the training loader: the user's own, else those that were read."""
    read = run.config.loaders if run.config is not None else {}
    sections = {
        key: value
        for key, value in {**read, **run.sections}.items()
        if isinstance(value, dict) and (key in read or "num_workers" in value)
    }
    name = next(iter(sections), "")
    settings = sections.get(name, {})
    return name, [(str(k), in_words(v)) for k, v in settings.items() if k != "dataset"]


def _row(change: Change) -> tuple[str, str, str, str]:
    return change.key, in_words(change.before), in_words(change.after), change.why
