"""What the agent uses of the objects that torch makes, for the type checker.

Imported while types are checked only: it costs a training nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol


class Handle(Protocol):
    """Takes a hook off again."""

    def remove(self) -> None: ...


class Tensor(Protocol):
    """A tensor or a parameter."""

    grad: Tensor | None
    device: object
    dtype: object
    requires_grad: bool

    def numel(self) -> int: ...
    def reshape(self, *shape: int) -> Tensor: ...
    def register_hook(self, hook: Callable[..., object]) -> Handle: ...
    def detach(self) -> Tensor: ...
    def cpu(self) -> Tensor: ...
    def to(self, device: object, dtype: object) -> Tensor: ...


class Module(Protocol):
    """A model or a part of one."""

    _modules: dict[str, Module]
    training: bool

    def modules(self) -> Iterator[Module]: ...
    def named_modules(self) -> Iterator[tuple[str, Module]]: ...
    def parameters(self) -> Iterator[Tensor]: ...
    def named_parameters(self) -> Iterator[tuple[str, Tensor]]: ...
    def state_dict(self) -> dict[str, object]: ...


class Optimizer(Protocol):
    """An optimizer of torch."""

    param_groups: list[dict[str, Any]]

    def state_dict(self) -> dict[str, object]: ...


class Generator(Protocol):
    """A source of random numbers."""

    def get_state(self) -> Tensor: ...
    def set_state(self, state: Tensor) -> object: ...


class Sampler(Protocol):
    """Gives indices, or batches of them; which attributes it has, depends on its class."""

    seed: int
    indices: Iterator[int]
    _aspect_ratio_buckets: list[list[object]]

    def set_epoch(self, epoch: int) -> None: ...
    def _indices_of_rank(self) -> Iterator[int]: ...
    def __iter__(self) -> Iterator[object]: ...
    def __len__(self) -> int: ...


class Dataset(Protocol):
    """A data set, of a kind that can describe its samples."""

    def get_data_info(self, index: object) -> dict[str, object]: ...


class LoaderClass(Protocol):
    """The class of torch's loaders."""

    _get_iterator: Callable[..., Iterator[object]]


class DataLoader(Protocol):
    """A loader of torch."""

    dataset: Dataset
    sampler: Sampler
    batch_sampler: Sampler | None
    collate_fn: Callable[[list[object]], object]
    worker_init_fn: Callable[[int], object] | None
    num_workers: int
    pin_memory: bool
    prefetch_factor: int | None
    persistent_workers: bool
    drop_last: bool
    _auto_collation: bool

    def __iter__(self) -> Iterator[object]: ...
    def __len__(self) -> int: ...


class Worker(Protocol):
    """A process of a loader."""

    pid: int
    exitcode: int | None

    def kill(self) -> None: ...
    def join(self, timeout: float) -> None: ...


class Queue(Protocol):
    """A queue between processes."""

    def put(self, item: object) -> None: ...
    def get(self, timeout: float) -> object: ...
    def cancel_join_thread(self) -> None: ...
    def close(self) -> None: ...


class LoaderIterator(Protocol):
    """torch's iterator of one pass over the data, by worker processes."""

    _sampler_iter: Iterator[object]
    _shutdown: bool
    _worker_pids_set: bool
    _index_queues: list[Queue]
    _worker_result_queue: Queue
    _data_queue: Queue
    _workers: list[Worker]
    _prefetch_factor: int

    def _try_put_index(self) -> None: ...

    def __iter__(self) -> Iterator[object]: ...
    def __next__(self) -> object: ...
