"""Steps that the scaler of mixed precision left out."""

from __future__ import annotations

import pytest
from dualwatch.logs.loss_scale import parse


@pytest.mark.parametrize(
    ("line", "scale"),
    [
        ("Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to 5e-324", 5e-324),
        (
            "[loss_scaler.py:190:update_scale] [deepspeed] OVERFLOW! Rank 0 Skipping step. "
            "Attempted loss scale: 65536, reducing to 32768",
            32768.0,
        ),
        (
            "NOTE: gradient overflow detected, ignoring gradient, setting loss scale to: 64.0",
            64.0,
        ),
        ("integer overflow in the counter, set to 3", None),
        ("stack overflow", None),
    ],
)
def test_the_scale_that_a_line_names(line, scale):
    found = parse(line, 0.0, 0.0)
    assert (found.scale if found is not None else None) == scale
