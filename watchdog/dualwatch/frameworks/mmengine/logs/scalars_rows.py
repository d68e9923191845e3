"""A layout of JSON rows: the same keys in the same order, taken out of many lines at a time.

One regular expression cuts the wanted values out of all rows of a text. They stay text until a
column of them is complete, and the JSON reader decides on every number.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Sequence

# No brace, comma, quote or space: a match cannot run from one value into the next.
_NUMBER = "[-+.0-9eENaIfinty]+"

Lines = tuple[Sequence[int], str]
"""Some lines of a file: their numbers and their text."""


class RowLayout:
    """Takes the rows of one layout out of a text.

    Args:
        keys: The keys of a row in their order.
        wanted: Those whose values are taken, in the same order.
    """

    def __init__(self, keys: Sequence[str], wanted: Sequence[str]) -> None:
        self.count = 0
        self.wanted = wanted
        fields = ", ".join(
            f"{re.escape(json.dumps(key))}: {f'({_NUMBER})' if key in wanted else _NUMBER}"
            for key in keys
        )
        # The second branch takes any other line, so that none is lost and all are in order.
        self._pattern = re.compile(rf"\{{{fields}\}}\n|(.+)\n")

    def is_of(self, line: str) -> bool:
        """Whether a line is a row of this layout."""
        match = self._pattern.match(line + "\n")
        return match is not None and match[match.re.groups] is None

    def take(self, lines: Lines) -> tuple[Sequence[int], list[array[float]], Lines]:
        """Takes the rows of this layout.

        Returns:
            Their numbers; their values, a column for each wanted key; the other lines.

        Raises:
            ValueError, OverflowError: A row is none, or a number in it none that a float can hold.
        """
        numbers, text = lines
        if not self.wanted:
            return [], [], lines
        found: list[tuple[str, ...]] = self._pattern.findall(text)
        others = [index for index, values in enumerate(found) if values[-1]]
        if others:
            rest = [numbers[i] for i in others], "".join([found[i][-1] + "\n" for i in others])
            mine = [index for index, values in enumerate(found) if not values[-1]]
            numbers = [numbers[index] for index in mine]
            found = [found[index] for index in mine]
        else:
            rest = [], ""
        return numbers, [_numbers(texts) for texts in [*zip(*found, strict=True)][:-1]], rest


def read_row(line: str) -> dict[str, float] | None:
    """The numbers of one row; None for a line that is no JSON object."""
    try:
        row: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    numbers: dict[str, float] = {}
    for key, value in row.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        try:
            numbers[key] = float(value)
        except OverflowError:  # an integer of over 308 digits
            continue
    return numbers


def _numbers(texts: Sequence[str]) -> array[float]:
    """The numbers of a column; ValueError where one of them is none to JSON."""
    if texts.count(texts[0]) == len(texts):
        return array("d", [json.loads(texts[0])]) * len(texts)
    return array("d", json.loads(f"[{','.join(texts)}]"))
