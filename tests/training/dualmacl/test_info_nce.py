"""The loss against an independent reference, its gradient, its scale, its errors."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from dualmacl.models import MACLHead, NonFiniteEmbeddingError, info_nce


def unit(rows: int, columns: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    return vectors / vectors.norm(dim=1, keepdim=True)


def reference(visible, infrared, temperature, past_visible=(), past_infrared=()) -> float:
    """The definition, written out in plain floats, without a single tensor operation."""
    v, i, pv, pi = (
        [[float(x) for x in row] for row in rows]
        for rows in (visible, infrared, past_visible, past_infrared)
    )
    total = 0.0
    for anchors, pool in ((v, i + pi), (i, v + pv)):
        for k, anchor in enumerate(anchors):
            dots = [sum(a * b for a, b in zip(anchor, c, strict=True)) for c in pool]
            scores = [math.exp(dot / temperature) for dot in dots]
            total -= math.log(scores[k] / sum(scores))
    return total / (2 * len(v)) / math.log(len(i + pi))


@pytest.mark.parametrize("persons", [2, 3, 7])
@pytest.mark.parametrize("past", [0, 1, 5])
def test_equals_the_reference(persons, past):
    v, i = unit(persons, 5, 1), unit(persons, 5, 2)
    pv, pi = unit(past, 5, 3), unit(past, 5, 4)
    result = info_nce(v, i, 0.2, pv, pi)
    assert result.loss.item() == pytest.approx(reference(v, i, 0.2, pv, pi), rel=1e-12)
    assert result.candidates == persons + past


def test_one_person_and_a_past_equal_the_reference():
    v, i, pv, pi = unit(1, 4, 1), unit(1, 4, 2), unit(3, 4, 3), unit(3, 4, 4)
    result = info_nce(v, i, 0.5, pv, pi)
    assert result.loss.item() == pytest.approx(reference(v, i, 0.5, pv, pi), rel=1e-12)


def test_negatives_of_ones_own_equal_the_reference():
    """One instance with three negatives of its own is one instance with a past of three."""
    v, i, pv, pi = unit(1, 4, 1), unit(1, 4, 2), unit(3, 4, 3), unit(3, 4, 4)
    result = info_nce(v, i, 0.5, own_visible=pv[None], own_infrared=pi[None])
    assert result.loss.item() == pytest.approx(reference(v, i, 0.5, pv, pi), rel=1e-12)
    assert result.candidates == 4


def test_negatives_of_ones_own_are_compared_with_nobody_else():
    v = torch.eye(4, dtype=torch.float64)[:2]
    harmless = torch.eye(4, dtype=torch.float64)[2:].expand(2, 2, 4)
    # Each other's partner: fatal for the other one, harmless for oneself.
    foreign = v.flip(0)[:, None]
    assert info_nce(v, v, 0.07, own_visible=harmless, own_infrared=harmless).loss < 1e-4
    assert info_nce(v, v, 0.07, own_visible=foreign, own_infrared=foreign).loss < 1e-4
    twins = info_nce(v, v, 0.07, own_visible=v[:, None], own_infrared=v[:, None])
    assert twins.loss.item() == pytest.approx(math.log(2) / math.log(3), rel=1e-4)


def test_gradcheck():
    raw = [torch.randn(n, 4, dtype=torch.float64, requires_grad=True) for n in (3, 3, 2, 2)]
    tau = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    def loss(v, i, pv, pi, t):
        normal = [torch.nn.functional.normalize(x) for x in (v, i, pv, pi)]
        return info_nce(normal[0], normal[1], t, normal[2], normal[3]).loss

    assert torch.autograd.gradcheck(loss, (*raw, tau))


@pytest.mark.parametrize("candidates", [2, 4, 8, 64])
def test_chance_is_one_for_any_number_of_candidates(candidates):
    same = torch.ones(candidates, 3, dtype=torch.float64) / math.sqrt(3)
    assert info_nce(same, same, 0.07).loss.item() == pytest.approx(1.0, abs=1e-12)


def test_perfect_pairs_are_near_zero_and_shuffled_ones_above_one():
    v = torch.eye(8, dtype=torch.float64)
    assert info_nce(v, v, 0.07).loss < 1e-4
    assert info_nce(v, v, 0.07).top1 == 1
    shuffled = info_nce(v, v.roll(1, 0), 0.07)
    assert shuffled.loss > 1.0
    assert shuffled.top1 == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("where", range(4))
def test_non_finite_input_is_an_error(bad, where):
    tensors = [unit(2, 3, k) for k in range(4)]
    tensors[where][1, 2] = bad
    v, i, pv, pi = tensors
    with pytest.raises(NonFiniteEmbeddingError, match="NaN or infinite"):
        info_nce(v, i, 0.07, pv, pi)


def test_impossible_questions_are_refused():
    v = unit(3, 4, 0)
    with pytest.raises(ValueError, match="two equal"):
        info_nce(v, v[:2], 0.07)
    with pytest.raises(ValueError, match="two candidates"):
        info_nce(v[:1], v[:1], 0.07)
    with pytest.raises(ValueError, match="as many past"):
        info_nce(v, v, 0.07, v, v[:1])
    with pytest.raises(ValueError, match="of its own"):
        info_nce(v, v, 0.07, own_visible=v[:2, None], own_infrared=v[:2, None])


# --- the head ---


def head(**kwargs) -> MACLHead:
    torch.manual_seed(0)
    defaults = {
        "in_channels": 2,
        "roi_size": 3,
        "hidden_channels": 16,
        "embed_channels": 8,
        "min_candidates": 4,
    }
    return MACLHead(**{**defaults, **kwargs})


def features(persons: int, seed: int) -> torch.Tensor:
    return torch.randn(persons, 2, 3, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("persons", [1, 2, 4, 9])
def test_the_key_is_always_there(persons):
    macl = head()
    for step in range(3):
        losses = macl(features(persons, step), features(persons, 10 + step))
        assert losses["loss_macl"].ndim == 0
        assert torch.isfinite(losses["loss_macl"])
        losses["loss_macl"].backward()


def test_weight_scales_the_gradient_and_not_the_value():
    values, gradients = [], []
    for weight in (1.0, 0.25):
        macl = head(loss_weight=weight)
        loss = macl(features(4, 1), features(4, 2))["loss_macl"]
        loss.backward()
        values.append(loss.item())
        gradients.append(macl.projector[1].weight.grad)
    assert values[0] == values[1]
    torch.testing.assert_close(gradients[0] * 0.25, gradients[1])
    assert gradients[0].abs().sum() > 0


def test_value_is_info_nce_of_the_embeddings():
    macl = head().double().eval()
    v, i = features(5, 1).double(), features(5, 2).double()
    expected = reference(macl.embed(v).detach(), macl.embed(i).detach(), macl.temperature.item())
    assert macl(v, i)["loss_macl"].item() == pytest.approx(expected, rel=1e-9)


def test_the_queue_fills_up_to_the_minimum_only():
    macl = head(min_candidates=4)
    macl(features(3, 1), features(3, 2))
    assert len(macl.queue_visible) == 3
    v, i = features(1, 3), features(1, 4)
    past = macl.queue_visible, macl.queue_infrared
    with torch.no_grad():
        expected = info_nce(
            macl.embed(v), macl.embed(i), macl.temperature, *(macl.embed(q) for q in past)
        )
        assert expected.candidates == 4
        assert macl(v, i)["loss_macl"].item() == pytest.approx(expected.loss.item(), rel=1e-6)
        # Newest first; and never more than are needed beside a single person.
        torch.testing.assert_close(macl.queue_visible[0], v[0])
        macl(features(9, 5), features(9, 6))
        assert len(macl.queue_visible) == len(macl.queue_infrared) == 3


def test_only_the_projector_is_pushed_away_from_the_past():
    """A lone person's views are pulled together, whatever lies in the queue."""
    v, i = unit(1, 5, 1).requires_grad_(), unit(1, 5, 2).requires_grad_()
    past = unit(6, 5, 3), unit(6, 5, 4)
    anchors = v.detach().clone().requires_grad_(), i.detach().clone().requires_grad_()
    info_nce(v, i, 0.2, *past, past_anchors=anchors).loss.backward()
    # The features' gradient points at the partner alone ...
    cosine = torch.nn.functional.cosine_similarity(-v.grad, i.detach())
    assert cosine.item() == pytest.approx(1.0)
    # ... and the whole rest went to the other graph.
    assert anchors[0].grad.abs().sum() > 0
    whole = v.detach().clone().requires_grad_()
    info_nce(whole, i.detach(), 0.2, *past).loss.backward()
    torch.testing.assert_close(v.grad + anchors[0].grad, whole.grad)


