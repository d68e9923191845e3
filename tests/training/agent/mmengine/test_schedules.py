"""Smaller batches see the same learning rate over the samples: checked with mmengine's own."""

from __future__ import annotations

import copy

import pytest
from dualwatch.agent.mmengine.overrides import set_dotted
from dualwatch.frameworks.mmengine.config.edits import smaller_batch
from hypothesis import given, settings
from hypothesis import strategies as st

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


def compare(schedules: list[dict[str, object]], factor: int, coarse: float) -> list[float]:
    """Checks that the rates over the samples are the same, and returns those of before."""
    before = learning_rates(schedules, ITERATIONS)
    now = learning_rates(stretched(schedules, factor), ITERATIONS * factor)
    shown = [now[i * factor] for i in range(ITERATIONS)]
    assert shown == pytest.approx(before, rel=0.01, abs=coarse)
    # Between two iterations of before, the learning rate lies between theirs.
    slack = max(coarse, 0.001 * max(before))
    for i in range(ITERATIONS - 1):
        low, high = sorted(before[i : i + 2])
        part = now[i * factor : (i + 1) * factor]
        assert low - slack <= min(part), (i, low, part)
        assert max(part) <= high + slack, (i, high, part)
    return before


@pytest.mark.parametrize("factor", [2, 4, 5])
@pytest.mark.parametrize("name", list(CASES))
def test_the_same_learning_rate_over_the_samples(name, factor) -> None:
    schedules = [{**schedule, "by_epoch": False} for schedule in CASES[name]]
    # The turning points of one cycle are rounded to whole steps: 1 % of its peak.
    coarse = 0.001 if name == "one cycle" else 1e-12
    before = compare(schedules, factor, coarse)
    assert len(set(before)) > 1, "a schedule that changes nothing proves nothing"


@settings(max_examples=30, deadline=None)
@given(
    factor=st.integers(2, 8),
    warm_up=st.integers(2, 60),
    turns=st.lists(st.integers(70, 230), min_size=1, max_size=4, unique=True),
    gamma=st.floats(0.1, 0.9),
    begin=st.integers(0, 60),
)
def test_the_same_learning_rate_for_any_warm_up_and_steps(
    factor, warm_up, turns, gamma, begin
) -> None:
    schedules = [
        {**WARM_UP, "by_epoch": False, "end": warm_up},
        {
            "type": "MultiStepLR",
            "by_epoch": False,
            "gamma": gamma,
            "begin": begin,
            "end": ITERATIONS,
            "milestones": sorted(turns),
        },
    ]
    compare(schedules, factor, 1e-12)


@pytest.mark.parametrize(
    "kept",
    [
        {"ema_type": "ExponentialMovingAverage", "momentum": 0.05},
        {"ema_type": "MomentumAnnealingEMA", "momentum": 0.001, "gamma": 5},
    ],
    ids=lambda kept: kept["ema_type"],
)
@pytest.mark.parametrize("factor", [2, 4])
def test_the_same_average_of_the_weights(kept, factor) -> None:
    from mmengine.model import averaged_model

    kind = kept["ema_type"]
    hook = {"type": "EMAHook", **kept}
    before = average(getattr(averaged_model, kind), hook, 1)
    sections = {"train_dataloader": {"batch_size": 2 * factor}, "custom_hooks": [dict(hook)]}
    for change in smaller_batch(sections, 2, keep_effective=True):
        set_dotted(sections, change.key.split("."), change.after)
    now = average(getattr(averaged_model, kind), sections["custom_hooks"][0], factor)
    # An annealed average looks the same at every scale: only its two numbers together count.
    half_done = {**hook, "interval": factor} if "gamma" in hook else hook
    wrong = average(getattr(averaged_model, kind), half_done, factor)
    # The average may be one step of the optimizer behind: each step adds 1 here.
    assert now == pytest.approx(before, abs=1.01)
    assert wrong != pytest.approx(before, abs=2)


def average(kind: type, hook: dict[str, object], factor: int) -> float:
    """The averaged weight after 200 steps, each accumulated over ``factor`` iterations."""
    import torch

    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    given = {key: value for key, value in hook.items() if key not in ("type", "ema_type")}
    averaged = kind(model, **given)
    for iteration in range(1, 200 * factor + 1):
        if iteration % factor == 0:
            model.weight.data.add_(1.0)
        averaged.update_parameters(model)
    return averaged.module.weight.item()


def test_not_stretched_the_learning_rate_would_be_another() -> None:
    schedules = [{**WARM_UP, "by_epoch": False}]
    before = learning_rates(schedules, ITERATIONS)
    now = learning_rates(schedules, ITERATIONS * 2)
    assert now[20 * 2] != pytest.approx(before[20], rel=0.1)
