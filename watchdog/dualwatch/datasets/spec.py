"""A data set as a configuration describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """One data set.

    Attributes:
        key: Dotted path in the configuration.
        type: Name of its class, without a registry's scope; "" where it is not written.
        settings: As written.
    """

    key: str
    role: Role
    type: str = ""
    settings: Any = None
