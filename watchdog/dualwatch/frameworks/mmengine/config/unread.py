"""What of a configuration that was read as text is not known, and what that concerns. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dualwatch.core.plain import PlainDict, PlainValue
from dualwatch.core.unread import expression_of, is_unread
from dualwatch.events import NotFollowed
from dualwatch.frameworks.mmengine.config.literal import REST

_LOADER = (
    "num_workers",
    "persistent_workers",
    "batch_size",
    "multiprocessing_context",
    "workers_per_gpu",
    "samples_per_gpu",
)
_DATA = ("data_root", "ann_file", "data_prefix", "img_prefix", "split", "dataset", "type")
_ABOUT = {
    "train_dataloader": "loaders",
    "val_dataloader": "loaders",
    "test_dataloader": "loaders",
    "data": "loaders",
    "model": "model",
    "load_from": "start",
    "resume": "start",
    "resume_from": "start",
    "train_cfg": "goal",
    "runner": "goal",
    "visualizer": "backends",
    "log_config": "backends",
}
"""Top-level name -> what a consumer asks about."""


def unread_values(values: PlainDict) -> Iterator[NotFollowed]:
    """The values that are marks of what was not read, as far as something asks for them."""
    for name, topic in _ABOUT.items():
        for key, value in _marks(name, values.get(name)):
            about = _concerns(key, topic)
            if about:
                yield NotFollowed(what=key, why=f"computed: {expression_of(value)}", about=about)


def _concerns(key: str, topic: str) -> tuple[str, ...]:
    if topic != "loaders":
        return (topic,)
    if "." not in key or key.split(".", 1)[1] == REST:
        return ("loaders", "data")
    _, *path = key.split(".")
    if path[-1] in _LOADER and "dataset" not in path:
        return ("loaders",)
    is_data = "pipeline" not in path and any(part in _DATA for part in path)
    return ("data",) if is_data else ()


def _marks(key: str, value: PlainValue) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _marks(f"{key}.{name}", part)
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _marks(f"{key}.{index}", part)
    elif is_unread(value):
        yield key, value
