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


class DatasetDocument(TypedDict):
    """The data set of one loader.

    Attributes:
        loader: "train", "val" or "test".
        classes: Their names; None where the data set has none.
        images: How many samples it has.
        looked: Samples whose annotations were read, in the time for it.
        labelled: Whether these samples have a place for labels that is known.
        labels: Annotations in them.
        lowest, highest: Class index; None without annotations.
    """

    loader: str
    classes: list[str] | None
    images: int
    looked: int
    labelled: bool
    labels: int
    lowest: int | None
    highest: int | None


class SpeedDocument(TypedDict):
    """What a batch costs, in seconds.

    Attributes:
        load: Per sample, read and transformed in the main process, one value for each tried.
        batch: Samples of a batch; 0 where it is not known.
        workers: Of the training loader.
        cores: CPUs that the process may use.
        iterations, epoch: Of the whole training, and of an epoch; None where not known.
    """

    load: list[float]
    batch: int
    workers: int
    cores: int
    iterations: int | None
    epoch: int | None


class MemoryDocument(TypedDict):
    """Bytes of GPU memory, by the training's own allocator.

    Attributes:
        name: The GPU.
        reserved: The most that this process has reserved so far.
        total: Of the GPU.
    """

    name: str
    reserved: int
    total: int


class Document(TypedDict):
    """``rehearsal.json``.

    Attributes:
        iterations: Completed ones.
        seconds: Of each of them, with the wait for its batch.
        waits: Of each of them, the wait for its batch alone.
        losses: What the model returned in the first one.
        validates: Whether the training has a validation.
        metrics: What the validation computed; None where it did not get so far.
        monitored: Setting -> metric that a hook looks for after a validation.
        checkpoint_bytes: Size of the saved checkpoint.
        checkpoints: How many the training will keep; None where that is not known.
        datasets: Of the loaders that the training reads.
        heads: Module of the model -> number of classes it has outputs for.
        evaluated: Classes by the validation's evaluator; None where it has none.
        speed: None before the iterations are over.
        gpu: None without one.
    """

    steps: list[StepDocument]
    iterations: int
    seconds: list[float]
    waits: list[float]
    losses: list[str]
    validates: bool
    metrics: list[str] | None
    monitored: dict[str, str]
    checkpoint_bytes: int
    checkpoints: int | None
    datasets: list[DatasetDocument]
    heads: dict[str, int]
    evaluated: list[str] | None
    speed: SpeedDocument | None
    gpu: MemoryDocument | None


def document() -> Document:
    """The record of a rehearsal that has not begun."""
    return {
        "steps": [],
        "iterations": 0,
        "seconds": [],
        "waits": [],
        "losses": [],
        "validates": False,
        "metrics": None,
        "monitored": {},
        "checkpoint_bytes": 0,
        "checkpoints": None,
        "datasets": [],
        "heads": {},
        "evaluated": None,
        "speed": None,
        "gpu": None,
    }
