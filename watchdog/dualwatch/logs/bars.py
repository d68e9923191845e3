"""Progress bars in a line of text: where they are, how far they are, what they report.

::

    [>>>>>>          ] 100/1000, 9.8 task/s, elapsed: 10s, ETA:    92s
    Epoch 3:  40%|####      | 160/400 [00:31<00:46,  5.1it/s, loss=0.71]
    160it [00:31,  5.1it/s, loss=0.71]
    160/400 [=========>....................] - ETA: 46s - loss: 0.71
    160/400 ━━━━━━━━━━━━━━━━━━━━ 46s 290ms/step - loss: 0.71
    Epoch 3/59 ━━━━━━━━━╸━━━━━━━━━ 160/400 0:00:31 • 0:00:46 5.10it/s loss: 0.71

A terminal overwrites a bar; a file has all of its states, with a carriage return between them or
with nothing at all, and the next line of text right behind the last one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from dualwatch.core.text import bound

LABEL_CHARS = 200
MOST_METRICS = 60

_COUNT = r"\d{1,12}"
_STYLES = (
    ("tasks", re.compile(
        rf"\[(?P<fill>[> ]{{1,400}})\] ?(?P<done>{_COUNT})/(?P<total>{_COUNT}),"
        r"(?: ?[\d.]+ task/s,)? elapsed: ?\d+s, ETA:(?: {0,8}\d+s)?"
    )),
    ("tasks", re.compile(
        rf"completed: (?P<done>{_COUNT}), elapsed: \d+s(?:, [\d.]+ tasks/s)?"
    )),
    ("percent", re.compile(
        r"(?P<percent>\d{1,3})%(?:\|(?P<fill>[^|\r\n]{0,400})\| *| (?=\d[\d.]*/))"
        r"(?P<done>[\d.]{1,12})(?P<unit>[kMGTP]?i?B?)/(?P<total>[\d.?]{1,12})[kMGTP]?i?B?"
        r" \[[\d:]{1,12}<[^,\]\s]{1,20}(?:, *(?P<rate>[^,\]]{1,30}))?"
        r"(?:, ?(?P<more>[^\]]{0,2000}))?\]?"
    )),
    ("percent", re.compile(
        rf"(?<![\w.])(?P<done>{_COUNT})(?P<unit>)it \[[\d:]{{1,12}}"
        r"(?:, *(?P<rate>[^,\]]{1,30}))?(?:, ?(?P<more>[^\]]{0,2000}))?\]"
    )),
    ("rich", re.compile(
        r"[\u2501\u2578\u257a][\u2501\u2578\u257a ]{3,400}"
        rf"(?P<done>{_COUNT})/(?P<total>{_COUNT}|--) \d+:\d\d:\d\d \u2022 (?:\d+:\d\d:\d\d|-:--:--)"
        r"(?: (?P<rate>[\d.]+(?:it/s|s/it)))?"
        r"(?P<more>(?: {1,3}[A-Za-z_][\w./-]{0,60}: [-+.\deEnaif]{1,24}){0,60})"
    )),
    ("steps", re.compile(
        rf"(?<![\w.])(?P<done>{_COUNT})/(?P<total>{_COUNT}|Unknown) "
        r"(?:\[[=>.]{3,200}\]|\x20?[\u2501\u2578\u257a\x20]{3,200})(?:\x1b\[0m)? ?"
        r"(?:- )?(?:ETA: |(?=\d))[\d:]{1,12}s?(?: [\d.]+(?:us|ms|s)/(?:step|epoch|sample))?"
        r"(?P<more>(?: - [A-Za-z_][\w./ -]{0,60}: *[-+.\deEnaif]{1,24}){0,60})"
    )),
)  # fmt: skip

_ODD = re.compile(r"(?<![^\W\d_])(?:nan|inf)(?![^\W\d_])", re.IGNORECASE)
_FIELD = re.compile(
    r"(?P<key>[^\W\d][\w./@-]{0,60}(?: [^\W\d][\w./@-]{0,30}){0,2})"
    r" ?[=:] ?(?P<value>[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf))"
    r"(?:(?<=nan|inf)\.0)?(?![\w.%:/])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One state of a progress bar.

    Attributes:
        style: "tasks", "percent", "steps" or "rich".
        label: The text before it.
        total: None where it has none.
        metrics: What is reported behind it; nan and inf stay floats.
        scaled: Whether it counts bytes or thousands rather than single items.
        unit: Of its rate: "it", "batch", "epoch"; "" where it has none.
    """

    style: str
    label: str
    done: int
    total: int | None
    metrics: dict[str, float]
    scaled: bool = False
    unit: str = ""


