"""Collects what each rank adds to one rescue checkpoint of several ranks.

Parameters, optimizer and schedulers are the same in every rank of a DistributedDataParallel model;
the position in the data, the random states and gradients that are being accumulated are not.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from dualwatch import protocol
from dualwatch.agent import files
from dualwatch.agent.mmengine import checkpoint
from dualwatch.agent.trainer import RescueError

if TYPE_CHECKING:
    from dualwatch.agent.mmengine.objects import RescuedState, Runner

KEY = "ranks"
"""In what only a rescue contains: rank -> its part, for all ranks but the first."""

WAIT = 30.0
"""Seconds that the first rank waits for the parts of the others."""


def require(runner: Runner, rank: int) -> None:
    """Checks that all ranks are on this machine and have the first rank's parameters.

    Raises:
        RescueError: They do not.
    """
    from torch.nn.parallel import DistributedDataParallel

    world = int(getattr(runner, "world_size", 1))
    if world < 2 or int(getattr(runner, "rank", 0)) != rank:
        raise RescueError("several ranks, each of which trains a model of its own")
    if os.environ.get("LOCAL_WORLD_SIZE", str(world)) != str(world):
        raise RescueError("several machines: the state of the others is not known")
    if not isinstance(runner.model, DistributedDataParallel):
        raise RescueError("several ranks, and no DistributedDataParallel model")
    optimizer = getattr(getattr(runner, "optim_wrapper", None), "optimizer", None)
    if optimizer is None or hasattr(optimizer, "consolidate_state_dict"):
        raise RescueError("the optimizer's state is spread over the ranks")


def put(folder: str, rank: int, iteration: int, part: RescuedState) -> str:
    """Writes this rank's part for the first rank; returns the path."""
    import torch

    path = os.path.join(folder, protocol.part_file(rank, iteration))
    descriptor = os.open(path + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        torch.save(part, stream)
    files.replace(path + ".tmp", path)
    return path


def collect(folder: str, world: int, iteration: int) -> dict[int, RescuedState]:
    """Waits for the parts of all ranks but the first and loads them.

    Raises:
        RescueError: One did not come.
    """
    import torch

    paths = {r: os.path.join(folder, protocol.part_file(r, iteration)) for r in range(1, world)}
    end = time.monotonic() + WAIT
    while not all(map(os.path.exists, paths.values())):
        if time.monotonic() >= end:
            raise RescueError("not every rank stopped after this iteration")
        time.sleep(0.02)
    return {
        rank: torch.load(path, map_location="cpu", **checkpoint.protected())
        for rank, path in paths.items()
    }


def mine(kept: object) -> RescuedState | None:
    """This rank's part of a rescue; None for the first rank, or where there is none."""
    parts = kept.get(KEY) if isinstance(kept, dict) else None
    return parts.get(protocol.rank_from_environment(dict(os.environ))) if parts else None
