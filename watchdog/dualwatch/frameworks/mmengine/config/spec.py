"""A configuration's values as a typed ``TrainingSpec``. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dualwatch.events import NotFollowed
from dualwatch.frameworks.base import DatasetSpec, LoaderSpec, Role, TrainingSpec
from dualwatch.frameworks.mmengine.config import dump, edits, fields
from dualwatch.frameworks.mmengine.config.literal import is_unknown


def spec_of(values: Mapping[str, Any], not_followed: tuple[NotFollowed, ...] = ()) -> TrainingSpec:
    """The specification of a configuration, loaded or read as text."""
    start_from, resumes = fields.start(values)
    work_dir = values.get("work_dir")
    return TrainingSpec(
        framework="mmengine",
        loaders=tuple(_loaders(values)),
        datasets=tuple(_datasets(values)),
        start_method=fields.start_method(values),
        goal=dump.goal(values),
        start_from=start_from,
        resumes=resumes,
        work_dir=work_dir if isinstance(work_dir, str) and not is_unknown(work_dir) else "",
        model_words=fields.model_words(values),
        preprocessor=fields.preprocessor(values),
        min_batch=edits.floor(values),
        backends=fields.backends(values),
        imports=fields.imports(values),
        not_followed=not_followed,
        sections=values,
    )


def _role(name: str) -> Role:
    if name.startswith(("train", "data.train")):
        return "train"
    return "val" if name.startswith(("val", "data.val")) else "test"


def _loaders(values: Mapping[str, Any]) -> Iterator[LoaderSpec]:
    """Those of mmengine, lists of them included; else the one section of mmcv 1.x."""
    settings = fields.loaders(values)
    found = dict(edits.loaders(values)) or settings
    for path, loader in found.items():
        role = _role(path)
        workers = loader.get("num_workers", 0)
        yield LoaderSpec(
            name=path,
            role=role,
            workers=workers if type(workers) is int else None,
            # The batch of several training loaders together is not known.
            batch=None if role == "train" and "." in path else edits.batch_of(loader),
            settings=settings.get(path, loader),
        )


def _datasets(values: Mapping[str, Any]) -> Iterator[DatasetSpec]:
    for key, dataset in fields.loader_sets(values):
        is_mapping = isinstance(dataset, Mapping)
        kind = dataset.get("type") if is_mapping else ""
        yield DatasetSpec(
            key=key,
            role=_role(key),
            type=fields.without_scope(str(kind or "")),
            settings=dataset if is_mapping else None,
        )
