"""What building the parts of a training as a trial has shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dualwatch.events import Defect


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What building the parts of a training as a trial has shown.

    Attributes:
        built: Parts that were built, or whose settings their classes take.
        not_built: Part -> why it could not be tried.
        classes: Type of a data set -> the classes that it has where none are named.
    """

    defects: tuple[Defect, ...] = ()
    built: tuple[str, ...] = ()
    not_built: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
