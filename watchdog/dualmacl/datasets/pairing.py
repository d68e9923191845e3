"""Which visible image belongs to which infrared image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MODALITIES = ("visible", "infrared")


class MissingPairError(FileNotFoundError):
    """An image has no partner in the other modality."""


@dataclass(frozen=True)
class Pair:
    """One scene.

    Attributes:
        key: What both images have in common.
        visible: Path of the visible image.
        infrared: Path of the infrared image.
    """

    key: str
    visible: str
    infrared: str


def match_pairs(
    expected: Iterable[Pair], present: Mapping[str, frozenset[str]], on_missing_pair: str = "error"
) -> tuple[list[Pair], list[Pair]]:
    """Separates the complete pairs from the others.

    Args:
        expected: All pairs of which at least one image is known, with the paths that the two
            images have, or ought to have.
        present: Paths that exist, for each modality.
        on_missing_pair: ``"error"`` or ``"drop"``.

    Returns:
        (complete pairs, dropped pairs), each in the given order.

    Raises:
        MissingPairError: If a pair is not complete and ``on_missing_pair`` is ``"error"``; the
            message names both paths.
        ValueError: If ``on_missing_pair`` is something else.
    """
    if on_missing_pair not in ("error", "drop"):
        raise ValueError(f"on_missing_pair must be 'error' or 'drop', not {on_missing_pair!r}")
    complete: list[Pair] = []
    dropped: list[Pair] = []
    for pair in expected:
        has = pair.visible in present["visible"] and pair.infrared in present["infrared"]
        (complete if has else dropped).append(pair)
    if dropped and on_missing_pair == "error":
        raise MissingPairError(_describe(dropped, present))
    return complete, dropped


def _describe(broken: list[Pair], present: Mapping[str, frozenset[str]]) -> str:
    first = broken[0]
    lines = [f"{len(broken)} image pair(s) are not complete. The first is {first.key!r}:"]
    for modality in MODALITIES:
        path = getattr(first, modality)
        state = "present" if path in present[modality] else "MISSING"
        lines.append(f"  {modality + ':':<10} {path} ({state})")
    lines.append("Complete the data, or set on_missing_pair='drop' to train without these pairs.")
    return "\n".join(lines)