SIGNS = ("%|", "%", "elapsed:", "0it", "\u2501", ">.", "==")
"""One of these is in a word of each line that can hold a bar, its digits made 0."""


def may_hold(line: str) -> bool:
    """Whether a line can hold a bar: much cheaper than looking for it."""
    return (
        "%|" in line
        or ("% " in line and "<" in line)
        or "elapsed: " in line
        or "it [" in line
        or "\u2501" in line
        or ("/" in line and (">." in line or "==" in line) and "[" in line)
    )


@dataclass(frozen=True, slots=True)
class BarPlace:
    """Where the only bar of a line shows how far it is: the same whatever its digits are.

    Attributes:
        label: Where its label ends.
        count: Its percentage, or its counter.
    """

    label: int
    count: slice


def place_of(line: str) -> BarPlace | None:
    """The place of a line's only bar, with nothing behind it and with finite values.

    None for all other lines.
    """
    found = _last(line)
    if found is None or found.before or line[found.match.end() :].strip():
        return None
    match = found.match
    counter = "percent" if "percent" in match.re.groupindex else "done"
    if "." in match[counter] or _ODD.search(line) is not None:
        return None
    return BarPlace(len(line[: match.start()].rstrip()), slice(*match.span(counter)))


class _Found(NamedTuple):
    """A bar in a line, and where the bar before it ends."""

    style: str
    match: re.Match[str]
    before: int


def _last(line: str) -> _Found | None:
    """The last bar of a line."""
    found: _Found | None = None
    for style, pattern in _STYLES:
        before = 0
        for match in pattern.finditer(line):
            if found is None or match.end() > found.match.end():
                found = _Found(style, match, before)
            before = match.end()
        if found is not None and found.style == style:
            break
    return found


def split(line: str) -> tuple[Bar | None, str]:
    """The last bar of a line, and the text behind it, which is a line of its own.

    A line without one is given back as it is.
    """
    if not may_hold(line):
        return None, line
    found = _last(line)
    if found is None:
        return None, line
    style, match, before = found
    return _bar(style, match, line[before : match.start()]), line[match.end() :].strip()


def fields(text: str) -> dict[str, float]:
    """The ``key=value`` and ``key: value`` pairs of a text whose value is a number."""
    found: dict[str, float] = {}
    for match in _FIELD.finditer(text):
        if len(found) < MOST_METRICS:
            found[match["key"]] = float(match["value"])
    return found


def _bar(style: str, match: re.Match[str], label: str) -> Bar:
    parts = match.groupdict()
    done, scaled = _number(parts["done"]), bool(parts.get("unit"))
    total = _number(parts.get("total") or "")
    rate = parts.get("rate") or ""
    unit = rate.rpartition("/")[2] if rate.endswith(("it", "epoch", "batch", "step")) else ""
    unit = unit or (rate.strip("?0123456789. ").partition("/")[0])
    return Bar(
        style=style,
        label=bound(label.strip(), LABEL_CHARS),
        done=done or 0,
        total=total,
        metrics=fields(parts.get("more") or ""),
        scaled=scaled or "." in (parts["done"] or ""),
        unit=unit.strip(),
    )


def _number(text: str) -> int | None:
    try:
        return int(float(text))
    except ValueError:
        return None
