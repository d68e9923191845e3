"""What a built Runner holds that decides whether its training can work, for the rehearsal.

Every look is for itself: what a class of the user's own does not have is left out, never an error.
"""

from __future__ import annotations

import functools
import math
import os
import time
from typing import TYPE_CHECKING, Any, Callable, Iterator, TypeVar

from dualwatch.agent import files

if TYPE_CHECKING:
    from dualwatch.protocol import rehearsal as records

_Result = TypeVar("_Result")

LABELS_S = 10.0
"""Seconds for reading the annotations of one data set."""

LOADING_S = 5.0
SAMPLES = 8
"""Samples that are loaded to measure how long one takes, and the seconds for them."""

MOST_HEADS = 20


def take(runner: Any, seen: records.Document) -> None:
    """Notes classes, labels, heads and planned checkpoints, before the first iteration."""
    loaders = {"train": runner.train_loop.dataloader}
    if runner.val_loop is not None:
        loaders["val"] = runner.val_loop.dataloader
    for name, loader in loaders.items():
        found = _look(functools.partial(_dataset, name, loader.dataset))
        if found is not None:
            seen["datasets"].append(found)
    seen["heads"] = _look(lambda: _heads(runner.model)) or {}
    if runner.val_loop is not None:
        meta = _look(lambda: runner.val_loop.evaluator.dataset_meta)
        seen["evaluated"] = _classes(meta)
    seen["checkpoints"] = _look(lambda: _kept(runner))


def measure(runner: Any, seen: records.Document) -> None:
    """Notes the memory of the GPU, and how long it takes to load a sample."""
    seen["gpu"] = _look(_gpu)
    seen["speed"] = _look(lambda: _speed(runner))


def _look(look: Callable[[], _Result]) -> _Result | None:
    try:
        return look()
    except Exception:
        files.note_error("taking the inventory of a rehearsal")
        return None


def _dataset(name: str, dataset: Any) -> records.DatasetDocument:
    looked = labels = 0
    labelled = False
    lowest: int | None = None
    highest: int | None = None
    end = time.monotonic() + LABELS_S
    read: Any = getattr(dataset, "get_data_info", None)
    for index in range(len(dataset) if read is not None else 0):
        if time.monotonic() > end:
            break
        looked += 1
        info = read(index)
        labelled = labelled or (isinstance(info, dict) and "instances" in info)
        for label in _labels(info):
            labels += 1
            lowest = label if lowest is None else min(lowest, label)
            highest = label if highest is None else max(highest, label)
    return {
        "loader": name,
        "classes": _classes(getattr(dataset, "metainfo", None)),
        "images": len(dataset),
        "looked": looked,
        "labelled": labelled,
        "labels": labels,
        "lowest": lowest,
        "highest": highest,
    }


def _labels(info: Any) -> Iterator[int]:
    """The class indices of one sample; boxes that are ignored have none that counts."""
    if not isinstance(info, dict):
        return
    for one in info.get("instances") or ():
        label = one.get("bbox_label") if isinstance(one, dict) else None
        if isinstance(label, int) and not one.get("ignore_flag"):
            yield label
    given = info.get("gt_label")
    if isinstance(given, int):
        yield given


def _classes(meta: Any) -> list[str] | None:
    classes = meta.get("classes") if isinstance(meta, dict) else None
    return [str(name) for name in classes] if isinstance(classes, (list, tuple)) else None


def _heads(model: Any) -> dict[str, int]:
    """Modules that classify, by their place; proposals know one class whatever the data has."""
    found: dict[str, int] = {}
    for path, module in model.named_modules():
        count = _number(getattr(module, "num_classes", None))
        is_head = "head" in path and not path.rpartition(".")[2].startswith("rpn")
        # A loss or a coder in a head repeats its number.
        is_part = any(path.startswith(outer + ".") for outer in found)
        if is_head and not is_part and count:
            found[path] = count
        if len(found) >= MOST_HEADS:
            break
    return found


def _kept(runner: Any) -> int | None:
    """Checkpoints that lie in the work dir when the training has ended."""
    for hook in runner.hooks:
        interval = getattr(hook, "interval", 0)
        if not hasattr(hook, "max_keep_ckpts") or not isinstance(interval, int):
            continue
        best = getattr(hook, "save_best", None)
        number = len(best) if isinstance(best, (list, tuple)) else int(best is not None)
        if interval > 0:
            loop = runner.train_loop
            total = loop.max_epochs if getattr(hook, "by_epoch", True) else loop.max_iters
            saved = math.ceil(total / interval)
            most = hook.max_keep_ckpts
            number += min(saved, most) if isinstance(most, int) and most > 0 else saved
        return number
    return None


def _speed(runner: Any) -> records.SpeedDocument:
    loop = runner.train_loop
    loader = loop.dataloader
    return {
        "load": _loading(loader.dataset),
        "batch": int(_batch_size(loader) or 0),
        "workers": int(getattr(loader, "num_workers", 0) or 0),
        "cores": _cores(),
        "iterations": _number(getattr(loop, "max_iters", None)),
        "epoch": _look(lambda: len(loader)),
    }


def _loading(dataset: Any) -> list[float]:
    """Seconds that samples take which were not needed yet, from all over the data set."""
    seconds: list[float] = []
    end = time.monotonic() + LOADING_S
    for number in range(min(SAMPLES, len(dataset))):
        began = time.monotonic()
        if began > end:
            break
        dataset[len(dataset) - 1 - number * (len(dataset) // SAMPLES or 1)]
        seconds.append(round(time.monotonic() - began, 6))
    return seconds


def _batch_size(loader: Any) -> int | None:
    size = getattr(loader, "batch_size", None)
    return size or getattr(getattr(loader, "batch_sampler", None), "batch_size", None)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _number(value: object) -> int | None:
    """A count; an endless training has none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _gpu() -> records.MemoryDocument | None:
    import torch

    if not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    device = torch.cuda.current_device()
    return {
        "name": torch.cuda.get_device_name(device),
        "reserved": int(torch.cuda.max_memory_reserved(device)),
        "total": int(torch.cuda.get_device_properties(device).total_memory),
    }
