"""Which of two modalities a name speaks of, and whether a data set is one of pairs. Pure.

There is no agreed name: folders are called ``infrared``, ``thermal``, ``lwir`` or ``ir``, and so
are keys. So names are cut into words, and the words decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dualwatch.core.plain import PlainValue
from dualwatch.core.text import NAME_WORD, name_words
from dualwatch.core.unread import is_unread
from dualwatch.events.modalities import INFRARED_WORDS, VISIBLE_WORDS

_PAIR = frozenset(
    ("pair", "paired", "pairs", "rgbt", "rgbir", "dual", "multispectral", "multimodal")
)
_OF_COLOUR_ORDER = ("to_rgb", "bgr_to_rgb", "rgb_to_bgr")
_LONGEST = 500


def words(name: str) -> frozenset[str]:
    """The words of a name, in lower case."""
    return frozenset(name_words(name[:_LONGEST]))


def modality(name: str) -> str | None:
    """ "visible" or "infrared"; None where the name has neither, or both."""
    found = words(name)
    is_visible, is_infrared = bool(found & VISIBLE_WORDS), bool(found & INFRARED_WORDS)
    if is_visible == is_infrared:
        return None
    return "visible" if is_visible else "infrared"


def without_modality(stem: str) -> str:
    """A file's stem with a star for the word of its modality: what both of a pair share."""
    known = VISIBLE_WORDS | INFRARED_WORDS
    return NAME_WORD.sub(lambda m: "*" if m[0].lower() in known else m[0], stem)


def is_paired(dataset: PlainValue, *, whole: bool) -> bool | None:
    """Whether a training data set, wrappers included, yields pairs; None where that is not known.

    Args:
        whole: Whether nothing of the data sets is unknown.
    """
    if not dataset:
        return None
    asked = [v for k, v in _leaves(dataset) if k == "return_modality_pair" and v is not None]
    if asked:
        return any(asked) if all(isinstance(value, bool) for value in asked) else None
    leaves = [(key, value) for key, value in _leaves(dataset) if key not in _OF_COLOUR_ORDER]
    found = frozenset[str]().union(
        *(words(key) | (words(value) if isinstance(value, str) else set()) for key, value in leaves)
    )
    if (
        found & _PAIR
        or (found & VISIBLE_WORDS and found & INFRARED_WORDS)
        or _has_second_folder(dataset)
    ):
        return True
    return False if whole and not any(is_unread(value) for _, value in leaves) else None


def _has_second_folder(value: PlainValue) -> bool:
    """Whether a folder of infrared images is named beside another one: ``img`` and ``img_ir``."""
    if isinstance(value, (list, tuple)):
        return any(_has_second_folder(part) for part in value)
    if not isinstance(value, Mapping):
        return False
    prefix = value.get("data_prefix")
    if isinstance(prefix, Mapping) and len(prefix) > 1:
        return any(modality(str(key)) == "infrared" for key in prefix)
    return any(_has_second_folder(part) for part in value.values())


def _leaves(value: PlainValue, key: str = "") -> Iterator[tuple[str, PlainValue]]:
    """Every value but containers, with its key, and bare keys."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield str(name), None
            yield from _leaves(part, str(name))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _leaves(part, key)
    else:
        yield key, value
