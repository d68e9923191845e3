"""A configuration's values as a typed ``TrainingSpec``. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dualwatch.core.plain import PlainDict, PlainValue, as_dict
from dualwatch.core.unread import is_unread
from dualwatch.datasets.spec import DatasetSpec, Role
from dualwatch.frameworks.base import LoaderSpec, TrainingSpec
from dualwatch.frameworks.mmengine.config import dump, edits, fields
from dualwatch.frameworks.mmengine.config.static import StaticConfig


def read_spec(found: StaticConfig) -> TrainingSpec:
    """The specification of a configuration that was read as text."""
    written = (found.written[n] for n in ("train_dataloader", "data") if n in found.written)
    return replace(
        spec_of(found.values),
        not_followed=found.not_followed,
        error="" if found.values else "; ".join(found.problems),
        everything={} if found.problems else found.values,
        written=next(written, None),
    )


def spec_of(values: PlainDict) -> TrainingSpec:
    """The specification of a configuration, loaded or read as text."""
    start_from, resumes = fields.start(values)
    work_dir = values.get("work_dir")
    return TrainingSpec(
        framework="mmengine",
        loaders=tuple(_loaders(values)),
        datasets=tuple(_dataset(key, one) for key, one in fields.loader_sets(values)),
        wrapped=tuple(_dataset(key, one) for key, one in fields.wrapped_sets(values)),
        start_method=fields.start_method(values),
        goal=dump.goal(values),
        due_at_end=dump.due_at_end(values),
        validates_every=dump.validates_every(values),
        validates=dump.validates(values),
        start_from=start_from,
        pretrained=dict(fields.pretrained(values)),
        resumes=resumes,
        work_dir=work_dir if isinstance(work_dir, str) and not is_unread(work_dir) else "",
        model_words=fields.model_words(values),
        classes=fields.classes(values),
        preprocessor=fields.preprocessor(values),
        min_batch=edits.floor(values),
        backends=fields.backends(values),
        imports=fields.imports(values),
        sections=values,
    )


def _role(name: str) -> Role:
    if name.startswith(("train", "data.train")):
        return "train"
    return "val" if name.startswith(("val", "data.val")) else "test"


def _loaders(values: PlainDict) -> Iterator[LoaderSpec]:
    """Those of mmengine, lists of them included; else the one section of mmcv 1.x."""
    settings = fields.loaders(values)
    found = dict(edits.loaders(values)) or {k: as_dict(v) for k, v in settings.items()}
    for path, loader in found.items():
        role = _role(path)
        workers = loader.get("num_workers", 0)
        yield LoaderSpec(
            name=path,
            role=role,
            workers=workers if type(workers) is int else None,
            # The batch of several training loaders together is not known.
            batch=None if role == "train" and "." in path else edits.batch_of(loader),
            settings=as_dict(settings.get(path, loader)),
        )


def _dataset(key: str, settings: PlainValue) -> DatasetSpec:
    kind = settings.get("type") if isinstance(settings, Mapping) else None
    return DatasetSpec(
        key=key, role=_role(key), type=fields.without_scope(str(kind or "")), settings=settings
    )
