"""Samples a live process tree twice, some seconds apart: silence alone proves nothing."""

from __future__ import annotations

import time

from dualwatch.collectors.processes import waits
from dualwatch.collectors.processes.roles import LAUNCHER
from dualwatch.collectors.processes.trainings import Training
from dualwatch.collectors.processes.tree import ProcessTree
from dualwatch.collectors.stacks import capture
from dualwatch.core import clock
from dualwatch.core.clock import Moment
from dualwatch.events import Event

APART = 2.5
"""Seconds between the two looks: enough for CPU and I/O to show, short enough to wait for."""

READER_S = 3.0
"""Seconds for the stacks of one process."""


def pids(training: Training, moment: Moment) -> set[int]:
    """All processes of a training now."""
    tree = ProcessTree(training.pid, training.create_time, training.marker)
    return {process.pid for process in tree.sample(*moment).processes}


def look(training: Training) -> list[Event]:
    """Two samples of the tree with two captures of its stacks."""
    tree = ProcessTree(training.pid, training.create_time, training.marker)
    events = _once(tree, training)
    first = events[0]
    # The time that the capture took is part of the distance.
    time.sleep(max(0.0, first.at + APART - clock.now().at))
    return [*events, *_once(tree, training)]


def _once(tree: ProcessTree, training: Training) -> list[Event]:
    moment = clock.now()
    sample = tree.sample(*moment)
    captured, unseen = capture.capture(
        [p.pid for p in sample.processes if p.status != "zombie" and p.role != LAUNCHER],
        None,
        timeout=READER_S,
        at=moment.at,
        wall=moment.wall,
        inside=training.attempt_dir,
    )
    seen = waits.look(sample, captured, at=moment.at, wall=moment.wall)
    return [sample, *unseen, *seen, *([captured] if captured is not None else [])]
