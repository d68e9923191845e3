"""What comes again and again between training lines, and after how much training. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Recurrence:
    """When something came: a checkpoint, a validation.

    Attributes:
        epoch, iteration: Where it came last, None before or where it counts the other way.
        step: The shortest way between two of them; to the first one, while there is one alone.
        is_last: Whether no training line came since.
    """

    epoch: int | None = None
    iteration: int | None = None
    step: int | None = None
    is_last: bool = False

    def with_one(self, epoch: int | None, iteration: int | None) -> Recurrence:
        """After it came once more, at an epoch or at an iteration; None where that is not known."""
        if epoch is None and iteration is None:
            return replace(self, is_last=True)
        before = self.iteration if epoch is None else self.epoch
        reached = iteration if epoch is None else epoch
        assert reached is not None
        way = reached - (before or 0)
        step = self.step if way <= 0 else way if before is None else min(self.step or way, way)
        return Recurrence(epoch, iteration if epoch is None else None, step, is_last=True)

    def passed(self) -> Recurrence:
        """After another training line."""
        return replace(self, is_last=False) if self.is_last else self

    def is_due(self, epoch: int | None, iteration: int | None) -> bool:
        """Whether it must come at the end of an epoch or at an iteration, as it did before."""
        reached, last = (
            (epoch, self.epoch) if self.epoch is not None else (iteration, self.iteration)
        )
        if reached is None or last is None or not self.step:
            return False
        return reached > last and reached % self.step == 0


NEVER = Recurrence()
