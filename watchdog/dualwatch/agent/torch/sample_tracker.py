"""Tracks which samples of a pass over the data were consumed, so that a resume is exact.

A loader reads ahead: its sampler has given more indices than batches were delivered. What counts
is what the training consumed. A pass is described by how many indices its sampler gave, and which
of these were not consumed yet; with the same seed that is enough to resume at the exact sample,
with any batch size, also where a batch sampler sorts samples into buckets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

_MASK = (1 << 61) - 1
_FACTOR = 1000003

MOST_UNTRAINED = 2
"""Batches that may be taken and not trained on: one that failed, and one that was read ahead."""


class Position(TypedDict):
    """A position in a pass, as checkpoints contain it.

    Attributes:
        passes: Passes that began.
        batches, samples: Consumed in this pass.
        pulled: Indices that the sampler gave.
        order: Checksum of them.
        pending: Those of them that were not consumed.
    """

    passes: int
    batches: int
    samples: int
    pulled: int
    order: int
    pending: list[int]


class SampleTracker:
    """Samples of one loader's present pass.

    Attributes:
        passes: Passes that began.
        active: Whether a pass began and was not read to its end.
        given: Batches of indices that the loader has taken and not delivered, oldest first.
        batches, samples: Delivered in this pass, those of an earlier attempt included.
        complaint: Why a position could not be restored, "" where it could: the pass is repeated.
    """

    def __init__(self) -> None:
        self.passes = 0
        self.active = False
        self.given: deque[object] = deque()
        self.batches = 0
        self.samples = 0
        self._pulled = 0
        self._order = 0
        self._pending: list[object] = []
        self._backlog: deque[object] = deque()
        self._by_sampler = True
        self._resume: Position | None = None
        self._last: deque[object] = deque(maxlen=MOST_UNTRAINED)
        self.complaint = ""

    # --- what the loader takes -------------------------------------------------------------------

    def begin(self) -> None:
        """A new pass begins."""
        self.passes += 1
        self.active = True
        self.given.clear()
        self._pending, self._backlog = [], deque()
        self.batches = self.samples = self._pulled = self._order = 0
        self._by_sampler = True
        self._last.clear()

    def sampled(self, indices: Iterator[object]) -> Iterator[object]:
        """The indices of a sampler, recorded as they are taken."""
        resume, self._resume = self._resume, None
        if resume is not None:
            yield from self._reemitted(resume, indices)
        for index in indices:
            self._pull(index)
            yield index

    def batched(self, batches: Iterator[object], size: int) -> Iterator[object]:
        """The batches of indices that a loader takes, recorded as they are taken.

        Args:
            batches: Of the loader's batch sampler, or of its sampler where there is no other.
            size: Of a batch, for those that are regrouped from samples taken before.
        """
        for batch in batches:
            if self._resume is not None:
                # It does not use the sampler that is tracked: its batches are taken apart.
                self._by_sampler = False
                yield from self._regrouped(batch, batches, size)
                continue
            if self._pulled == 0:
                self._by_sampler = False
            yield self._take(batch, pull=not self._by_sampler)

    def _regrouped(self, first: object, batches: Iterator[object], size: int) -> Iterator[object]:
        resume, self._resume = self._resume, None
        assert resume is not None
        rest = list(_members(first))
        skipped: list[object] = []
        while rest:
            share = rest[: int(resume["pulled"]) - len(skipped)]
            skipped += share
            rest = rest[len(share) :]
            if rest or len(skipped) == resume["pulled"]:
                break
            rest = list(_members(next(batches, ())))
        self._restore(resume, skipped)
        while self._backlog:
            chunk = [self._backlog.popleft() for _ in range(min(size, len(self._backlog)))]
            self._pending += chunk
            yield self._take(chunk, pull=False)
        if rest:
            yield self._take(rest, pull=True)

    def _take(self, batch: object, *, pull: bool) -> object:
        if pull:
            for index in _members(batch):
                self._pull(index)
        self.given.append(batch)
        return batch

    def delivered(self) -> None:
        """The oldest batch that was taken has come out of the loader."""
        if not self.given:
            return
        batch = self.given.popleft()
        self._last.append(batch)
        self.batches += 1
        for index in _members(batch):
            self.samples += 1
            try:
                self._pending.remove(index)
            except ValueError:
                self._order = -1  # Not an index of the sampler: no position is known.

    def ended(self) -> None:
        """The pass was read to its end."""
        self.active = False

    # --- position --------------------------------------------------------------------------------

    def position(self, *, untrained: int = 0) -> Position | None:
        """The position in this pass, for ``resume``; None where it is unknown.

        Args:
            untrained: So many of the batches that were delivered last were not trained on.
        """
        batches = [*self._last][max(0, len(self._last) - untrained) :] if untrained else []
        again = [index for batch in batches for index in _members(batch)]
        pending = [*again, *self._pending, *self._backlog]
        known = [index for index in pending if _is_index(index)]
        if self._order < 0 or len(known) < len(pending):
            return None
        return {
            "passes": self.passes,
            "batches": self.batches - len(batches),
            "samples": self.samples - len(again),
            "pulled": self._pulled,
            "order": self._order,
            "pending": known,
        }

    def resume(self, position: Position, *, batches: int) -> None:
        """Begins the next pass at a position.

        Args:
            position: Of ``position()``.
            batches: Batches of the present size that the samples before it amount to.
        """
        self._resume = {**position, "batches": batches}

    def _reemitted(self, resume: Position, indices: Iterator[object]) -> Iterator[object]:
        """Skips what an earlier attempt took, and gives the part that it did not consume."""
        self._restore(resume, list(islice(indices, int(resume["pulled"]))))
        while self._backlog:
            index = self._backlog.popleft()
            self._pending.append(index)
            yield index

    def _restore(self, resume: Position, skipped: list[object]) -> None:
        """Queues what was not consumed, or all that was skipped if the order is another one."""
        for index in skipped:
            self._note(index)
        if (self._pulled, self._order) != (resume["pulled"], resume["order"]):
            self.complaint = "the sampler's order is not that of the earlier attempt"
            self._backlog = deque(skipped)
            return
        self.batches, self.samples = int(resume["batches"]), int(resume["samples"])
        self._backlog = deque(resume["pending"])

    def _pull(self, index: object) -> None:
        self._note(index)
        self._pending.append(index)

    def _note(self, index: object) -> None:
        self._pulled += 1
        # A checksum of the order; only numbers have one that is the same in another process.
        if self._order >= 0:
            self._order = (self._order * _FACTOR + index + 1) & _MASK if _is_index(index) else -1


def _is_index(index: object) -> TypeGuard[int]:
    return isinstance(index, int) and not isinstance(index, bool)


def _members(batch: object) -> Sequence[object]:
    return batch if isinstance(batch, (list, tuple)) else (batch,)
