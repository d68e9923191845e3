"""What runs short while a training runs: warned of, with its twin of which nothing is said."""

from __future__ import annotations

import pytest
from dualwatch.core import shell
from dualwatch.events import (
    ErrorSeen,
    GpuHolder,
    GpuSample,
    GpusSampled,
    HostSampled,
    NotObserved,
    OrphansSeen,
    ProcessSample,
    Severity,
)
from dualwatch.protocol import Phase

MIB = 1024**2
GIB = 1024**3


def texts(finding) -> str:
    return "\n".join(e.text for e in finding.evidence)


# --- the machine -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "code", "words"),
    [
        ({"shm_total": 64 * MIB, "shm_free": MIB}, "DW302", "/dev/shm is nearly full: 1 MiB free"),
        ({"open_files_limit": 1024}, "DW303", "main 100 has 1000 files open, its limit is 1024"),
        ({"disk_total": 900 * GIB, "disk_free": MIB, "disk": "/w"}, "DW502", "/w: 1 MiB free"),
        ({"memory_total": 64 * GIB, "memory_available": GIB}, "DW501", "1.0 GiB available"),
        (
            {"cgroup_limit": 16 * GIB, "cgroup_used": 16 * GIB - MIB, "container": "docker"},
            "DW501",
            "memory of docker",
        ),
        (
            {
                "memory_total": 16 * GIB,
                "memory_available": 8 * GIB,
                "commit_limit": 20 * GIB,
                "commit_used": 20 * GIB - MIB,
            },
            "DW501",
            "used of 20.0 GiB (paging file: 4.0 GiB)",
        ),
    ],
)
def test_what_runs_short_is_a_warning(story, host, code, words) -> None:
    story.trains(5).stops_in(Phase.WAITING).sample(open_files=1000).tell(HostSampled, **host)
    (found,) = story.judged()
    assert (found.code, found.severity) == (code, Severity.WARNING)
    assert words in texts(found)
    assert 0.5 <= found.confidence < 0.95


@pytest.mark.parametrize(
    "host",
    [
        {},
        {"shm_total": 64 * MIB, "shm_free": 8 * MIB},
        {"shm_total": 64 * GIB, "shm_free": GIB},
        {"shm_free": 0},
        {"open_files_limit": 65536},
        {"disk_total": 900 * GIB, "disk_free": GIB},
        {"disk_total": GIB, "disk_free": 100 * MIB},
        {"disk_free": 0},
        {"memory_total": 64 * GIB, "memory_available": 4 * GIB},
        {"memory_available": 0},
        {"cgroup_limit": 16 * GIB, "cgroup_used": 15 * GIB},
        {"cgroup_used": 16 * GIB},
        {"commit_limit": 20 * GIB, "commit_used": 18 * GIB},
        {"commit_limit": 20 * GIB},
        {"commit_used": 20 * GIB},
    ],
    ids=str,
)
def test_enough_or_unknown_is_none(story, host) -> None:
    story.trains(5).stops_in(Phase.WAITING).sample(open_files=1000).tell(HostSampled, **host)
    assert story.codes() == []


def test_a_paging_file_that_is_too_small_is_shown_with_its_size(story) -> None:
    story.trains(5).tell(HostSampled, memory_total=8 * GIB, commit_limit=9 * GIB, commit_used=GIB)
    story.tell(
        ErrorSeen, exception="OSError", message="[WinError 1455] The paging file is too small"
    )
    (found,) = story.wait(1).ended(exit_code=1).judged()
    assert found.code == "DW304"
    assert "paging file: 1.0 GiB" in texts(found)


def test_little_shared_memory_that_nobody_waits_for_is_none(story) -> None:
    full = {"shm_total": 64 * MIB, "shm_free": 0}
    story.trains(5).stops_in(Phase.STEP).tell(HostSampled, **full)
    assert story.codes() == []
    story.tell(ErrorSeen, exception="RuntimeError", message="unable to open shared memory object")
    assert story.codes() == ["DW302"]


def test_files_that_could_not_be_counted_are_none(story) -> None:
    story.trains(5).tell(HostSampled, open_files_limit=1024)
    assert story.codes() == []


def test_who_holds_the_memory_is_named(story) -> None:
    story.trains(5).sample(rss=3 * GIB)
    story.tell(HostSampled, memory_total=64 * GIB, memory_available=0)
    assert "main 100: 3.0 GiB" in texts(story.judged()[0])


def test_what_it_died_of_is_said_once(story) -> None:
    story.trains(5).tell(HostSampled, disk_total=900 * GIB, disk_free=0)
    story.tell(ErrorSeen, exception="OSError", message="[Errno 28] No space left on device")
    assert [f.severity for f in story.judged()] == [Severity.WARNING]
    (found,) = story.ended(exit_code=1).judged()
    assert (found.code, found.severity) == ("DW502", Severity.CRITICAL)
    assert "0 B free of 900.0 GiB" in texts(found)


# --- devices ---------------------------------------------------------------------------------


def gpu(*holders: GpuHolder, index: int = 0, **fields) -> GpuSample:
    known = {"used": None, "total": 80 * GIB, "tree": 0, "utilisation": None, **fields}
    return GpuSample(index=index, name="GPU", holders=holders, **known)


def holder(pid: int, used: int | None, name: str = "python other.py", ours: bool = False):
    return GpuHolder(pid=pid, used=used, name=name, ours=ours)


