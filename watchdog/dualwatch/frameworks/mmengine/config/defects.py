"""All that is wrong with a configuration that loads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dualwatch.core.plain import PlainDict, PlainValue, as_list
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.base import TrainingSpec
from dualwatch.frameworks.mmengine.config import (
    annotated,
    classes,
    compared,
    ignored,
    joined,
    measured,
    needs,
    reach,
    sections,
    weights,
)
from dualwatch.frameworks.mmengine.config.inherit import BASE

MOST = 20
_ENDS = (DefectKind.NOT_A_TRAINING, DefectKind.OTHER_VERSION)


def is_whole(spec: TrainingSpec) -> bool:
    """Whether all names of the configuration are known: nothing of it was passed over."""
    if spec.error:
        return False
    if spec.trial is not None:
        return True
    if spec.sections and not spec.everything:
        return False  # As described for a supervised run: its sections alone.
    return BASE not in spec.everything and not any(not n.about for n in spec.not_followed)


def of_names(named: PlainValue, sections: PlainDict) -> tuple[Defect, ...]:
    """What a Runner refuses, by the names of all sections and by some of the sections.

    Args:
        named: The names of a configuration that are not None.
    """
    names = [name for name in as_list(named) if isinstance(name, str)]
    values = {name: sections.get(name) or {} for name in names}
    return tuple(one for one in needs.defects(values) if one.prevents) if names else ()


def find(spec: TrainingSpec, roots: Sequence[Path]) -> tuple[Defect, ...]:
    """The defects of a configuration, the most fundamental ones first.

    Args:
        roots: Where relative paths begin; with none, no annotation is read.
    """
    if not is_whole(spec):
        return ()
    found = list(_defects(spec, roots))
    return tuple(sorted(found, key=lambda one: not one.prevents)[:MOST])


def _defects(spec: TrainingSpec, roots: Sequence[Path]) -> Iterator[Defect]:
    values = spec.everything
    first = list(needs.defects(values))
    yield from first
    if any(one.kind in _ENDS for one in first) or needs.is_old(values):
        return
    trial = spec.trial
    yield from sections.defects(values)
    yield from ignored.defects(values)
    yield from trial.defects if trial is not None else ()
    of_type = trial.classes if trial is not None else {}
    yield from classes.defects(values, of_type)
    yield from weights.defects(values)
    yield from joined.defects(values)
    yield from reach.defects(values)
    yield from spec.in_text
    yield from measured.defects(values, tried=trial is not None)
    yield from compared.defects(values, roots)
    if roots:
        yield from annotated.defects(values, roots, of_type)
