"""Whether data sets that are joined have the same classes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dualwatch.core.plain import PlainDict, PlainValue, as_dict, as_list
from dualwatch.core.unread import is_unread
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.mmengine.config import fields


def defects(values: PlainDict) -> Iterator[Defect]:
    """mmengine joins only data sets of the same meta information."""
    for key, dataset in fields.wrapped_sets(values):
        if key.startswith(("train_dataloader", "val_dataloader")):
            yield from _inside(key, dataset, 0)


def _inside(key: str, section: PlainValue, depth: int) -> Iterator[Defect]:
    if not isinstance(section, Mapping) or depth > 20:
        return
    is_joined = fields.without_scope(str(section.get("type", ""))) == "ConcatDataset"
    if is_joined and "classes" not in as_list(section.get("ignore_keys")):
        yield from _joined(key, as_list(section.get("datasets")))
    yield from _inside(f"{key}.dataset", section.get("dataset"), depth + 1)
    for index, one in enumerate(as_list(section.get("datasets"))):
        yield from _inside(f"{key}.datasets.{index}", one, depth + 1)


def _joined(key: str, sets: Sequence[PlainValue]) -> Iterator[Defect]:
    named = [(index, _classes(one)) for index, one in enumerate(sets)]
    known = [(index, names) for index, names in named if names]
    for index, names in known[1:]:
        first, others = known[0]
        if names != others:
            order = " in another order" if sorted(names) == sorted(others) else ""
            yield Defect(
                kind=DefectKind.CLASSES,
                key=f"{key}.datasets.{index}.metainfo.classes",
                text=f"{key}.datasets.{index} has the classes {', '.join(names[:4])}, and "
                f"datasets.{first} {', '.join(others[:4])}{order}: a ConcatDataset refuses both",
                do="Name the same classes, in the same order, in each of them.",
            )
            return


def _classes(dataset: PlainValue) -> tuple[str, ...]:
    """The classes that a data set names, all of them known; else none."""
    listed = as_list(as_dict(as_dict(dataset).get("metainfo")).get("classes"))
    names = [one for one in listed if isinstance(one, str) and not is_unread(one)]
    return tuple(names) if len(names) == len(listed) else ()
