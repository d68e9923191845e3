"""DW505: memory that grows until none is left; and what only looks so."""

from __future__ import annotations

import math

import pytest
from dualwatch.core.units import GIB, MIB
from dualwatch.events import GpuSample, GpusSampled, HostSampled, Severity
from dualwatch.protocol import Phase
from dualwatch.rules.deaths import memory_creep

MAIN = 100
WORKERS = (101, 102)


class Course:
    """A training whose memory is sampled every 5 seconds."""

    def __init__(self, story, epoch=200, epochs=4, each=10):
        self.story, self.epoch, self.epochs, self.each = story, epoch, epochs, each

    def to(self, iteration, main=0, workers=0, step=Phase.STEP, gpu=None):
        """Runs to an iteration; ``main`` and ``workers``: iteration -> bytes."""
        story = self.story
        while story.iteration < iteration:
            story.iteration += self.each
            done = story.iteration
            story.wait(5).pulse(
                step,
                epoch=done // self.epoch,
                batch=done % self.epoch,
                batches=self.epoch,
                max_epochs=self.epochs,
                max_iterations=self.epoch * self.epochs,
            )
            base = {MAIN: GIB, **dict.fromkeys(WORKERS, 200 * MIB)}
            more = {MAIN: main, **dict.fromkeys(WORKERS, workers)}
            each = {
                pid: {"held": int(base[pid] + (f(done) if callable(f) else f))}
                for pid, f in more.items()
            }
            story.sample(busy=True, each=each)
            if gpu is not None:
                device = GpuSample(
                    index=0,
                    name="a GPU",
                    used=int(gpu(done)) + GIB,
                    total=16 * GIB,
                    tree=int(gpu(done)),
                    utilisation=90,
                )
                story.tell(GpusSampled, gpus=(device,))
        return self

    def left(self, size, cgroup=None):
        self.story.tell(
            HostSampled,
            memory_total=64 * GIB,
            memory_available=size,
            cgroup_limit=None if cgroup is None else 32 * GIB,
            cgroup_used=None if cgroup is None else 32 * GIB - cgroup,
            container="" if cgroup is None else "docker",
        )
        return self

    def found(self):
        return [f for f in self.story.judged() if f.code == "DW505"]


@pytest.fixture
def course(story):
    return Course(story)


def each(size):
    return lambda iteration: size * iteration


def test_a_list_in_main_that_is_never_emptied(course) -> None:
    (one,) = course.to(500, main=each(5 * MIB)).left(GIB).found()
    assert one.severity is Severity.WARNING
    assert one.remedy == memory_creep.IN_MAIN
    assert "5 MiB in each iteration" in one.headline
    # 1 GiB at 10 MiB a second.
    assert "in 1m42s" in one.evidence[1].text


def test_workers_that_copy_what_they_read(course) -> None:
    (one,) = course.to(500, workers=each(5 * MIB)).left(GIB).found()
    assert one.remedy == memory_creep.IN_WORKERS


def test_the_container_has_less_left_than_the_machine(course) -> None:
    (one,) = course.to(500, main=each(5 * MIB)).left(40 * GIB, cgroup=GIB).found()
    assert "of docker" in one.evidence[1].text


def test_on_a_device(course) -> None:
    (one,) = course.to(500, gpu=lambda n: 2 * GIB + 20 * MIB * n).found()
    assert one.severity is Severity.WARNING
    assert one.remedy == memory_creep.ON_DEVICE


