"""Plain values: what JSON, TOML and configurations are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TypeAlias

    PlainValue: TypeAlias = (
        "bool | int | float | str | Sequence[PlainValue] | Mapping[Any, PlainValue] | None"
    )
    PlainDict: TypeAlias = Mapping[str, PlainValue]
else:
    # msgspec decodes no recursive alias; any value of JSON is one of these.
    PlainValue = Any
    PlainDict = Mapping[str, Any]


def as_dict(value: PlainValue) -> PlainDict:
    """A dictionary as it is, {} for anything else."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: PlainValue) -> Sequence[PlainValue]:
    """A list or tuple as it is, empty for anything else."""
    return value if isinstance(value, (list, tuple)) else ()


def as_int(value: PlainValue) -> int | None:
    """A whole number as it is, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def as_number(value: PlainValue) -> float | None:
    """A number as it is, None for anything else."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
