"""Whether the memory of an ended training is given back: by holders, else by its amount."""

from __future__ import annotations

import pytest
from dualwatch.facts import GpuHolder, GpuSample, GpusSampled, NotObserved
from dualwatch.observe.gpu_release import Held, judged

GIB = 1 << 30


def sample(used: int, tree: int | None, *holders: GpuHolder) -> GpusSampled:
    gpu = GpuSample(
        index=0, name="GPU", used=used, total=80 * GIB, tree=tree, utilisation=0, holders=holders
    )
    return GpusSampled(at=0, wall=0, gpus=(gpu,))


def holder(pid: int, *, ours: bool) -> GpuHolder:
    return GpuHolder(pid=pid, used=2 * GIB, name="python", ours=ours)


@pytest.mark.parametrize(
    ("answer", "before", "state", "words"),
    [
        (sample(0, 0), None, Held.RELEASED, "released"),
        (sample(2 * GIB, 2 * GIB, holder(4, ours=True)), None, Held.HELD, "pid 4 (2,048 MiB)"),
        (sample(2 * GIB, 0, holder(5, ours=False)), None, Held.RELEASED, "outside"),
        (sample(2 * GIB, None), None, Held.NOT_OBSERVABLE, "does not say"),
        (sample(2 * GIB, None), sample(0, None), Held.HELD, "2,048 MiB more than before"),
        (sample(GIB, None), sample(GIB, None), Held.RELEASED, "released"),
        (
            NotObserved(at=0, wall=0, what="gpu", why="no driver"),
            None,
            Held.NOT_OBSERVABLE,
            "no driver",
        ),
    ],
)
def test_what_one_look_says(answer, before, state, words) -> None:
    release = judged(answer, before)
    assert release.state is state
    assert words in release.text


def test_who_holds_memory_outside_of_the_training_is_named() -> None:
    release = judged(sample(2 * GIB, 0, holder(5, ours=False)), None)
    assert [one.pid for one in release.outside] == [5]
