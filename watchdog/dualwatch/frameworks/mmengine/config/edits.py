"""Edits of a configuration that keep the meaning of the training: loaders and batches. Pure.

A configuration is what ``agent.mmengine.describe_config`` printed: the sections of the user's file
as plain dictionaries. Edits come in consistent sets: without workers there is nothing to persist or
prefetch, and a smaller batch needs accumulation and stretched counts (``schedules``) to stay the
same training. Only loaders of the training are edited; one inside a dataset is data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dualwatch.core.plain import PlainDict, PlainValue, as_dict, as_int, as_list, as_number
from dualwatch.events import Change
from dualwatch.frameworks.base import Overrides, Sections
from dualwatch.frameworks.mmengine.config.fields import LOADERS
from dualwatch.frameworks.mmengine.config.schedules import stretched

TRAINING, VALIDATION = LOADERS[:1], LOADERS[1:2]

_BATCHES = ("batch_size", "batch_sampler.batch_size", "sampler.batch_size")
TRAINING_BATCH = tuple(f"train_dataloader.{key}" for key in _BATCHES)
"""Keys of the training batch size; a sampler that groups samples has its own."""


def loaders(
    sections: Sections, names: tuple[str, ...] = LOADERS
) -> Iterator[tuple[str, PlainDict]]:
    """Every loader that the configuration describes, with its dotted path."""
    for name in names:
        loader = sections.get(name)
        if isinstance(loader, Mapping):
            yield name, loader
        elif isinstance(loader, list):
            for index, item in enumerate(loader):
                if isinstance(item, Mapping):
                    yield f"{name}.{index}", item


# --- workers -------------------------------------------------------------------------------------


def workers(sections: Sections, names: tuple[str, ...] = LOADERS) -> int:
    """The most workers that one of the loaders has; 0 where the configuration names none."""
    return max((_count(loader, "num_workers") for _, loader in loaders(sections, names)), default=0)


def at_most_workers(sections: Sections, cap: int) -> list[Change]:
    """No loader with more than ``cap`` workers, and what hangs together with it."""
    if cap <= 0:
        return without_workers(sections)
    return [
        Change(
            key=f"{path}.num_workers",
            before=loader["num_workers"],
            after=cap,
            why="less memory, shared memory and open files",
        )
        for path, loader in loaders(sections)
        if _count(loader, "num_workers") > cap
    ]


def without_workers(sections: Sections) -> list[Change]:
    """num_workers=0 in every loader, and what hangs together with it. pin_memory may stay."""
    changes = []
    for path, loader in loaders(sections):
        if not loader.get("num_workers"):
            continue
        edits: list[tuple[str, PlainValue, str]] = [
            ("num_workers", 0, "no worker can block or die"),
        ]
        if loader.get("persistent_workers"):
            edits.append(("persistent_workers", False, "no worker to keep"))
        if loader.get("prefetch_factor") is not None:
            edits.append(("prefetch_factor", None, "only workers prefetch"))
        if loader.get("timeout"):
            edits.append(("timeout", 0, "only workers can time out"))
        if loader.get("multiprocessing_context") is not None:
            edits.append(("multiprocessing_context", None, "no worker to start"))
        if loader.get("in_order") is False:
            edits.append(("in_order", True, "only workers deliver out of order"))
        changes += [
            Change(key=f"{path}.{key}", before=loader.get(key), after=after, why=why)
            for key, after, why in edits
        ]
    return changes


# --- batches -------------------------------------------------------------------------------------


def batch_size(sections: Sections) -> int | None:
    """Batch size of the training loader, None where the configuration does not say."""
    loader = sections.get("train_dataloader")
    return batch_of(loader) if isinstance(loader, Mapping) else None


def validation_batch(sections: Sections) -> int | None:
    """The largest batch of the validation loaders, None where the configuration does not say."""
    sizes = [batch_of(loader) for _, loader in loaders(sections, VALIDATION)]
    return max((size for size in sizes if size is not None), default=None)


def floor(sections: Sections) -> int:
    """The smallest batch that this model's loss can learn from, as far as that is known.

    Batch norm over single vectors has no variance to divide by with one sample, and a sampler that
    mixes sources needs one of each. A model may say more by a key ``min_batch``.
    """
    words = {str(word).rsplit(".", 1)[-1].lower() for word in as_list(sections.get("model_words"))}
    named = _count(sections, "min_batch")
    normed = 2 if words & {"batchnorm1d", "bn1d"} else 1
    return max(1, named, normed, _sources(sections))


def smaller_batch(sections: Sections, size: int, *, keep_effective: bool) -> list[Change]:
    """Batches of ``size``, and everything that counts in batches.

    Args:
        size: A divisor of the batch size of the configuration.
        keep_effective: Accumulate gradients so that an optimizer step sees as many samples as
            before.
    """
    before = batch_size(sections)
    if before is None or size >= before:
        return []
    factor = before // size
    loader = as_dict(sections["train_dataloader"])
    changes = [
        Change(
            key=f"train_dataloader.{key}",
            before=_at(loader, key),
            after=size,
            why="less memory and work at once",
        )
        for key in _BATCHES
        if _at(loader, key) is not None
    ]
    if keep_effective:
        changes += _accumulate(sections, factor)
    changes += stretched(sections, factor)
    return changes


def smaller_validation_batch(sections: Sections, cap: int) -> list[Change]:
    """No validation loader with batches larger than ``cap``. Metrics do not depend on it."""
    changes = []
    for path, loader in loaders(sections, VALIDATION):
        if (batch_of(loader) or 0) <= cap:
            continue
        for key in ("batch_size", "batch_sampler.batch_size"):
            before = _at(loader, key)
            if before is not None:
                why = "less memory in validation; the metrics stay the same"
                changes.append(Change(key=f"{path}.{key}", before=before, after=cap, why=why))
    return changes


def can_accumulate(sections: Sections) -> bool:
    """Whether the steps of every optimizer can be accumulated."""
    return bool(_wrappers(sections))


def _wrappers(sections: Sections) -> list[tuple[str, PlainDict]]:
    """Optimizer wrappers with their paths: one, or one for each part of the model.

    All or none: a part that took more steps than the others would be another training. What a
    constructor of the user's own makes of other keys is not known.
    """
    wrapper = sections.get("optim_wrapper")
    if not isinstance(wrapper, Mapping):
        return []
    if "optimizer" in wrapper:
        return [("optim_wrapper", wrapper)]
    parts = {key: part for key, part in wrapper.items() if key not in ("type", "constructor")}
    wrappers = [(f"optim_wrapper.{key}", as_dict(part)) for key, part in parts.items()]
    return wrappers if all("optimizer" in part for _, part in wrappers) else []


def _accumulate(sections: Sections, factor: int) -> Iterator[Change]:
    wrappers = _wrappers(sections)
    for path, wrapper in wrappers:
        counts = as_int(wrapper.get("accumulative_counts")) or 1
        yield Change(
            key=f"{path}.accumulative_counts",
            before=counts,
            after=counts * factor,
            why="a step still sees as many samples",
        )
    scaling = as_dict(sections.get("auto_scale_lr"))
    base = as_number(scaling.get("base_batch_size"))
    if wrappers and scaling.get("enable") and base:
        yield Change(
            key="auto_scale_lr.base_batch_size",
            before=base,
            after=base / factor,
            why="the effective batch is the same",
        )


def batch_of(loader: PlainDict) -> int | None:
    """Samples of a batch: a batch sampler's own number goes before the loader's, as in mmengine."""
    for key in ("batch_sampler.batch_size", "batch_size"):
        size = as_int(_at(loader, key))
        if size is not None and size > 0:
            return size
    return None


def _sources(sections: Sections) -> int:
    """Samples of a batch in which a sampler mixes sources, at the least."""
    ratio = as_list(_at(as_dict(sections.get("train_dataloader")), "sampler.source_ratio"))
    shares = [share for share in ratio if type(share) is int]
    return sum(shares) if shares and len(shares) == len(ratio) else 1


def _count(container: PlainDict, key: str) -> int:
    return max(0, as_int(container.get(key)) or 0)


def _at(container: PlainDict, path: str) -> PlainValue:
    found: PlainValue = container
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


# --- overrides ---------------------------------------------------------------------------------


def in_force(sections: Sections, changed: PlainDict) -> Overrides:
    """The overrides that changed keys amount to. Other keys are passed over."""

    def among(keys: Iterable[str]) -> list[int]:
        return [n for n in (as_int(changed.get(key)) for key in keys) if n is not None]

    counts = among(f"{path}.num_workers" for path, _ in loaders(sections))
    evaluated = among(
        f"{path}.{key}"
        for path, _ in loaders(sections, VALIDATION)
        for key in ("batch_size", "batch_sampler.batch_size")
    )
    return Overrides(
        workers=max(counts, default=None),
        batch=min(among(TRAINING_BATCH), default=None),
        validation_batch=max(evaluated, default=None),
    )
