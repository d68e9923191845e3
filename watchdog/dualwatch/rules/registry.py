"""The rules, one family of codes a module. A literal tuple is the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dualwatch.events import Evidence, Finding
from dualwatch.rules.catalog import finding
from dualwatch.rules.deaths import exit, resources, setup
from dualwatch.rules.metrics import metrics, milestones, missing, tensorboard, trends
from dualwatch.rules.stalls import collective, loader, stall, storage, stuck_worker, worker_startup
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

Rule = Callable[[Snapshot, Thresholds], Iterator[Finding]]

# Causes come before what they explain.
RULES: tuple[Rule, ...] = (
    storage.judge,
    loader.judge,
    collective.judge,
    stuck_worker.judge,
    worker_startup.judge,
    stall.judge,
    missing.judge,
    metrics.judge,
    trends.out_of_range,
    trends.not_converging,
    milestones.judge,
    setup.judge,
    tensorboard.judge,
    exit.died,
    resources.judge,
    exit.unseen,
)


def judge(snapshot: Snapshot, limits: Thresholds) -> list[Finding]:
    """All findings at ``snapshot.at``. A rule that raises is itself a finding, never silence."""
    findings: list[Finding] = []
    for rule in RULES:
        try:
            findings += rule(snapshot, limits)
        except Exception as error:
            name = f"{rule.__module__.rsplit('.', 1)[-1]}.{rule.__name__}"
            text = f"rule {name} failed: {type(error).__name__}: {error}"
            evidence = [Evidence(text=text, source="dualwatch", wall=snapshot.wall)]
            findings.append(finding("DW001", evidence, confidence=1.0, subject=name))
    return findings
