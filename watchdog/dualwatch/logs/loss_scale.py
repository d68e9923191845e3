"""Steps that the scaler of mixed precision left out: apex, DeepSpeed, fairseq. Pure.

::

    Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to 32768.0
    [deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 65536, reducing to 32768
    NOTE: gradient overflow detected, ignoring gradient, setting loss scale to: 64.0
"""

from __future__ import annotations

import re

from dualwatch.events import StepSkipped

_FORM = re.compile(
    r"(?:[Gg]radient overflow|OVERFLOW!).{0,120}?(?:to:?|reducing to) "
    r"(?P<scale>\d+(?:\.\d+)?(?:e[-+]?\d+)?)\s*$"
)


SIGNS = ("verflow", "OVERFLOW")
"""One of these is in a word of each of them."""


def may_hold(line: str) -> bool:
    """Whether a line can be one of these."""
    return any(sign in line for sign in SIGNS)


def parse(line: str, at: float, wall: float) -> StepSkipped | None:
    """The step that a line reports as left out; None for all other lines."""
    match = _FORM.search(line) if may_hold(line) else None
    return StepSkipped(at=at, wall=wall, scale=float(match["scale"])) if match else None
