"""TensorBoard's event files, written by those who write them in trainings."""

from __future__ import annotations

import importlib
import math
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dualwatch.rules.metrics.metrics import named
from dualwatch.tensorboard import reader
from dualwatch.tensorboard import records as event_records
from dualwatch.tensorboard.reader import FRAME, EventFiles, tags

pytest.importorskip("tensorboard")
torch_tb = pytest.importorskip("torch.utils.tensorboard")


def write(folder: Path, values: dict[str, list[float]], first_step: int = 1) -> Path:
    """An event file with these scalars, one value a step."""
    before = set(folder.glob("*"))
    with torch_tb.SummaryWriter(str(folder)) as writer:
        for tag, numbers in values.items():
            for step, number in enumerate(numbers, start=first_step):
                writer.add_scalar(tag, number, step)
    (path,) = set(folder.glob("*")) - before
    return path


def records(path: Path) -> list[bytes]:
    """The records of a file, as they stand in it."""
    data, found = path.read_bytes(), []
    while data:
        size = int.from_bytes(data[:8], "little") + FRAME
        found.append(data[:size])
        data = data[size:]
    return found


def test_tags_and_their_newest_values(tmp_path: Path) -> None:
    write(tmp_path / "run" / "vis_data", {"loss": [0.5, 0.25], "grad_norm": [math.nan]})
    seen = tags(tmp_path)
    assert seen.not_observed is None
    assert set(seen.scalars) == {"loss", "grad_norm"}
    loss = seen.scalars["loss"]
    assert (loss.value, loss.step, loss.count) == (0.25, 2, 2)
    assert loss.wall > 1e9
    assert math.isnan(seen.scalars["grad_norm"].value)
    assert [path.parent for path in seen.files] == [tmp_path / "run" / "vis_data"]


@pytest.mark.parametrize("folder", ["", "run", "run/vis_data"])
def test_the_folder_may_be_the_work_dir_a_run_or_its_vis_data(tmp_path: Path, folder: str) -> None:
    write(tmp_path / "run" / "vis_data", {"loss": [0.5]})
    assert set(tags(tmp_path / folder).scalars) == {"loss"}


def test_what_mmengine_writes(tmp_path: Path) -> None:
    visualization = pytest.importorskip("mmengine.visualization")
    backend = visualization.TensorboardVisBackend(str(tmp_path / "run" / "vis_data"))
    backend.add_scalars({"loss": 1.5, "train/loss_macl": 0.4, "words": "no"}, step=7)
    backend.add_scalar("coco/AP (M)", 0.5, step=1)
    backend.close()
    seen = tags(tmp_path).scalars
    assert {tag: (scalar.value, scalar.step) for tag, scalar in seen.items()} == {
        "loss": (1.5, 7),
        "train/loss_macl": (pytest.approx(0.4), 7),
        "coco/AP (M)": (0.5, 1),
    }


@pytest.mark.parametrize("tag", ["loss_macl", "train/loss_macl"])
@pytest.mark.parametrize("asked", ["loss_macl", "train/loss_macl", "macl", "loss"])
def test_a_metric_is_found_under_both_forms_of_its_tag(
    tmp_path: Path, tag: str, asked: str
) -> None:
    write(tmp_path, {tag: [0.5], "loss_macl_aux": [9.0]})
    seen = tags(tmp_path)
    found = seen.find(asked)
    # As the judge of the log's lines sees it.
    known: Any = {
        name: SimpleNamespace(value=scalar.value) for name, scalar in seen.scalars.items()
    }
    judged = named(known, asked)
    assert (found and found.value) == (judged and judged.value)
    assert (found is not None) == (asked.split("/")[-1] == "loss_macl")


def test_new_values_and_new_files_come_with_the_next_poll(tmp_path: Path) -> None:
    seen = EventFiles(tmp_path)
    assert seen.poll() == {}
    with torch_tb.SummaryWriter(str(tmp_path / "20261123_060000" / "vis_data")) as writer:
        writer.add_scalar("loss", 0.5, 1)
        writer.flush()
        assert seen.poll()["loss"].step == 1
        assert seen.poll()["loss"].count == 1
        writer.add_scalar("loss", 0.25, 2)
        writer.flush()
        loss = seen.poll()["loss"]
        assert (loss.step, loss.count) == (2, 2)
    write(tmp_path / "20261123_070000" / "vis_data", {"loss": [0.125], "mAP": [0.5]}, first_step=3)
    loss = seen.poll()["loss"]
    assert (loss.value, loss.step, loss.count) == (0.125, 3, 3)
    assert "mAP" in seen.scalars
    assert len(seen.files) == 2


