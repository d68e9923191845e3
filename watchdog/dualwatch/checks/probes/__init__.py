"""The probes: what can be asked of a training. A literal table is the registry.

A probe is a pure function of (subject, item). What it goes by are the item's limits, which profiles
hold as data; here stands only what kind of value each of them is.
"""

from __future__ import annotations

from dualwatch.checks.probes import epochs, machine, metrics, setup, start
from dualwatch.checks.probes.probe import (
    Probe,
    codes,
    count,
    number,
    seconds,
    share,
    size,
    word,
    words,
)

__all__ = ["PROBES", "Probe"]

PROBES: dict[str, Probe] = {
    # before the start
    "config-loads": Probe(setup.config_loads),
    "data-present": Probe(setup.data_present),
    "images-present": Probe(setup.images_present),
    "pairs-complete": Probe(setup.pairs_complete),
    "pairing-on": Probe(setup.pairing_on),
    "preprocessor": Probe(setup.preprocessor, {"mentions": words}, ("mentions",)),
    "model-word": Probe(setup.model_word, {"mentions": word}, ("mentions",)),
    "loader-settings": Probe(setup.loader_settings),
    "tensorboard-backend": Probe(setup.tensorboard_backend),
    "checkpoint": Probe(setup.checkpoint),
    "disk": Probe(machine.disk, {"fail": size, "warn": size}, ("fail", "warn"), local=True),
    "shared-memory": Probe(machine.shared_memory, {"warn": size}, ("warn",), local=True),
    "memory": Probe(machine.memory, {"fail": share, "warn": share}, ("fail", "warn"), local=True),
    "open-files": Probe(
        machine.open_files, {"fail": count, "warn": count}, ("fail", "warn"), local=True
    ),
    "gpu-memory": Probe(
        machine.gpu_memory, {"free": size, "foreign": size}, ("free", "foreign"), local=True
    ),
    "stacks": Probe(machine.stacks, local=True),
    "orphans": Probe(machine.orphans, local=True),
    "console-encoding": Probe(machine.console_encoding, local=True),
    # its beginning
    "line-within": Probe(
        start.line_within, {"passes": seconds, "fails": seconds}, ("passes", "fails")
    ),
    "required-metrics": Probe(start.required_metrics),
    "metric-logged": Probe(start.metric_logged, {"metric": word}, ("metric",)),
    "metric-at": Probe(
        start.metric_at,
        {
            "metric": word,
            "iteration": count,
            "low": number,
            "high": number,
            "fail_below": number,
            "fail_above": number,
        },
        ("metric", "iteration"),
    ),
    "module-trained": Probe(start.module_trained, {"mentions": word}, ("mentions",)),
    "tensorboard-answers": Probe(start.tensorboard_answers),
    "tensorboard-tags": Probe(start.tensorboard_tags, {"metrics": words}),
    # its course
    "metric-falls": Probe(
        metrics.falls,
        {"metric": word, "within": seconds, "passes": number, "fails": number},
        ("metric", "within", "passes"),
    ),
    "metric-steady": Probe(
        metrics.steady,
        {
            "metric": word,
            "within": seconds,
            "low": number,
            "high": number,
            "share": share,
            "after": count,
            "fail_above": number,
        },
        ("metric", "within", "high"),
    ),
    "finite": Probe(metrics.finite, {"within": seconds, "huge": number}, ("within", "huge")),
    "evaluation": Probe(epochs.evaluation, {"epoch": count}, ("epoch",)),
    "milestone": Probe(epochs.milestone, {}),
    "no-stall": Probe(epochs.no_stall),
    "none-vanished": Probe(epochs.none_vanished),
    "no-finding": Probe(epochs.no_finding, {"codes": codes}, ("codes",)),
    "ended-well": Probe(epochs.ended_well),
}
