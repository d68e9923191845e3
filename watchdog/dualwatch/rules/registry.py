"""The rules, one family of codes a module. A literal tuple is the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from dualwatch import frameworks
from dualwatch.events import Evidence, Finding
from dualwatch.frameworks.base import Framework
from dualwatch.rules.catalog import BY_CODE, finding
from dualwatch.rules.deaths import exit, interrupted, memory_creep, resources, setup, stopped
from dualwatch.rules.metrics import (
    cpu_starved,
    divergence,
    finite,
    learning,
    metrics,
    milestones,
    missing,
    not_trained,
    speed,
    tensorboard,
    trends,
    useless,
    weights,
)
from dualwatch.rules.metrics.trends import domain
from dualwatch.rules.stalls import (
    build_lock,
    collective,
    download,
    evaluation_pool,
    loader,
    logger,
    lost_batch,
    stall,
    storage,
    stuck_worker,
    worker_join,
    worker_startup,
)
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

Rule = Callable[[Snapshot, Thresholds], Iterator[Finding]]

# Causes come before what they explain.
RULES: tuple[Rule, ...] = (
    storage.find,
    loader.find,
    evaluation_pool.find,
    build_lock.find,
    download.find,
    worker_join.find,
    logger.find,
    lost_batch.find,
    collective.find,
    stuck_worker.find,
    worker_startup.find,
    stall.find,
    missing.find,
    metrics.find,
    weights.find,
    not_trained.find,
    finite.find,
    divergence.find,
    trends.out_of_range,
    trends.not_converging,
    milestones.find,
    learning.find,
    useless.find,
    useless.best_long_ago,
    cpu_starved.find,
    speed.find,
    setup.find,
    tensorboard.find,
    stopped.find,
    interrupted.find,
    memory_creep.find,
    exit.died,
    resources.find,
    exit.unseen,
)


def judge(snapshot: Snapshot, limits: Thresholds) -> list[Finding]:
    """All findings at ``snapshot.at``. A rule that raises is a finding of its own."""
    findings: list[Finding] = []
    for rule in RULES:
        try:
            findings += (_with_advice(one, snapshot, limits) for one in rule(snapshot, limits))
        except Exception as error:
            name = f"{rule.__module__.rsplit('.', 1)[-1]}.{rule.__name__}"
            text = f"rule {name} failed: {type(error).__name__}: {error}"
            evidence = [Evidence(text=text, source="dualwatch", wall=snapshot.wall)]
            findings.append(finding("DW001", evidence, confidence=1.0, subject=name))
    return findings


def _with_advice(found: Finding, s: Snapshot, limits: Thresholds) -> Finding:
    """The finding with the advice of the training's framework and domain after its remedy.

    A domain advises on the general case only: a rule with a remedy of its own knows more.
    """
    advice = []
    framework = _framework(s)
    own = framework.advice_on(catalog_key(found), s.config) if framework is not None else ""
    if own:
        advice.append(own)
    if found.remedy == BY_CODE[found.code].remedy:
        advice += [text for text in (domain(s, limits).advice.get(found.code),) if text]
    return replace(found, remedy=" ".join((found.remedy, *advice))) if advice else found


def catalog_key(found: Finding) -> str:
    """The key of an adapter's advice: the code, with the circumstance where it has a remedy."""
    what = found.circumstance
    fits = what is not None and what in BY_CODE[found.code].remedies
    return f"{found.code} {what.value}" if what is not None and fits else found.code


def _framework(s: Snapshot) -> Framework | None:
    if s.config is None:
        return None
    if s.config.framework:
        return frameworks.get(s.config.framework)
    return frameworks.of_config(Path(s.config.path))  # Of an older journal.
