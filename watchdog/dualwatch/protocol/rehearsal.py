"""What supervisor and agent say to each other about a rehearsal."""

from __future__ import annotations

from typing import TypedDict

FILE = "rehearsal.json"
"""What the rehearsed training did, in the attempt's folder."""


class Order(TypedDict):
    """How much is rehearsed, and where.

    Attributes:
        iterations: Of the training, at least; each loader worker gives one batch.
        batches: Of the validation.
        work_dir: Takes the place of the user's.
    """

    iterations: int
    batches: int
    work_dir: str


class Step:
    """The steps of a rehearsal, in their order."""

    TRAIN = "train"
    VALIDATE = "validate"
    SAVE = "save"
    LOAD = "load"


class StepDocument(TypedDict):
    """One step.

    Attributes:
        ended: False where the process ended in it.
        error: "Type: message", "" where it succeeded.
        where: File and line that raised it.
    """

    name: str
    ended: bool
    error: str
    where: str
    seconds: float


class Document(TypedDict):
    """``rehearsal.json``.

    Attributes:
        iterations: Completed ones.
        seconds: Of each of them, with the wait for its batch.
        losses: What the model returned in the first one.
        validates: Whether the training has a validation.
        metrics: What the validation computed; None where it did not get so far.
        monitored: Setting -> metric that a hook looks for after a validation.
        checkpoint_bytes: Size of the saved checkpoint.
    """

    steps: list[StepDocument]
    iterations: int
    seconds: list[float]
    losses: list[str]
    validates: bool
    metrics: list[str] | None
    monitored: dict[str, str]
    checkpoint_bytes: int
