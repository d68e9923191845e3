"""What a log reports of the keys of a checkpoint that did not fit the model. Pure."""

from __future__ import annotations

from typing import NamedTuple

from dualwatch.events import KeysReported, KeysState

MOST = 600
"""Keys of one kind that are kept; the rest is counted."""


class Keys(NamedTuple):
    """Keys of one kind.

    Attributes:
        names: Bounded.
        number: Of all of them, at least.
        is_cut: Whether there were more in the log than were read.
    """

    names: tuple[str, ...] = ()
    number: int = 0
    is_cut: bool = False

    def with_more(self, event: KeysReported) -> Keys:
        """These and those of one more line."""
        names = (*self.names, *event.keys)[:MOST]
        return Keys(names, self.number + len(event.keys), self.is_cut or event.is_cut)


class ReportedKeys(NamedTuple):
    """Of the checkpoint that was reported last.

    Attributes:
        load: Number of that report in its log.
        shapes: The first key of another shape, its shape in the checkpoint, and in the model.
    """

    load: int
    wall: float
    missing: Keys = Keys()
    unexpected: Keys = Keys()
    reshaped: Keys = Keys()
    shapes: tuple[str, str, str] | None = None


def reported(before: ReportedKeys | None, event: KeysReported) -> ReportedKeys:
    """The report after one more line of it, or the beginning of the next one."""
    known = before
    if known is None or known.load != event.load:
        known = ReportedKeys(event.load, event.wall)
    if event.state is KeysState.MISSING:
        return known._replace(missing=known.missing.with_more(event))
    if event.state is KeysState.UNEXPECTED:
        return known._replace(unexpected=known.unexpected.with_more(event))
    shapes = known.shapes
    if shapes is None and event.shapes is not None:
        shapes = (event.keys[0], *event.shapes)
    return known._replace(reshaped=known.reshaped.with_more(event), shapes=shapes)
