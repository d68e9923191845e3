"""DW506: loader workers that share too few CPUs; and what only looks so."""

from __future__ import annotations

import pytest
from dualwatch.events import Circumstance, HostSampled, ProcessesSampled, ProcessSample
from dualwatch.protocol import Phase

MAIN, FIRST = 100, 101


class Loaded:
    """A training whose workers use ``use`` cores together."""

    def __init__(
        self, story, *, masks, use, main="0-7", main_use=0.1, machine=8, quota=None, waits=0.0
    ):
        self.story, self.masks, self.main = story, masks, main
        self.use, self.main_use, self.waits = use, main_use, waits
        story.tell(HostSampled, machine_cpus=machine, cpu_quota=quota, container="docker")

    def runs(self, *, data=0.8, samples=8):
        story = self.story
        for number in range(samples):
            story.iteration += 10
            story.wait(5).pulse(Phase.WAITING)
            for _ in range(3):
                story.line(loss=1.0 / (number + 1), time=1.0, data_time=data)
            seconds = 5.0 * number
            workers = [
                self.process(
                    FIRST + n,
                    "worker",
                    mask,
                    seconds * self.use / len(self.masks),
                    seconds * self.waits / len(self.masks),
                )
                for n, mask in enumerate(self.masks)
            ]
            main = self.process(MAIN, "main", self.main, seconds * self.main_use)
            story.tell(ProcessesSampled, processes=(main, *workers))
        return self

    @staticmethod
    def process(pid, role, mask, cpu, wait=0.0):
        return ProcessSample(
            pid=pid,
            create_time=1.0,
            ppid=1,
            role=role,
            status="running",
            cpu_s=cpu,
            io_bytes=0,
            rss=10**8,
            threads=1,
            wchan="",
            command="python train.py",
            cpus=mask,
            cpu_wait_s=wait,
        )

    def found(self):
        return [f for f in self.story.judged() if f.code == "DW506"]


@pytest.mark.parametrize(
    ("masks", "use", "main", "what"),
    [
        (("0",) * 4, 0.99, "0-7", Circumstance.PINNED_WORKERS),
        (("0-1",) * 4, 1.9, "0-7", Circumstance.PINNED_WORKERS),
        (("0", "0", "1", "1"), 1.9, "0-7", Circumstance.PINNED_WORKERS),
        (("3",) * 2, 0.95, "3", Circumstance.NARROW_MASK),
        (("0-1",) * 6, 1.9, "0-1", Circumstance.NARROW_MASK),
    ],
)
def test_a_mask_that_is_too_narrow(story, masks, use, main, what) -> None:
    (one,) = Loaded(story, masks=masks, use=use, main=main).runs().found()
    assert one.circumstance is what
    assert "DW209" in {f.code for f in story.judged()}


def test_other_processes_use_the_same_cpus(story) -> None:
    (one,) = Loaded(story, masks=("0",) * 4, use=0.3, waits=3.6).runs().found()
    assert one.confidence == pytest.approx(0.6)


def test_a_quota_that_is_used_up(story) -> None:
    (one,) = Loaded(story, masks=("0-7",) * 6, use=1.9, quota=2.0).runs().found()
    assert one.circumstance is Circumstance.CPU_QUOTA


@pytest.mark.parametrize(
    "told",
    [
        {"masks": ("0", "1", "2", "3"), "use": 3.9},  # pinned on purpose, one each
        {"masks": ("0",), "use": 0.99},  # one worker
        {"masks": ("0",) * 4, "use": 0.3},  # it waits for storage
        {"masks": ("0",) * 4, "use": 0.3, "waits": 1.0},  # for both
        {"masks": ("0", "1", "2", "3"), "use": 0.4, "waits": 3.6},  # the machine is crowded
        {"masks": ("0-7",) * 12, "use": 7.9},  # a small machine
        {"masks": ("0-1",) * 4, "use": 1.9, "main": "0-1", "machine": 2},
        {"masks": ("0-7",) * 2, "use": 1.9, "quota": 4.0},
        {"masks": ("0-7",) * 6, "use": 1.0, "quota": 4.0},
        {"masks": ("",) * 4, "use": 0.99},  # not known
        {"masks": ("0",) * 4, "use": 0.99, "machine": None},
    ],
    ids=str,
)
def test_enough_cpus(story, told) -> None:
    assert not Loaded(story, **told).runs().found()


def test_a_training_that_does_not_wait(story) -> None:
    assert not Loaded(story, masks=("0",) * 4, use=0.99).runs(data=0.05).found()


def test_too_few_samples(story) -> None:
    assert not Loaded(story, masks=("0",) * 4, use=0.99).runs(samples=5).found()
