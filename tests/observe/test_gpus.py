"""The real pynvml over a library of ours that plays the driver."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GIB = 1024**3
SOURCE = Path(__file__).with_name("fake_nvml.c")
COMPILER = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)

pytestmark = pytest.mark.skipif(
    COMPILER is None or not sys.platform.startswith("linux"),
    reason="needs a C compiler and LD_LIBRARY_PATH",
)

# Prints one JSON line, a list with one entry per sample. Arguments: tree pids, samples, seconds
# between them (told, not waited), patience. FAKE_NVML may be "a>b>c", one scenario per sample.
READER = """
import dataclasses, json, os, sys, time
from dualwatch.observe.gpus import Gpus
gpus = Gpus(retry_s=60, answer_s=float(sys.argv[4]))
pids = {os.getpid()} if sys.argv[1] == "self" else {int(pid) for pid in sys.argv[1].split()}
if sys.argv[1] == "self":
    os.environ["FAKE_NVML_PID"] = str(os.getpid())
samples = []
scenarios = os.environ["FAKE_NVML"].split(">")
for number in range(int(sys.argv[2])):
    os.environ["FAKE_NVML"] = scenarios[min(number, len(scenarios) - 1)]
    fact = gpus.sample(pids, number * float(sys.argv[3]), 0.0)
    samples.append({"type": type(fact).__name__, **dataclasses.asdict(fact)})
gpus.close()
print(json.dumps(samples), flush=True)
os._exit(0)
"""


@pytest.fixture(scope="module", params=["new-driver", "old-driver"])
def driver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    defines = ["-DOLD_DRIVER"] if request.param == "old-driver" else []
    command = [str(COMPILER), "-shared", "-fPIC", "-O1", *defines, "-o",
               str(folder / "libnvidia-ml.so.1"), str(SOURCE)]  # fmt: skip
    subprocess.run(command, check=True, timeout=60)
    return folder


def look(
    spawn: Any,
    folder: Path,
    scenario: str,
    *,
    pids: str = "self",
    samples: int = 1,
    step: float = 1.0,
    answer: float = 20.0,
    **environment: str,
) -> list[dict[str, Any]]:
    process = spawn(
        READER,
        pids,
        str(samples),
        str(step),
        str(answer),
        FAKE_NVML=scenario,
        LD_LIBRARY_PATH=str(folder),
        **environment,
    )
    found: list[dict[str, Any]] = json.loads(process.hello)
    return found


def test_two_devices_with_the_trainings_share(spawn: Any, driver: Path) -> None:
    (fact,) = look(spawn, driver, "two")
    assert fact["type"] == "GpusSampled"
    first, second = fact["gpus"]
    # 3 GiB by the compute list; the graphics list's 2 GiB are part of the same memory.
    assert first == {
        "index": 0,
        "name": "Fake A100",
        "used": 5 * GIB,
        "total": 16 * GIB,
        "tree": 3 * GIB,
        "utilisation": 97,
    }
    assert (second["name"], second["utilisation"]) == ("Fake T4", 0)
    assert second["tree"] in (0, None)


def test_full_memory(spawn: Any, driver: Path) -> None:
    (fact,) = look(spawn, driver, "full")
    assert {gpu["used"] for gpu in fact["gpus"]} == {16 * GIB}


def test_what_the_driver_does_not_say_is_none(spawn: Any, driver: Path) -> None:
    (fact,) = look(spawn, driver, "not-supported")
    for gpu in fact["gpus"]:
        assert [gpu[key] for key in ("used", "total", "tree", "utilisation")] == [None] * 4
    assert fact["gpus"][0]["name"] == "Fake A100"


def test_memory_per_process_not_available_is_none(spawn: Any, driver: Path) -> None:
    (fact,) = look(spawn, driver, "na")
    assert fact["gpus"][0]["tree"] is None
    assert fact["gpus"][0]["used"] == 5 * GIB


def test_pids_of_another_namespace_tell_nothing(spawn: Any, driver: Path) -> None:
    (fact,) = look(spawn, driver, "two", pids="1", FAKE_NVML_PID="2000000001")
    assert fact["gpus"][0]["tree"] is None


def test_others_memory_is_not_the_trainings(spawn: Any, driver: Path) -> None:
    (fact,) = look(spawn, driver, "two", pids="999999999", FAKE_NVML_PID=str(os.getpid()))
    # In a container the driver's numbers mean nothing, and 0 would be a guess.
    first_namespace = os.stat("/proc/self/ns/pid").st_ino == 0xEFFFFFFC
    assert fact["gpus"][0]["tree"] == (0 if first_namespace else None)


def test_a_lost_device_beside_a_healthy_one(spawn: Any, driver: Path) -> None:
    (fact,) = look(spawn, driver, "lost")
    healthy, gone = fact["gpus"]
    assert healthy["used"] == 5 * GIB
    assert gone == {
        "index": 1,
        "name": "lost: GPU 1",
        "used": None,
        "total": None,
        "tree": None,
        "utilisation": None,
    }


def test_a_device_lost_on_the_way_keeps_its_name(spawn: Any, driver: Path) -> None:
    facts = look(spawn, driver, "lost-later", samples=3)
    assert [fact["gpus"][1]["name"] for fact in facts] == [
        "Fake T4",
        "lost: Fake T4",
        "lost: Fake T4",
    ]
    assert [fact["gpus"][1]["used"] for fact in facts] == [5 * GIB, None, None]


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("mismatch", "version mismatch"),
        ("no-driver", "not loaded"),
        ("no-device", "no device"),
    ],
)
def test_no_use_of_nvml_at_all(spawn: Any, driver: Path, scenario: str, words: str) -> None:
    first, second, third = look(spawn, driver, scenario, samples=3, step=40.0)
    assert {fact["type"] for fact in (first, second, third)} == {"NotObserved"}
    assert first["what"] == "gpu"
    assert {words in fact["why"] for fact in (first, second, third)} == {True}


def test_a_failure_is_remembered_and_tried_again_after_a_while(spawn: Any, driver: Path) -> None:
    facts = look(spawn, driver, "no-driver>two", samples=3, step=40.0)
    assert [fact["type"] for fact in facts] == ["NotObserved", "NotObserved", "GpusSampled"]


def test_a_driver_that_goes_down_is_said_and_found_again(spawn: Any, driver: Path) -> None:
    facts = look(spawn, driver, "two>uninitialised>two", samples=3)
    assert [fact["type"] for fact in facts] == ["GpusSampled", "NotObserved", "GpusSampled"]


def test_no_library(spawn: Any, tmp_path: Path, driver: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"no library")
    (fact,) = look(spawn, tmp_path, "two")
    assert fact["type"] == "NotObserved"
    assert "no NVIDIA driver" in fact["why"]


def test_a_driver_that_does_not_answer_holds_nobody_up(spawn: Any, driver: Path) -> None:
    first, second = look(spawn, driver, "hang", samples=2, answer=0.2)
    assert "did not answer within 0.2 s" in first["why"]
    assert "still does not answer" in second["why"]
