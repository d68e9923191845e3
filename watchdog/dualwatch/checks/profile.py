"""A profile: the items of a checklist with their limits, from a TOML table. Pure.

All errors of a table are reported at once, each with the nearest valid name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

from dualwatch.checks.item import STAGES, Item
from dualwatch.checks.probes import PROBES
from dualwatch.core.errors import did_you_mean
from dualwatch.core.plain import PlainDict, as_dict
from dualwatch.domains.base import Range
from dualwatch.rules.catalog import BY_CODE
from dualwatch.rules.thresholds import MetricTarget

_OF_AN_ITEM = ("id", "stage", "title", "probe", "needs", "code", "remedy", "worst")
_OF_A_MILESTONE = ("epoch", "metric", "fail_below", "warn_below", "fail_above", "warn_above")
_OF_A_PROFILE = ("title", "extends", "when", "without", "items", "milestones")
_OF_WHEN = ("mentions", "config")


@dataclass(frozen=True, slots=True)
class Profile:
    """A checklist.

    Attributes:
        name: Name of a shipped profile, or the path of its file.
        mentions: Word by which the model or the metrics of a training choose it.
        config: Pattern of a configuration's name by which it is chosen.
    """

    name: str
    title: str = ""
    items: tuple[Item, ...] = ()
    milestones: tuple[MetricTarget, ...] = ()
    mentions: str = ""
    config: str = ""

    @property
    def all_items(self) -> tuple[Item, ...]:
        """The items with those that its milestones make, in the order of their stages."""
        made = [_of_milestone(milestone) for milestone in self.milestones]
        return tuple(sorted((*self.items, *made), key=lambda item: STAGES.index(item.stage)))

    @property
    def ranges(self) -> dict[str, Range]:
        """Metric of the training lines -> what it may be: beyond it an item fails."""
        found: dict[str, Range] = {}
        for item in self.items:
            limits = item.limits
            metric, low, high = (limits.get(k) for k in ("metric", "fail_below", "fail_above"))
            if metric is None or (low is None and high is None):
                continue
            other = found.get(metric, Range())
            found[metric] = Range(
                low=other.low if low is None else low,
                high=other.high if high is None else high,
                after=max(other.after, limits.get("after", 0)),
            )
        return found


@dataclass(slots=True)
class _Problems:
    """What is wrong with a table, gathered."""

    place: str
    found: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.found.append(f"{self.place}: {text}")

    def unknown(self, key: str, allowed: Iterable[str], where: str) -> None:
        self.add(f"{where}: unknown key {key!r}{_nearest(key, allowed)}")


def build(table: PlainDict, name: str, base: Profile | None = None) -> tuple[Profile, list[str]]:
    """A profile from its table, upon another one.

    Args:
        table: ``title``, ``when``, ``items`` {id: {...}}, ``milestones`` [{...}], ``without`` [id].
        name: What it is called in messages.
        base: Whose items and milestones are taken over; an item of the same id is changed.

    Returns:
        The profile, and all that is wrong with the table.
    """
    problems = _Problems(name)
    table = {_key(key): value for key, value in table.items()}
    for key in sorted(table.keys() - set(_OF_A_PROFILE)):
        problems.unknown(key, _OF_A_PROFILE, "profile")
    items = {item.id: item for item in (base.items if base is not None else ())}
    for word in _words(table.get("without", ()), "without", problems):
        if items.pop(word, None) is None:
            problems.add(f"without: there is no item {word!r}{_nearest(word, items)}")
    for identity, entries in _tables(table.get("items", {}), "items", problems):
        item = _item(identity, entries, items.get(identity), problems)
        if item is not None:
            items[identity] = item
    milestones = base.milestones if base is not None else ()
    if "milestones" in table:
        milestones = tuple(_milestones(table["milestones"], problems))
    when = {_key(key): value for key, value in as_dict(table.get("when")).items()}
    for key in sorted(when.keys() - set(_OF_WHEN)):
        problems.unknown(key, _OF_WHEN, "when")
    profile = Profile(
        name=name,
        title=str(table.get("title", base.title if base is not None else "")),
        items=tuple(items.values()),
        milestones=milestones,
        mentions=str(when.get("mentions", "")),
        config=str(when.get("config", "")),
    )
    _check_needs(profile, problems)
    return profile, problems.found


def _item(
    identity: str, entries: PlainDict, before: Item | None, problems: _Problems
) -> Item | None:
    where = f"item {identity!r}"
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", identity):
        problems.add(f"{where}: an id consists of lower-case letters, digits and hyphens")
        return None
    entries = {_key(key): value for key, value in entries.items()}
    name = entries.get("probe", before.probe if before is not None else None)
    if name not in PROBES:
        problem = (
            f"unknown probe {name!r}{_nearest(str(name), PROBES)}" if name else "needs a probe"
        )
        problems.add(f"{where}: {problem}")
        return None
    probe = PROBES[name]
    keeps = before is not None and before.probe == name
    limits: dict[str, Any] = dict(before.limits) if before is not None and keeps else {}
    for key, raw in entries.items():
        if key in _OF_AN_ITEM:
            continue
        if key not in probe.limits:
            problems.unknown(key, (*_OF_AN_ITEM, *probe.limits), where)
            continue
        try:
            limits[key] = probe.limits[key](raw)
        except (ValueError, TypeError) as error:
            problems.add(f"{where}: {key} = {raw!r} {error}")
    for key in probe.required:
        if key not in limits:
            problems.add(f"{where}: probe {name!r} needs {key!r}")
    start = before or Item(id=identity, stage="", title="", probe=name)
    stage = entries.get("stage", start.stage)
    if stage not in STAGES:
        problems.add(f"{where}: stage must be one of {', '.join(STAGES)}")
        return None
    worst = entries.get("worst", start.worst)
    if worst not in ("fail", "warn"):
        problems.add(f"{where}: worst must be fail or warn")
        worst = start.worst
    code = str(entries.get("code", start.code))
    if code and code not in BY_CODE:
        problems.add(f"{where}: there is no code {code}{_nearest(code, BY_CODE)}")
    return replace(
        start,
        stage=stage,
        title=str(entries.get("title", start.title)) or identity,
        probe=name,
        limits=limits,
        needs=_words(entries.get("needs", start.needs), f"{where}: needs", problems),
        code=code,
        remedy=str(entries.get("remedy", start.remedy)),
        worst=str(worst),
    )


def _milestones(raw: object, problems: _Problems) -> Iterable[MetricTarget]:
    if not isinstance(raw, (list, tuple)):
        problems.add("milestones must be a list of tables")
        return
    for number, entries in enumerate(raw, start=1):
        where = f"milestone {number}"
        if not isinstance(entries, Mapping):
            problems.add(f"{where} must be a table")
            continue
        entries = {_key(key): value for key, value in entries.items()}
        for key in sorted(entries.keys() - {*_OF_A_MILESTONE, "advice"}):
            problems.unknown(key, (*_OF_A_MILESTONE, "advice"), where)
        epoch, metric = entries.get("epoch"), entries.get("metric")
        bounds = {key: entries[key] for key in _OF_A_MILESTONE[2:] if key in entries}
        if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 1:
            problems.add(f"{where}: epoch must be an integer from 1")
        elif not isinstance(metric, str) or not metric:
            problems.add(f"{where}: needs a metric")
        elif not bounds:
            problems.add(f"{where}: needs a limit: {', '.join(_OF_A_MILESTONE[2:])}")
        elif not all(_is_number(value) for value in bounds.values()):
            problems.add(f"{where}: its limits must be numbers")
        else:
            numbers = {key: float(value) for key, value in bounds.items()}
            advice = str(entries.get("advice", ""))
            yield MetricTarget(epoch=epoch, metric=metric, advice=advice, **numbers)


def _of_milestone(milestone: MetricTarget) -> Item:
    name = re.sub(r"[^a-z0-9]+", "-", milestone.metric.rsplit("/", 1)[-1].lower()).strip("-")
    return Item(
        id=f"epoch-{milestone.epoch}-{name}",
        stage="epoch-1" if milestone.epoch == 1 else "running",
        title=f"{milestone.metric} at the end of epoch {milestone.epoch}",
        probe="milestone",
        limits={"milestone": milestone},
        code="DW204",
        remedy=milestone.advice,
    )


def _check_needs(profile: Profile, problems: _Problems) -> None:
    known = {item.id for item in profile.all_items}
    for item in profile.items:
        for need in item.needs:
            if need not in known:
                where = f"item {item.id!r}"
                problems.add(f"{where} needs {need!r}, which is not an item{_nearest(need, known)}")


def _tables(raw: object, where: str, problems: _Problems) -> Iterable[tuple[str, PlainDict]]:
    if not isinstance(raw, Mapping):
        problems.add(f"{where} must be a table")
        return
    for key, value in raw.items():
        if isinstance(value, Mapping):
            yield str(key), value
        else:
            problems.add(f"{where}.{key} must be a table")


def _words(raw: object, where: str, problems: _Problems) -> tuple[str, ...]:
    if not isinstance(raw, (list, tuple)) or not all(isinstance(word, str) for word in raw):
        problems.add(f"{where} must be a list of words")
        return ()
    return tuple(raw)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _key(key: object) -> str:
    return str(key).replace("-", "_")


def _nearest(word: str, allowed: Iterable[str]) -> str:
    near = did_you_mean(word, allowed)
    return f"; {near}" if near else ""
