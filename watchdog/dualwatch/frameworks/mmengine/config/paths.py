"""Data paths that a configuration names, and whether they exist.

Only what is surely a path of the data is looked for: ``data_root``, annotation files, prefixes,
and the annotation files of evaluators. What is not looked for is listed with the reason.
"""

from __future__ import annotations

import ntpath
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dualwatch.core.unread import is_unread
from dualwatch.events import PathsSeen
from dualwatch.frameworks.mmengine.config import fields

MAX_PATHS = 200
MAX_PASSED_OVER = 20

_BELOW_ROOT = re.compile(r"(ann_file|img_prefix|seg_prefix|proposal_file)\d*$")
"""Settings that a data set joins with its ``data_root``."""

_PATH = re.compile(r"(?:^|_)(?:root|dir|folder|prefix|path|list|ann|annotation|file)s?\d*$")
_OUTPUT = re.compile(r"cache|out|save|work|tmp|temp|log|result", re.I)
_URL = re.compile(r"^[a-zA-Z][\w+.-]+://|^s3:|^(?:petrel|openmmlab|open-mmlab|modelzoo):")
_TEMPLATE = re.compile(r"[{}*%]")
_LOCAL_BACKENDS = ("disk", "local", None)
_LOADS = ("LoadImageFromFile", "LoadAnnotations", "LoadMultiChannelImageFromFiles")
_DOWNLOADS = ("CIFAR10", "CIFAR100", "MNIST", "FashionMNIST")
"""Data sets of mmpretrain that fetch what is not there."""


class _Named(NamedTuple):
    """A path as the configuration names it; ``root`` is what it is joined with, "" for nothing.

    ``either``: Whether it may as well be meant without that root.
    """

    key: str
    path: str
    root: str = ""
    either: bool = False


def look(values: Mapping[str, Any], roots: Sequence[Path]) -> PathsSeen:
    """Looks for the data paths of the training and the validation.

    Args:
        values: A configuration, loaded or read.
        roots: Where relative paths may begin.
    """
    passed_over: dict[str, str] = {}
    missing: dict[str, str] = {}
    is_folder: dict[str, bool] = {}
    for one in _named(values, passed_over):
        if len(missing) + len(is_folder) >= MAX_PATHS:
            passed_over["..."] = f"more than {MAX_PATHS} paths are not looked for"
            break
        reason = _reason(one)
        if reason:
            passed_over.setdefault(one.key, reason)
            continue
        whole = _joined(one.root, one.path)
        if whole in is_folder or whole in missing.values() or _is_under(whole, missing.values()):
            continue
        places = [whole, one.path] if one.either else [whole]
        found = next((p for p in (_exists(p, roots) for p in places) if p is not None), None)
        if found is None:
            missing.setdefault(one.key, whole)
        else:
            is_folder[whole] = found.is_dir()
    return PathsSeen(
        missing=missing,
        folders=sum(is_folder.values()),
        files=len(is_folder) - sum(is_folder.values()),
        passed_over=dict(list(passed_over.items())[:MAX_PASSED_OVER]),
    )


