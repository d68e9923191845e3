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
import json, os, sys, time
from dualwatch.core.json_codec import plain
from dualwatch.collectors.gpu.nvml import NvmlSampler
gpus = NvmlSampler(retry_s=60, answer_s=float(sys.argv[4]))
pids = {os.getpid()} if sys.argv[1] == "self" else {int(pid) for pid in sys.argv[1].split()}
if sys.argv[1] == "self":
    os.environ["FAKE_NVML_PID"] = str(os.getpid())
samples = []
scenarios = os.environ["FAKE_NVML"].split(">")
for number in range(int(sys.argv[2])):
    os.environ["FAKE_NVML"] = scenarios[min(number, len(scenarios) - 1)]
    event = gpus.sample(pids, number * float(sys.argv[3]), 0.0)
    samples.append({"type": type(event).__name__, **plain(event)})
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
    (event,) = look(spawn, driver, "two")
    assert event["type"] == "GpusSampled"
    first, second = event["gpus"]
    holders = first.pop("holders")
    # 3 GiB by the compute list; the graphics list's 2 GiB are part of the same memory.
    assert first == {
        "errors": [],
        "index": 0,
        "name": "Fake A100",
        "used": 5 * GIB,
        "total": 16 * GIB,
        "tree": 3 * GIB,
        "utilisation": 97,
    }
    assert [(one["used"], one["ours"]) for one in holders] == [(3 * GIB, True), (GIB, False)]
    assert (second["name"], second["utilisation"]) == ("Fake T4", 0)
    assert second["tree"] in (0, None)
    assert second["holders"] == []


def test_who_holds_memory_is_named_the_greatest_first(spawn: Any, driver: Path) -> None:
    neighbour = spawn("import sys; print('up', flush=True); sys.stdin.readline()", "a neighbour")
    (event,) = look(spawn, driver, "two", FAKE_NVML_OTHER=str(neighbour.pid))
    other, own, dead = event["gpus"][0]["holders"]
    assert (other["pid"], other["used"], other["ours"]) == (neighbour.pid, 4 * GIB, False)
    assert other["name"].endswith("a neighbour")
    assert own["ours"]
    assert sys.executable in own["name"]
    assert (dead["pid"], dead["used"], dead["name"]) == (2_000_000_000, GIB, "")
    assert event["gpus"][0]["tree"] == 3 * GIB


def test_a_zombie_that_holds_memory_has_no_name(spawn: Any, driver: Path) -> None:
    parent = spawn(
        "import os, sys\n"
        "pid = os.fork() or os._exit(0)\n"
        "os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)\n"  # dead, and not yet reaped
        "print(pid, flush=True)\n"
        "sys.stdin.readline()"
    )
    (event,) = look(spawn, driver, "two", FAKE_NVML_OTHER=parent.hello)
    zombie = event["gpus"][0]["holders"][0]
    assert (zombie["pid"], zombie["used"], zombie["name"]) == (int(parent.hello), 4 * GIB, "")


def test_of_a_crowd_the_greatest_are_kept(spawn: Any, driver: Path) -> None:
    (event,) = look(spawn, driver, "crowd")
    used = [one["used"] for one in event["gpus"][0]["holders"]]
    assert len(used) == 20
    assert used == sorted(used, reverse=True)
    assert used[0] == 3 * GIB
    assert used[1] == GIB + 58 * 1024


def test_eight_devices(spawn: Any, driver: Path) -> None:
    (event,) = look(spawn, driver, "eight")
    assert [gpu["index"] for gpu in event["gpus"]] == list(range(8))


def test_faults_of_the_memory_are_told_one_by_one(spawn: Any, driver: Path) -> None:
    (event,) = look(spawn, driver, "sick")
    ecc, retired, remapped = event["gpus"][0]["errors"]
    assert "3 uncorrected" in ecc
    assert "retired" in retired
    assert "could not be remapped" in remapped
    # Its neighbour was repaired earlier, and had only errors that were corrected.
    assert event["gpus"][1]["errors"] == []


def test_a_device_without_error_counters_has_no_errors(spawn: Any, driver: Path) -> None:
    (event,) = look(spawn, driver, "no-ecc")
    assert [gpu["errors"] for gpu in event["gpus"]] == [[], []]
    assert event["gpus"][0]["used"] == 5 * GIB


def test_a_device_that_must_be_reset_is_lost(spawn: Any, driver: Path) -> None:
    (event,) = look(spawn, driver, "reset")
    assert event["gpus"][0]["errors"] == []
    (error,) = event["gpus"][1]["errors"]
    assert error.startswith("lost: ")
    assert "reset" in error


