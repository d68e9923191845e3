"""Whether a Runner takes the settings of its loaders and the form of its sections. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dualwatch.core.plain import PlainDict, PlainValue
from dualwatch.core.unread import is_unread
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.mmengine.config.fields import without_scope
from dualwatch.frameworks.mmengine.config.literal import REST

_OF_RUNNER = (
    "dataset",
    "num_batch_per_epoch",
    "disable_subprocess_warning",
    "sampler",
    "batch_sampler",
    "batch_size",
    "collate_fn",
    "worker_init_fn",
)
"""Settings of a loader that ``Runner.build_dataloader`` takes for itself."""

_OF_LOADER = (
    "shuffle",
    "num_workers",
    "pin_memory",
    "drop_last",
    "timeout",
    "multiprocessing_context",
    "generator",
    "prefetch_factor",
    "persistent_workers",
    "pin_memory_device",
    "in_order",
)
"""Settings that torch's ``DataLoader`` takes."""

_RENAMED = {"samples_per_gpu": "batch_size", "workers_per_gpu": "num_workers"}
_LOOPS = ("EpochBasedTrainLoop", "IterBasedTrainLoop", "ValLoop")
_LISTS = {
    "custom_hooks": "a list of hooks, [dict(type=...), ...]",
}
_DICTS = ("model", "train_dataloader", "val_dataloader", "optim_wrapper", "default_hooks")


def defects(values: PlainDict) -> Iterator[Defect]:
    """What a Runner refuses about the form of its sections and about its loaders."""
    for name, form in _LISTS.items():
        given = values.get(name)
        if given is not None and not isinstance(given, (list, tuple)) and not is_unread(given):
            text = f"{name} is {_kind(given)}, and a Runner wants {form}"
            yield _refused(name, text, f"Write {name} = [...].")
    for name in _DICTS:
        given = values.get(name)
        if given is not None and not isinstance(given, Mapping) and not is_unread(given):
            comma = isinstance(given, (list, tuple)) and len(given) == 1
            hint = " (a comma behind its closing bracket?)" if comma else ""
            text = f"{name} is {_kind(given)}, and a Runner wants a dict{hint}"
            yield _refused(name, text, f"Write {name} = dict(...).")
    for name, loop in (("train_dataloader", "train_cfg"), ("val_dataloader", "val_cfg")):
        loader = values.get(name)
        if isinstance(loader, Mapping) and _is_usual(values.get(loop)):
            yield from _loader(name, loader)


def _is_usual(loop: PlainValue) -> bool:
    """Whether it is a loop of mmengine: others may read a section in their own way."""
    if not isinstance(loop, Mapping) or REST in loop:
        return False
    kind = loop.get("type")
    return kind is None or (isinstance(kind, str) and without_scope(kind) in _LOOPS)


def _loader(name: str, loader: PlainDict) -> Iterator[Defect]:
    if REST in loader:
        return
    yield from _unknown(name, loader)
    if "dataset" in loader and "sampler" not in loader:
        text = f"{name} has no sampler, without which a Runner ends with KeyError: 'sampler'"
        do = f"Add sampler=dict(type='DefaultSampler', shuffle=...) to {name}."
        yield _refused(f"{name}.sampler", text, do)
    workers = loader.get("num_workers", 0)
    if type(workers) is int and workers == 0:
        if loader.get("persistent_workers") is True:
            text = f"{name} has num_workers=0 and persistent_workers=True, which torch refuses"
            do = f"Set {name}.persistent_workers=False, or num_workers to 1 or more."
            yield _refused(f"{name}.persistent_workers", text, do)
        factor = loader.get("prefetch_factor")
        if factor is not None and not is_unread(factor):
            text = f"{name} has num_workers=0 and prefetch_factor={factor}, which torch refuses"
            do = f"Set {name}.prefetch_factor=None, or num_workers to 1 or more."
            yield _refused(f"{name}.prefetch_factor", text, do)
    for setting, least in (("batch_size", 1), ("num_workers", 0)):
        value = loader.get(setting)
        if value is None or is_unread(value):
            continue
        if type(value) is not int or value < least:
            text = f"{name}.{setting} is {value!r}, not an integer of at least {least}"
            yield _refused(f"{name}.{setting}", text, f"Write {setting}={least or 2}, or more.")
    yield from _exclusive(name, loader)


def _unknown(name: str, loader: PlainDict) -> Iterator[Defect]:
    for setting in loader:
        if setting in _OF_RUNNER or setting in _OF_LOADER or setting in ("type", "_scope_"):
            continue
        new = _RENAMED.get(str(setting))
        do = f"It is {new} in mmengine." if new else f"Remove {setting} from {name}."
        if setting in ("metainfo", "pipeline", "ann_file", "data_root", "data_prefix"):
            do = f"Move it into {name}.dataset."
        text = f"{name} has {setting}, which a DataLoader does not take"
        yield _refused(f"{name}.{setting}", text, do)


def _exclusive(name: str, loader: PlainDict) -> Iterator[Defect]:
    """What torch's ``DataLoader`` does not take beside a sampler of batches, or of samples."""
    shuffles = loader.get("shuffle") is True
    batches = loader.get("batch_sampler")
    if isinstance(batches, Mapping):
        kind = without_scope(str(batches.get("type", "batch_sampler")))
        for setting in [*(["shuffle"] if shuffles else []), "drop_last"]:
            if loader.get(setting) is True:
                text = f"{name} has {setting}=True beside a batch_sampler ({kind}), which torch "
                text += "refuses"
                do = f"Remove {setting}, or set batch_sampler=None in {name}."
                if setting == "drop_last":
                    do = f"Write batch_sampler=dict(type='{kind}', drop_last=True) instead."
                yield _refused(f"{name}.{setting}", text, do)
    elif shuffles and loader.get("sampler") is not None:
        text = f"{name} has shuffle=True beside a sampler, which torch refuses"
        do = f"Remove shuffle; write sampler=dict(type='DefaultSampler', shuffle=True) in {name}."
        yield _refused(f"{name}.shuffle", text, do)


def _kind(value: PlainValue) -> str:
    names = {dict: "a dict", list: "a list", tuple: "a tuple", str: "a text", bool: "a bool"}
    return names.get(type(value), f"{value!r}")


def _refused(key: str, text: str, do: str) -> Defect:
    return Defect(kind=DefectKind.NOT_BUILDABLE, key=key, text=text, do=do)
