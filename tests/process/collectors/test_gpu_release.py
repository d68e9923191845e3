"""Waiting for GPU memory: the real pynvml over a library of ours, and looks that were made up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dualwatch.collectors.gpu.release import SLACK, MemoryHolder, judged
from dualwatch.events import GpuHolder, GpuSample, GpusSampled, NotObserved

GIB = 1024**3
SOURCE = Path(__file__).with_name("fake_nvml.c")
COMPILER = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)

# Waits for the memory of the processes in argv[1]; FAKE_NVML may be "a>b", one scenario per look.
# Prints how it ended, in JSON; the clock is told at the end of every look.
WAITER = """
import dataclasses, json, os, sys
from dualwatch.collectors.gpu import release as gpu_release
from dualwatch.collectors.gpu.nvml import NvmlSampler
scenarios = os.environ["FAKE_NVML"].split(">")
os.environ["FAKE_NVML"] = scenarios[0]
slept = []
def sleep(seconds):
    slept.append(seconds)
    os.environ["FAKE_NVML"] = scenarios[min(len(slept), len(scenarios) - 1)]
pids = {int(pid) for pid in sys.argv[1].split()}
release = gpu_release.wait(NvmlSampler(answer_s=20), pids, patience=float(sys.argv[2]), sleep=sleep,
                           hurry=lambda: len(slept) >= int(sys.argv[3]))
answer = {"state": release.state.value, "text": release.text, "looks": len(slept) + 1}
print(json.dumps({**answer, "holders": [h.pid for h in release.holders],
                  "outside": [h.pid for h in release.outside]}), flush=True)
os._exit(0)
"""

needs_fake = pytest.mark.skipif(
    COMPILER is None or not sys.platform.startswith("linux"),
    reason="needs a C compiler and LD_LIBRARY_PATH",
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("driver")
    command = [str(COMPILER), "-shared", "-fPIC", "-O1", "-o",
               str(folder / "libnvidia-ml.so.1"), str(SOURCE)]  # fmt: skip
    subprocess.run(command, check=True, timeout=60)
    return folder


def wait(
    spawn: Any, driver: Path, scenario: str, *, patience: float = 60.0, hurry_after: int = 1000
) -> dict[str, Any]:
    neighbour = spawn("import sys; print('up', flush=True); sys.stdin.readline()")
    ours = spawn("import sys; print('up', flush=True); sys.stdin.readline()")
    process = spawn(
        WAITER,
        str(ours.pid),
        str(patience),
        str(hurry_after),
        FAKE_NVML=scenario,
        FAKE_NVML_PID=str(ours.pid),
        FAKE_NVML_OTHER=str(neighbour.pid),
        LD_LIBRARY_PATH=str(driver),
    )
    found: dict[str, Any] = json.loads(process.hello)
    return {**found, "ours": ours.pid, "neighbour": neighbour.pid}


@needs_fake
def test_it_waits_until_the_driver_names_none_of_ours(spawn: Any, driver: Path) -> None:
    answer = wait(spawn, driver, "two>two>nobody")

    # In a container of its own the fake's empty list is no evidence: then nobody knows.
    assert answer["state"] in ("released", "not observable")
    assert answer["looks"] == 3


@needs_fake
def test_the_wait_is_bounded_and_names_the_holder(spawn: Any, driver: Path) -> None:
    answer = wait(spawn, driver, "two", patience=0.0)

    assert answer["state"] == "held"
    assert answer["holders"] == [answer["ours"]]
    assert f"pid {answer['ours']} (3.0 GiB)" in answer["text"]
    assert answer["outside"][0] == answer["neighbour"]


@needs_fake
def test_the_user_may_end_the_wait(spawn: Any, driver: Path) -> None:
    answer = wait(spawn, driver, "two", patience=3600.0, hurry_after=2)

    assert (answer["state"], answer["looks"]) == ("held", 3)


@needs_fake
@pytest.mark.parametrize("scenario", ["no-driver", "no-device", "mismatch"])
def test_nothing_to_observe_is_not_waited_for(spawn: Any, driver: Path, scenario: str) -> None:
    answer = wait(spawn, driver, scenario)

    assert (answer["state"], answer["looks"]) == ("not observable", 1)
    assert answer["text"].startswith("GPU memory cannot be observed: ")


def holder(pid: int, used: int | None, *, ours: bool = False) -> GpuHolder:
    return GpuHolder(pid=pid, used=used, name="python", ours=ours)


def look(*gpus: GpuSample) -> GpusSampled:
    return GpusSampled(at=0.0, wall=0.0, gpus=gpus)


def gpu(used: int | None, tree: int | None, *holders: GpuHolder, index: int = 0) -> GpuSample:
    return GpuSample(index=index, name="A100", used=used, total=16 * GIB, tree=tree,
                     utilisation=0, holders=holders)  # fmt: skip


def test_neighbours_are_named_and_not_waited_for() -> None:
    release = judged(look(gpu(9 * GIB, 0, holder(7, 8 * GIB), holder(8, GIB))), None)

    assert release.state is MemoryHolder.RELEASED
    assert [one.pid for one in release.outside] == [7, 8]
    assert "pid 7 (8.0 GiB)" in release.text


def test_one_of_ours_on_any_device_is_waited_for() -> None:
    one = gpu(0, 0)
    two = gpu(3 * GIB, GIB, holder(9, GIB, ours=True), index=1)
    three = gpu(3 * GIB, GIB, holder(9, GIB, ours=True), index=2)

    release = judged(look(one, two, three), None)

    assert release.state is MemoryHolder.HELD
    assert release.holders == (holder(9, 2 * GIB, ours=True),)


def test_a_driver_that_does_not_say_how_much() -> None:
    release = judged(look(gpu(3 * GIB, None, holder(9, None, ours=True))), None)

    assert release.state is MemoryHolder.HELD
    assert release.text == "GPU memory is still held by pid 9 of the ended training"


@pytest.mark.parametrize(
    ("used", "state"),
    [
        (2 * GIB, MemoryHolder.RELEASED),
        (2 * GIB + SLACK, MemoryHolder.RELEASED),
        (3 * GIB, MemoryHolder.HELD),
    ],
)
def test_where_nobody_says_whose_it_is_the_amount_tells(used: int, state: MemoryHolder) -> None:
    before = look(gpu(2 * GIB, None))

    release = judged(look(gpu(used, None, holder(4_000_000, used))), before)

    assert release.state is state
    if state is MemoryHolder.HELD:
        assert "GPU 0" in release.text
        assert "1.0 GiB" in release.text


@pytest.mark.parametrize("before", [None, look(), look(gpu(None, None))])
def test_without_an_earlier_look_it_is_not_known(before: GpusSampled | None) -> None:
    release = judged(look(gpu(2 * GIB, None)), before)

    assert release.state is MemoryHolder.NOT_OBSERVABLE
    assert "does not say who holds its memory" in release.text


def test_a_driver_that_is_silent() -> None:
    silent = NotObserved(at=0.0, wall=0.0, what="gpu", why="the driver did not answer")

    release = judged(silent, None)

    assert release.state is MemoryHolder.NOT_OBSERVABLE
    assert release.text == "GPU memory cannot be observed: the driver did not answer"
