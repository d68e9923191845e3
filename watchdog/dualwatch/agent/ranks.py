"""Collects what each rank adds to one rescue checkpoint of several ranks.

Parameters, optimizer and schedulers are the same in every rank of a DistributedDataParallel model;
the position in the data, the random states and gradients that are being accumulated are not.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from dualwatch import protocol
from dualwatch.agent import files
from dualwatch.agent.trainer import RescueError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dualwatch.agent.torch.objects import Module, Optimizer

KEY = "ranks"
"""In a checkpoint: rank -> its part, for all ranks but the first."""

WAIT = 30.0
"""Seconds that the first rank waits for the parts of the others."""


def require(world: int, models: Iterable[Module], optimizers: Iterable[Optimizer | None]) -> None:
    """Checks that all ranks are on this machine and have the first rank's parameters.

    Args:
        world: Ranks that train one model.
        models: As they are trained, with their wrappers.
        optimizers: Of torch; None where one is not known.

    Raises:
        RescueError: They do not.
    """
    from torch.nn.parallel import DistributedDataParallel

    if os.environ.get("LOCAL_WORLD_SIZE", str(world)) != str(world):
        raise RescueError("several machines: the state of the others is not known")
    if not all(isinstance(one, DistributedDataParallel) for one in models):
        raise RescueError("several ranks, and no DistributedDataParallel model")
    if any(one is None or hasattr(one, "consolidate_state_dict") for one in optimizers):
        raise RescueError("the optimizer's state is spread over the ranks")


def put(folder: str, rank: int, iteration: int, part: object) -> str:
    """Writes this rank's part for the first rank; returns the path."""
    import torch

    path = os.path.join(folder, protocol.part_file(rank, iteration))
    descriptor = os.open(path + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        torch.save(part, stream)
    files.replace(path + ".tmp", path)
    return path


def collect(folder: str, world: int, iteration: int) -> dict[int, Any]:
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
        rank: torch.load(path, map_location="cpu", **protected()) for rank, path in paths.items()
    }


def protected() -> dict[str, bool]:
    """``weights_only`` where this torch has a list of safe classes."""
    import torch

    known = hasattr(torch.serialization, "add_safe_globals")
    return {"weights_only": True} if known else {}
