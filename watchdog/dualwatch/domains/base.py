"""What a domain of trainings is to dualwatch: which losses it has and what is usual for them.

A domain is one subclass of ``Domain``, registered under the entry point group
``dualwatch.domains``. The core knows no loss and no data set by name: thresholds, required metrics,
profiles of the checklist and the meaning of a batch come from the domain of a training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dualwatch.datasets.layouts import Place, ReadLayout
from dualwatch.datasets.spec import DatasetSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The values that a metric may have.

    Attributes:
        low, high: The last values that are sound; None where there is no bound.
        after: Iterations that are not judged: a detector's first gradients are large.
    """

    low: float | None = None
    high: float | None = None
    after: int = 0

    def holds(self, value: float) -> bool:
        """Whether a value is within; NaN is not, and belongs to DW203."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class FallingMetric:
    """A loss that must fall while it is trained (DW205).

    Attributes:
        low_enough: A value from which it need not fall any further.
        least_fall: Share of its first values by which it has fallen after long enough.
    """

    name: str
    low_enough: float
    least_fall: float = 0.05


@dataclass(frozen=True, slots=True)
class BatchModalities:
    """Whether a batch is paired, None where that is not known, and what shows it."""

    paired: bool | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """How the data sets of a configuration pair their images.

    Attributes:
        paired: Whether its training data set yields pairs; None where that is not known.
        unpaired: Images without a partner, bounded.
        looked_at: Pairs that were compared.
    """

    paired: bool | None = None
    unpaired: tuple[str, ...] = ()
    looked_at: int = 0


Progress = Callable[[int, int], None]
"""Called now and then with what is done and with the total, 0 where the total is not known."""


def silent(done: int, total: int) -> None:
    """Reports no progress."""


class Domain:
    """What one domain knows. The defaults describe a training of which nothing special is known.

    Attributes:
        name: Its name, unique among the domains.
        mentions: Word in lower case that keys and types of its models contain.
        required: Metrics that a training of the domain must have.
        ranges: Values that its metrics may have.
        falling: Losses that must fall.
        shown_first: Metrics that views show first, most important first.
        parts: Pattern of words in the names of modules that are recorded at any depth of a model.
        topics: Words by which an error message refers to the domain's part of the loss.
        profiles: Profiles of the checklist, most special first.
        advice: Finding code -> its own line of advice, which is added to the finding's remedy.
        layouts: Data set type -> reader of its layout.
        layouts_of: Module whose import makes the types of ``layouts`` the domain's own.
    """

    name: str = ""
    mentions: str = ""
    required: tuple[str, ...] = ()
    ranges: Mapping[str, Range] = {}
    falling: tuple[FallingMetric, ...] = ()
    shown_first: tuple[str, ...] = ()
    parts: str = ""
    topics: frozenset[str] = frozenset()
    profiles: tuple[Path, ...] = ()
    advice: Mapping[str, str] = {}
    layouts: Mapping[str, ReadLayout] = {}
    layouts_of: str = ""

    def mention(self, words: Iterable[str]) -> str | None:
        """The first of the words that names this domain, None where none does."""
        return next((w for w in words if self.mentions and self.mentions in w.lower()), None)

    def owns(self, metric: str) -> bool:
        """Whether a metric, by whatever prefix, is one that a training of the domain must have."""
        return metric.rsplit("/", 1)[-1] in self.required

    def needs_pair(self, metric: str) -> bool:
        """Whether a metric can only be computed from paired images."""
        return False

    def batch(self, outline: Sequence[str]) -> BatchModalities:
        """Whether a batch holds pairs, by its outline."""
        return BatchModalities(None, "its modalities are not known here")

    def guess_layout(self, settings: Mapping[str, Any], place: Place) -> ReadLayout | None:
        """The layout of a data set whose type is not known, by the form of its settings."""
        return None

    def pairing(
        self,
        datasets: Sequence[DatasetSpec],
        roots: Sequence[Path],
        *,
        whole: bool = True,
        all_pairs: bool = False,
        progress: Progress = silent,
    ) -> Pairing:
        """Compares the pairs of a configuration's data sets.

        Args:
            datasets: Those of all loaders, wrappers included, those of the training first.
            roots: Where relative paths may begin; with none, no file is looked at.
            whole: Whether nothing of the data sets is unknown.
            all_pairs: Compares all pairs of a large data set, rather than some.
        """
        return Pairing()
