"""Silhouettes: the shape of a person, drawn once and used by both modalities."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import cv2
import numpy as np

# Shapes are drawn this much larger and averaged down, which gives soft edges.
SUPERSAMPLING = 4


@dataclass(frozen=True)
class Pose:
    """The pose of a person; lengths are fractions of the body height.

    Attributes:
        girth: Width of the torso.
        stride: Half the distance between the feet.
        arms: Sideways reach of the arms beyond the torso, left and right.
        lean: Sideways shift of the head against the hips.
        bag: Size of a carried bag; 0 for none.
        bag_side: -1 (left) or 1 (right).
    """

    girth: float
    stride: float
    arms: tuple[float, float]
    lean: float
    bag: float
    bag_side: int


def random_pose(rng: np.random.Generator) -> Pose:
    """Draws a pose; the spread is wide, since persons are distinguished by it."""
    return Pose(
        girth=rng.uniform(0.16, 0.27),
        stride=rng.uniform(0.02, 0.17),
        arms=(rng.uniform(0.0, 0.13), rng.uniform(0.0, 0.13)),
        lean=rng.uniform(-0.06, 0.06),
        bag=rng.uniform(0.08, 0.16) if rng.random() < 0.45 else 0.0,
        bag_side=int(rng.choice([-1, 1])),
    )


@dataclass(frozen=True)
class Silhouette:
    """Coverage of the pixels of a canvas, parts apart, each float32 (H, W) in 0..1."""

    head: np.ndarray
    torso: np.ndarray
    legs: np.ndarray
    bag: np.ndarray

    @property
    def body(self) -> np.ndarray:
        """The person without the bag."""
        return np.maximum(np.maximum(self.head, self.torso), self.legs)

    @property
    def whole(self) -> np.ndarray:
        return np.maximum(self.body, self.bag)


class _Canvas:
    """A supersampled mask in the coordinates of the picture."""

    def __init__(self, height: int, width: int) -> None:
        self._size = (width, height)
        self._mask = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING), np.uint8)

    @staticmethod
    def _scaled(point: tuple[float, float]) -> tuple[int, int]:
        return round(point[0] * SUPERSAMPLING), round(point[1] * SUPERSAMPLING)

    def disc(self, centre: tuple[float, float], axes: tuple[float, float]) -> None:
        radii = (max(1, self._scaled(axes)[0]), max(1, self._scaled(axes)[1]))
        cv2.ellipse(self._mask, self._scaled(centre), radii, 0, 0, 360, 255, -1)

    def limb(self, points: list[tuple[float, float]], thickness: float) -> None:
        width = max(1, round(thickness * SUPERSAMPLING))
        scaled = [self._scaled(p) for p in points]
        for start, end in itertools.pairwise(scaled):
            cv2.line(self._mask, start, end, 255, width)

    def polygon(self, points: list[tuple[float, float]]) -> None:
        cv2.fillPoly(self._mask, [np.array([self._scaled(p) for p in points], np.int32)], 255)

    def done(self) -> np.ndarray:
        small = cv2.resize(self._mask, self._size, interpolation=cv2.INTER_AREA)
        return small.astype(np.float32) / 255.0


def draw_person(
    pose: Pose, foot_x: float, foot_y: float, body_height: float, canvas: tuple[int, int]
) -> Silhouette:
    """Draws one person.

    Args:
        pose: How the person stands.
        foot_x: Middle between the feet, in pixels.
        foot_y: The line that the feet stand on, in pixels.
        body_height: From the feet to the top of the head, in pixels.
        canvas: (height, width) of the picture.

    Returns:
        Masks of the size of the canvas.
    """
    h = body_height
    hip = (foot_x, foot_y - 0.48 * h)
    shoulder = (foot_x + pose.lean * h * 0.7, foot_y - 0.82 * h)
    half = pose.girth * h / 2

    head = _Canvas(*canvas)
    head.disc((foot_x + pose.lean * h, foot_y - 0.915 * h), (0.065 * h, 0.085 * h))

    torso = _Canvas(*canvas)
    torso.polygon(
        [
            (shoulder[0] - half, shoulder[1]),
            (shoulder[0] + half, shoulder[1]),
            (hip[0] + half * 0.8, hip[1] + 0.03 * h),
            (hip[0] - half * 0.8, hip[1] + 0.03 * h),
        ]
    )
    for side, reach in zip((-1, 1), pose.arms, strict=True):
        elbow = (shoulder[0] + side * (half + reach * h), shoulder[1] + 0.18 * h)
        hand = (hip[0] + side * (half * 0.9 + reach * h * 0.6), hip[1] + 0.02 * h)
        torso.limb([(shoulder[0] + side * half, shoulder[1] + 0.02 * h), elbow, hand], 0.06 * h)

    legs = _Canvas(*canvas)
    for side in (-1, 1):
        foot = (foot_x + side * pose.stride * h, foot_y - 0.02 * h)
        knee = ((hip[0] + foot[0]) / 2 + 0.02 * h, (hip[1] + foot[1]) / 2)
        legs.limb([(hip[0] + side * half * 0.4, hip[1]), knee, foot], 0.085 * h)

    bag = _Canvas(*canvas)
    if pose.bag > 0:
        size = pose.bag * h
        middle = (hip[0] + pose.bag_side * (half + size * 0.45), hip[1] - 0.08 * h)
        bag.polygon([(middle[0] + dx * size / 2, middle[1] + dy * size / 1.4)
                     for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1))])  # fmt: skip
    return Silhouette(head.done(), torso.done(), legs.done(), bag.done())


def tight_box(mask: np.ndarray, threshold: float = 0.35) -> tuple[int, int, int, int] | None:
    """Smallest box around the covered pixels.

    Args:
        mask: Coverage (H, W) in 0..1.
        threshold: Coverage from which on a pixel counts.

    Returns:
        (x_min, y_min, x_max, y_max), 0-based and inclusive, or None for an empty mask.
    """
    rows = np.flatnonzero((mask > threshold).any(axis=1))
    columns = np.flatnonzero((mask > threshold).any(axis=0))
    if rows.size == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def glow(height: int, width: int, x: float, y: float, radius: float) -> np.ndarray:
    """A soft round light, float32 (H, W), 1 at its centre and exp(-1) at ``radius`` pixels."""
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / max(radius, math.ulp(1.0)) ** 2)
