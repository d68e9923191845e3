"""Several ranks of one model: a rescue checkpoint holds the place of each."""

from __future__ import annotations

import os
import signal

import pytest
from dualwatch.events import CommandAnswered

from tests.training.recovery import accounting
from tests.training.recovery.cases import WHOLE, assert_same_weights
from tests.training.recovery.scene import TRAININGS, nested

pytestmark = pytest.mark.skipif(os.name != "posix", reason="gloo over torchrun, and SIGINT")

RANKS = ("--nproc-per-node", "2")


def test_every_rank_takes_up_at_its_own_sample(scene):
    # Each rank has gradients and random states of its own, and the model shows it.
    given = {"optim_wrapper.accumulative_counts": 3, "model.dropout": 0.2}
    options = {"config": "ranks_cfg.py", "script": TRAININGS / "ranks.py"}
    quiet = scene(settings=nested(given), **options)
    python, *words = quiet.bare()
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone")
    quiet.start([python, *launcher, *words])
    both = scene(settings=nested({**given, "model.pause": 0.2}), **options)
    both.start(both.command(*RANKS))
    both.iterating(3)
    both.process.send_signal(signal.SIGINT)

    assert both.finish() == 130, both.last_words()
    (stopped,) = both.summary["attempts"]
    last = stopped["last_iteration"]
    saved = [event for event in both.of(CommandAnswered) if event.done]
    assert {event.rank: event.iteration for event in saved} == {0: last, 1: last}
    assert stopped["lost_iterations"] == 0

    assert both.train(*RANKS, "--resume") == 0, both.last_words()
    (again,) = both.summary["attempts"]
    assert (again["first_iteration"], again["last_iteration"]) == (last + 1, 16)
    assert accounting.wrong(both.consumed, WHOLE, epochs=2) == []
    # Both did each iteration once, and became what they would have become.
    done = [line.iteration for line in accounting.trained(both.consumed)]
    assert sorted(done) == sorted([*range(16), *range(16)])
    assert quiet.finish() == 0, quiet.last_words()
    assert_same_weights(both, quiet)
    assert both.left_alive() == []