def test_the_projector_learns_from_a_lone_person_and_the_queue_does_not_grow_a_graph():
    macl = head()
    macl(features(3, 1), features(3, 2))
    macl(features(1, 3).requires_grad_(), features(1, 4))["loss_macl"].backward()
    assert macl.projector[1].weight.grad.abs().sum() > 0
    assert macl.queue_visible.grad_fn is None


def test_validation_leaves_no_trace():
    macl = head().eval()
    macl(features(3, 1), features(3, 2))
    assert len(macl.queue_visible) == 0


def test_first_single_person_is_logged_as_chance():
    macl = head()
    loss = macl(features(1, 1), features(1, 2))["loss_macl"]
    assert loss.item() == 1.0
    loss.backward()
    assert all(not p.grad.any() for p in macl.parameters())


def test_no_person_repeats_the_last_value_without_gradient():
    macl = head()
    empty = torch.zeros(0, 2, 3, 3)
    assert macl(empty, empty)["loss_macl"].item() == 1.0
    measured = macl(features(4, 1), features(4, 2))["loss_macl"].item()
    assert measured != 1.0
    loss = macl(empty, empty)["loss_macl"]
    assert loss.item() == pytest.approx(measured)
    loss.backward()
    assert all(p.grad is not None and not p.grad.any() for p in macl.parameters())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_non_finite_features_are_an_error(bad):
    v, i = features(3, 1), features(3, 2)
    i[2, 1, 0, 0] = bad
    with pytest.raises(NonFiniteEmbeddingError, match="infrared_features"):
        head()(v, i)


