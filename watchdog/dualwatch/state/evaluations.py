"""The values of a metric over all validations, in bounded memory. Pure."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from dualwatch.events import EvaluationLogged
from dualwatch.state.positions import SavedCheckpoint

_BESIDE = frozenset(("time", "data_time", "memory", "lr", "epoch", "iter", "step"))
_LOWER_IS_BETTER = re.compile(
    r"(?i)(?:^|[/_. ])(?:loss\w*|\w*err(?:or)?s?|\w*mae|\w*mse|\w*epe|fid|kid|wer|cer|nme|ece"
    r"|lpips|perplexity|ppl|niqe|sad|mpjpe|\w*dist(?:ance)?|hd95?|hausdorff\w*|f1_?all|d1_?all)$"
)
_OVERALL = re.compile(
    r"(?i)(?:^|[/_. ])(?:mAP|AP|mIoU|mDice|mFscore|aAcc|mAcc|acc(?:uracy)?|top-?_?1|NDS|PCK|AUC"
    r"|mota|hota|idf1|f1(?:[-_]?score)?|precision|recall|PSNR|SSIM)$"
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


def with_evaluation(
    before: Mapping[str, Score],
    event: EvaluationLogged,
    number: int,
    saved: SavedCheckpoint | None,
) -> dict[str, Score]:
    """The scores after one more validation, the ``number``-th."""
    after = dict(before)
    at = Place(event.epoch, event.iteration or None, number)
    for order, (name, value) in enumerate(event.metrics.items()):
        if not math.isfinite(value) or not is_score(name):
            continue
        known = before.get(name)
        if known is None:
            after[name] = Score(1, order, value, value, value, value, at, saved, at)
            continue
        is_best = value > known.high
        after[name] = known._replace(
            times=known.times + 1,
            newest=value,
            newest_at=at,
            low=min(known.low, value),
            high=max(known.high, value),
            high_at=at if is_best else known.high_at,
            high_saved=saved if is_best else known.high_saved,
        )
    return after


def with_best(before: Mapping[str, Score], number: int, saved: SavedCheckpoint) -> dict[str, Score]:
    """The scores with the checkpoint that was saved for the best value of the ``number``-th."""
    return {
        name: score._replace(high_saved=saved) if score.high_at.number == number else score
        for name, score in before.items()
    }


@functools.lru_cache(maxsize=1024)
def is_score(name: str) -> bool:
    """Whether a metric of a validation measures its quality, and more of it is better."""
    return name.rsplit("/", 1)[-1] not in _BESIDE and _LOWER_IS_BETTER.search(name) is None


@functools.lru_cache(maxsize=1024)
def is_overall(name: str) -> bool:
    """Whether it is the one number of an evaluation, not that of a class, size or threshold."""
    return _OVERALL.search(name) is not None
