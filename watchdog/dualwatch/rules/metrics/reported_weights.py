"""DW215 by a log: keys of a checkpoint that did not fit, where no agent compared them. Pure.

A log names the keys that do not fit, and not how many do. So it is a warning only where the names
themselves show a mistake: the same keys behind another prefix, or another shape beyond the heads. A
head for other classes, and parts that a checkpoint of the backbone alone lacks, are usual: a note.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dualwatch.events import Evidence, Finding, Severity
from dualwatch.rules.catalog import finding
from dualwatch.state.reported_keys import Keys, ReportedKeys
from dualwatch.state.snapshot import Snapshot

FEW = 5
"""Keys from which a pattern in their names is no coincidence."""

SHARE = 0.5
"""Share of the missing keys that the checkpoint has under another name."""

SHOWN = 6

_HEAD = re.compile(r"(?i)head|^fc|_fc|cls|classif|logit|predict|query|embed")

USUAL = (
    "All of them belong to heads: a head for other classes starts from its initialisation, which "
    "is usual where a model is trained on other data. Nothing needs to be done if that was meant."
)


class _Renamed(NamedTuple):
    """Missing keys that the checkpoint has behind another prefix.

    Attributes:
        times: How many there are.
        theirs, ours: One of them, as it is called in the checkpoint and in the model.
    """

    times: int
    theirs: str
    ours: str


def find(s: Snapshot, keys: ReportedKeys) -> Iterator[Finding]:
    """At most one finding. Unexpected keys alone are a pretrained model's own head: none."""
    if not keys.missing.number and not keys.reshaped.number:
        return
    texts = [_counts(keys), *_by_module(keys)]
    renamed = _renamed(keys.missing.names, keys.unexpected.names)
    beyond = [name for name in keys.reshaped.names if not _is_of_head(name)]
    severity, certain, remedy = Severity.INFO, 0.9, None
    if renamed is not None and renamed.times >= max(FEW, SHARE * keys.missing.number):
        severity = Severity.WARNING
        texts.append(_of_renamed(renamed))
    elif len(beyond) >= FEW:
        severity, certain = Severity.WARNING, 0.8
        texts.append(f"{len(beyond)} have another shape and belong to no head: {beyond[0]}")
    elif all(map(_is_of_head, (*keys.missing.names, *keys.reshaped.names))):
        remedy = USUAL
    if keys.shapes is not None:
        name, theirs, ours = keys.shapes
        texts.append(f"{name} is {theirs} in the checkpoint and {ours} in the model")
    evidence = [Evidence(text=text, source=s.log, wall=keys.wall) for text in texts]
    yield finding(
        "DW215",
        evidence,
        confidence=certain,
        severity=severity,
        remedy=remedy,
        attempt=s.attempt,
    )


def _counts(keys: ReportedKeys) -> str:
    parts = (
        (keys.missing, "are missing in the checkpoint"),
        (keys.reshaped, "have another shape"),
        (keys.unexpected, "of its keys are not in the model"),
    )
    listed = ", ".join(f"{_number(one)} {words}" for one, words in parts if one.number)
    return f"of a checkpoint that was loaded, {listed}; the log does not show how many fit"


def _number(keys: Keys) -> str:
    return f"at least {keys.number}" if keys.is_cut else str(keys.number)


def _by_module(keys: ReportedKeys) -> list[str]:
    """The upper modules of the model with the most such keys."""
    missing, reshaped = _modules(keys.missing.names), _modules(keys.reshaped.names)
    lines = []
    for name, _ in (missing + reshaped).most_common(SHOWN):
        counts = ((missing[name], "missing"), (reshaped[name], "of another shape"))
        listed = ", ".join(f"{count} {words}" for count, words in counts if count)
        lines.append(f"{name}: {listed}")
    return lines


def _modules(names: Sequence[str]) -> Counter[str]:
    return Counter(name.split(".", 1)[0] for name in names)


def _is_of_head(name: str) -> bool:
    """Whether a key belongs to a head, by the names of the modules that it is in."""
    return any(_HEAD.search(part) for part in name.split(".")[:-1])


@functools.lru_cache(maxsize=4)  # Live, the rules are applied twice a second.
def _renamed(missing: tuple[str, ...], unexpected: tuple[str, ...]) -> _Renamed | None:
    """The change of prefix that makes the most unexpected keys missing ones."""
    wanted = set(missing)
    behind: dict[str, list[str]] = {}
    for name in missing:
        first, _, rest = name.partition(".")
        behind.setdefault(rest, []).append(first + ".")
    found: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for theirs in unexpected:
        first, _, rest = theirs.partition(".")
        changes = [("", prefix) for prefix in behind.get(theirs, ())]
        changes += [(first + ".", prefix) for prefix in behind.get(rest, ()) if rest]
        changes += [(first + ".", "")] if rest in wanted else []
        for change in changes:
            found[change] += 1
            examples.setdefault(change, theirs)
    if not found:
        return None
    (old, new), count = found.most_common(1)[0]
    example = examples[old, new]
    return _Renamed(count, example, new + example.removeprefix(old))


def _of_renamed(renamed: _Renamed) -> str:
    return (
        f"{renamed.times} of the missing keys are in the checkpoint under another name: "
        f"{renamed.theirs} for {renamed.ours}"
    )
