"""Which iterations of a rank are kept as unusual."""

from __future__ import annotations

import pytest
from dualwatch.agent.torch.unusual_batches import KEPT, UnusualBatches


class Tensor:
    def __init__(self, *shape):
        self.shape = shape


class Element:
    """Lists its fields as mmengine's data elements do."""

    def __init__(self, **fields):
        self.fields = fields

    def all_keys(self):
        return list(self.fields)

    def items(self):
        return self.fields.items()


BOXES = Tensor(3, 4)
NONE = Tensor(0, 4)
LOSSES = {"loss": 1.0, "loss_bbox": 0.5}


@pytest.fixture
def seen(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    return UnusualBatches()


def batch(*boxes):
    return {"inputs": Tensor(2, 3, 8, 8), "samples": [Element(gt=Element(boxes=b)) for b in boxes]}


def test_empty_parts_are_named(seen):
    assert not seen.note(1, batch(BOXES, BOXES), LOSSES)
    assert seen.note(2, batch(BOXES, NONE), LOSSES)
    assert seen.newest == [{"iteration": 2, "empty": ["samples[1].gt.boxes"], "missing": []}]


def test_missing_losses_are_named(seen):
    assert not seen.note(1, batch(BOXES), LOSSES)
    assert seen.note(2, batch(BOXES), {"loss": 1.0})
    assert seen.note(3, batch(BOXES), None)
    assert [one["missing"] for one in seen.newest] == [["loss_bbox"], ["loss", "loss_bbox"]]


def test_the_newest_are_kept(seen):
    for iteration in range(20):
        seen.note(iteration, batch(NONE), LOSSES)
    assert [one["iteration"] for one in seen.newest] == list(range(20 - KEPT, 20))


def test_a_training_of_one_rank_is_not_looked_at(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert not UnusualBatches().note(1, batch(NONE), LOSSES)
