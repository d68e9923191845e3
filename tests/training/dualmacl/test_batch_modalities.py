"""What the agent writes of real batches is recognised as paired or not."""

from __future__ import annotations

import pytest
from dualwatch.agent.torch.batch_outline import outline
from dualwatch.domains.paired.batch import modalities

transforms = pytest.importorskip("dualmacl.transforms")
mmdet = pytest.importorskip("mmdet.datasets.transforms")
engine = pytest.importorskip("mmengine.dataset")
numpy = pytest.importorskip("numpy")


@pytest.mark.parametrize("pairs", [True, False])
def test_batches_of_the_shipped_training(pairs) -> None:
    image = numpy.zeros((64, 80, 3), numpy.uint8)
    sample = {
        "img": image,
        "img_id": "010001",
        "img_path": "/data/LLVIP/visible/train/010001.jpg",
        "ori_shape": image.shape[:2],
        "img_shape": image.shape[:2],
        "gt_bboxes": numpy.zeros((2, 4), numpy.float32),
        "gt_bboxes_labels": numpy.zeros(2, numpy.int64),
        "gt_ignore_flags": numpy.zeros(2, bool),
    }
    if pairs:
        sample |= {"img_infrared": image, "infrared_path": "/data/LLVIP/infrared/train/010001.jpg"}
        pack = transforms.PackPairedInputs()
    else:
        pack = mmdet.PackDetInputs(meta_keys=("img_id", "img_path", "ori_shape", "img_shape"))
    batch = engine.pseudo_collate([pack.transform(dict(sample)) for _ in range(4)])

    found = modalities(outline(batch))

    assert found.paired is pairs, found.why