def test_a_device_that_cannot_be_opened_says_why(spawn: Any, driver: Path) -> None:
    (event,) = look(spawn, driver, "unknown")
    (error,) = event["gpus"][1]["errors"]
    assert "cannot open it" in error
    assert "Unknown Error" in error or "a fake's error" in error
    assert event["gpus"][1]["used"] is None
    # Not being allowed says something of us, not of the device.
    (event,) = look(spawn, driver, "forbidden")
    assert (event["gpus"][1]["used"], event["gpus"][1]["errors"]) == (None, [])


def test_full_memory(spawn: Any, driver: Path) -> None:
    (event,) = look(spawn, driver, "full")
    assert {gpu["used"] for gpu in event["gpus"]} == {16 * GIB}
    assert {gpu["total"] for gpu in event["gpus"]} == {16 * GIB}


def test_what_the_driver_does_not_say_is_none(spawn: Any, driver: Path) -> None:
    (event,) = look(spawn, driver, "not-supported")
    for gpu in event["gpus"]:
        assert [gpu[key] for key in ("used", "total", "tree", "utilisation")] == [None] * 4
    assert event["gpus"][0]["name"] == "Fake A100"


def test_memory_per_process_not_available_is_none(spawn: Any, driver: Path) -> None:
    (event,) = look(spawn, driver, "na")
    assert event["gpus"][0]["tree"] is None
    assert event["gpus"][0]["used"] == 5 * GIB
    known, unknown = event["gpus"][0]["holders"]
    assert (known["used"], unknown["used"], unknown["ours"]) == (GIB, None, True)


def test_pids_of_another_namespace_tell_nothing(spawn: Any, driver: Path) -> None:
    (event,) = look(spawn, driver, "two", pids="1", FAKE_NVML_PID="2000000001")
    assert event["gpus"][0]["tree"] is None


def test_others_memory_is_not_the_trainings(spawn: Any, driver: Path) -> None:
    (event,) = look(spawn, driver, "two", pids="999999999", FAKE_NVML_PID=str(os.getpid()))
    # In a container the driver's numbers mean nothing, and 0 would be a guess.
    first_namespace = os.stat("/proc/self/ns/pid").st_ino == 0xEFFFFFFC
    assert event["gpus"][0]["tree"] == (0 if first_namespace else None)


def test_a_lost_device_beside_a_healthy_one(spawn: Any, driver: Path) -> None:
    (event,) = look(spawn, driver, "lost")
    healthy, gone = event["gpus"]
    assert healthy["used"] == 5 * GIB
    assert gone == {
        "index": 1,
        "name": "lost: GPU 1",
        "used": None,
        "total": None,
        "tree": None,
        "utilisation": None,
        "holders": [],
        "errors": ["lost: it has fallen off the bus or does not answer the driver any more"],
    }


def test_a_device_lost_on_the_way_keeps_its_name(spawn: Any, driver: Path) -> None:
    events = look(spawn, driver, "lost-later", samples=3)
    assert [event["gpus"][1]["name"] for event in events] == [
        "Fake T4",
        "lost: Fake T4",
        "lost: Fake T4",
    ]
    assert [event["gpus"][1]["used"] for event in events] == [5 * GIB, None, None]
    assert [len(event["gpus"][1]["errors"]) for event in events] == [0, 1, 1]


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
    assert {event["type"] for event in (first, second, third)} == {"NotObserved"}
    assert first["what"] == "gpu"
    assert {words in event["why"] for event in (first, second, third)} == {True}


def test_a_failure_is_remembered_and_tried_again_after_a_while(spawn: Any, driver: Path) -> None:
    events = look(spawn, driver, "no-driver>two", samples=3, step=40.0)
    assert [event["type"] for event in events] == ["NotObserved", "NotObserved", "GpusSampled"]


def test_a_driver_that_goes_down_is_said_and_found_again(spawn: Any, driver: Path) -> None:
    events = look(spawn, driver, "two>uninitialised>two", samples=3)
    assert [event["type"] for event in events] == ["GpusSampled", "NotObserved", "GpusSampled"]


def test_no_library(spawn: Any, tmp_path: Path, driver: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"no library")
    (event,) = look(spawn, tmp_path, "two")
    assert event["type"] == "NotObserved"
    assert "no NVIDIA driver" in event["why"]


def test_a_driver_that_does_not_answer_holds_nobody_up(spawn: Any, driver: Path) -> None:
    first, second = look(spawn, driver, "hang", samples=2, answer=0.2)
    assert "did not answer within 0.2 s" in first["why"]
    assert "still does not answer" in second["why"]
