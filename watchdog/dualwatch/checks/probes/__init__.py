"""The registry of checks: a literal table.

A check is a pure function of (subject, item). Its limits are data of the profiles; the table holds
their types.
"""

from __future__ import annotations

from dualwatch.checks.probes import epochs, machine, metrics, numbers, setup, start
from dualwatch.checks.probes.probe import (
    Check,
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

PROBES: dict[str, Check] = {
    # before the start
    "config-loads": Check(setup.config_loads),
    "can-train": Check(setup.can_train),
    "parts-built": Check(setup.parts_built),
    "classes-agree": Check(setup.classes_agree),
    "schedules-reached": Check(setup.schedules_reached),
    "data-present": Check(setup.data_present, local=True),
    "images-present": Check(setup.images_present, local=True),
    "pairs-complete": Check(setup.pairs_complete, local=True),
    "pairing-on": Check(setup.pairing_on),
    "preprocessor": Check(setup.preprocessor, {"mentions": words}, ("mentions",)),
    "model-word": Check(setup.model_word, {"mentions": word}, ("mentions",)),
    "loader-settings": Check(setup.loader_settings),
    "tensorboard-backend": Check(setup.tensorboard_backend),
    "checkpoint": Check(setup.checkpoint),
    "disk": Check(machine.disk, {"fail": size, "warn": size}, ("fail", "warn"), local=True),
    "shared-memory": Check(machine.shared_memory, {"warn": size}, ("warn",), local=True),
    "memory": Check(machine.memory, {"fail": share, "warn": share}, ("fail", "warn"), local=True),
    "open-files": Check(
        machine.open_files, {"fail": count, "warn": count}, ("fail", "warn"), local=True
    ),
    "gpu-memory": Check(
        machine.gpu_memory, {"free": size, "foreign": size}, ("free", "foreign"), local=True
    ),
    "stacks": Check(machine.stacks, local=True),
    "orphans": Check(machine.orphans, local=True),
    "console-encoding": Check(machine.console_encoding, local=True),
    # start
    "line-within": Check(
        start.line_within, {"passes": seconds, "fails": seconds}, ("passes", "fails")
    ),
    "required-metrics": Check(start.required_metrics),
    "metric-logged": Check(start.metric_logged, {"metric": word}, ("metric",)),
    "metric-at": Check(
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
    "module-trained": Check(start.module_trained, {"mentions": word}, ("mentions",)),
    "tensorboard-answers": Check(start.tensorboard_answers, local=True),
    "tensorboard-tags": Check(start.tensorboard_tags, {"metrics": words}),
    # while it runs
    "metric-falls": Check(
        metrics.falls,
        {"metric": word, "within": seconds, "passes": number, "fails": number},
        ("metric", "within", "passes"),
    ),
    "metric-steady": Check(
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
    "finite": Check(metrics.finite, {"within": seconds, "huge": number}, ("within",)),
    "evaluation": Check(epochs.evaluation, {"epoch": count}, ("epoch",)),
    "milestone": Check(epochs.milestone, {}),
    "metric-useful": Check(numbers.metric_useful),
    "loss-learns": Check(numbers.loss_learns),
    "steady-speed": Check(numbers.steady_speed),
    "fed": Check(numbers.fed),
    "memory-steady": Check(numbers.memory_steady),
    "no-stall": Check(epochs.no_stall),
    "none-vanished": Check(epochs.none_vanished),
    "no-finding": Check(epochs.no_finding, {"codes": codes}, ("codes",)),
    "ended-well": Check(epochs.ended_well),
}
