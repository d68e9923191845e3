"""What can be known of a training without waiting: its data, its model, what is around it."""

from __future__ import annotations

from msgspec import Struct

from dualwatch.events.base import Event


class DataSet(Struct, frozen=True, kw_only=True):
    """One data set of a configuration, as its annotations and folders show it.

    Attributes:
        key: Dotted key of the data set in its configuration.
        kind: Its type, "" where none is named.
        images: Images (or pairs) that its annotations name; None where ``why`` says something.
        looked_at: Of these, how many were looked for, each with its annotation where that is a
            file of its own.
        absent: Files that are named and not there, bounded.
        why: Why it could not be looked at, "" where it was.
        lacking: Of those that were looked for, how many lack a file.
        broken: Files that are there and cannot be used, each with the reason, bounded.
    """

    key: str
    kind: str
    images: int | None = None
    looked_at: int = 0
    absent: tuple[str, ...] = ()
    why: str = ""
    lacking: int = 0
    broken: tuple[str, ...] = ()


class DataSeen(Event, frozen=True, kw_only=True, tag="data-seen"):
    """The data sets of a configuration were looked through; pairs are in ``ConfigRead``.

    One that several loaders share is told once, under the first of them.
    """

    sets: tuple[DataSet, ...]


class CheckpointSeen(Event, frozen=True, kw_only=True, tag="checkpoint-seen"):
    """The checkpoint that a training is to start from.

    Attributes:
        path: As the configuration names it, or as the work dir's ``last_checkpoint`` does.
        exists: None where it is no local path (a URL), or where there is nothing to resume from.
        whole: Whether the file is a whole checkpoint; None where that was not looked at.
        why: What is wrong with it, or why it was not looked at.
    """

    path: str
    exists: bool | None
    whole: bool | None
    why: str = ""


class SurroundingsSeen(Event, frozen=True, kw_only=True, tag="surroundings-seen"):
    """What of the system may keep a training or its diagnosis from working.

    Attributes:
        stacks_readable: Whether the stack of a process of this user can be read.
        stacks_why: What forbids or limits it.
        console_encoding: Of the training's standard output when it is no terminal.
        hard_open_files: The most open files that the soft limit may be raised to; None for no
            limit, or where it is not known.
    """

    stacks_readable: bool | None
    stacks_why: str
    console_encoding: str
    hard_open_files: int | None = None


class ModelPart(Struct, frozen=True, kw_only=True):
    """One module of the model.

    Attributes:
        path: Its dotted name in the model: "roi_head.bbox_head"; "" for the model itself, which is
            among the parts where its class, and nothing below it, tells of a contrastive loss.
        kind: Its class.
        parameters: Numbers in it and below, all of them; 0 for a loss that learns nothing.
        trainable: Of these, those that want a gradient.
        optimised: Of these, those that the optimizer holds; None where it could not be asked.
    """

    path: str
    kind: str
    parameters: int
    trainable: int
    optimised: int | None


class ModelSeen(Event, frozen=True, kw_only=True, tag="model-seen"):
    """The model as the agent found it before the first iteration: its upper modules, and every
    one whose name or class tells of a contrastive loss. Bounded."""

    rank: int
    parts: tuple[ModelPart, ...]


class PartLearning(Struct, frozen=True, kw_only=True):
    """What some steps of the optimizer did to a module of the model.

    Attributes:
        path: Its dotted name, at most two levels deep; "" for the model itself.
        kind: Its class.
        parameters: Numbers in it and below, all of them.
        trainable: Of these, those that want a gradient.
        optimised: Of the trainable ones, those that an optimizer holds; None where unknown.
        rated: Of the held ones, those whose learning rate was above 0 in some observed step.
        rising: Of the held ones, those that a schedule starts from a rate above 0.
        gradient: Of the trainable ones, those that had a gradient in some observed step.
        looks: Observed steps of the parameter that was looked at least often.
        sampled: Trainable tensors whose values were compared with those before the first step.
        changed: Of these, those that differ.
        moves: Of these, those that had a gradient other than 0 in some observed step.
        called: Whether the forward pass of it, or of a module in it, ran in the first steps; a
            compiled model is not asked and shows False.
        evaluating: Observed steps in which it was in eval mode although it is trained and holds
            layers that work differently in it. Frozen statistics of norm layers do not count.
    """

    path: str
    kind: str
    parameters: int
    trainable: int
    optimised: int | None
    rated: int
    rising: int
    gradient: int
    looks: int
    sampled: int
    changed: int
    moves: int
    called: bool
    evaluating: int


class LearningSeen(Event, frozen=True, kw_only=True, tag="learning-seen"):
    """What the agent saw of the model in steps of its optimizers, since the start of the attempt.

    Attributes:
        first, iteration: The first and the newest iteration that were observed.
        steps: Observed steps.
        cleared: Of those, steps before which the gradients of the step before had been cleared.
        uncleared: Steps before which they had not been.
        parts: The model itself first, then its upper modules in their order. Bounded.
    """

    rank: int
    first: int
    iteration: int
    steps: int
    cleared: int
    uncleared: int
    parts: tuple[PartLearning, ...]


class WeightsPart(Struct, frozen=True, kw_only=True):
    """Keys of one upper module, in the model and in a checkpoint.

    Attributes:
        keys: Of the model.
        missing: Of these, those that the checkpoint lacks.
        reshaped: Of these, those that have another shape in the checkpoint.
        unexpected: Of the checkpoint, those that the model lacks.
    """

    path: str
    keys: int
    missing: int
    reshaped: int
    unexpected: int


class WeightsLoaded(Event, frozen=True, kw_only=True, tag="weights-loaded"):
    """How the weights of a checkpoint fit the model that they were loaded into.

    Attributes:
        keys, missing, reshaped, unexpected: As of ``WeightsPart``, of the whole model; counters of
            norm layers left out.
        strangers: Some of the unexpected keys.
    """

    rank: int
    keys: int
    missing: int
    reshaped: int
    unexpected: int
    parts: tuple[WeightsPart, ...]
    strangers: tuple[str, ...] = ()


class TensorBoardSeen(Event, frozen=True, kw_only=True, tag="tensor-board-seen"):
    """The state of TensorBoard, and what its event files hold.

    Attributes:
        url: Where it is, or would be.
        alive: Whether its process runs; None where it is not ours.
        answers: Whether the port answers as a TensorBoard; None where it was not asked.
        logdir: The folder that it says it shows, "" where it does not say.
        shows_run: Whether that folder holds the event files of this run; None where unknown.
        files: Event files of the training in the run's own folder.
        tags: Scalar tags in them, sorted, bounded.
        step: The newest step in them: what was logged later may not have been written yet.
        in_vain_s: For how long it has been asked without an answer; 0 where it answers.
        why: What is wrong, or why it could not be asked.
    """

    url: str
    alive: bool | None
    answers: bool | None
    logdir: str = ""
    shows_run: bool | None = None
    files: int | None = None
    tags: tuple[str, ...] = ()
    step: int | None = None
    in_vain_s: float = 0.0
    why: str = ""
