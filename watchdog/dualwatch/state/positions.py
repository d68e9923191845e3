"""Positions in a training: of a line of its log, and of a saved checkpoint. Pure."""

from __future__ import annotations

from typing import NamedTuple

from dualwatch.events import IterationLogged, LogMilestone


class SeriesLine(NamedTuple):
    """The position of a training line.

    Attributes:
        number: Of the training lines, from 1.
        iteration: Counted from the first one of the training, by the log.
        place: For people: "epoch 1, iteration 30/200".
        epoch, total: As the line has them.
    """

    number: int
    iteration: int
    place: str
    at: float
    wall: float
    epoch: int | None = None
    total: int | None = None


class SavedCheckpoint(NamedTuple):
    """A checkpoint that the log says was saved.

    Attributes:
        file: Name of the file, "" where the log does not name it.
        best: Whether it was saved because its metric was the best so far.
        after_line: Number of the training line before it.
    """

    number: int
    by_epoch: bool
    file: str
    best: bool
    after_line: int

    @property
    def words(self) -> str:
        """For people: "epoch_1.pth", "that of epoch 1"."""
        return self.file or f"that of {'epoch' if self.by_epoch else 'iteration'} {self.number}"


def saved_checkpoint(event: LogMilestone, after_line: int) -> SavedCheckpoint | None:
    """The checkpoint of a milestone, None where it is about another thing."""
    number = event.epochs if event.epochs is not None else event.iterations
    if number is None:
        return None
    best = event.name == "best-checkpoint-saved"
    return SavedCheckpoint(number, event.epochs is not None, event.file, best, after_line)


def line_of(event: IterationLogged, number: int) -> SeriesLine:
    """The position of a training line, the ``number``-th."""
    return SeriesLine(
        number, done(event), place(event), event.at, event.wall, event.epoch, event.total
    )


def done(event: IterationLogged) -> int:
    """Iterations completed since the first one, by a log line."""
    if event.epoch is not None and event.total:
        return event.iteration + (event.epoch - 1) * event.total
    return event.iteration


def place(event: IterationLogged) -> str:
    """The position of a training line, for people."""
    total = f"/{event.total}" if event.total else ""
    if event.bar and not event.iteration and event.epoch is not None:
        return f"epoch {event.epoch}"  # A row of a trainer that counts no iterations.
    epoch = f"epoch {event.epoch}, " if event.epoch is not None else ""
    return f"{epoch}iteration {event.iteration}{total}"
