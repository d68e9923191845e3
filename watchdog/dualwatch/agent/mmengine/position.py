"""Where a training stands in its data, written into every checkpoint, and how it goes on there.

mmengine resumes at the beginning of an epoch, and an iteration-based training by loading all that
was seen once more. Here the sampler is led to the very sample, without a single one being loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dualwatch.agent import files
from dualwatch.agent.torch import loader_guard


def world(runner: Any) -> int:
    """Ranks that train one model."""
    return int(getattr(runner, "world_size", 1))


def of(
    runner: Any, *, epoch: int, unlearnt: bool = False, every_rank: bool = False
) -> dict[str, Any] | None:
    """The place in the present pass; None at the beginning of an epoch, or where none is known.

    Args:
        epoch: The epoch of the present pass, as the loop counts them.
        unlearnt: The batch that came last was not learnt from.
        every_rank: The checkpoint will hold the places of all ranks. Where it holds that of one,
            the others could not follow it, and would wait for ever for each other.
    """
    loop = runner.train_loop
    keeper = loader_guard.guard_of(getattr(loop, "dataloader", None))
    if keeper is None or loader_guard.is_iterable_style(keeper.loader):
        return None
    seed = getattr(loader_guard.sampler_of(keeper.loader), "seed", None)
    place: dict[str, Any] = {
        "seed": seed if isinstance(seed, int) else None,
        "batch_size": _batch_size(keeper.loader),
        "world": world(runner),
    }
    if world(runner) > 1 and not every_rank:
        return place
    if keeper.ledger.passes and (is_by_iterations(loop) or loop.epoch == epoch):
        position = keeper.ledger.position(without_last=unlearnt)
        if position is None:
            return None
        place["position"] = position
    return place


def resume_from(runner: Any, place: dict[str, Any] | None) -> int:
    """Leads the training loader to a place; returns the batches of its epoch that are done."""
    loop = runner.train_loop
    keeper = loader_guard.guard_of(getattr(loop, "dataloader", None))
    if keeper is None or place is None:
        return 0
    sampler = loader_guard.sampler_of(keeper.loader)
    seed = place.get("seed")
    if seed is not None and isinstance(getattr(sampler, "seed", None), int):
        sampler.seed = seed  # A training without a seed drew another one at its start.
    position = place.get("position")
    if position is None:
        return 0
    if int(place.get("world", 1)) != world(runner):
        files.note("it was saved by another number of ranks: its epoch begins anew")
        return 0
    size = _batch_size(keeper.loader)
    resized = size is not None and size != place.get("batch_size")
    done = int(position["batches"])
    if resized:
        done = -(-int(position["samples"]) // size)
    keeper.ledger.resume(position, batches=done)
    if is_by_iterations(loop):
        return _advance(loop, keeper, position)
    if resized:
        loop._iter = loop.epoch * len(loop.dataloader) + done
        runner.message_hub.update_info("iter", loop.iter)
    return done


def is_by_iterations(loop: Any) -> bool:
    """Whether a loop counts iterations rather than epochs."""
    return not hasattr(loop, "run_epoch")


def _batch_size(loader: Any) -> Any:
    size = getattr(loader, "batch_size", None)
    if size is None:  # A batch sampler of its own.
        size = getattr(getattr(loader, "batch_sampler", None), "batch_size", None)
    return size if isinstance(size, int) and size > 0 else None


def _advance(loop: Any, keeper: Any, position: dict[str, Any]) -> int:
    """An iteration-based loop has its iterator already: it gets one that begins at the place."""
    passes = int(position["passes"])
    endless = loop.dataloader_iterator

    def begin() -> None:
        keeper.ledger.passes = passes - 1
        endless._epoch = passes - 1
        sampler = loader_guard.sampler_of(keeper.loader)
        if passes > 1 and hasattr(sampler, "set_epoch"):
            sampler.set_epoch(passes - 1)
        endless._iterator = keeper.start_anew()

    loop.dataloader_iterator = _Advanced(endless, loop.iter, begin)
    return 0


class _Advanced:
    """An iterator that mmengine "advances": what was seen is not loaded again.

    It begins when it is first asked, after mmengine's hook that gives the sampler the epoch 0.
    """

    def __init__(self, iterator: Any, steps: int, begin: Callable[[], None]) -> None:
        self._iterator, self._steps = iterator, steps
        self._begin: Callable[[], None] | None = begin

    def __iter__(self):
        return self

    def __next__(self):
        begin, self._begin = self._begin, None
        if begin is not None:
            begin()
        if self._steps > 0:
            self._steps -= 1
            return None
        return next(self._iterator)

    def __getattr__(self, name):
        return getattr(self._iterator, name)


def note_complaint(runner: Any) -> None:
    """Says where a place could not be taken up."""
    keeper = loader_guard.guard_of(getattr(runner.train_loop, "dataloader", None))
    if keeper is not None and keeper.ledger.complaint:
        files.note(f"{keeper.ledger.complaint}: its epoch begins anew")
        keeper.ledger.complaint = ""
