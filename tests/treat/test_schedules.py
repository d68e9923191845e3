"""Smaller batches see the same learning rate over the samples: checked with mmengine's own."""

from __future__ import annotations

import copy

import pytest
from dualwatch.inside.orders import set_dotted
from dualwatch.treat.edits import smaller_batch

pytest.importorskip("torch")
pytest.importorskip("mmengine")

ITERATIONS = 240
WARM_UP = {"type": "LinearLR", "start_factor": 0.01, "begin": 0, "end": 50}

CASES = {
    "warm-up": [WARM_UP],
    "warm-up, later": [{**WARM_UP, "begin": 20, "end": 90}],
    "steps": [{"type": "MultiStepLR", "milestones": [80, 160], "gamma": 0.1}],
    "warm-up and steps": [
        WARM_UP,
        {"type": "MultiStepLR", "milestones": [80, 160], "gamma": 0.1, "begin": 0, "end": 240},
    ],
    "step": [{"type": "StepLR", "step_size": 60, "gamma": 0.5}],
    "cosine": [{"type": "CosineAnnealingLR", "T_max": 240, "eta_min": 1e-5}],
    "cosine, to its end": [{"type": "CosineAnnealingLR", "begin": 0, "end": 240}],
    "warm-up and cosine": [
        WARM_UP,
        {"type": "CosineAnnealingLR", "T_max": 120, "begin": 120, "end": 240, "eta_min": 1e-4},
    ],
    "poly": [{"type": "PolyLR", "power": 0.9, "eta_min": 1e-4, "begin": 0, "end": 240}],
    "warm-up and poly": [WARM_UP, {"type": "PolyLR", "power": 2, "begin": 50, "end": 240}],
    "exponential": [{"type": "ExponentialLR", "gamma": 0.99}],
    "exponential, then not": [{"type": "ExponentialLR", "gamma": 0.98, "begin": 20, "end": 100}],
    "restarts": [
        {"type": "CosineRestartLR", "periods": [80, 160], "restart_weights": [1, 0.5], "eta_min": 0}
    ],
    "constant": [{"type": "ConstantLR", "factor": 0.1, "begin": 0, "end": 60}],
    "one cycle": [{"type": "OneCycleLR", "eta_max": 0.1, "total_steps": 240}],
}


def learning_rates(schedules: list[dict[str, object]], iterations: int) -> list[float]:
    """The learning rate of each iteration, from the real schedulers stepped as the hook does."""
    import torch
    from mmengine.optim import scheduler as kinds

    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.02, momentum=0.9)
    built = []
    for schedule in copy.deepcopy(schedules):
        kind = getattr(kinds, schedule.pop("type"))
        built.append(kind(optimizer, **schedule))
    rates = []
    for _ in range(iterations):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for scheduler in built:
            scheduler.step()
    return rates


def stretched(schedules: list[dict[str, object]], factor: int) -> list[dict[str, object]]:
    sections = {
        "train_dataloader": {"batch_size": 2 * factor},
        "param_scheduler": copy.deepcopy(schedules),
    }
    for change in smaller_batch(sections, 2, keep_effective=True):
        set_dotted(sections, change.key.split("."), change.after)
    assert sections["train_dataloader"]["batch_size"] == 2
    return sections["param_scheduler"]


@pytest.mark.parametrize("factor", [2, 4, 5])
@pytest.mark.parametrize("name", list(CASES))
def test_the_same_learning_rate_over_the_samples(name, factor) -> None:
    schedules = [{**schedule, "by_epoch": False} for schedule in CASES[name]]
    before = learning_rates(schedules, ITERATIONS)
    now = learning_rates(stretched(schedules, factor), ITERATIONS * factor)

    assert len(set(before)) > 1, "a schedule that changes nothing proves nothing"
    # The turning points of one cycle are rounded to whole steps: 1 % of its peak.
    coarse = 0.01 * max(before) if name == "one cycle" else 1e-12
    shown = [now[i * factor] for i in range(ITERATIONS)]
    assert shown == pytest.approx(before, rel=0.01, abs=coarse)
    # Between two iterations of before, the learning rate lies between theirs.
    slack = max(coarse, 0.001 * max(before))
    for i in range(ITERATIONS - 1):
        low, high = sorted(before[i : i + 2])
        part = now[i * factor : (i + 1) * factor]
        assert low - slack <= min(part), (i, low, part)
        assert max(part) <= high + slack, (i, high, part)


def test_not_stretched_the_learning_rate_would_be_another() -> None:
    schedules = [{**WARM_UP, "by_epoch": False}]
    before = learning_rates(schedules, ITERATIONS)
    now = learning_rates(schedules, ITERATIONS * 2)
    assert now[20 * 2] != pytest.approx(before[20], rel=0.1)
