"""The detector: one pair in, one set of boxes out, with both kinds of backbone."""

from __future__ import annotations

import copy

import dualmacl  # noqa: F401
import pytest
import torch
from dualmacl.models import ModalityFusion, UnpairedBatchError
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate


@pytest.fixture(scope="module")
def demo(configs):
    return Config.fromfile(configs / "demo" / "dualmacl_tiny_synthetic_2e.py")


@pytest.fixture(scope="module")
def samples(demo, synthetic):
    cfg = copy.deepcopy(demo.train_dataloader.dataset.dataset)
    cfg.data_root = str(synthetic)
    dataset = DATASETS.build(cfg)
    return [dataset[index] for index in range(6)]


def build(demo, **changes):
    torch.manual_seed(0)
    model = MODELS.build(Config({**copy.deepcopy(demo.model.to_dict()), **changes}))
    model.init_weights()
    return model


def losses_of(model, batch):
    data = model.data_preprocessor(pseudo_collate(copy.deepcopy(batch)), True)
    return model(**data, mode="loss")


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_training_step_reaches_every_parameter(demo, samples, share, size):
    model = build(demo, share_backbone=share)
    losses = losses_of(model, samples[:size])
    assert list(losses).count("loss_macl") == 1
    total, log = model.parse_losses(losses)
    total.backward()
    assert log["loss_macl"].ndim == 0
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    assert (model.backbone_infrared is None) == share


def test_macl_teaches_both_backbones(demo, samples):
    model = build(demo)
    losses_of(model, samples[:4])["loss_macl"].backward()
    for backbone in (model.backbone, model.backbone_infrared):
        assert backbone.stem[0].weight.grad.abs().sum() > 0
    assert model.fusion.levels[0].weight.grad is None


@pytest.mark.parametrize("size", [1, 2, 4])
def test_negatives_come_from_the_same_place_in_the_other_images(demo, samples, size):
    model = build(demo)
    seen = {}

    def look(module, args, kwargs, output):
        seen.update(views=args, elsewhere=kwargs.get("elsewhere"))

    model.macl_head.register_forward_hook(look, with_kwargs=True)
    # Copies of one image: at the same place the other images show just the same.
    losses = losses_of(model, [samples[0]] * size)
    if size == 1:
        assert seen["elsewhere"] is None
        return
    for view, others in zip(seen["views"], seen["elsewhere"], strict=True):
        assert others.shape == (len(view), size - 1, *view.shape[1:])
        for other in others.unbind(1):
            torch.testing.assert_close(other, view)
    # Nobody can tell the partner from its copies, so the loss cannot fall to nothing.
    assert losses["loss_macl"] > 0.2


def test_a_batch_without_person_still_has_the_key(demo, samples):
    model = build(demo)
    lonely = copy.deepcopy(samples[:2])
    for sample in lonely:
        sample["data_samples"].gt_instances = sample["data_samples"].gt_instances[:0]
    first = losses_of(model, samples[2:6])["loss_macl"].item()
    losses = losses_of(model, lonely)
    assert losses["loss_macl"].item() == pytest.approx(first)
    model.parse_losses(losses)[0].backward()


def test_without_macl_there_is_no_such_loss(demo, samples, configs):
    plain = Config.fromfile(configs / "demo" / "dual_tiny_synthetic_2e.py")
    assert "macl" not in str(plain.model.to_dict()).lower()
    assert "loss_macl" not in losses_of(build(plain), samples[:2])


@pytest.mark.parametrize("modality", ["visible", "infrared"])
def test_inference_looks_at_both_images(demo, samples, modality):
    """Wiping out either image changes what the heads see."""
    model = build(demo).eval()
    batch = model.data_preprocessor(pseudo_collate(copy.deepcopy(samples[:1])), False)
    with torch.no_grad():
        whole = model.extract_feat(batch["inputs"])
        batch["inputs"][modality] = torch.zeros_like(batch["inputs"][modality])
        wiped = model.extract_feat(batch["inputs"])
    assert not torch.allclose(whole[0], wiped[0])


def test_prediction_lies_in_the_picture(demo, samples):
    model = build(demo).eval()
    data = pseudo_collate(copy.deepcopy(samples[:2]))
    for sample in data["data_samples"]:
        sample.set_metainfo({"scale_factor": (1.0, 1.0)})
    with torch.no_grad():
        predictions = model.test_step(data)
    assert len(predictions) == 2
    for prediction in predictions:
        boxes = prediction.pred_instances.bboxes
        assert boxes.shape[1] == 4
        assert bool((boxes[:, 0::2] <= 160).all() & (boxes[:, 1::2] <= 128).all())


def test_fusion_begins_as_the_mean():
    fusion = ModalityFusion(channels=3, num_levels=2)
    visible = tuple(torch.randn(2, 3, 4, 4) for _ in range(2))
    infrared = tuple(torch.randn(2, 3, 4, 4) for _ in range(2))
    for fused, v, i in zip(fusion(visible, infrared), visible, infrared, strict=True):
        torch.testing.assert_close(fused, (v + i) / 2)


def test_every_modality_has_its_own_normalisation(demo, samples):
    model = build(demo)
    batch = model.data_preprocessor(pseudo_collate(copy.deepcopy(samples[:3])), True)
    raw = samples[0]["inputs"]
    expected = (raw["visible"].float().flip(0) - 25) / 30
    torch.testing.assert_close(batch["inputs"]["visible"][0], expected)
    torch.testing.assert_close(batch["inputs"]["infrared"][0], (raw["infrared"].float() - 80) / 40)


def test_images_are_padded_alike(demo, samples):
    model = build(demo)
    batch = pseudo_collate(copy.deepcopy(samples[:2]))
    batch["inputs"] = {k: [t[:, :100, :150] for t in v] for k, v in batch["inputs"].items()}
    inputs = model.data_preprocessor(batch, True)["inputs"]
    assert inputs["visible"].shape == inputs["infrared"].shape == (2, 3, 112, 160)


def drop_infrared(batch):
    del batch["inputs"]["infrared"]


def keep_plain_tensors(batch):
    batch["inputs"] = batch["inputs"]["visible"]


def lose_one(batch):
    batch["inputs"]["infrared"].pop()


def lose_one_of_both(batch):
    for images in batch["inputs"].values():
        images.pop()


def crop_one(batch):
    batch["inputs"]["infrared"][1] = batch["inputs"]["infrared"][1][:, :50]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (drop_infrared, "no infrared image"),
        (keep_plain_tensors, "one modality"),
        (lose_one, "2 visible and 1 infrared"),
        (lose_one_of_both, "for 2 samples"),
        (crop_one, "not transformed together"),
    ],
)
def test_an_unpaired_batch_is_refused_with_advice(demo, samples, damage, words):
    batch = pseudo_collate(copy.deepcopy(samples[:2]))
    damage(batch)
    with pytest.raises(UnpairedBatchError, match=words) as caught:
        build(demo).data_preprocessor(batch, True)
    assert "return_modality_pair=True" in str(caught.value)
