"""The synthetic set: deterministic, honest about its modalities, careful with folders."""

from __future__ import annotations

import hashlib
import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from dualmacl.synthetic import OutputFolderError, Recipe, make_scene, write_dataset
from dualmacl.synthetic.__main__ import main

SMALL = Recipe(pairs=3, test_pairs=2, seed=5)


def digest(folder) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_recipe_gives_the_same_bytes(tmp_path):
    write_dataset(tmp_path / "a", SMALL)
    write_dataset(tmp_path / "b", SMALL)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_a_longer_set_begins_with_the_shorter_one(tmp_path):
    write_dataset(tmp_path / "short", SMALL)
    write_dataset(tmp_path / "long", Recipe(pairs=5, test_pairs=4, seed=5))
    short, long = digest(tmp_path / "short"), digest(tmp_path / "long")
    del short["synthetic.json"]
    assert short.items() <= long.items()


def test_another_seed_gives_other_pictures(tmp_path):
    write_dataset(tmp_path / "a", SMALL)
    write_dataset(tmp_path / "b", Recipe(pairs=3, test_pairs=2, seed=6))
    a, b = digest(tmp_path / "a"), digest(tmp_path / "b")
    pictures = [name for name in a if name.endswith(".jpg")]
    assert len(pictures) == 10
    assert all(a[name] != b[name] for name in pictures)


def test_layout_is_that_of_llvip(synthetic):
    for split, count in (("train", 24), ("test", 6)):
        visible = {p.name for p in (synthetic / "visible" / split).iterdir()}
        infrared = {p.name for p in (synthetic / "infrared" / split).iterdir()}
        assert visible == infrared
        assert len(visible) == count
    assert len(list((synthetic / "Annotations").glob("*.xml"))) == 30


def test_boxes_lie_in_the_picture(synthetic):
    boxes = 0
    for path in (synthetic / "Annotations").glob("*.xml"):
        for item in ET.parse(path).getroot().iter("bndbox"):
            x1, y1, x2, y2 = (int(item.findtext(k)) for k in ("xmin", "ymin", "xmax", "ymax"))
            assert 1 <= x1 < x2 <= 160
            assert 1 <= y1 < y2 <= 128
            boxes += 1
    assert boxes > 30


def test_persons_are_warm_in_infrared_and_dim_in_visible():
    warm, dim, ring = [], [], []
    for seed in range(40):
        scene = make_scene(np.random.default_rng(seed))
        for box in scene.boxes:
            if box.difficult:
                continue
            rows = slice(box.y_min, box.y_max + 1)
            inside = np.s_[rows, box.x_min : box.x_max + 1]
            # The upper percentile: a box holds some background, too.
            warm.append(np.percentile(scene.infrared[inside], 80))
            dim.append(np.percentile(scene.visible[inside].mean(axis=2), 50))
            ring.append(np.median(scene.infrared))
    assert np.median(warm) > np.median(ring) + 60
    assert np.median(dim) < 70


def test_some_things_exist_in_one_modality_only():
    """Bright spots without warmth and warm spots without light, both larger than noise."""
    cold_lights = hot_dark = 0
    for seed in range(40):
        scene = make_scene(np.random.default_rng(seed))
        free = np.ones(scene.infrared.shape, bool)
        for box in scene.boxes:
            free[box.y_min : box.y_max + 1, box.x_min : box.x_max + 1] = False
        light = scene.visible.max(axis=2) > 180
        warm = scene.infrared > 150
        cold_lights += (light & ~warm & free).sum() > 20
        hot_dark += (warm & ~(scene.visible.max(axis=2) > 100) & free).sum() > 20
    assert cold_lights > 15
    assert hot_dark > 15


def test_there_are_several_scales_and_occluded_persons():
    scenes = [make_scene(np.random.default_rng(seed)) for seed in range(60)]
    heights = [b.y_max - b.y_min + 1 for s in scenes for b in s.boxes]
    assert np.percentile(heights, 95) > 2 * np.percentile(heights, 5)
    assert any(b.difficult for s in scenes for b in s.boxes)


def test_second_run_changes_nothing(tmp_path):
    assert write_dataset(tmp_path / "set", SMALL) is True
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "set").rglob("*")}
    assert write_dataset(tmp_path / "set", SMALL) is False
    assert stamps == {p: p.stat().st_mtime_ns for p in (tmp_path / "set").rglob("*")}


def test_an_interrupted_run_is_made_anew(tmp_path):
    out = tmp_path / "set"

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(out, SMALL, progress=stop)
    assert json.loads((out / "synthetic.json").read_text())["finished"] is False
    assert write_dataset(out, SMALL) is True
    assert len(list((out / "visible" / "train").iterdir())) == 3


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_foreign_folder_is_never_touched(tmp_path, capsys, force):
    precious = tmp_path / "visible" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("mine")
    assert main([str(tmp_path), "--pairs", "2", *force]) == 2
    assert "was not written by" in capsys.readouterr().err
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [precious]


def test_another_recipe_needs_force(tmp_path, capsys):
    out = tmp_path / "set"
    assert main([str(out), "--pairs", "2", "--test-pairs", "1"]) == 0
    assert main([str(out), "--pairs", "3", "--test-pairs", "1"]) == 2
    assert "--force" in capsys.readouterr().err
    assert len(list((out / "visible" / "train").iterdir())) == 2
    assert main([str(out), "--pairs", "1", "--test-pairs", "1", "--force"]) == 0
    assert len(list((out / "visible" / "train").iterdir())) == 1


def test_force_replaces_only_what_the_generator_wrote(tmp_path):
    out = tmp_path / "set"
    write_dataset(out, SMALL)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputFolderError):
        write_dataset(out, Recipe(pairs=1, test_pairs=1))
    write_dataset(out, Recipe(pairs=1, test_pairs=1), force=True)
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("arguments", [["--pairs", "0"], ["--seed", "-1"], ["--width", "10"]])
def test_nonsense_is_refused(tmp_path, capsys, arguments):
    assert main([str(tmp_path / "set"), *arguments]) == 2
    assert capsys.readouterr().err.startswith("error: ")
