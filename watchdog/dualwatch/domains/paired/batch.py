"""Whether a batch holds two modalities, by its outline: names, paths and shapes. Pure.

Batches of other code look different, so three answers are possible. Two modalities are proved by
their names, by their paths, or by two images per sample; one modality is proved by one image per
sample and nothing that could be a second; everything else is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from dualwatch.domains.base import BatchModalities
from dualwatch.events.modalities import INFRARED_WORDS, VISIBLE_WORDS

VISIBLE, INFRARED = "visible", "infrared"

WORDS = {
    **dict.fromkeys((*VISIBLE_WORDS, "visual", "color", "colour"), VISIBLE),
    **dict.fromkeys(INFRARED_WORDS, INFRARED),
}

LEAST_SIZE = 8
"""Height and width of the smallest tensor that is taken for an image without being called one."""

_CHANNELS = (1, 3)
_STACKED = (4, 6)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_SHAPED = re.compile(r"\w[\w.]* ((?:\d+x)*\d+)$")
_SEQUENCE = re.compile(r"(?:list|tuple) of (\d+)$")
_PATH = re.compile(r"(?:str|\w*Path) (\S.*)$")
_NO_IMAGE = (".xml", ".json", ".txt", ".csv", ".pkl", ".py", ".yaml", ".yml")
_INDEX = re.compile(r"\[(\d+)\]")
# What belongs to the annotation: a mask is no modality, and "visible" there means not hidden.
_ANNOTATION = re.compile(
    r"(?:^|[._\[\]])(?:gt|targets?|labels?|masks?|seg\w*|ann\w*|instances?|bboxes|boxes|keypoints"
    r"|proposals?)(?=$|[._\[\]])"
)
_SAMPLE = re.compile(r"^(?:data_samples|img_metas|metas?|metainfo)\b")
# Two views of one image, as semi-supervised and contrastive trainings make them.
_VIEWS = frozenset(("sup", "unsup", "teacher", "student", "weak", "strong", "query", "key"))
_PLAIN = frozenset(("int", "float", "bool", "str", "NoneType", "bytes", "Path", "PosixPath"))


class _Part(NamedTuple):
    """One parsed line of the outline; ``of`` is the modality in its name."""

    name: str
    what: str
    of: str | None


class _Image(NamedTuple):
    """A tensor that holds images."""

    name: str
    of: str | None
    shape: tuple[int, ...]
    channels: int


def modalities(outline: Sequence[str]) -> BatchModalities:
    """Recognises one or two modalities in the outline of a batch.

    Args:
        outline: Lines such as "inputs.visible[0]: Tensor 3x512x640" and
            "data_samples[0].img_path: str .../visible/1.jpg".
    """
    parts = [part for line in outline if (part := _part(line)) is not None]
    inner = [part for part in parts if not _ANNOTATION.search(part.name)]
    images = list(_images(inner))
    # Of the sample in which the outline was cut off, the rest is not known.
    last = _sample(parts[-1].name) if _is_cut(outline) and parts else None
    if lone := _alone([part for part in inner if _sample(part.name) != last]):
        return BatchModalities(None, lone)
    if proof := _named_images(inner, images) or _two_images(inner, images):
        return BatchModalities(True, proof)
    return _by_paths(inner, images) or _one_only(outline, inner, images)


# --- two modalities ------------------------------------------------------------------------------


def _named_images(parts: Sequence[_Part], images: Sequence[_Image]) -> str | None:
    """Tensors, or lists of them, that are called by both modalities."""
    tensors = [part for part in parts if _is_tensor(part) and not _SAMPLE.match(part.name)]
    called = {part.of: part.name for part in reversed(tensors) if part.of is not None}
    called |= {image.of: image.name for image in reversed(images) if image.of is not None}
    if len(called) == 2:
        return f"it holds {called[VISIBLE]} and {called[INFRARED]}"
    one = next((image for image in images if image.of is not None), None)
    other = next((image for image in images if image.of is None), None)
    if one is not None and other is not None:
        return f"it holds {one.name} and another image, {other.name}"
    return None


def _two_images(parts: Sequence[_Part], images: Sequence[_Image]) -> str | None:
    """Two images per sample whose names do not differ."""
    plain = [image for image in images if not _SAMPLE.match(image.name)]
    sizes = {part.name: int(found[1]) for part in parts if (found := _SEQUENCE.match(part.what))}
    for image in plain:
        if image.channels in _STACKED:
            return f"{image.name} has {image.channels} channels: two images in one"
        counted = _counted(image, sizes, {part.name for part in parts})
        if counted is not None:
            return counted
    for one, other in combinations(plain, 2):
        same = one.shape == other.shape and _sample(one.name) == _sample(other.name)
        if same and not _VIEWS & {*_words(one.name), *_words(other.name)}:
            return f"it holds two images of one size, {one.name} and {other.name}"
    return None


def _counted(image: _Image, sizes: Mapping[str, int], names: Collection[str]) -> str | None:
    """Two images per sample by their number. Equal items of a list are in the outline once."""
    holder = image.name.removesuffix("[0]")
    is_item = holder != image.name and f"{holder}[1]" not in names
    items = sizes.get(holder, 0) if is_item else 0
    samples = sizes.get("data_samples", 0)
    stacked = image.shape[0] if len(image.shape) == 4 else 0
    # A list of images is a batch of samples. A list of stacks is none, nor is a list in it.
    if items == 2 and (holder.endswith("]") or (stacked and samples != 2)):
        return f"{holder or 'the batch'} holds two images"
    if samples and 2 * samples == (stacked or 1) * (items or 1):
        return f"it holds {2 * samples} images for {samples} samples"
    return None


def _by_paths(parts: Sequence[_Part], images: Sequence[_Image]) -> BatchModalities | None:
    """Files of both modalities that one sample names."""
    for sample in dict.fromkeys(_sample(part.name) for part in parts):
        files = [part for part in parts if _sample(part.name) == sample and _path(part)]
        told = {_of_file(part): part.name for part in reversed(files)}
        both = VISIBLE in told and INFRARED in told
        if not both and not (None in told and _differ(files)):
            continue
        one, other = sorted(told.values())[:2] if len(told) > 1 else [f.name for f in files[:2]]
        text = f"it names two files of one sample, {one} and {other}"
        if images:
            return BatchModalities(None, f"{text}, but holds one image only, {images[0].name}")
        return BatchModalities(True if len(told) > 1 else None, text)
    return None


def _differ(files: Sequence[_Part]) -> bool:
    """Whether parts name different files; a path and its end are one file."""
    paths = [_path(part) or "" for part in files]
    return any(
        not one.endswith(other) and not other.endswith(one) for one, other in combinations(paths, 2)
    )


# --- one modality, or nothing known --------------------------------------------------------------


def _one_only(
    outline: Sequence[str], parts: Sequence[_Part], images: Sequence[_Image]
) -> BatchModalities:
    """One modality where there is nothing that could be a second one."""
    tensors = [part for part in parts if _is_tensor(part) and not _SAMPLE.match(part.name)]
    named = [part for part in tensors if part.of is not None]
    if not images and not named:
        return BatchModalities(None, "no image was recognised in it")
    if _is_cut(outline):
        return BatchModalities(None, "it has more parts than the outline holds")
    closed = next((part for part in parts if _is_closed(part)), None)
    if closed is not None:
        return BatchModalities(None, f"{closed.name} ({closed.what}) was not inspected")
    if len({_place(image.name) for image in images}) > 1:
        shown = ", ".join(image.name for image in images[:3])
        return BatchModalities(None, f"it holds several images, {shown}")
    vague = next((part for part in named if not _channels_of(part)), None)
    if images and vague is not None:
        return BatchModalities(None, f"{vague.name} ({vague.what}) may be a second modality")
    if images:
        image = images[0]
        shown = "x".join(map(str, image.shape))
        of = f" ({image.of})" if image.of else ""
        why = f"it holds one image per sample, {image.name} of {shown}{of}, and names no second one"
        return BatchModalities(False, why)
    other = next((p for p in tensors if p.of is None and p.what == named[0].what), None)
    if other is not None:
        return BatchModalities(None, f"{other.name} may be the partner of {named[0].name}")
    return BatchModalities(False, f"it holds {named[0].name} and nothing of another modality")


def _alone(parts: Sequence[_Part]) -> str | None:
    """A sample without the partner that the first one has: the first items differ in their form."""
    called: dict[tuple[str, str], set[str]] = {}
    for part in parts:
        of = part.of if _is_tensor(part) else _of_file(part)
        if of is not None and _sample(part.name):
            holder = part.name.split("[", 1)[0]
            called.setdefault((holder, _sample(part.name)), set()).add(of)
    for (holder, sample), told in called.items():
        if len(told) == 1 and len(called.get((holder, "0"), told)) == 2:
            return f"its first sample is paired, {holder}[{sample}] is {told.pop()} only"
    return None


# --- the parts of an outline ---------------------------------------------------------------------


def _is_cut(outline: Sequence[str]) -> bool:
    return any(line.strip() == "..." for line in outline)


def _part(line: str) -> _Part | None:
    name, colon, what = line.strip().partition(": ")
    if not colon or not what:
        return None
    name = "" if name == "batch" else name
    return _Part(name, what.strip(), _called(name))


def _images(parts: Sequence[_Part]) -> Iterator[_Image]:
    for part in parts:
        channels = _channels_of(part)
        if channels is not None:
            yield _Image(part.name, part.of, _shape(part), channels)


def _shape(part: _Part) -> tuple[int, ...]:
    found = _SHAPED.match(part.what)
    return tuple(int(size) for size in found[1].split("x")) if found is not None else ()


def _channels_of(part: _Part) -> int | None:
    """Channels of an image CxHxW, HxWxC, or of a batch of them; None for all else."""
    shape = _shape(part)
    if len(shape) not in (3, 4):
        return None
    *_, first, middle, last = shape
    for channels, height, width in ((first, middle, last), (last, first, middle)):
        if channels in (*_CHANNELS, *_STACKED) and min(height, width) >= LEAST_SIZE:
            return channels
    return None


def _path(part: _Part) -> str | None:
    """The path of a file that may be an image."""
    found = _PATH.match(part.what)
    if found is None or found[1].lower().endswith(_NO_IMAGE):
        return None
    return found[1]


def _of_file(part: _Part) -> str | None:
    """The modality of a file: by the name of its entry, else by its path."""
    path = _path(part)
    if path is None:
        return None
    return _called(part.name.rsplit(".", 1)[-1]) or _called(path, "/")


def _is_tensor(part: _Part) -> bool:
    return _SHAPED.match(part.what) is not None


def _is_closed(part: _Part) -> bool:
    """Whether something of a kind that we do not know may hold another image."""
    if _SAMPLE.match(part.name) or _is_tensor(part) or _PATH.match(part.what):
        return False
    return part.what not in _PLAIN and not re.search(r"\bof \d+$", part.what)


def _called(name: str, separator: str = ".") -> str | None:
    """The modality in a name: that of its last piece with such a word, if it names one only."""
    for piece in reversed(name.replace("\\", separator).split(separator)):
        told = {WORDS[word] for word in _words(piece) if word in WORDS}
        if told:
            return told.pop() if len(told) == 1 else None
    return None


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _sample(name: str) -> str:
    """The index of the sample that a part belongs to, "" where it belongs to all."""
    found = _INDEX.search(name)
    return found[1] if found is not None else ""


def _place(name: str) -> str:
    """A name without the index of its sample: items of one list are in one place."""
    return _INDEX.sub("[]", name)
