"""The values of a metric over all validations, in bounded memory. Pure."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from dualwatch.events import EvaluationLogged, LogMilestone
from dualwatch.state.positions import SavedCheckpoint, saved_checkpoint

_BESIDE = frozenset(("time", "data_time", "memory", "lr", "epoch", "iter", "step"))
_LOWER_IS_BETTER = re.compile(
    r"(?i)(?:^|[/_. ])(?:loss\w*|\w*err(?:or)?s?|\w*mae|\w*mse|\w*epe|fid|kid|wer|cer|nme|ece"
    r"|lpips|perplexity|ppl|niqe|sad|mpjpe|\w*dist(?:ance)?|hd95?|hausdorff\w*|f1_?all|d1_?all)$"
)
_OVERALL = re.compile(
    r"(?i)(?:^|[/_. ])(?:mAP|AP|mIoU|mDice|mFscore|aAcc|mAcc|acc(?:uracy)?|top-?_?1"
    r"|(?:acc|prec)@?1|NDS|PCK|AUC|mota|hota|idf1|f1(?:[-_]?score)?|precision|recall|PSNR|SSIM)$"
)


class Place(NamedTuple):
    """The position of a validation; one of both where the log has both."""

    epoch: int | None
    iteration: int | None
    number: int

    @property
    def words(self) -> str:
        """For people: "epoch 2"."""
        if self.epoch is not None:
            return f"epoch {self.epoch}"
        return f"iteration {self.iteration}" if self.iteration else f"validation {self.number}"


class Score(NamedTuple):
    """One metric over the validations.

    Attributes:
        times: Validations that had a finite value of it.
        order: Position among the metrics of its first validation, from 0.
        high_saved: The newest checkpoint at the validation of the highest value.
    """

    times: int
    order: int
    first: float
    newest: float
    low: float
    high: float
    high_at: Place
    high_saved: SavedCheckpoint | None
    newest_at: Place


class Broken(NamedTuple):
    """A loss of validations that is not finite: in how many running, and since when."""

    times: int
    value: float
    since: Place
    wall: float


class Results(NamedTuple):
    """What a training has produced, by its log.

    Attributes:
        saved: The newest checkpoint that was saved; one of the best only where there is no other.
        validations: How many had a result.
        broken: Loss of a validation -> the newest validations running in which it was not finite.
        scores: Metric -> its values in all of them.
    """

    saved: SavedCheckpoint | None = None
    validations: int = 0
    scores: Mapping[str, Score] = MappingProxyType({})
    broken: Mapping[str, Broken] = MappingProxyType({})

    def after_validation(self, event: EvaluationLogged) -> Results:
        """The results after one more evaluation; only a validation with metrics counts."""
        if event.mode != "val" or not event.metrics:
            return self
        number, scores = self.validations + 1, dict(self.scores)
        at = Place(event.epoch, event.iteration or None, number)
        broken = _broken(self.broken, event, at)
        for order, (name, value) in enumerate(event.metrics.items()):
            if not math.isfinite(value) or not is_score(name):
                continue
            known = scores.get(name)
            if known is None:
                scores[name] = Score(1, order, value, value, value, value, at, self.saved, at)
                continue
            is_best = value > known.high
            scores[name] = known._replace(
                times=known.times + 1,
                newest=value,
                newest_at=at,
                low=min(known.low, value),
                high=max(known.high, value),
                high_at=at if is_best else known.high_at,
                high_saved=self.saved if is_best else known.high_saved,
            )
        return self._replace(validations=number, scores=scores, broken=broken)

    def after_milestone(self, event: LogMilestone, lines: int) -> Results:
        """The results after a milestone that follows so many training lines."""
        saved = saved_checkpoint(event, lines)
        if saved is None:
            return self
        if not saved.best:
            return self._replace(saved=saved)
        # It comes after the validation that was the best.
        scores = {
            name: score._replace(high_saved=saved)
            if score.high_at.number == self.validations
            else score
            for name, score in self.scores.items()
        }
        return self._replace(saved=self.saved or saved, scores=scores)


def _broken(
    before: Mapping[str, Broken], event: EvaluationLogged, at: Place
) -> Mapping[str, Broken]:
    """The losses that are not finite after one more validation."""
    after = dict(before)
    for name, value in event.metrics.items():
        known = after.pop(name, None)
        if not math.isfinite(value) and "loss" in name.lower():
            since, wall = (known.since, known.wall) if known is not None else (at, event.wall)
            after[name] = Broken(1 + (known.times if known is not None else 0), value, since, wall)
    return after


@functools.lru_cache(maxsize=1024)
def is_score(name: str) -> bool:
    """Whether a metric of a validation measures its quality, and more of it is better."""
    return name.rsplit("/", 1)[-1] not in _BESIDE and _LOWER_IS_BETTER.search(name) is None


@functools.lru_cache(maxsize=1024)
def is_overall(name: str) -> bool:
    """Whether it is the one number of an evaluation, not that of a class, size or threshold."""
    return _OVERALL.search(name) is not None