def named(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The data paths that ``look`` would look for, where they begin; touches no file."""
    found = (one for one in _named(values, {}) if not _reason(one))
    paths = dict.fromkeys(_joined(one.root, one.path) for one in found)
    return tuple(os.path.expanduser(path) for path in list(paths)[:MAX_PATHS])


def _is_under(path: str, folders: Iterable[str]) -> bool:
    """Whether it is below one of these, which are missing: that is reported once."""
    named = path.replace("\\", "/")
    return any(named.startswith(f.replace("\\", "/").rstrip("/") + "/") for f in folders)


def _joined(root: str, path: str) -> str:
    if not root or os.path.isabs(path) or is_foreign(path):
        return path
    return os.path.join(root, path)


def is_foreign(path: str) -> bool:
    """Whether it is an absolute path of Windows, and this is another system."""
    drive = ntpath.splitdrive(path)[0]
    return sys.platform != "win32" and (len(drive) == 2 or path.startswith("\\\\"))


def _exists(path: str, roots: Sequence[Path]) -> Path | None:
    try:
        places = [Path(os.path.expanduser(path))] if os.path.isabs(path) else []
        places = places or [root / path for root in roots]
        return next((place for place in places if place.exists()), None)
    except (OSError, ValueError):
        return None


def _reason(one: _Named) -> str:
    """Why a path is not looked for, "" where it is."""
    for part in (one.path, one.root):
        if is_unread(part):
            return "computed in a configuration that was read as text"
        if _URL.match(part):
            return f"{part} is not on a local disk"
    # A placeholder that loading has left is part of the path, and read ones are marked as unread.
    is_pattern = _TEMPLATE.search(one.path) is not None and "{{" not in one.path
    return f"{one.path} is a pattern" if is_pattern else ""


# --- what it names -------------------------------------------------------------------------------


def _named(values: Mapping[str, Any], passed_over: dict[str, str]) -> Iterator[_Named]:
    top = values.get("data_root")
    top = top if isinstance(top, str) else ""
    for key, dataset in fields.wrapped_sets(values):
        if not key.startswith(("test", "data.test")):  # A training builds no test loader.
            yield from _of_dataset(key, dataset, top, passed_over, 0)
    several = values.get("val_evaluator")
    for index, one in enumerate(several if isinstance(several, (list, tuple)) else [several]):
        if isinstance(one, Mapping) and not _remote(one):
            key = "val_evaluator" if one is several else f"val_evaluator.{index}"
            yield from _texts(f"{key}.ann_file", one.get("ann_file"))


def _of_dataset(
    key: str, value: Any, top: str, passed_over: dict[str, str], depth: int
) -> Iterator[_Named]:
    """The paths of a data set and of those inside of it, lists and wrappers included."""
    if depth > 20:
        return
    if isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _of_dataset(f"{key}.{index}", part, top, passed_over, depth + 1)
        return
    if not isinstance(value, Mapping):
        return
    kind = fields.without_scope(str(value.get("type", "")))
    if kind in _DOWNLOADS and value.get("download", True):
        passed_over[key] = f"{kind} downloads its data"
        return
    for name in ("dataset", "datasets"):
        if name in value:
            yield from _of_dataset(f"{key}.{name}", value[name], top, passed_over, depth + 1)
    backend = _remote(value)
    if backend:
        passed_over[key] = f"read through the backend {backend}"
        return
    yield from _own(key, value, top, passed_over)


def _own(
    key: str, value: Mapping[str, Any], top: str, passed_over: dict[str, str]
) -> Iterator[_Named]:
    """The paths of one data set; ``top`` is the ``data_root`` beside the loaders, "" for none."""
    root = value.get("data_root")
    root = root if isinstance(root, str) else ""
    if root:
        yield _Named(f"{key}.data_root", root)
    backend = _remote({"pipeline": value.get("pipeline")}, deep=True)
    prefixes = value.get("data_prefix")
    if backend:
        passed_over[f"{key}.pipeline"] = f"images are read through the backend {backend}"
    elif isinstance(prefixes, Mapping):
        for name, prefix in prefixes.items():
            if name == "seg" and not _may_read_segmentation(value):
                passed_over[f"{key}.data_prefix.seg"] = "its pipeline loads no segmentation"
                continue
            for one in _texts(f"{key}.data_prefix.{name}", prefix):
                yield one._replace(root=root)
    else:
        for one in _texts(f"{key}.data_prefix", prefixes):
            yield one._replace(root=root)
    for name, setting in value.items():
        if name in ("data_root", "data_prefix", "type", "dataset", "datasets", "pipeline"):
            continue
        if _BELOW_ROOT.match(str(name)):
            if backend and "prefix" in str(name):
                continue
            for one in _texts(f"{key}.{name}", setting):
                yield one._replace(root=root)
        elif _PATH.search(str(name)) and not _OUTPUT.search(str(name)):
            # What a data set of another kind joins it with is not known: whole paths only.
            for one in _texts(f"{key}.{name}", setting):
                if os.path.isabs(one.path) or is_foreign(one.path):
                    yield one
                elif any(start and one.path.startswith(start) for start in (root, top)):
                    yield one._replace(root=root, either=True)


def _may_read_segmentation(dataset: Mapping[str, Any]) -> bool:
    """Whether the files below ``data_prefix.seg`` may be read.

    A section that was merged over one of a panoptic data set keeps that prefix, and nothing reads
    it where each loading transform is one of ``_LOADS`` and is not asked for segmentation.
    """
    pipeline = dataset.get("pipeline")
    if fields.without_scope(str(dataset.get("type", ""))) != "CocoDataset":
        return True
    if not isinstance(pipeline, (list, tuple)) or not pipeline:
        return True
    for one in pipeline:
        kind = one.get("type") if isinstance(one, Mapping) else None
        if not isinstance(kind, str) or is_unread(kind):
            return True
        name = fields.without_scope(kind)
        if ("Load" in name and name not in _LOADS) or one.get("with_seg"):
            return True
        if "transforms" in one:  # A wrapper: what is inside is not looked at.
            return True
    return False


def _texts(key: str, value: Any) -> Iterator[_Named]:
    """The paths of a setting: one, or a list of them."""
    if isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _texts(f"{key}.{index}", part)
    elif isinstance(value, str) and value.strip():
        yield _Named(key, value)


def _remote(settings: Any, *, deep: bool = False, depth: int = 0) -> str:
    """The backend that reads the files, "" for the local disk."""
    if isinstance(settings, (list, tuple)) and deep and depth < 10:
        found = (_remote(one, deep=True, depth=depth + 1) for one in settings)
        return next((one for one in found if one), "")
    if not isinstance(settings, Mapping):
        return ""
    for name in ("backend_args", "file_client_args"):
        arguments = settings.get(name)
        backend = arguments.get("backend") if isinstance(arguments, Mapping) else None
        if isinstance(backend, str) and backend not in _LOCAL_BACKENDS:
            return backend
    if deep and depth < 10:
        parts = (_remote(part, deep=True, depth=depth + 1) for part in settings.values())
        return next((one for one in parts if one), "")
    return ""