def test_different_persons_are_refused():
    with pytest.raises(ValueError, match="same persons"):
        head()(features(3, 1), features(2, 2))


def test_the_temperature_is_learnt_and_clamped():
    macl = head(temperature=0.07, temperature_range=(0.05, 0.1))
    optimizer = torch.optim.SGD(macl.parameters(), lr=10.0)
    start = macl.temperature.item()
    seen = set()
    for _ in range(3):
        optimizer.zero_grad()
        macl(features(4, 1), features(4, 2))["loss_macl"].backward()
        optimizer.step()
        macl(features(4, 1), features(4, 2))
        seen.add(round(macl.temperature.item(), 6))
        assert 0.05 - 1e-6 <= macl.temperature.item() <= 0.1 + 1e-6
    assert seen != {round(start, 6)}


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="temperature"):
        head(temperature=2.0)
    with pytest.raises(ValueError, match="negative"):
        head(loss_weight=-1.0)


def test_a_checkpoint_does_not_depend_on_the_queue():
    """Nor do hooks that average or synchronise buffers see something of changing size."""
    full, fresh = head(), head()
    full(features(3, 1), features(3, 2))
    assert full.state_dict().keys() == dict(full.named_parameters()).keys()
    assert list(full.buffers()) == []
    fresh.load_state_dict(full.state_dict())


def test_survives_a_copy_and_another_precision():
    macl = head()
    macl(features(3, 1), features(3, 2))
    duplicate = copy.deepcopy(macl).double()
    loss = duplicate(features(1, 3).double(), features(1, 4).double())["loss_macl"]
    assert loss.dtype == torch.float64
    empty = torch.zeros(0, 2, 3, 3)
    assert duplicate.float()(empty, empty)["loss_macl"].item() == pytest.approx(loss.item())


def test_works_under_mixed_precision():
    macl = head()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for persons in (3, 1, 0):
            loss = macl(features(persons, 1).bfloat16(), features(persons, 2).bfloat16())
            assert loss["loss_macl"].dtype == torch.float32
            assert torch.isfinite(loss["loss_macl"])


def learn(shuffle: bool, persons: int) -> float:
    """Trains the head on pairs that share a hidden cause; returns the mean of the last values."""
    macl = head(embed_channels=16, hidden_channels=64, min_candidates=8)
    optimizer = torch.optim.AdamW(macl.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)
    mixing = torch.linalg.qr(torch.randn(18, 18, generator=generator))[0]
    values = []
    for _ in range(250):
        cause = torch.randn(persons, 18, generator=generator)
        # Partners of other scenes, as in a wrongly paired data set.
        other = torch.randn(persons, 18, generator=generator) if shuffle else cause
        loss = macl(cause.view(-1, 2, 3, 3), (other @ mixing).view(-1, 2, 3, 3))["loss_macl"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    return float(np.mean(values[-50:]))


@pytest.mark.parametrize(("persons", "learnt"), [(1, 0.8), (8, 0.5)])
def test_true_pairs_are_learnt_and_wrong_ones_are_not(persons, learnt):
    assert learn(shuffle=False, persons=persons) < learnt
    assert learn(shuffle=True, persons=persons) > 0.95
