"""The position in the data: written into every checkpoint, restored on resume.

mmengine resumes at the beginning of an epoch, and an iteration-based training by loading all
earlier batches again. Here the sampler is advanced to the exact sample without loading any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dualwatch.agent import files
from dualwatch.agent.torch import loader_guard

if TYPE_CHECKING:
    from dualwatch.agent.mmengine.objects import PassIterator, Runner, SavedPosition, TrainLoop
    from dualwatch.agent.torch.objects import DataLoader
    from dualwatch.agent.torch.sample_tracker import Position


def world(runner: Runner) -> int:
    """Ranks that train one model."""
    return int(getattr(runner, "world_size", 1))


def of(
    runner: Runner, *, epoch: int, without_last: bool = False, every_rank: bool = False
) -> SavedPosition | None:
    """The position in the present pass; None at the beginning of an epoch, or where it is unknown.

    Args:
        epoch: The epoch of the present pass, as the loop counts them.
        without_last: The newest batch was not trained on.
        every_rank: The checkpoint will contain the positions of all ranks. With that of one rank
            alone the others could not follow, and all would wait for each other for ever.
    """
    loop = runner.train_loop
    guard = loader_guard.guard_of(getattr(loop, "dataloader", None))
    if guard is None or loader_guard.is_iterable_style(guard.loader):
        return None
    seed = getattr(loader_guard.sampler_of(guard.loader), "seed", None)
    found: SavedPosition = {
        "seed": seed if isinstance(seed, int) else None,
        "batch_size": _batch_size(guard.loader),
        "world": world(runner),
    }
    if world(runner) > 1 and not every_rank:
        return found
    if guard.tracker.passes and (is_by_iterations(loop) or loop.epoch == epoch):
        position = guard.tracker.position(untrained=int(without_last))
        if position is None:
            return None
        found["position"] = position
    return found


def resume_from(runner: Runner, saved: SavedPosition | None) -> int:
    """Advances the training loader to a position; returns the finished batches of its epoch."""
    loop = runner.train_loop
    guard = loader_guard.guard_of(getattr(loop, "dataloader", None))
    if guard is None or saved is None:
        return 0
    sampler = loader_guard.sampler_of(guard.loader)
    seed = saved.get("seed")
    own = getattr(sampler, "seed", None)
    if sampler is not None and seed is not None and isinstance(own, int):
        sampler.seed = seed  # Without a configured seed, each start draws a new one.
    position = saved.get("position")
    if position is None:
        return 0
    if int(saved.get("world", 1)) != world(runner):
        files.note("the checkpoint was saved by another number of ranks: its epoch is repeated")
        return 0
    size = _batch_size(guard.loader)
    resized = size != saved.get("batch_size")
    done = int(position["batches"])
    if size is not None and resized:
        done = -(-int(position["samples"]) // size)
    guard.tracker.resume(position, batches=done)
    if is_by_iterations(loop):
        return _advance(loop, guard, position)
    if size is not None and resized:
        loop._iter = loop.epoch * len(loop.dataloader) + done
        runner.message_hub.update_info("iter", loop.iter)
    return done


def is_by_iterations(loop: TrainLoop) -> bool:
    """Whether a loop counts iterations rather than epochs."""
    return not hasattr(loop, "run_epoch")


def _batch_size(loader: DataLoader) -> int | None:
    size = getattr(loader, "batch_size", None)
    if size is None:  # A batch sampler of its own.
        size = getattr(getattr(loader, "batch_sampler", None), "batch_size", None)
    return size if isinstance(size, int) and size > 0 else None


def _advance(loop: TrainLoop, guard: loader_guard.LoaderGuard, position: Position) -> int:
    """Gives an iteration-based loop another iterator, which begins at the position."""
    passes = int(position["passes"])
    endless = loop.dataloader_iterator

    def begin() -> None:
        guard.tracker.passes = passes - 1
        endless._epoch = passes - 1
        sampler = loader_guard.sampler_of(guard.loader)
        if passes > 1 and sampler is not None and hasattr(sampler, "set_epoch"):
            sampler.set_epoch(passes - 1)
        _reset_samplers(guard)
        endless._iterator = guard.restart()

    # It forwards all other attributes to the endless one.
    loop.dataloader_iterator = _Advanced(endless, loop.iter, begin)  # type: ignore[assignment]
    return 0


class _Advanced:
    """An iterator that mmengine can advance without loading earlier batches again.

    It begins with the first batch, after mmengine's hook that sets the sampler's epoch to 0.
    """

    def __init__(self, iterator: PassIterator, steps: int, begin: Callable[[], None]) -> None:
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


def _reset_samplers(guard: loader_guard.LoaderGuard) -> None:
    """Returns samplers that keep state between passes to the start of a pass."""
    batches = guard.loader.batch_sampler
    if batches is not None and getattr(batches, "_aspect_ratio_buckets", None) is not None:
        batches._aspect_ratio_buckets = [[] for _ in batches._aspect_ratio_buckets]
    sampler = loader_guard.sampler_of(guard.loader)
    if sampler is not None and hasattr(sampler, "_indices_of_rank"):  # The endless one.
        sampler.indices = sampler._indices_of_rank()


def note_complaint(runner: Runner) -> None:
    """Notes that a position could not be restored."""
    guard = loader_guard.guard_of(getattr(runner.train_loop, "dataloader", None))
    if guard is not None and guard.tracker.complaint:
        files.note(f"{guard.tracker.complaint}: its epoch is repeated")
        guard.tracker.complaint = ""
