"""What a configuration names: loaders, data sets, model, backends, where it starts. Pure.

Values come from a loaded configuration or from one that was read as text, where anything may be a
mark of what was not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from dualwatch.core.plain import PlainDict, PlainValue, as_dict
from dualwatch.core.unread import is_unread

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
MAX_WORDS = 500
MOST = 50
"""Backends that are kept; a real configuration has three at most."""

MOST_PARTS = 20_000
"""Sections of a model that are looked through."""

_ADDRESS = re.compile(r"[a-zA-Z][\w+.-]+://|s3:|(?:petrel|openmmlab|open-mmlab|modelzoo):")


def loaders(values: PlainDict) -> dict[str, PlainValue]:
    """Settings of each loader, its data set left out."""
    found: dict[str, PlainValue] = {}
    for name in LOADERS:
        loader = values.get(name)
        if isinstance(loader, Mapping):
            found[name] = {str(k): _plain(v) for k, v in loader.items() if k != "dataset"}
    data = values.get("data")
    if not found and isinstance(data, Mapping):
        # mmcv 1.x: one section for all loaders, with other names.
        named = {"samples_per_gpu": "batch_size", "workers_per_gpu": "num_workers"}
        sets = ("train", "val", "test")
        found["train_dataloader"] = {
            named.get(str(k), str(k)): _plain(v) for k, v in data.items() if k not in sets
        }
    return found


def start_method(values: PlainDict) -> str | None:
    """How worker processes are started, None for the platform's own way."""
    section: PlainValue = values
    for name in ("env_cfg", "mp_cfg"):
        section = section.get(name) if isinstance(section, Mapping) else None
    method = section.get("mp_start_method") if isinstance(section, Mapping) else None
    method = method or values.get("mp_start_method")
    return method if isinstance(method, str) and not is_unread(method) else None


def model_words(values: PlainDict) -> tuple[str, ...]:
    """As ``agent.mmengine.describe_config`` gives them, or by the same rule from what was read."""
    given = values.get("model_words")
    if isinstance(given, list):
        return tuple(str(word) for word in given[:MAX_WORDS])
    return tuple(sorted(set(_keys_and_types(values.get("model"))))[:MAX_WORDS])


def classes(values: PlainDict) -> int | None:
    """The ``num_classes`` of its model, None where it has none or several."""
    found = set(_class_counts(values.get("model")))
    return found.pop() if len(found) == 1 else None


