"""What the agent observes of a model while it trains: the forms of its records.

A part of ``protocol``, with the same rules: standard library only, nothing newer than Python 3.8.
Each record is a small JSON file in the attempt's folder that is replaced as a whole:

* ``learning-RANK.json``, what some steps of the optimizer did to each part of the model. It is
  written after each of the first four steps, at iteration 1 already where gradients are not
  accumulated, and about every 200 iterations from then on;
* ``weights-RANK.json``, how the weights of a checkpoint fit the model that they are loaded into;
* ``non-finite-RANK.json``, the losses that were NaN or infinite, from the first iteration on in
  which one was.
"""

from __future__ import annotations

from typing import TypedDict


def learning_file(rank: int | str) -> str:
    """Name of a rank's record of what its steps do to the model; of all of them for "*"."""
    return f"learning-{rank}.json"


class LearningPartDocument(TypedDict):
    """One module of the model, or the model itself; see ``events.PartLearning``."""

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


class LearningParts(TypedDict):
    """What was seen of a model in steps of its optimizers; see ``events.LearningSeen``."""

    steps: int
    cleared: int
    uncleared: int
    parts: list[LearningPartDocument]


class LearningDocument(LearningParts):
    """``learning-RANK.json``; see ``events.LearningSeen``."""

    rank: int
    first: int
    iteration: int


def weights_file(rank: int | str) -> str:
    """Name of a rank's record of the weights that were loaded; of all of them for "*"."""
    return f"weights-{rank}.json"


class WeightsPartDocument(TypedDict):
    """The keys of one upper module; see ``events.WeightsPart``."""

    path: str
    keys: int
    missing: int
    reshaped: int
    unexpected: int


class WeightsFit(TypedDict):
    """How weights fit a model; see ``events.WeightsLoaded``."""

    keys: int
    missing: int
    reshaped: int
    unexpected: int
    parts: list[WeightsPartDocument]
    strangers: list[str]


class WeightsDocument(WeightsFit):
    """``weights-RANK.json``; see ``events.WeightsLoaded``."""

    rank: int


def non_finite_file(rank: int | str) -> str:
    """Name of a rank's record of losses that are not finite; of all of them for "*"."""
    return f"non-finite-{rank}.json"


class NonFiniteTermDocument(TypedDict):
    """One value that the training returned; see ``events.NonFiniteTerm``."""

    name: str
    value: str
    first: int
    newest: int
    times: int


class NonFiniteDocument(TypedDict):
    """``non-finite-RANK.json``; see ``events.NonFiniteSeen``."""

    rank: int
    iteration: int
    running: int
    terms: list[NonFiniteTermDocument]
    weights_at: int
    weights: list[str] | None
    files: list[str]
    unsound: list[str]
