"""What is mmengine's own in a rescue checkpoint of several ranks; see ``agent.ranks``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dualwatch import protocol
from dualwatch.agent import ranks
from dualwatch.agent.trainer import RescueError

if TYPE_CHECKING:
    from dualwatch.agent.mmengine.objects import RescuedState, Runner


def require(runner: Runner, rank: int) -> None:
    """Checks that all ranks are on this machine and have the first rank's parameters.

    Raises:
        RescueError: They do not.
    """
    world = int(getattr(runner, "world_size", 1))
    if world < 2 or int(getattr(runner, "rank", 0)) != rank:
        raise RescueError("several ranks, each of which trains a model of its own")
    optimizer = getattr(getattr(runner, "optim_wrapper", None), "optimizer", None)
    ranks.require(world, [runner.model], [optimizer])


def mine(kept: object) -> RescuedState | None:
    """This rank's part of a rescue; None for the first rank, or where there is none."""
    parts = kept.get(ranks.KEY) if isinstance(kept, dict) else None
    return parts.get(protocol.rank_from_environment(dict(os.environ))) if parts else None