def _class_counts(value: PlainValue) -> Iterator[int]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            if key == "num_classes" and type(part) is int:
                yield part
            yield from _class_counts(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _class_counts(part)


def _keys_and_types(value: PlainValue) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield str(key)
            if key == "type" and isinstance(part, str):
                yield part
            yield from _keys_and_types(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _keys_and_types(part)


def _plain(value: PlainValue) -> PlainValue:
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def preprocessor(values: PlainDict) -> str:
    """Type of the data preprocessor, the model's or the one beside it; "" where none is named."""
    given = values.get("preprocessor")
    if isinstance(given, str):  # A loaded configuration's model is not passed on as a whole.
        return given
    model = values.get("model")
    own = model.get("data_preprocessor") if isinstance(model, Mapping) else None
    return _type(own) or _type(values.get("data_preprocessor"))


def backends(values: PlainDict) -> tuple[str, ...] | None:
    """Types of the visualizer's backends; None where that is not known.

    mmengine looks at ``visualizer`` alone: a ``vis_backends`` beside it does nothing by itself.
    mmcv 1.x has hooks of a ``log_config`` instead.
    """
    is_old = _is_old(values)
    section = values.get("log_config" if is_old else "visualizer")
    if section is None:
        # A file that builds on others says only what it changes.
        return () if values and "_base_" not in values else None
    if not isinstance(section, Mapping):
        return None
    listed = section.get("hooks" if is_old else "vis_backends")
    if listed is None:
        return None if "_base_" in values else ()
    listed = listed if isinstance(listed, (list, tuple)) else [listed]
    types = [_type(one) for one in listed[:MOST]]
    return tuple(types) if all(types) else None


def start(values: PlainDict) -> tuple[str, bool]:
    """The checkpoint that it starts from, "" for none, and whether it resumes its state."""
    from_before = values.get("resume_from")  # mmcv 1.x
    if isinstance(from_before, str) and from_before:
        return from_before, True
    path, resume = values.get("load_from"), values.get("resume")
    return path if isinstance(path, str) else "", resume is True


def pretrained(values: PlainDict) -> Iterator[tuple[str, str]]:
    """(dotted key, file) of the weights on a local disk that fill a part of the model."""
    seen = 0
    waiting: list[tuple[str, PlainValue]] = [("model", values.get("model"))]
    while waiting and seen < MOST_PARTS:
        key, value = waiting.pop()
        seen += 1
        if isinstance(value, (list, tuple)):
            waiting += [(f"{key}.{index}", part) for index, part in enumerate(value)]
        if not isinstance(value, Mapping):
            continue
        if key.rpartition(".")[2] == "init_cfg" or ".init_cfg." in key:
            named = value.get("checkpoint") if _type(value) == "Pretrained" else None
            where = f"{key}.checkpoint"
        else:
            named, where = value.get("pretrained"), f"{key}.pretrained"  # mmcv 1.x
        if isinstance(named, str) and _is_local(named):
            yield where, named
        waiting += [(f"{key}.{name}", part) for name, part in value.items()]


def _is_local(path: str) -> bool:
    """Whether it is surely the path of a file of weights, and no address or name of a model."""
    is_file = path.endswith((".pth", ".pt", ".bin", ".pkl", ".ckpt", ".safetensors"))
    return is_file and _ADDRESS.match(path) is None and not is_unread(path)


def imports(values: PlainDict) -> tuple[str, ...]:
    """Modules that it imports before training (``custom_imports``)."""
    section = values.get("custom_imports")
    named = section.get("imports") if isinstance(section, Mapping) else None
    named = [named] if isinstance(named, str) else named
    listed = named if isinstance(named, (list, tuple)) else ()
    return tuple(one for one in listed if isinstance(one, str) and not is_unread(one))


def _is_old(values: PlainDict) -> bool:
    """Whether it has mmcv 1.x's form."""
    return values.get("train_dataloader") is None and values.get("data") is not None


def _type(section: PlainValue) -> str:
    """The name of a section's type, without the scope of its registry; "" where it has none."""
    kind = section.get("type") if isinstance(section, Mapping) else None
    return without_scope(kind) if isinstance(kind, str) and not is_unread(kind) else ""


def without_scope(kind: str) -> str:
    """ "mmdet.CocoDataset" and "CocoDataset" are the same class."""
    return kind.rpartition(".")[2]


def loader_sets(values: PlainDict) -> Iterator[tuple[str, PlainValue]]:
    """(dotted key, data set) of each loader, wrappers opened."""
    for key, dataset in wrapped_sets(values):
        yield from _opened(key, dataset, 0)


def wrapped_sets(values: PlainDict) -> Iterator[tuple[str, PlainValue]]:
    """(dotted key, data set as written) of each loader, mmengine's or mmcv 1.x's form."""
    for name in LOADERS:
        loader = values.get(name)
        if isinstance(loader, Mapping) and loader.get("dataset") is not None:
            yield f"{name}.dataset", loader["dataset"]
    data = values.get("data")
    if isinstance(data, Mapping) and _is_old(values):
        for name in ("train", "val", "test"):
            if data.get(name) is not None:
                yield f"data.{name}", data[name]


def _opened(key: str, value: PlainValue, depth: int) -> Iterator[tuple[str, PlainValue]]:
    """The data sets inside of ``RepeatDataset``, ``ConcatDataset`` and their like, and of lists."""
    if depth < 20:
        if isinstance(value, (list, tuple)):
            for index, part in enumerate(value):
                yield from _opened(f"{key}.{index}", part, depth + 1)
            return
        wrapper = as_dict(value)
        inner = [name for name in ("dataset", "datasets") if name in wrapper]
        if inner:
            yield from _opened(f"{key}.{inner[0]}", wrapper[inner[0]], depth + 1)
            return
    yield key, value
