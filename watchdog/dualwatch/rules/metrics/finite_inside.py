"""What the agent saw of losses that are not finite: each iteration, not the lines of the log. Pure.

A log line has the mean of some iterations, every so many: by the agent the first iteration and the
first term are known, and whether the weights are still sound.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple

from dualwatch.core.units import counted
from dualwatch.events import Evidence, NonFiniteSeen, NonFiniteTerm
from dualwatch.rules.metrics.metrics import INSIDE
from dualwatch.state.metric_series import is_loss
from dualwatch.state.snapshot import Snapshot

LASTING = 10
"""Consecutive iterations from which a loss that is not finite is more than some samples."""

SHOWN = 4

_TOTAL = ("loss", "total_loss", "loss_total", "train_loss", "training_loss", "lm_loss")


class Weights(enum.Enum):
    """The weights, after an iteration whose loss was not finite."""

    LOST = "lost"
    SOUND = "sound"
    UNKNOWN = "unknown"


class Inside(NamedTuple):
    """Losses of one rank that were not finite.

    Attributes:
        term: The first of them; the total only where no part of it was there first.
        others: Further ones, in their order.
        total_is_finite: Whether the total loss is known, and was finite all the time.
    """

    seen: NonFiniteSeen
    term: NonFiniteTerm
    others: tuple[NonFiniteTerm, ...]
    weights: Weights
    total_is_finite: bool

    @property
    def lasts(self) -> bool:
        """Whether it has come in many iterations running, up to the newest."""
        return self.seen.running >= LASTING


def inside(s: Snapshot) -> Inside | None:
    """That of the rank in which it came first; None where no loss was seen that is not finite."""
    found = [one for seen in s.non_finite.values() if (one := _of_rank(s, seen)) is not None]
    return min(found, key=lambda one: one.term.first, default=None)


def _of_rank(s: Snapshot, seen: NonFiniteSeen) -> Inside | None:
    losses = [term for term in seen.terms if is_loss(term.name)]
    if not losses:
        return None
    begun = min(term.first for term in losses)
    whole = total(term.name for term in losses)
    first = [term for term in losses if term.first == begun]
    term = next((one for one in first if one.name != whole), first[0])
    weights = Weights.UNKNOWN
    if seen.weights is not None:
        weights = Weights.LOST if seen.weights else Weights.SOUND
    batch = s.batches.get(seen.rank)
    returned = total(batch.losses) if batch is not None else None
    return Inside(
        seen,
        term,
        tuple(one for one in losses if one is not term),
        weights,
        total_is_finite=returned is not None and returned != whole,
    )


def evidence(s: Snapshot, found: Inside) -> list[Evidence]:
    """What the agent saw, the first iteration first."""
    seen, term = found.seen, found.term
    rank = f" of rank {seen.rank}" if len(s.pulses) > 1 else ""
    text = f"{term.name} is {term.value} at iteration {term.first}{rank}"
    if found.others:
        names = [one.name for one in found.others]
        same = all(one.first == term.first for one in found.others)
        also = "also" if same else "then"
        text += f", the first value that is not finite ({also} {', '.join(names[:SHOWN])})"
    if seen.running > 1:
        text += f"; not finite in {seen.running} consecutive iterations up to {seen.iteration}"
    elif not seen.running:
        text += f"; finite again at iteration {seen.iteration}"
    texts = [text, _of_weights(found)]
    begun = f"the batch of iteration {min(one.first for one in seen.terms)}"
    if seen.unsound:
        texts.append(f"{begun} holds values that are not finite: {', '.join(seen.unsound[:SHOWN])}")
    if seen.files:
        texts.append(f"{begun}: {', '.join(seen.files)}")
    before = [one for one in seen.terms if not is_loss(one.name) and one.first < term.first]
    texts += [f"before that, {one.name} is {one.value} at iteration {one.first}" for one in before]
    return [Evidence(text=one, source=INSIDE, wall=seen.wall) for one in texts if one]


def _of_weights(found: Inside) -> str:
    seen = found.seen
    if found.weights is Weights.UNKNOWN:
        return ""
    after = f"after iteration {seen.weights_at}"
    if found.weights is Weights.SOUND:
        return f"all weights of the model are finite {after}"
    assert seen.weights is not None
    listed = ", ".join(seen.weights[:SHOWN])
    return f"weights of {counted(len(seen.weights), 'module')} are not finite {after}: {listed}"


def total(names: Iterable[str]) -> str | None:
    """The name of the total loss among metrics of training lines."""
    return next(iter(totals(names)), None)


def totals(names: Iterable[str]) -> list[str]:
    """The names that a total loss may have: "train/Train Loss" is one."""
    return [n for n in names if n.rsplit("/", 1)[-1].lower().replace(" ", "_") in _TOTAL]
