"""The books of a pass: whatever was read ahead, every sample comes once, at any batch size."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from dualwatch.agent.torch.sample_tracker import SampleTracker
from hypothesis import given
from hypothesis import strategies as st


def shuffled(count: int, seed: int) -> list[int]:
    order = list(range(count))
    random.Random(seed).shuffle(order)
    return order


def plain(indices: Iterator[int], size: int) -> Iterator[list[int]]:
    """Batches as torch's BatchSampler makes them."""
    while batch := list(islice(indices, size)):
        yield batch


def bucketed(indices: Iterator[int], size: int) -> Iterator[list[int]]:
    """Batches of odd or of even samples, as mmdet groups images by their shape."""
    buckets: list[list[int]] = [[], []]
    for index in indices:
        bucket = buckets[index % 2]
        bucket.append(index)
        if len(bucket) == size:
            yield bucket[:]
            bucket.clear()
    left = iter(buckets[0] + buckets[1])
    yield from plain(left, size)


MAKERS = {"plain": plain, "bucketed": bucketed}


def read(
    ledger: SampleTracker,
    indices: list[int],
    size: int,
    *,
    maker: str,
    ahead: int,
    stop_after: int | None = None,
    asks_sampler: bool = True,
) -> list[Any]:
    """Reads a pass as a loader does, ``ahead`` batches early; returns what was consumed."""
    ledger.begin()
    make = MAKERS[maker]
    if asks_sampler:
        batches = make(ledger.sampled(iter(indices)), size)
    else:
        batches = make(iter(indices), size)
    taken = ledger.batched(batches, size)
    queue = list(islice(taken, ahead))
    consumed: list[Any] = []
    done = 0
    while queue and done != stop_after:
        batch = queue.pop(0)
        queue += list(islice(taken, 1))
        ledger.delivered()
        consumed += batch
        done += 1
    return consumed


@given(
    count=st.integers(1, 60),
    seed=st.integers(0, 5),
    sizes=st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 7)),
    aheads=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)),
    stops=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    maker=st.sampled_from(sorted(MAKERS)),
    asks_sampler=st.booleans(),
)
def test_every_sample_comes_once_over_three_attempts(
    count, seed, sizes, aheads, stops, maker, asks_sampler
) -> None:
    order = shuffled(count, seed)
    consumed: list[int] = []
    position: Any = None
    for size, ahead, stop in zip(sizes, aheads, (*stops, None), strict=True):
        ledger = SampleTracker()
        if position is not None:
            ledger.resume(position, batches=0)
        if not asks_sampler:
            # A batch sampler of its own kind gives the same batches in every attempt.
            size = sizes[0]
        consumed += read(
            ledger,
            order,
            size,
            maker=maker,
            ahead=ahead,
            stop_after=stop,
            asks_sampler=asks_sampler,
        )
        assert ledger.complaint == ""
        position = ledger.position()
        assert position is not None
        assert position["samples"] == len(consumed)
    assert Counter(consumed) == Counter(order)


def test_the_order_goes_on_as_it_was() -> None:
    order = shuffled(20, 1)
    first = SampleTracker()
    consumed = read(first, order, 4, maker="plain", ahead=4, stop_after=2)
    second = SampleTracker()
    second.resume(first.position() or {}, batches=4)
    consumed += read(second, order, 2, maker="plain", ahead=3)
    assert consumed == order
    assert second.batches == 4 + 6


def test_the_batch_that_was_not_learnt_from_comes_again() -> None:
    order = shuffled(12, 2)
    first = SampleTracker()
    consumed = read(first, order, 3, maker="plain", ahead=2, stop_after=2)
    position = first.position(untrained=1)
    assert position is not None
    assert (position["batches"], position["samples"]) == (1, 3)
    second = SampleTracker()
    second.resume(position, batches=1)
    assert consumed[:3] + read(second, order, 3, maker="plain", ahead=1) == order


@pytest.mark.parametrize("asks_sampler", [True, False])
def test_another_order_begins_anew_and_says_so(asks_sampler) -> None:
    first = SampleTracker()
    read(first, shuffled(12, 1), 3, maker="plain", ahead=2, stop_after=2)
    second = SampleTracker()
    second.resume(first.position() or {}, batches=2)
    order = shuffled(12, 2)
    again = read(second, order, 3, maker="plain", ahead=2, asks_sampler=asks_sampler)
    assert Counter(again) == Counter(order)
    assert "order" in second.complaint
    assert second.samples == 12


def test_a_sampler_that_gives_fewer_samples_says_so() -> None:
    first = SampleTracker()
    read(first, shuffled(12, 1), 3, maker="plain", ahead=2, stop_after=3)
    second = SampleTracker()
    second.resume(first.position() or {}, batches=3)
    assert read(second, [1, 2], 3, maker="plain", ahead=2) == [1, 2]
    assert second.complaint


def test_what_is_no_number_has_no_position() -> None:
    ledger = SampleTracker()
    ledger.begin()
    for _ in ledger.batched(iter([["a", "b"]]), 2):
        ledger.delivered()
    assert ledger.position() is None


def test_a_batch_that_the_sampler_did_not_give_promises_nothing() -> None:
    ledger = SampleTracker()
    ledger.begin()
    indices = ledger.sampled(iter([1, 2, 3, 4]))
    for _ in ledger.batched(([next(indices) + 100, next(indices)] for _ in range(2)), 2):
        ledger.delivered()
    assert ledger.position() is None