def test_a_file_cut_anywhere_gives_what_is_whole_and_goes_on(tmp_path: Path) -> None:
    pieces = records(write(tmp_path / "whole", {"loss": [0.5, 0.25, 0.125]}))
    path = tmp_path / "cut" / "events.out.tfevents.1.host"
    path.parent.mkdir()
    start = sum(map(len, pieces[:-1]))
    whole = b"".join(pieces)
    for cut in range(start, len(whole) + 1):
        path.write_bytes(whole[:cut])
        seen = EventFiles(path.parent)
        seen.poll()
        assert seen.not_observed is None
        assert seen.scalars["loss"].step == (3 if cut == len(whole) else 2)
        path.write_bytes(whole)
        assert seen.poll()["loss"].step == 3
        assert seen.scalars["loss"].count == 3


def test_damage_is_told_and_other_files_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, {"loss": [0.5, 0.25, 0.125]})
    good = path.read_bytes()
    broken = bytearray(good)
    broken[sum(map(len, records(path)[:-2])) + 14] ^= 0xFF
    path.write_bytes(broken)
    write(tmp_path / "other", {"lr": [1.0]})
    seen = EventFiles(tmp_path)
    assert seen.poll()["loss"].step == 1
    path.write_bytes(bytes(broken) + good)
    seen.poll()
    assert seen.not_observed is not None
    assert path.name in seen.not_observed.why
    assert {tag: scalar.step for tag, scalar in seen.scalars.items()} == {"loss": 1, "lr": 1}


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path, {"loss": [0.5, 0.25, 0.125]})
    seen = EventFiles(tmp_path)
    seen.poll()
    path.write_bytes(b"".join(records(path)[:2]))
    assert seen.poll()["loss"].step == 1


def test_much_to_read_is_read_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"loss": [float(i) for i in range(100)]})
    monkeypatch.setattr(reader, "POLL_BYTES", 500)
    seen = EventFiles(tmp_path)
    seen.poll()
    assert seen.behind
    assert 0 < seen.scalars["loss"].count < 100
    assert tags(tmp_path, polls=1).behind
    for _ in range(100):
        seen.poll()
    assert not seen.behind
    assert seen.scalars["loss"].count == 100


def test_tags_are_clean_and_bounded_in_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_TAGS", 3)
    write(tmp_path, {f"\x1b[31mloss{i}": [0.5] for i in range(9)})
    assert not any("\x1b" in tag for tag in tags(tmp_path).scalars)
    assert len(tags(tmp_path).scalars) == 3


@pytest.mark.parametrize("data", [b"", b"\x00", b"words and more words", b"\xff" * 99])
def test_what_is_no_event_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "events.out.tfevents.1.host").write_bytes(data)
    (tmp_path / "events.out.tfevents.2.host").mkdir()
    seen = EventFiles(tmp_path)
    assert seen.poll() == {}
    assert seen.poll() == {}


def test_it_is_read_without_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training has it; the supervisor may live in an environment without."""
    write(tmp_path, {"loss": [0.5]})
    before = {name for name in sys.modules if name.startswith("tensorboard")}
    for name in before:
        # What Python does with a module that is None: it cannot be imported.
        monkeypatch.setitem(sys.modules, name, None)
    assert tags(tmp_path).scalars["loss"].value == 0.5


def test_numbers_in_the_new_form(tmp_path: Path) -> None:
    """TensorFlow 2 and TensorBoard's own writers put a number into a tensor."""
    writer = importlib.import_module("tensorboard.summary").Writer(str(tmp_path))
    writer.add_scalar("loss", 0.25, step=3)
    writer.close()
    seen = tags(tmp_path).scalars
    assert {tag: (scalar.value, scalar.step) for tag, scalar in seen.items()} == {"loss": (0.25, 3)}


def test_images_are_passed_over(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    with torch_tb.SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", 0.5, 1)
        noise = numpy.random.default_rng(0).integers(0, 255, (3, 200, 300), dtype=numpy.uint8)
        writer.add_image("noise", noise, 1)
        writer.add_scalar("loss", 0.25, 2)
    assert next(tmp_path.iterdir()).stat().st_size > 2 * reader.MAX_EVENT
    seen = tags(tmp_path)
    assert {tag: scalar.count for tag, scalar in seen.scalars.items()} == {"loss": 2}


def test_a_file_in_the_place_of_another_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = write(tmp_path / "run", {"loss": [0.5]})
    seen = EventFiles(tmp_path / "run")
    seen.poll()
    other = write(tmp_path / "other", {"loss": [0.25, 0.125]})
    other.replace(path)
    assert seen.poll()["loss"].step == 2


def test_files_of_dualwatch_and_of_earlier_runs_are_left_out(tmp_path: Path) -> None:
    earlier = write(tmp_path / "earlier" / "vis_data", {"loss": [0.5]})
    os.utime(earlier, (1e9, 1e9))
    ours = write(tmp_path / "ours", {"dualwatch/attempt": [0.0]})
    ours.rename(ours.with_name(ours.name + event_records.OWN))
    assert tags(tmp_path).files == [earlier]
    assert reader.found(tmp_path, since=2e9) == []
