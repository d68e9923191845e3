"""A device that works for this training is work; a neighbour's is not."""

from __future__ import annotations

import pytest
from dualwatch.events import AttemptStarted, GpuSample, GpusSampled
from dualwatch.state.snapshot import fold


@pytest.mark.parametrize(
    ("tree", "utilisation", "busy"),
    [
        (2**30, 90, True),
        (2**30, 0, False),
        (2**30, None, False),
        (0, 90, False),  # A neighbour's training on the same device.
        (None, 90, False),  # The driver does not say whose it is.
    ],
)
def test_whose_work_counts(tree, utilisation, busy):
    started = AttemptStarted(
        at=0.0, wall=0.0, attempt=0, pid=1, create_time=0.0, command=(), overrides={}
    )
    gpu = GpuSample(
        index=0, name="any", used=2**31, total=2**33, tree=tree, utilisation=utilisation
    )

    snapshot = fold([started, GpusSampled(at=50.0, wall=50.0, gpus=(gpu,))])

    assert snapshot.idle(60.0) == (10.0 if busy else 60.0)
