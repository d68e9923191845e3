"""Which caught exception probably made a metric go missing. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from dualwatch import domains
from dualwatch.core.text import name_words
from dualwatch.state.repeated_errors import RepeatedError
from dualwatch.state.snapshot import Snapshot

HARMLESS: tuple[str, ...] = (
    r"Warning\b",
    r"[Dd]eprecat",
    r"Failed to search registry with scope",
    r"libpng|iCCP|Corrupt JPEG|[Pp]remature end of JPEG",
    r"[Ff]ontconfig|findfont|Font family|missing from (?:current )?font",
    r"torch\.meshgrid",
    r"Failed to load image Python extension",
    r"Failed to initialize NumPy",
    r"[Tt]ensor[Bb]oard|wandb|mlflow|ClearML|visdom",
    r"[Uu]nable to register cu\w+ factory|failed call to cuInit|Could not load dynamic library",
    r"ASYNC_ERROR_HANDLING|libibverbs|NET/IB|socket could not be initialized",
    r"[Ff]ailed to (?:import|load) (?:optional|plugin)|not installed",
    r"not a git repository|dubious ownership",
    r"BrokenPipeError|KeyboardInterrupt",
    r"NVML|nvidia-smi|pynvml",
    r"retrying|will be retried|[Rr]etry \d",
)
"""Messages of sound trainings: none of them removes a loss from a model."""

COUNTED = 10
"""The console reader reports the 1st and the 10th occurrence: a repetition shows after 10."""

_SAYS_WHY = re.compile(
    r"shape|size of tensor|dimension|mat1 and mat2|device|dtype|out of range|out of bounds"
    r"|has no attribute|not defined|unexpected keyword|missing \d+ required|NoneType|CUDA|expected"
    r"|not callable|not subscriptable|index \d+|cannot be (?:multiplied|broadcast)|KeyError|Error\b"
)
"""Reasons of Python and torch for a computation that failed."""

_HARMLESS = re.compile("|".join(HARMLESS))


@dataclass(frozen=True, slots=True)
class SwallowedError:
    """An error, the confidence that it is the cause, and the reasons."""

    repeated: RepeatedError
    confidence: float
    marks: tuple[str, ...]


def suspect(s: Snapshot, name: str, held: int) -> SwallowedError | None:
    """The likeliest error behind a missing metric; None where there is none nearby.

    Args:
        name: The metric.
        held: Training lines that it was in, 0 where it never came.
    """
    rated = [_rated(s, repeated, name, held) for repeated in s.repeats]
    found = [suspect for suspect in rated if suspect is not None]
    # Of two equally likely ones the first: the second may be its consequence.
    return max(found, key=lambda one: (one.confidence, one.repeated.reports), default=None)


def of_a_loss(s: Snapshot) -> RepeatedError | None:
    """An error about a loss that comes again and again while the training continues.

    For a training of which no required metric is known, such as one that left only a log.
    """
    found = [
        one
        for one in s.repeats
        if one.reports > 1
        and one.after_line < s.train_lines
        and not is_harmless(one)
        and "loss" in _words(one)
        and _SAYS_WHY.search(one.error.message)
    ]
    return max(found, key=lambda one: one.reports, default=None)


def is_harmless(repeated: RepeatedError) -> bool:
    """Whether an error is one that sound trainings print."""
    error = repeated.error
    last = error.excerpt[-1] if error.excerpt else ""
    return _HARMLESS.search(f"{error.exception}: {error.message[:500]}\n{last}") is not None


def _rated(s: Snapshot, repeated: RepeatedError, name: str, held: int) -> SwallowedError | None:
    """How likely one error is the cause.

    Nearby means: no earlier than the line before the metric vanished, no later than the line after.
    An error while the metric was logged, or long after it vanished, explains nothing. Lines after
    the error show that the training survived it.
    """
    nearby = held - 1 <= repeated.after_line <= held + 1
    # What is printed may stay in a buffer for long; a traceback does not.
    late = held == 0 and repeated.reports > 1 and not repeated.error.where
    if not (nearby or late) or is_harmless(repeated):
        return None
    if repeated.after_line >= s.train_lines:
        return None
    marks = []
    confidence = 0.3
    words = _words(repeated)
    own = {word for word in name_words(name) if word != "loss"}
    topics = frozenset().union(*(domain.topics for domain in domains.installed()))
    if own & words:
        confidence += 0.3
        marks.append(f"its text mentions {sorted(own & words)[0]}")
    elif topics & words:
        confidence += 0.2
        marks.append(f"its text mentions {sorted(topics & words)[0]}")
    elif "loss" in words:
        confidence += 0.1
        marks.append("its text mentions a loss")
    in_loop = repeated.in_loop or repeated.last_line > 0
    if in_loop and nearby:
        confidence += 0.15
        marks.append(
            "it began with the training loop" if not held else "it began when the metric vanished"
        )
    due = _due(s, repeated)
    if repeated.reports > 1:
        confidence += 0.2 if repeated.reports >= due else 0.1
        marks.append(f"it occurred at least {repeated.at_least} times")
    elif due > 1:
        confidence -= 0.15  # An error of every iteration would have been reported again.
    is_related = bool({*own, *topics, "loss"} & words) or repeated.reports > 1
    if confidence < 0.4 or not (is_related or in_loop):
        return None
    return SwallowedError(repeated, round(min(confidence, 0.95), 2), tuple(marks))


def _due(s: Snapshot, repeated: RepeatedError) -> int:
    """How often an error of every iteration would have been reported by now."""
    if s.last_iteration is None or repeated.after_line > 1:
        return 1  # The number of iterations since is not known.
    iterations = s.last_iteration - (s.first_iteration or 1) + 1
    if iterations < COUNTED:
        return 1
    # The last power of ten may have been reached just now.
    return max(2, int(math.log10(iterations)))


def _words(repeated: RepeatedError) -> frozenset[str]:
    error = repeated.error
    texts = (error.exception, error.message[:1000], error.where, *error.excerpt[-20:])
    return frozenset(word for text in texts for word in name_words(text))
