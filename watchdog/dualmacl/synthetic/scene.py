"""One night scene, seen by a visible and by an infrared camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .figures import Silhouette, draw_person, glow, random_pose, tight_box

# Below this visible share of the body a person is annotated as difficult (ignored in training).
DIFFICULT_BELOW = 0.4
# Below this share nothing of the person can be recognised, and there is no annotation.
HIDDEN_BELOW = 0.15


@dataclass(frozen=True)
class Box:
    """A person's box: 0-based pixel columns and rows, both ends inclusive."""

    x_min: int
    y_min: int
    x_max: int
    y_max: int
    difficult: bool


@dataclass(frozen=True)
class Scene:
    """A registered pair of pictures with its annotation.

    Attributes:
        visible: BGR picture, uint8 (H, W, 3).
        infrared: Grey picture, uint8 (H, W).
        boxes: The persons.
    """

    visible: np.ndarray
    infrared: np.ndarray
    boxes: tuple[Box, ...]


class _Painter:
    """The two pictures under construction, in grey levels 0..255 (visible: B, G, R)."""

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        self.rng = rng
        self.width, self.height = width, height
        self.horizon = round(height * rng.uniform(0.3, 0.42))
        self.visible = np.zeros((height, width, 3), np.float32)
        self.infrared = np.zeros((height, width), np.float32)

    def blend_visible(self, mask: np.ndarray, colour: np.ndarray) -> None:
        self.visible += mask[..., None] * (colour.astype(np.float32) - self.visible)

    def blend_infrared(self, mask: np.ndarray, level: float) -> None:
        self.infrared += mask * (np.float32(level) - self.infrared)

    def rectangle(self, x: float, y: float, w: float, h: float) -> np.ndarray:
        mask = np.zeros((self.height, self.width), np.float32)
        mask[max(0, round(y)) : max(0, round(y + h)), max(0, round(x)) : max(0, round(x + w))] = 1.0
        return mask

    def depth_to_height(self, foot_y: float) -> float:
        """Height in pixels of a person whose feet are on this row (perspective)."""
        nearness = (foot_y - self.horizon) / (self.height - self.horizon)
        return self.height * (0.16 + 0.44 * nearness)


def _background(p: _Painter) -> None:
    """Sky, houses and road: dark in the visible picture, temperate in the infrared one."""
    rng = p.rng
    rows = np.linspace(0, 1, p.height, dtype=np.float32)[:, None]
    tint = np.array([1.15, 1.0, 0.9], np.float32)  # night is bluish
    p.visible += (8 + 22 * rows)[..., None] * tint
    p.infrared += 40 + 45 * rows
    x = -rng.uniform(0, 20)
    while x < p.width:
        w = rng.uniform(18, 45)
        top = p.horizon - rng.uniform(6, p.horizon - 2)
        house = p.rectangle(x, top, w, p.horizon - top + 2)
        p.blend_visible(house, rng.uniform(6, 26) * tint)
        p.blend_infrared(house, rng.uniform(50, 95))
        for _ in range(rng.integers(0, 4)):
            window = p.rectangle(
                x + rng.uniform(1, w - 5), top + rng.uniform(1, 12), rng.uniform(2, 4), 4
            )
            p.blend_visible(window, np.array([70, 150, 190]) * rng.uniform(0.4, 1.0))
            p.blend_infrared(window, rng.uniform(85, 110))
        x += w
    for _ in range(rng.integers(1, 4)):  # kerbs and road markings
        y = rng.uniform(p.horizon + 4, p.height)
        line = p.rectangle(0, y, p.width, rng.uniform(1, 3))
        p.blend_visible(line * 0.6, rng.uniform(30, 55) * tint)
        p.blend_infrared(line * 0.5, rng.uniform(55, 110))
    lamp = glow(p.height, p.width, rng.uniform(0, p.width), rng.uniform(0, p.horizon), 30)
    p.visible += lamp[..., None] * np.array([35, 60, 70]) * rng.uniform(0.3, 1.0)


def _visible_only(p: _Painter) -> None:
    """Bright and cold: headlights, lit signs of about the size of a person."""
    rng = p.rng
    for _ in range(rng.integers(0, 3)):
        x, y = rng.uniform(5, p.width - 5), rng.uniform(p.horizon, p.height - 8)
        gap = p.depth_to_height(y) * 0.35
        for side in (-1, 1):
            light = glow(p.height, p.width, x + side * gap / 2, y, rng.uniform(3, 7))
            p.visible += light[..., None] * np.array([190, 225, 235], np.float32)
    if rng.random() < 0.6:
        foot_y = rng.uniform(p.horizon + 6, p.height)
        h = p.depth_to_height(foot_y) * rng.uniform(0.6, 1.0)
        sign = p.rectangle(rng.uniform(0, p.width - 10), foot_y - h, h * rng.uniform(0.3, 0.5), h)
        p.blend_visible(sign, rng.uniform(60, 220, size=3))


