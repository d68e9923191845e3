"""What the agent notes of a batch and of the losses, and when it writes it down."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from dualwatch import protocol
from dualwatch.agent.torch.batch_outline import LINES, MOST_RECORDS, BatchRecorder, outline
from dualwatch.collectors.agent_files.batches import BatchFiles

LOSSES = {"loss": 1.0, "loss_cls": 0.7, "loss_macl": 0.3}


class Tensor:
    """Has a form, and no value that anybody may look at."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def _touched(self, *_: Any) -> Any:
        raise AssertionError("the value of a tensor was looked at")

    __len__ = __iter__ = __getitem__ = __bool__ = __float__ = __eq__ = _touched
    __hash__ = object.__hash__


class DataElement:
    """The part of mmengine's BaseDataElement that the agent stands on."""

    def __init__(self, meta: dict[str, Any], data: dict[str, Any]) -> None:
        self._meta, self._data = meta, data

    def metainfo_keys(self) -> list[str]:
        return list(self._meta)

    def metainfo_items(self) -> Any:
        return self._meta.items()

    def items(self) -> Any:
        return self._data.items()

    def all_keys(self) -> list[str]:
        return [*self._meta, *self._data]


def sample(**meta: Any) -> DataElement:
    meta = {"img_path": "/home/ann/data/llvip/visible/train/1.jpg", "ori_shape": (512, 640), **meta}
    return DataElement(meta, {"gt_instances": DataElement({}, {"bboxes": Tensor(3, 4)})})


def paired(samples: int = 2) -> dict[str, Any]:
    visible, infrared = Tensor(samples, 3, 512, 640), Tensor(samples, 1, 512, 640)
    return {
        "inputs": {"visible": visible, "infrared": infrared},
        "data_samples": [sample(ir_path="infrared/train/1.jpg") for _ in range(samples)],
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(protocol.ENV_ATTEMPT_DIR, str(tmp_path))
    return tmp_path


def record(folder: Path, rank: int = 0) -> dict[str, Any]:
    return json.loads((folder / protocol.batch_file(rank)).read_text(encoding="utf-8"))


# --- the outline -------------------------------------------------------------------------------


def test_the_parts_of_a_paired_batch() -> None:
    assert outline(paired()) == [
        "inputs.visible: Tensor 2x3x512x640",
        "inputs.infrared: Tensor 2x1x512x640",
        "data_samples: list of 2",
        "data_samples[0]: DataElement",
        "data_samples[0].img_path: str .../visible/train/1.jpg",
        "data_samples[0].ir_path: str infrared/train/1.jpg",
        "data_samples[0].ori_shape: tuple of 2",
        "data_samples[0].gt_instances: DataElement",
        "data_samples[0].gt_instances.bboxes: Tensor 3x4",
    ]


def test_a_sample_without_its_partner_is_shown_and_equal_ones_are_not() -> None:
    samples = [sample(ir_path="a/b"), sample(ir_path="c/d"), sample()]
    shown = [line.split(":")[0] for line in outline({"data_samples": samples})]
    assert "data_samples[2]" in shown
    assert "data_samples[0].ir_path" in shown
    assert "data_samples[2].ir_path" not in shown
    assert "data_samples[1]" not in shown


def test_images_of_two_sizes_are_alike_and_those_of_other_channels_are_not() -> None:
    alike = [Tensor(3, 512, 640), Tensor(3, 300, 200), Tensor(1, 512, 640)]
    assert outline({"inputs": alike}) == [
        "inputs: list of 3",
        "inputs[0]: Tensor 3x512x640",
        "inputs[2]: Tensor 1x512x640",
    ]


@pytest.mark.parametrize(
    ("batch", "lines"),
    [
        (None, ["batch: NoneType"]),
        ({}, ["batch: dict of 0"]),
        ([], ["batch: list of 0"]),
        ((Tensor(4, 1), Tensor(4)), ["batch: tuple of 2", "[0]: Tensor 4x1", "[1]: Tensor 4"]),
        ({"x": Tensor()}, ["x: Tensor scalar"]),
        ({"token": "secret", "n": 7, "img_ids": [1, 2]},
         ["token: str", "n: int", "img_ids: list of 2"]),
        ({"url_path": "https://host/a/b/c/d.jpg?key=secret"}, ["url_path: str .../b/c/d.jpg"]),
        ({"file_name": "C:\\data\\kaist\\lwir\\1.png"}, ["file_name: str .../kaist/lwir/1.png"]),
        ({"img_paths": ["a/b", "c/d"]}, ["img_paths: list of 2", "img_paths[0]: str a/b"]),
    ],
)  # fmt: skip
def test_what_else_a_batch_may_be(batch: Any, lines: list[str]) -> None:
    assert outline(batch) == lines


class Odd:
    @property
    def shape(self) -> Any:
        raise RuntimeError("not on this device")


def test_one_odd_part_does_not_hide_the_others() -> None:
    assert outline({"a": Odd(), "b": Tensor(2)}) == ["a: Odd (cannot be read)", "b: Tensor 2"]


def test_an_endless_batch_is_bounded() -> None:
    loop: dict[str, Any] = {}
    loop.update({f"key{n}": loop for n in range(1000)}, long_path="x" * 5000)
    lines = outline({"path": "y" * 5000, "loop": loop})
    assert len(lines) == LINES
    assert lines[-1] == "..."
    assert max(map(len, lines)) == 200


# --- when it is written ------------------------------------------------------------------------


def test_the_first_iteration_is_written(folder: Path) -> None:
    BatchRecorder(str(folder), 2).note(7, paired(), LOSSES)
    assert record(folder, 2) == {
        "rank": 2,
        "iteration": 7,
        "outline": outline(paired()),
        "losses": ["loss", "loss_cls", "loss_macl"],
        "logged": [],
    }
    assert os.listdir(folder) == [protocol.batch_file(2)]


@pytest.mark.skipif(os.name == "nt", reason="the permissions are those of POSIX")
def test_only_its_owner_can_read_it(folder: Path) -> None:
    before = os.umask(0)
    try:
        BatchRecorder(str(folder), 0).note(1, paired(), LOSSES)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / protocol.batch_file(0)).stat().st_mode) == 0o600