OURS = holder(100, 8 * GIB, ours=True)


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (gpu(OURS, holder(7, 2 * GIB)), "pid 7 holds 2.0 GiB: python other.py"),
        (gpu(holder(7, 9 * GIB, "")), "pid 7 holds 9.0 GiB: "),
        (gpu(OURS, holder(7, None), used=20 * GIB, tree=8 * GIB), "12.0 GiB of 80.0 GiB"),
        (gpu(OURS, holder(7, 500 * MIB), total=4 * GIB), "500 MiB of 4.0 GiB"),
        (gpu(*(holder(i, GIB) for i in range(9))), "and 4 more processes"),
    ],
    ids=["neighbour", "dead", "shares not told", "a small device", "many"],
)
def test_memory_in_foreign_hands_is_told_with_its_holders(story, device, words) -> None:
    (found,) = story.trains(5).tell(GpusSampled, gpus=(device,)).judged()
    assert (found.code, found.severity) == ("DW402", Severity.WARNING)
    assert words in texts(found)


@pytest.mark.parametrize(
    "devices",
    [
        (gpu(OURS),),
        (gpu(OURS, holder(7, 300 * MIB)),),
        (gpu(OURS, holder(7, None)),),
        (gpu(OURS), gpu(holder(7, 70 * GIB), index=1)),
        (gpu(holder(7, 70 * GIB, ""), tree=None),),
        (gpu(used=70 * GIB),),
    ],
    ids=["ours", "little", "unknown", "another device", "numbers of the driver", "no holders told"],
)
def test_memory_that_is_ours_or_little_or_elsewhere_is_none(story, devices) -> None:
    assert story.trains(5).tell(GpusSampled, gpus=devices).codes() == []


def test_a_dead_holder_is_known_for_one_outside_of_containers(story) -> None:
    story.trains(5).tell(GpusSampled, gpus=(gpu(holder(7, 70 * GIB, ""), tree=None),))
    assert story.tell(HostSampled, container="docker").codes() == []
    assert story.tell(HostSampled, container="").codes() == ["DW402"]


def test_what_others_hold_counts_as_a_cause_where_memory_was_missing(story) -> None:
    story.trains(5).tell(GpusSampled, gpus=(gpu(OURS, holder(7, 30 * GIB)),))
    story.tell(ErrorSeen, exception="torch.OutOfMemoryError", message="CUDA out of memory.")
    died, held = story.ended(exit_code=1).judged()
    assert (died.code, held.code, held.severity) == ("DW401", "DW402", Severity.ERROR)


XID = "[   99.000001] NVRM: Xid (PCI:0000:3b:00): {}, pid=71, name=python, details"


@pytest.mark.parametrize(
    ("errors", "before", "after", "severity"),
    [
        (("lost: it has fallen off the bus or does not answer",), (), (), Severity.CRITICAL),
        (("a faulty row of memory ...: the device must be replaced",), (), (), Severity.CRITICAL),
        (("ECC: 3 uncorrected memory errors since ...",), (), (), Severity.WARNING),
        ((), (), (XID.format(79),), Severity.CRITICAL),
        ((), (XID.format(79),), (XID.format(79),), Severity.WARNING),
        (("lost: it",), (XID.format(79),), (XID.format(79),), Severity.CRITICAL),
        ((), (), (XID.format(48),), Severity.WARNING),
        ((), (), (XID.format(31), XID.format(13), XID.format(43)), None),
        ((), (), ("NVRM: loading NVIDIA UNIX x86_64 Kernel Module",), None),
    ],
)
def test_a_device_that_is_gone_or_has_errors(story, errors, before, after, severity) -> None:
    story.trains(5).tell(HostSampled, kernel=before)
    story.tell(GpusSampled, gpus=(gpu(OURS, errors=errors),)).tell(HostSampled, kernel=after)
    found = [f for f in story.judged() if f.code == "DW403"]
    assert [f.severity for f in found] == ([severity] if severity is not None else [])


@pytest.mark.parametrize(("seconds", "counts"), [(99.0, False), (3700.0, True)])
def test_an_error_of_the_gpu_counts_at_the_time_of_the_training(story, seconds, counts) -> None:
    """The machine was booted an hour before the training began."""
    story.started().trains(5)
    line = f"[{seconds:12.6f}] NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus."
    booted = story.events[0].wall - 3600.0
    story.tell(HostSampled, kernel=(line,), booted=booted)
    assert ("DW403" in story.codes()) is counts


def test_a_driver_that_does_not_fit_is_no_absent_one(story) -> None:
    why = "driver/library version mismatch: the driver was updated under the running system"
    assert "DW403" in story.tell(NotObserved, what="gpu", why=why).codes()
    why = "no NVIDIA driver: its library is not on this machine"
    assert story.tell(NotObserved, what="gpu", why=why).codes() == ["DW404"]


# --- orphans ---------------------------------------------------------------------------------


def test_orphans_are_named_with_what_they_hold(story) -> None:
    orphan = ProcessSample(
        pid=77,
        create_time=1_700_000_000.0,
        ppid=1,
        role="worker",
        status="running",
        cpu_s=1.0,
        io_bytes=0,
        rss=2 * GIB,
        threads=1,
        wchan="",
        command="python train.py c.py",
        open_files=12,
    )
    story.trains(5).tell(OrphansSeen, processes=())
    assert story.codes() == []
    story.tell(GpusSampled, gpus=(gpu(OURS, holder(77, 500 * MIB)),))
    (found,) = story.tell(OrphansSeen, processes=(orphan,)).judged()
    assert (found.code, found.severity, found.pid) == ("DW311", Severity.WARNING, 77)
    assert found.pid == 77
    told = found.evidence[1].text
    assert told.startswith("worker 77, since 2023-11-1")
    assert told.endswith(
        "holds 2.0 GiB of memory, 12 open files, 500 MiB of GPU 0: python train.py c.py"
    )
    assert shell.end([77]) in found.remedy
