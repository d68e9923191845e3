"""Writes scenes to disk in the layout of LLVIP."""

from __future__ import annotations

import json
import os
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from .scene import Scene, make_scene

MANIFEST = "synthetic.json"
GENERATOR = "dualmacl.synthetic"
# Raise when the same recipe would give other pictures than before.
GENERATOR_VERSION = 1
_FOLDERS = ("visible", "infrared", "Annotations")
# As in LLVIP, the first two digits tell the recording, so that no basename is used twice.
_SPLITS = {"train": 10_000, "test": 190_000}


class OutputFolderError(RuntimeError):
    """The output folder holds something that must not be touched."""


@dataclass(frozen=True)
class Recipe:
    """Everything that the pictures depend on.

    Attributes:
        pairs: Number of pairs of the training split, below 10,000.
        test_pairs: Number of pairs of the test split, below 10,000.
        seed: Seed; a scene depends on the seed, its split and its number only.
        width: Width of the pictures in pixels.
        height: Height of the pictures in pixels.
    """

    pairs: int
    test_pairs: int
    seed: int = 0
    width: int = 160
    height: int = 128

    def __post_init__(self) -> None:
        if not (0 < self.pairs < 10_000 and 0 < self.test_pairs < 10_000):
            raise ValueError("the number of pairs must lie between 1 and 9999 in each split")
        if self.seed < 0:
            raise ValueError("the seed must not be negative")


def write_dataset(
    out: Path,
    recipe: Recipe,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> bool:
    """Writes the data set, unless it is there already.

    Args:
        out: Folder to write; is made with its parents.
        recipe: What to write.
        force: Replace an earlier output that was made with another recipe.
        progress: Is called with (pairs done, pairs in all).

    Returns:
        True if it was written, False if it was there already.

    Raises:
        OutputFolderError: If the folder holds something else, or (without ``force``) the output
            of another recipe. Foreign files are never removed, with ``force`` either.
    """
    if _is_done(out, recipe, force):
        return False
    _write_manifest(out, recipe, finished=False)
    for folder in _FOLDERS:
        shutil.rmtree(out / folder, ignore_errors=True)
    total, done = recipe.pairs + recipe.test_pairs, 0
    for number, (split, count) in enumerate((("train", recipe.pairs), ("test", recipe.test_pairs))):
        for folder in (out / "visible" / split, out / "infrared" / split, out / "Annotations"):
            folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            rng = np.random.default_rng([recipe.seed, number, index])
            scene = make_scene(rng, recipe.width, recipe.height)
            _write_pair(out, split, f"{_SPLITS[split] + index + 1:06d}", scene)
            done += 1
            if progress is not None:
                progress(done, total)
    _write_manifest(out, recipe, finished=True)
    return True


def _is_done(out: Path, recipe: Recipe, force: bool) -> bool:
    if not out.exists():
        return False
    if not out.is_dir():
        raise OutputFolderError(f"{out} is a file, not a folder")
    manifest = _read_manifest(out)
    if manifest is None:
        if any(out.iterdir()):
            raise OutputFolderError(
                f"{out} is not empty and was not written by {GENERATOR}: choose another folder"
            )
        return False
    same = manifest.get("recipe") == asdict(recipe) and manifest.get("version") == GENERATOR_VERSION
    if same:
        return manifest.get("finished") is True
    if not force:
        raise OutputFolderError(
            f"{out} holds the output of another recipe ({manifest.get('recipe')}, version "
            f"{manifest.get('version')}); asked for {asdict(recipe)}, version {GENERATOR_VERSION}. "
            "Use --force to replace it, or another folder"
        )
    return False


def _read_manifest(out: Path) -> dict | None:
    try:
        manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    if isinstance(manifest, dict) and manifest.get("generator") == GENERATOR:
        return manifest
    return None


def _write_manifest(out: Path, recipe: Recipe, finished: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(
        {
            "generator": GENERATOR,
            "version": GENERATOR_VERSION,
            "recipe": asdict(recipe),
            "finished": finished,
        },
        indent=2,
    )
    # Never half a manifest, even if the power goes.
    temporary = out / (MANIFEST + ".tmp")
    temporary.write_text(text + "\n", encoding="utf-8")
    os.replace(temporary, out / MANIFEST)


def _write_pair(out: Path, split: str, name: str, scene: Scene) -> None:
    for folder, picture in (("visible", scene.visible), ("infrared", scene.infrared)):
        ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
        if not ok:
            raise RuntimeError(f"cannot encode {folder}/{split}/{name}.jpg")
        # Not cv2.imwrite: on Windows it fails, silently, on paths outside the code page.
        (out / folder / split / f"{name}.jpg").write_bytes(data.tobytes())
    tree = annotation(scene, name)
    tree.write(out / "Annotations" / f"{name}.xml", encoding="utf-8")


def annotation(scene: Scene, name: str) -> ET.ElementTree:
    """The scene's VOC annotation: 1-based pixel coordinates, both ends inclusive."""
    height, width = scene.infrared.shape
    root = ET.Element("annotation")
    ET.SubElement(root, "folder").text = "visible"
    ET.SubElement(root, "filename").text = f"{name}.jpg"
    size = ET.SubElement(root, "size")
    for key, value in (("width", width), ("height", height), ("depth", 3)):
        ET.SubElement(size, key).text = str(value)
    for box in scene.boxes:
        item = ET.SubElement(root, "object")
        ET.SubElement(item, "name").text = "person"
        ET.SubElement(item, "difficult").text = str(int(box.difficult))
        corners = ET.SubElement(item, "bndbox")
        for key in ("x_min", "y_min", "x_max", "y_max"):
            ET.SubElement(corners, key.replace("_", "")).text = str(getattr(box, key) + 1)
    ET.indent(root)
    return ET.ElementTree(root)