def test_slow_growth_over_many_passes(course) -> None:
    course.epochs = 400
    (one,) = course.to(30000, main=each(MIB // 20)).left(GIB).found()
    assert "50 MiB in each 1,000 iterations" in one.headline


def test_how_much_is_left_is_not_known(course) -> None:
    (one,) = course.to(500, main=each(5 * MIB)).found()
    assert len(one.evidence) == 1


def test_the_training_ends_before_the_memory(course) -> None:
    (one,) = course.to(500, main=each(5 * MIB)).left(60 * GIB).found()
    assert one.severity is Severity.INFO


def test_in_the_first_pass_where_it_will_not_fit(course) -> None:
    course.epoch = 10000
    (one,) = course.to(600, main=each(5 * MIB)).left(4 * GIB).found()
    assert one.severity is Severity.WARNING


def test_growth_on_top_of_a_saw_tooth(course) -> None:
    course.epochs = 40
    teeth = lambda n: 2 * MIB * n + MIB * (n % 200)  # noqa: E731
    (one,) = course.to(4000, main=teeth).left(GIB).found()
    assert "1.95 MiB in each iteration" in one.headline


# --- healthy twins ---------------------------------------------------------------------------


def test_a_cache_that_fills_in_the_first_pass_and_fits(course) -> None:
    course.epoch = 1000
    cache = lambda n: 2 * MIB * min(n, 1000)  # noqa: E731
    for iteration in (400, 700, 1000, 1200, 1500, 3000):
        assert not course.to(iteration, workers=cache).left(8 * GIB).found()


def test_caches_of_workers_that_fill_over_several_passes(course) -> None:
    cache = lambda n: 4 * GIB * (1 - math.exp(-n / 400))  # noqa: E731
    for iteration in (300, 400, 500, 600, 700, 800):
        assert not course.to(iteration, workers=cache).left(30 * GIB).found()


@pytest.mark.parametrize(
    "held",
    [
        lambda n: 0,
        lambda n: 8 * MIB * (n % 200),  # given back after each pass
        lambda n: 300 * MIB * ((n // 10 * 7919) % 13) / 13,  # images of all sizes
        lambda n: GIB * (n > 350),  # one step
        lambda n: 600 * MIB * (n // 200),  # a step each epoch: too few to judge
        lambda n: 300 * MIB * math.log(n),  # the largest image so far
        lambda n: 5 * MIB * max(0, 400 - n),  # given back
        lambda n: n * MIB / 20,  # small beside its noise
    ],
)
def test_healthy_memory(course, held) -> None:
    assert not course.to(800, main=held).left(GIB).found()


def test_too_short_to_say(course) -> None:
    assert not course.to(200, main=each(5 * MIB)).left(GIB).found()


def test_growth_of_a_validation_is_given_back(course) -> None:
    course.to(400)
    course.to(800, main=each(5 * MIB), step=Phase.VAL_STEP)
    assert not course.left(GIB).found()


def test_memory_that_was_not_read(story) -> None:
    for _ in range(100):
        story.trains(10)
    assert not Course(story).left(GIB).found()


# --- after the end ---------------------------------------------------------------------------


def die(story, kernel=()):
    lines = tuple(kernel)
    story.tell(HostSampled, memory_available=GIB, memory_total=64 * GIB, kernel=lines)
    return story.ended(-9, "SIGKILL")


OOM = "[123.4] Out of memory: Killed process 100 (python) total-vm:41943040kB"


def test_it_explains_a_kill_of_the_kernel(course) -> None:
    course.epoch = 10000
    story = course.to(500, main=each(5 * MIB)).left(60 * GIB).story
    assert not course.found()
    # Processes die one after the other, and are seen without each other.
    story.iteration += 10
    story.wait(5).pulse(Phase.STEP).sample(each={MAIN: {"held": GIB}, 101: None, 102: None})
    found = die(story, [OOM]).judged()
    codes = {f.code: f for f in found}
    assert codes["DW505"].severity is Severity.WARNING
    assert codes["DW501"].severity is Severity.CRITICAL


def test_without_growth_a_kill_of_the_kernel_has_no_such_cause(course) -> None:
    story = course.to(500).left(GIB).story
    codes = [f.code for f in die(story, [OOM]).judged()]
    assert "DW501" in codes
    assert "DW505" not in codes


def test_after_a_sound_end_it_is_a_note(course) -> None:
    story = course.to(500, main=each(5 * MIB)).left(GIB).story
    (one,) = [f for f in story.ended(0).judged() if f.code == "DW505"]
    assert one.severity is Severity.INFO
