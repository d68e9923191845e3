"""What a configuration shows by itself."""

from __future__ import annotations

import pytest
from dualwatch.events import CheckpointSeen, ConfigRead, DataSeen, DataSet, Severity

LOADER = {"batch_size": 4, "num_workers": 2, "persistent_workers": True}


def read(story, **fields):
    known = {
        "path": "c.py",
        "how": "loaded",
        "loaders": {"train_dataloader": LOADER},
        "start_method": "fork",
        "platform": "linux",
        "paired": False,
    }
    return story.tell(ConfigRead, **{**known, **fields})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "train_dataloader: num_workers=2, persistent_workers=True, images in pairs"),
        ({"start_method": "spawn"}, "images in pairs, workers are spawned"),
        ({"platform": "win32", "start_method": None}, "spawned, as always on Windows"),
        (
            {"start_method": "spawn", "loaders": {"val_dataloader": {"num_workers": 4}}},
            "val_dataloader: num_workers=4, images in pairs, workers are spawned",
        ),
    ],
    ids=["kept", "kept and spawned", "Windows", "spawned"],
)
def test_risky_loaders_are_told_with_their_reasons(story, fields, words) -> None:
    (found,) = read(story, paired=True, **fields).judged()
    assert (found.code, found.severity) == ("DW601", Severity.INFO)
    assert words in found.headline
    assert found.evidence[0].source == "c.py"


@pytest.mark.parametrize(
    "fields",
    [
        {"paired": False},
        {"paired": None},
        {"loaders": {"train_dataloader": {**LOADER, "num_workers": 1}}},
        {"loaders": {"train_dataloader": {**LOADER, "num_workers": 0}}},
        {"loaders": {"train_dataloader": {**LOADER, "num_workers": True}}},
        {"loaders": {"train_dataloader": {**LOADER, "num_workers": "<not read: n>"}}},
        {"loaders": {"train_dataloader": {**LOADER, "persistent_workers": False}}},
        {"loaders": {"train_dataloader": "odd"}},
        {"loaders": {}},
    ],
    ids=str,
)
def test_other_loaders_are_not_risky(story, fields) -> None:
    assert read(story, **{"paired": True, **fields}).codes() == []


def test_a_configuration_that_does_not_load(story) -> None:
    (found,) = read(story, error="SyntaxError: line 3").judged()
    assert (found.code, found.severity) == ("DW602", Severity.CRITICAL)
    assert found.headline == "SyntaxError: line 3"


def test_a_configuration_that_takes_long_is_less_certain(story) -> None:
    (found,) = read(story, error="c.py did not load", timed_out=True).judged()
    assert (found.severity, found.confidence) == (Severity.ERROR, 0.6)


def test_a_configuration_that_something_trains_with_does_load(story) -> None:
    (found,) = read(story.trains(3), error="ModuleNotFoundError: x").judged()
    assert (found.code, found.severity, found.confidence) == ("DW602", Severity.WARNING, 0.3)


@pytest.mark.parametrize(
    ("how", "trained", "severity"),
    [
        ("loaded", False, Severity.CRITICAL),
        ("read", False, Severity.WARNING),
        ("loaded", True, Severity.WARNING),
    ],
)
def test_data_that_are_not_there(story, how, trained, severity) -> None:
    if trained:
        story.trains(3).ended()
    (found,) = read(story, how=how, missing={"train_dataloader.dataset.data_root": "d"}).judged()
    assert (found.code, found.severity) == ("DW603", severity)
    assert "train_dataloader.dataset.data_root" in found.headline


def test_data_that_a_living_training_reads_are_not_missed(story) -> None:
    assert read(story.trains(3), missing={"train_dataloader.dataset.data_root": "d"}).codes() == []


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "1 image "), (7, "7 images"), (100, "at least 100")],
)
def test_images_without_a_partner_are_counted_and_the_first_named(story, count, words) -> None:
    unpaired = tuple(f"visible/{i}.jpg" for i in range(count))
    (found,) = read(story, unpaired=unpaired, looked_at=500).judged()
    assert (found.code, found.severity) == ("DW604", Severity.ERROR)
    assert found.headline.startswith(words)
    assert "500" in found.headline
    assert "visible/0.jpg" in found.evidence[1].text
    assert len(found.evidence) <= 6


def test_a_sound_configuration_is_none(story) -> None:
    assert read(story, looked_at=500).codes() == []


@pytest.mark.parametrize(
    ("exists", "whole", "severity"),
    [(False, None, Severity.CRITICAL), (True, False, Severity.CRITICAL), (True, True, None)],
)
def test_weights_that_cannot_be_loaded_keep_a_training_from_starting(
    story, exists, whole, severity
) -> None:
    read(story).tell(CheckpointSeen, path="w.pth", exists=exists, whole=whole, why="it is empty")
    assert [(f.code, f.severity) for f in story.judged()] == (
        [("DW605", severity)] if severity is not None else []
    )


def test_weights_that_a_text_names_may_lie_elsewhere(story) -> None:
    read(story, how="read").tell(CheckpointSeen, path="w.pth", exists=False, whole=None)
    (found,) = story.judged()
    assert (found.code, found.severity) == ("DW605", Severity.WARNING)


def test_a_training_that_runs_had_its_weights(story) -> None:
    read(story).tell(CheckpointSeen, path="w.pth", exists=False, whole=None).trains(3)
    assert "DW605" not in story.codes()


def images(story, **fields):
    one = DataSet(key="train_dataloader.dataset", kind="CocoDataset", **fields)
    return story.tell(DataSeen, sets=(one,))


@pytest.mark.parametrize(
    "fields",
    [
        {"images": 3, "looked_at": 3, "lacking": 1, "absent": ("b.png",)},
        {"images": 3, "looked_at": 3, "broken": ("b.png: not an image",)},
        {"images": 0},
        {"broken": ("train.json: it holds no list of images",), "why": "not read"},
    ],
    ids=["missing", "unusable", "none", "annotations"],
)
def test_images_that_annotations_name(story, new_story, fields) -> None:
    (found,) = images(read(story), **fields).judged()
    assert (found.code, found.severity) == ("DW603", Severity.CRITICAL)
    trained = images(read(new_story()).trains(), **fields)
    assert "DW603" not in trained.codes()


@pytest.mark.parametrize(
    "fields", [{"images": 3, "looked_at": 3}, {"why": "not read"}, {"absent": ("train.json",)}]
)
def test_images_that_are_there_or_were_not_looked_for(story, fields) -> None:
    assert images(read(story), **fields).codes() == []
