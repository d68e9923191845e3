"""Before the start: configuration, data, machine. What is not seen is never a pass."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dualwatch.checks.item import RunLife
from dualwatch.core import shell
from dualwatch.events import (
    CheckpointSeen,
    DataSeen,
    DataSet,
    Defect,
    DefectKind,
    GpuHolder,
    GpuSample,
    GpusSampled,
    HostSampled,
    OrphansSeen,
    ProcessSample,
    SurroundingsSeen,
)
from dualwatch.rules.deaths.setup import find as judge_setup
from dualwatch.rules.thresholds import Thresholds
from msgspec import structs

NOW = {"at": 0.0, "wall": 0.0}
GIB = 1024**3


@pytest.fixture
def planned(training, judged):
    """The results of a configuration that was not started, with some fields changed."""

    def judge(config=None, **seen):
        training.events, training.life = [], RunLife.PLANNED
        training.config = structs.replace(training.config, **(config or {}))
        subject = training.subject(**seen)
        found = list(judge_setup(subject.s, Thresholds()))
        return judged(replace(subject, findings=tuple(found)))

    return judge


def test_a_sound_configuration(planned):
    told = planned()
    for name in ("config-loads", "data-present", "pairs-complete", "pairing", "preprocessor"):
        assert told[name].status.value == "pass", name
    for name in ("macl-in-model", "loader-settings", "tensorboard-backend", "checkpoint"):
        assert told[name].status.value == "pass", name


@pytest.mark.parametrize(
    ("config", "name", "status", "code"),
    [
        ({"error": "NameError: x", "loaders": {}}, "config-loads", "fail", "DW602"),
        ({"how": "read"}, "config-loads", "skip", "DW602"),
        ({"missing": {"a.data_root": "data/x"}}, "data-present", "fail", "DW603"),
        ({"unpaired": ("a.jpg",)}, "pairs-complete", "fail", "DW604"),
        ({"looked_at": 0}, "pairs-complete", "skip", "DW604"),
        ({"paired": False}, "pairing", "fail", "DW211"),
        ({"paired": None}, "pairing", "skip", "DW211"),
        ({"preprocessor": "DetDataPreprocessor"}, "preprocessor", "fail", "DW211"),
        ({"preprocessor": ""}, "preprocessor", "skip", "DW211"),
        ({"model_words": ("FasterRCNN",)}, "macl-in-model", "fail", "DW212"),
        ({"backends": ("LocalVisBackend",)}, "tensorboard-backend", "fail", "DW802"),
        ({"backends": None}, "tensorboard-backend", "skip", "DW802"),
        ({"load_from": "a.pth"}, "checkpoint", "skip", "DW605"),
    ],
)
def test_what_is_wrong_or_unseen(planned, config, name, status, code):
    result = planned(config)[name]
    assert (result.status.value, result.code) == (status, code)


RISKY = {"train_dataloader": {"num_workers": 2, "persistent_workers": True}}


@pytest.mark.parametrize(("platform", "status"), [("linux", "warn"), ("win32", "fail")])
def test_loader_settings_by_platform(planned, platform, status):
    result = planned({"loaders": RISKY, "platform": platform})["loader-settings"]
    assert result.status.value == status
    assert "num_workers=0" in result.remedy


def test_data_of_a_training_that_runs_is_not_where_we_look(training, judged):
    training.config = structs.replace(training.config, missing={"a.data_root": "data/x"})
    assert judged(training.lines(2).subject())["data-present"].status.value == "warn"


@pytest.mark.parametrize(
    ("sets", "status", "word"),
    [
        ((DataSet(key="t", kind="V", images=9, looked_at=9),), "pass", "9 images"),
        ((DataSet(key="t", kind="V", images=9, looked_at=5),), "pass", "5 of 9 images"),
        (
            (DataSet(key="t", kind="V", images=9, looked_at=9, absent=("a",)),),
            "fail",
            "1 missing",
        ),
        (
            (DataSet(key="t", kind="V", images=9, looked_at=9, broken=("a: it is empty",)),),
            "fail",
            "1 unusable",
        ),
        ((DataSet(key="t", kind="V", images=0),), "fail", "name no image"),
        ((DataSet(key="t", kind="V", why="too large"),), "skip", "too large"),
        ((), "skip", "no data set"),
    ],
)
def test_images_that_annotations_name(planned, sets, status, word):
    result = planned(data=DataSeen(**NOW, sets=sets))["images-present"]
    assert result.status.value == status
    assert word in result.observed


@pytest.mark.parametrize(
    ("exists", "whole", "status"),
    [(True, True, "pass"), (False, None, "fail"), (True, False, "fail"), (None, None, "skip")],
)
def test_the_checkpoint_to_start_from(planned, exists, whole, status):
    seen = CheckpointSeen(**NOW, path="a.pth", exists=exists, whole=whole, why="because")
    assert planned({"load_from": "a.pth"}, checkpoint=seen)["checkpoint"].status.value == status


@pytest.mark.parametrize(
    ("fields", "name", "status"),
    [
        ({"disk_free": 50 * GIB}, "disk", "pass"),
        ({"disk_free": 5 * GIB}, "disk", "warn"),
        ({"disk_free": GIB // 2}, "disk", "fail"),
        ({}, "disk", "skip"),
        ({"memory_available": 9, "memory_total": 10}, "memory", "pass"),
        (
            {
                "memory_available": 9,
                "memory_total": 10,
                "cgroup_limit": 100,
                "cgroup_used": 99,
                "container": "docker",
            },
            "memory",
            "fail",
        ),
        ({}, "memory", "skip"),
        ({"open_files_limit": 1024}, "open-files", "pass"),
        ({"open_files_limit": 512}, "open-files", "warn"),
        ({"open_files_limit": 64}, "open-files", "fail"),
        ({}, "open-files", "skip"),
    ],
)
def test_the_machine(planned, fields, name, status):
    assert planned(host=HostSampled(**NOW, **fields))[name].status.value == status


def test_a_soft_limit_that_may_be_raised_is_enough(planned):
    around = SurroundingsSeen(
        **NOW,
        stacks_readable=True,
        stacks_why="",
        console_encoding="utf-8",
        hard_open_files=4096,
    )
    host = HostSampled(**NOW, open_files_limit=256)
    assert planned(host=host, surroundings=around)["open-files"].status.value == "pass"


@pytest.mark.parametrize(
    ("workers", "free", "total", "status"),
    [
        (0, None, None, "pass"),
        (2, 8 * GIB, 8 * GIB, "pass"),
        (2, GIB // 2, GIB // 2, "warn"),
        (2, 1000, 64 * 1024**2, "fail"),
        (2, None, None, "skip"),
    ],
)
def test_shared_memory_where_there_are_workers(planned, workers, free, total, status):
    host = HostSampled(**NOW, shm_free=free, shm_total=total)
    loaders = {"train_dataloader": {"num_workers": workers}}
    assert planned({"loaders": loaders}, host=host)["shared-memory"].status.value == status


def gpu(**fields):
    known = {"index": 0, "name": "G", "used": GIB, "total": 24 * GIB, "tree": None}
    return GpuSample(**{**known, "utilisation": 0, **fields})


HELD = GpuHolder(pid=7, used=3 * GIB, name="python other.py", ours=False)


@pytest.mark.parametrize(
    ("gpus", "status"),
    [
        ((gpu(),), "pass"),
        ((gpu(used=23 * GIB),), "fail"),
        ((gpu(used=23 * GIB, tree=22 * GIB),), "pass"),
        ((gpu(holders=(HELD,)),), "fail"),
        ((gpu(used=None),), "skip"),
        ((), "skip"),
    ],
)
def test_gpu_memory(planned, gpus, status):
    assert planned(gpus=GpusSampled(**NOW, gpus=gpus))["gpu-memory"].status.value == status


@pytest.mark.parametrize(
    ("readable", "encoding", "stacks", "console"),
    [
        (True, "utf-8", "pass", "pass"),
        (False, "cp936", "warn", "warn"),
        (None, "", "skip", "skip"),
        (True, "UTF8", "pass", "pass"),
    ],
)
def test_surroundings(planned, readable, encoding, stacks, console):
    around = SurroundingsSeen(
        **NOW, stacks_readable=readable, stacks_why="why", console_encoding=encoding
    )
    told = planned(surroundings=around)
    assert told["stacks"].status.value == stacks
    assert told["console-encoding"].status.value == console


def test_orphans(planned, training, judged):
    left = ProcessSample(
        pid=9,
        create_time=1.0,
        ppid=1,
        role="worker",
        status="sleeping",
        cpu_s=None,
        io_bytes=None,
        rss=None,
        threads=None,
        wchan="",
        command="python",
    )
    result = planned(orphans=OrphansSeen(**NOW, processes=(left,)))["orphans"]
    assert (result.status.value, result.remedy) == ("fail", shell.end([9]))
    assert planned()["orphans"].status.value == "skip"
    looked = training.subject(orphans_looked_for=True)
    assert judged(looked)["orphans"].status.value == "pass"


# --- whether it can train -------------------------------------------------------------------


def defect(kind: DefectKind, *, prevents: bool = True) -> Defect:
    return Defect(kind=kind, key="model", text="the fact", do="the remedy", prevents=prevents)


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        (DefectKind.NOT_A_TRAINING, "can-train", "DW610"),
        (DefectKind.OTHER_VERSION, "can-train", "DW610"),
        (DefectKind.INCOMPLETE, "can-train", "DW610"),
        (DefectKind.NOT_BUILDABLE, "parts-built", "DW610"),
        (DefectKind.UNKNOWN_CODE, "parts-built", "DW607"),
        (DefectKind.CLASSES, "classes-agree", "DW611"),
        (DefectKind.LABEL, "classes-agree", "DW308"),
        (DefectKind.SCHEDULE, "schedules-reached", "DW611"),
    ],
)
def test_a_defect_fails_its_item(planned, kind, name, code) -> None:
    result = planned({"defects": (defect(kind),)})[name]
    assert (result.status.value, result.code, result.remedy) == ("fail", code, "the remedy")
    assert "the fact" in result.observed


def test_a_defect_that_prevents_nothing_warns(planned) -> None:
    found = planned({"defects": (defect(DefectKind.SCHEDULE, prevents=False),)})
    assert found["schedules-reached"].status.value == "warn"


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"whole": False}, "can-train"),
        ({"how": "read", "defects": (defect(DefectKind.OTHER_VERSION),)}, "can-train"),
        ({"built": ()}, "parts-built"),
        ({"not_built": {"model": "it downloads something"}}, "parts-built"),
        ({"compared": ()}, "classes-agree"),
        ({"epochs": None}, "schedules-reached"),
        ({"folders": 0, "files": 0}, "data-present"),
        ({"folders": 0, "files": 0, "passed_over": {"a": "s3"}}, "data-present"),
    ],
)
def test_what_was_not_looked_at_is_not_passed(planned, config, name) -> None:
    assert planned(config)[name].status.value == "skip"


def test_what_was_looked_at_is_counted(planned) -> None:
    observed = planned({"folders": 3, "files": 2})["data-present"].observed
    assert "3 folders" in observed
    assert "2 files" in observed
