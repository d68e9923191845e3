"""Where a training was when it died, by the frames of its traceback. Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import NamedTuple

from dualwatch.events import ErrorSeen, Frame
from dualwatch.protocol import VALIDATION_PHASES, Phase
from dualwatch.rules.stalls import stack_patterns
from dualwatch.state.snapshot import Snapshot

_FRAME = re.compile(r'\s*File "(?P<file>.+?)", line (?P<line>\d+), in (?P<function>\S+)')


class Part(enum.Enum):
    """What of its work a training was doing; ``NONE`` where the frames do not show it."""

    NONE = ""
    FORWARD = "forward"
    BACKWARD = "backward"
    OPTIMIZER = "optimizer"
    SAMPLER = "sampler"
    WORKER = "worker"
    COLLECTING = "collecting"


class Place(NamedTuple):
    """A phase of ``protocol.Phase``, and the part of it."""

    phase: str
    part: Part = Part.NONE


_PARTS = {
    "backward": Part.BACKWARD,
    "the optimizer": Part.OPTIMIZER,
    "forward": Part.FORWARD,
    "the data preprocessor": Part.FORWARD,
    "the sampler": Part.SAMPLER,
}
_COLLECTS = re.compile(r"(?:collect|gather)_results?\w*")
# Names that scripts without a framework give to their functions, and what they are in.
_NAMED = (
    (re.compile(r"(?:run_|do_)?(?:val|valid|validate|validation|eval|evaluate|evaluation)"
                r"(?:_(?:epoch|step|loop|one_epoch|model|fn))?|(?:test|predict)(?:_epoch|_step|_loop)"),
     Phase.VAL_STEP),
    (re.compile(r"(?:run_|do_)?(?:train|training)_(?:epoch|step|loop|one_epoch|batch|fn)"
                r"|(?:train_)?one_epoch|fit_(?:epoch|batch)"), Phase.STEP),
    (re.compile(r"(?:_?save|save_(?:model|state|weights|snapshot|ckpt)\w*)"), Phase.SAVING),
    (re.compile(r"(?:build|create|make|get)_(?:data_?sets?|data_?loaders?)"), Phase.BUILDING_DATA),
    (re.compile(r"(?:resume|load_(?:model|state|weights|ckpt)\w*|load_state_dict)"), Phase.LOADING),
    (re.compile(r"build_from_cfg|fromfile|(?:build|create|make|get)_(?:model|network)"),
     Phase.BUILDING),
)  # fmt: skip
_IN_FILES = (
    ("torch/serialization.py", re.compile(r"_?load\w*"), Phase.LOADING),
    ("torch/serialization.py", re.compile(r"_?save\w*"), Phase.SAVING),
    ("/datasets/", re.compile(r"evaluate\w*"), Phase.METRICS),
    ("/cocoeval", re.compile(r".+"), Phase.METRICS),
)


def of_error(error: ErrorSeen, logged: str) -> Place | None:
    """Where an error was raised; None where its frames do not show it.

    Args:
        logged: The phase by the lines before it: a forward pass is one of a validation or not.
    """
    frames = frames_of(error)
    if not frames:
        return Place(Phase.WAITING, Part.WORKER) if error.worker is not None else None
    if error.worker is not None:
        phase = stack_patterns.phase_of(frames)
        validates = phase in VALIDATION_PHASES or logged in VALIDATION_PHASES
        return Place(Phase.VAL_WAITING if validates else Phase.WAITING, Part.WORKER)
    part = _PARTS.get(stack_patterns.part_of_step(frames), Part.NONE)
    if any(_COLLECTS.fullmatch(frame.bare) for frame in frames):
        return Place(Phase.METRICS, Part.COLLECTING)
    phase = stack_patterns.phase_of(frames) or _by_name(frames)
    if phase in (None, Phase.BUILDING) and part in (Part.BACKWARD, Part.OPTIMIZER):
        phase = Phase.STEP
    elif phase is None and part is Part.FORWARD:
        phase = Phase.VAL_STEP if logged in VALIDATION_PHASES else Phase.STEP
    if phase is None:
        return None
    in_a_step = phase in (Phase.STEP, Phase.VAL_STEP, Phase.WAITING, Phase.VAL_WAITING)
    return Place(phase, part if in_a_step else Part.NONE)


def of_death(s: Snapshot) -> Place | None:
    """Where a training was when it died of the newest errors; None where none of them shows it."""
    for error in reversed(s.errors):
        moved = [line for line in (s.last_train, s.last_evaluation) if line is not None]
        if any(line.at > error.at for line in moved):
            return None
        if error.exception or error.where:
            found = of_error(error, s.phase)
            if found is not None:
                return found
    return None


def _by_name(frames: Sequence[Frame]) -> str | None:
    """By the names of functions, innermost first."""
    for frame in frames:
        file = frame.slashed
        for part, functions, phase in _IN_FILES:
            if part in file and functions.fullmatch(frame.bare):
                return phase
        for pattern, phase in _NAMED:
            if pattern.fullmatch(frame.bare):
                return phase
    return None


def frames_of(error: ErrorSeen) -> list[Frame]:
    """The frames of an error's traceback, innermost first."""
    found = [match for line in error.excerpt if (match := _FRAME.match(line)) is not None]
    return [
        Frame(function=match["function"], file=match["file"], line=int(match["line"]))
        for match in reversed(found)
    ]