SMALLER_IMAGES = {
    "inputs": {"visible": Tensor(2, 3, 64, 64), "infrared": Tensor(2, 1, 64, 64)},
    "data_samples": paired()["data_samples"],
}
UNPAIRED = {"inputs": {"visible": Tensor(2, 3, 64, 64)}, "data_samples": [sample()]}
OTHER_CHANNELS = {**SMALLER_IMAGES, "inputs": {"visible": Tensor(2, 3, 64, 64),
                                               "infrared": Tensor(2, 3, 64, 64)}}  # fmt: skip
OTHER_META = {**paired(), "data_samples": [sample()]}


@pytest.mark.parametrize(
    ("batch", "losses", "written"),
    [
        (paired(), LOSSES, 1),
        (paired(1), LOSSES, 1),
        (SMALLER_IMAGES, LOSSES, 1),
        (paired(), dict.fromkeys(LOSSES, 9.0), 1),
        (UNPAIRED, LOSSES, 2),
        (OTHER_CHANNELS, LOSSES, 2),
        (OTHER_META, LOSSES, 2),
        (paired(), {"loss": 1.0, "loss_cls": 0.7}, 2),
        (paired(), None, 2),
        (None, LOSSES, 2),
    ],
    ids=["same", "last of the epoch", "sizes", "values", "unpaired", "channels", "metainfo",
         "losses", "no losses", "no batch"],
)  # fmt: skip
def test_the_second_is_written_when_its_form_differs(
    folder: Path, batch: Any, losses: Any, written: int
) -> None:
    seen = BatchRecorder(str(folder), 0)
    seen.note(1, paired(), LOSSES)
    seen.note(2, batch, losses)
    assert record(folder)["iteration"] == written


def test_a_batch_that_is_new_every_time_is_not_written_for_ever(folder: Path) -> None:
    seen = BatchRecorder(str(folder), 0)
    for iteration in range(1, 100):
        seen.note(iteration, {f"key{iteration}": 1}, LOSSES)
    assert record(folder)["iteration"] == MOST_RECORDS


def test_what_fails_is_noted_once_and_the_training_goes_on(folder: Path) -> None:
    seen = BatchRecorder(str(folder / "nowhere"), 0)
    for iteration in range(3):
        seen.note(iteration, {f"key{iteration}": 1}, LOSSES)
    noted = (folder / "agent-error.txt").read_text(encoding="utf-8")
    assert noted.count("recording the batch") == 1


def test_the_supervisor_reads_what_the_agent_wrote(folder: Path) -> None:
    BatchRecorder(str(folder), 1).note(5, paired(), LOSSES)
    (event,) = BatchFiles(folder).poll(1.0, 2.0)
    assert (event.at, event.wall, event.rank, event.iteration) == (1.0, 2.0, 1, 5)
    assert list(event.outline) == outline(paired())
    assert event.losses == tuple(LOSSES)


def test_a_real_batch_of_mmdet(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    structures = pytest.importorskip("mmengine.structures")
    element = structures.BaseDataElement(
        metainfo={"img_path": "/d/visible/1.jpg", "img_path_ir": "/d/infrared/1.jpg", "img_id": 3}
    )
    element.gt_instances = structures.InstanceData(bboxes=torch.zeros(3, 4))
    lines = outline({"inputs": [torch.zeros(3, 8, 8)], "data_samples": [element]})
    assert lines == [
        "inputs: list of 1",
        "inputs[0]: Tensor 3x8x8",
        "data_samples: list of 1",
        "data_samples[0]: BaseDataElement",
        "data_samples[0].img_id: int",
        "data_samples[0].img_path: str .../d/visible/1.jpg",
        "data_samples[0].img_path_ir: str .../d/infrared/1.jpg",
        "data_samples[0].gt_instances: InstanceData",
        "data_samples[0].gt_instances.bboxes: Tensor 3x4",
    ]
