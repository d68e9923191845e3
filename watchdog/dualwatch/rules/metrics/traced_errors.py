"""Which exception of a traced iteration probably made a metric go missing. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dualwatch import domains
from dualwatch.core.text import name_words
from dualwatch.events import CaughtException
from dualwatch.state.snapshot import Snapshot

LEAST = 0.55
"""Confidence from which a caught exception is named."""

_LOOKUPS = frozenset(("AttributeError", "KeyError", "IndexError", "ImportError", "LookupError"))
"""Raised and caught as control flow in sound code."""

_BROAD = re.compile(r"except(?:\s*:|\s.*\b(?:Base)?Exception\b)|\bsuppress\(.*\bException\b")
"""A handler that catches what nobody expected."""


@dataclass(frozen=True, slots=True)
class TracedError:
    """An exception, the confidence that it is the cause, and the reasons."""

    error: CaughtException
    confidence: float
    marks: tuple[str, ...]


def suspect(s: Snapshot, name: str) -> TracedError | None:
    """The likeliest exception behind a missing metric; None where none is near the losses."""
    rated = [_rated(error, name) for error in s.caught]
    near = [one for one in rated if one.confidence >= LEAST]
    return max(near, key=lambda one: one.confidence, default=None)


def _rated(error: CaughtException, name: str) -> TracedError:
    """How likely one exception is the cause: by its nearness to the code of the loss."""
    marks = []
    confidence = 0.3
    words = _words(error)
    own = {word for word in name_words(name) if word != "loss"}
    topics = frozenset().union(*(domain.topics for domain in domains.installed()))
    if own & words:
        confidence += 0.3
        marks.append(f"it came from code that is named {sorted(own & words)[0]}")
    elif topics & words:
        confidence += 0.28
        marks.append(f"it came from code that is named {sorted(topics & words)[0]}")
    elif words & {"loss", "losses"}:
        confidence += 0.25
        marks.append("it came from the code of a loss")
    elif words & {"forward", "head"}:
        confidence += 0.1
        marks.append("it came from the forward pass")
    if _BROAD.search(error.handler):
        confidence += 0.2
        marks.append(f"`{error.handler}` catches every exception")
    elif error.exception in _LOOKUPS:
        confidence -= 0.2  # A default for something that is not there.
    if not error.handler:
        confidence -= 0.4  # No line caught it: a question such as hasattr.
    if error.foreign:
        confidence -= 0.3
    return TracedError(error, round(min(confidence, 0.95), 2), tuple(marks))


def _words(error: CaughtException) -> frozenset[str]:
    """Words of the functions and files between its origin and the line that caught it.

    What is further out is the same for every exception of the forward pass.
    """
    catcher = error.caught.rsplit(" in ", 1)[-1]
    names = [step.partition(" ")[0].rsplit(".", 1)[-1] for step in error.path]
    end = names.index(catcher) + 1 if catcher in names else 3
    places = (*error.path[:end], error.raised, error.caught)
    shown = (place.replace("\\", "/").rsplit("/", 1)[-1] for place in places)
    return frozenset(word for place in (*shown, error.message) for word in name_words(place))
