"""The two image folders of a data set of pairs, by the names of their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from dualwatch.domains.paired import pairs
from dualwatch.domains.paired.modality_names import is_paired
from dualwatch.domains.paired.pairs import NAMED
from dualwatch.frameworks.mmengine.config.spec import spec_of


def compare(values, **how):
    datasets = spec_of(values).wrapped
    training = next((one.settings for one in datasets if one.role == "train"), None)
    paired = is_paired(training, whole=True) is not False
    return pairs.compare(datasets, paired=paired, **how)


def fill(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def loader(**dataset):
    return {"train_dataloader": {"dataset": {"type": "RepeatDataset", "dataset": dataset}}}


def names(paths) -> list[str]:
    return [Path(path).name for path in paths]


@pytest.mark.parametrize(
    "dataset",
    [
        {"data_prefix": {"visible": "v/train", "infrared": "i/train"}},
        {"data_prefix": {"img": "v/train", "img_ir": "i/train"}},
        {"img_prefix_rgb": "v/train", "img_prefix_ir": "i/train", "img_suffix_ir": "v/train"},
    ],
    ids=["both keys", "one key", "no data_prefix"],
)
def test_folders_that_the_configuration_names(tmp_path, dataset) -> None:
    fill(tmp_path / "v/train", "1.jpg", "2.jpg", "3.jpg", "readme.txt")
    fill(tmp_path / "i/train", "1.png", "3.PNG", "4.jpg", "Thumbs.db")
    unpaired, looked_at = compare(loader(data_root=str(tmp_path), **dataset))
    assert (names(unpaired), looked_at) == (["2.jpg", "4.jpg"], 4)
    assert unpaired[0] == str(tmp_path / "v/train/2.jpg")


def test_the_usual_folders_below_the_root(tmp_path) -> None:
    fill(tmp_path / "visible/train", "1.jpg", "2.jpg")
    fill(tmp_path / "infrared/train", "1.jpg")
    fill(tmp_path / "infrared/test", "2.jpg")
    dataset = {"data_root": str(tmp_path), "split": "train"}
    unpaired, looked_at = compare(loader(**dataset, type="PairedDataset"))
    assert (names(unpaired), looked_at) == (["2.jpg"], 2)
    assert compare(loader(**dataset, return_modality_pair=False)) == ((), 0)
    assert compare(loader(**dataset, type="CocoDataset")) == ((), 0)


def test_both_modalities_in_one_folder(tmp_path) -> None:
    ids = ("set00_V000_{}_I0.jpg", "set00_V000_{}_I1.jpg")
    images = [i.format(kind) for i in ids for kind in ("visible", "lwir")]
    fill(tmp_path / "JPEGImages", *images[:-1])
    for prefix in ({}, {"data_prefix": {"images": "JPEGImages"}}):
        found = compare(loader(data_root=str(tmp_path), return_modality_pair=True, **prefix))
        assert (names(found[0]), found[1]) == (["set00_V000_visible_I1.jpg"], 2)


def test_names_that_hold_their_modality(tmp_path) -> None:
    fill(tmp_path / "visible", "1_visible.jpg", "2_visible.jpg")
    fill(tmp_path / "infrared", "1_infrared.jpg")
    unpaired, looked_at = compare(loader(data_root=str(tmp_path), return_modality_pair=True))
    assert (names(unpaired), looked_at) == (["2_visible.jpg"], 2)


def test_loaders_that_share_a_folder_count_it_once(tmp_path) -> None:
    fill(tmp_path / "visible", "1.jpg")
    fill(tmp_path / "infrared", "1.jpg")
    one = loader(data_root=str(tmp_path), return_modality_pair=True)["train_dataloader"]
    assert compare({"train_dataloader": one, "val_dataloader": one}) == ((), 1)


def test_relative_paths_begin_at_a_root(tmp_path) -> None:
    fill(tmp_path / "data/visible", "1.jpg")
    fill(tmp_path / "data/infrared", "2.jpg")
    values = loader(data_root="data", return_modality_pair=True)
    assert compare(values, roots=(tmp_path / "elsewhere", tmp_path))[1] == 2
    assert compare(values, roots=(tmp_path / "elsewhere",)) == ((), 0)


def test_many_pairs_are_sampled_over_the_whole_and_the_names_bounded(tmp_path) -> None:
    fill(tmp_path / "visible", *(f"{i:04}.jpg" for i in range(1000)))
    fill(tmp_path / "infrared", "0000.jpg")
    values = loader(data_root=str(tmp_path), return_modality_pair=True)
    unpaired, looked_at = compare(values, limit=10)
    assert looked_at == 10
    assert names(unpaired) == [f"{i:04}.jpg" for i in range(100, 1000, 100)]
    unpaired, looked_at = compare(values, limit=10, all_pairs=True)
    assert (len(unpaired), looked_at) == (NAMED, 1000)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"train_dataloader": None},
        {"train_dataloader": {"dataset": [None, 3, {"data_root": 7}]}},
        loader(data_root="/nowhere/at/all", return_modality_pair=True),
        loader(data_root="a\x00b", return_modality_pair=True),
        loader(data_root="s3://bucket/pairs", return_modality_pair=True),
        loader(data_root="<not read: root()>", return_modality_pair=True),
        loader(data_root="x" * 5000, return_modality_pair=True),
        loader(data_root=".", data_prefix={"rgb": "<not read: a>", "ir": "b"}),
        loader(data_root=".", data_prefix=["rgb", "ir"], return_modality_pair=True),
    ],
    ids=range(10),
)
def test_what_names_no_two_folders_is_not_compared(values) -> None:
    assert compare(values) == ((), 0)


@pytest.mark.parametrize(("others", "looked_at"), [([], 1), (["1.raw"], 0)])
def test_a_folder_without_images_is_compared_if_it_is_empty(tmp_path, others, looked_at) -> None:
    fill(tmp_path / "visible", "1.jpg")
    fill(tmp_path / "infrared", *others)
    values = loader(data_root=str(tmp_path), return_modality_pair=True)
    unpaired, compared = compare(values)
    assert (len(unpaired), compared) == (looked_at, looked_at)


def test_all_pairs_of_many_and_what_is_told_meanwhile(tmp_path) -> None:
    for kind in ("visible", "infrared"):
        fill(tmp_path / kind, *(f"{n}.jpg" for n in range(2500) if n or kind == "visible"))
    given = loader(data_root=str(tmp_path), return_modality_pair=True)
    told: list[tuple[int, int]] = []
    unpaired, looked_at = compare(
        given, limit=10, all_pairs=True, tell=lambda *words: told.append(words)
    )
    assert (names(unpaired), looked_at) == (["0.jpg"], 2500)
    # How many there are is not known before they are all listed.
    assert told == [(2000, 0), (4000, 0), (2500, 2500)]
    assert compare(given, limit=10)[1] == 10
