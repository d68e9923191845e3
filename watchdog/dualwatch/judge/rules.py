"""The rules, one family of codes a module. A literal tuple is the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dualwatch.facts import Evidence, Finding
from dualwatch.judge import (
    collective,
    curves,
    ending,
    loader,
    metrics,
    milestones,
    missing,
    resources,
    setup,
    spawning,
    stall,
    storage,
    stuck,
    tensorboard,
)
from dualwatch.judge.codes import finding
from dualwatch.judge.limits import Limits
from dualwatch.judge.snapshot import Snapshot

Rule = Callable[[Snapshot, Limits], Iterator[Finding]]

# Causes come before what they explain.
RULES: tuple[Rule, ...] = (
    storage.judge,
    loader.judge,
    collective.judge,
    stuck.judge,
    spawning.judge,
    stall.judge,
    missing.judge,
    metrics.judge,
    curves.out_of_range,
    curves.not_converging,
    milestones.judge,
    setup.judge,
    tensorboard.judge,
    ending.died,
    resources.judge,
    ending.unseen,
)


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:
    """All findings at ``snapshot.at``. A rule that raises is itself a finding, never silence."""
    findings: list[Finding] = []
    for rule in RULES:
        try:
            findings += rule(snapshot, limits)
        except Exception as error:
            name = f"{rule.__module__.rsplit('.', 1)[-1]}.{rule.__name__}"
            text = f"rule {name} failed: {type(error).__name__}: {error}"
            evidence = [Evidence(text=text, source="dualwatch", wall=snapshot.wall)]
            findings.append(finding("DW001", evidence, confidence=1.0))
    return findings