def _infrared_only(p: _Painter) -> None:
    """Warm and dark: engines, pipes of about the size of a person, warm patches of road."""
    rng = p.rng
    for _ in range(rng.integers(0, 3)):
        y = rng.uniform(p.horizon + 2, p.height - 4)
        size = p.depth_to_height(y) * rng.uniform(0.3, 0.55)
        ys, xs = np.mgrid[0 : p.height, 0 : p.width].astype(np.float32)
        x = rng.uniform(0, p.width)
        engine = np.exp(-((((xs - x) / size) ** 2 + ((ys - y) / (0.5 * size)) ** 2) ** 2))
        p.blend_infrared(engine, rng.uniform(150, 235))
    if rng.random() < 0.5:
        foot_y = rng.uniform(p.horizon + 6, p.height)
        h = p.depth_to_height(foot_y) * rng.uniform(0.6, 1.0)
        pipe = p.rectangle(rng.uniform(0, p.width - 8), foot_y - h, h * rng.uniform(0.12, 0.3), h)
        p.blend_infrared(pipe, rng.uniform(140, 220))


def _person(p: _Painter, shape: Silhouette) -> None:
    """Dim clothes in the visible picture; warm skin and less warm clothes in infrared."""
    rng = p.rng
    local = float(p.visible[shape.whole > 0.5].mean()) if (shape.whole > 0.5).any() else 20.0
    clothes = local + rng.choice([-1.0, 1.0]) * rng.uniform(12, 30)
    tint = rng.uniform(0.85, 1.15, size=3)
    p.blend_visible(shape.legs, np.clip(clothes * rng.uniform(0.7, 1.1) * tint, 2, 90))
    p.blend_visible(shape.torso, np.clip(clothes * tint, 2, 90))
    p.blend_visible(shape.head, np.clip((local + 14) * np.array([0.9, 1.0, 1.15]), 2, 95))
    p.blend_visible(shape.bag, np.clip(clothes * rng.uniform(0.4, 1.5) * tint, 2, 90))
    warmth = rng.uniform(165, 225)
    p.blend_infrared(shape.bag, rng.uniform(85, 130))
    p.blend_infrared(shape.legs, warmth - rng.uniform(5, 35))
    p.blend_infrared(shape.torso, warmth - rng.uniform(0, 25))
    p.blend_infrared(shape.head, warmth + 20)


def _occluder(p: _Painter, foot_x: float, foot_y: float, body: float) -> np.ndarray:
    """A bollard or a low wall in front of a person, cold in both pictures."""
    rng = p.rng
    if rng.random() < 0.5:
        w = body * rng.uniform(0.08, 0.16)
        mask = p.rectangle(foot_x + rng.uniform(-0.15, 0.15) * body, foot_y - body, w, body + 2)
    else:
        h = body * rng.uniform(0.2, 0.45)
        mask = p.rectangle(foot_x - body * 0.5, foot_y - h, body, h + 2)
    p.blend_visible(mask, np.full(3, rng.uniform(15, 40)))
    p.blend_infrared(mask, rng.uniform(55, 85))
    return mask


def _crowd(p: _Painter) -> list[Box]:
    """Persons from far to near, so that the nearer hide the farther."""
    rng = p.rng
    count = 0 if rng.random() < 0.03 else int(rng.integers(1, 6))
    feet = np.sort(rng.uniform(p.horizon + 8, p.height - 2, size=count))
    shapes: list[np.ndarray] = []
    seen: list[np.ndarray] = []
    for foot_y in feet:
        body = p.depth_to_height(float(foot_y)) * rng.uniform(0.9, 1.1)
        margin = body * 0.2
        foot_x = rng.uniform(margin, p.width - margin)
        shape = draw_person(random_pose(rng), foot_x, float(foot_y), body, (p.height, p.width))
        _person(p, shape)
        hides = [shape.whole]
        if rng.random() < 0.18:
            hides.append(_occluder(p, foot_x, float(foot_y), body))
        for mask in seen:
            for hiding in hides:
                mask *= 1.0 - hiding
        shapes.append(shape.body)
        seen.append(shape.body * (1.0 - hides[1]) if len(hides) > 1 else shape.body.copy())
    boxes = []
    for whole, left in zip(shapes, seen, strict=True):
        share = float(left.sum() / max(whole.sum(), 1e-6))
        box = tight_box(whole)
        if box is not None and share >= HIDDEN_BELOW:
            boxes.append(Box(*box, difficult=share < DIFFICULT_BELOW))
    return boxes


def make_scene(rng: np.random.Generator, width: int = 160, height: int = 128) -> Scene:
    """Makes one scene.

    Args:
        rng: Source of all randomness; the same state gives the same scene.
        width: Width in pixels, at least 64.
        height: Height in pixels, at least 64.

    Raises:
        ValueError: If the picture would be too small to hold a street.
    """
    if width < 64 or height < 64:
        raise ValueError(f"a scene needs at least 64 x 64 pixels, not {width} x {height}")
    p = _Painter(rng, width, height)
    _background(p)
    _visible_only(p)
    _infrared_only(p)
    boxes = _crowd(p)
    visible = cv2.GaussianBlur(p.visible, (3, 3), 0.5) + rng.normal(0, 2.5, p.visible.shape)
    infrared = cv2.GaussianBlur(p.infrared, (3, 3), 0.7) + rng.normal(0, 2.5, p.infrared.shape)
    return Scene(
        visible=np.clip(np.rint(visible), 0, 255).astype(np.uint8),
        infrared=np.clip(np.rint(infrared), 0, 255).astype(np.uint8),
        boxes=tuple(boxes),
    )
