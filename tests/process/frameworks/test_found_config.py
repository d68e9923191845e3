"""A configuration that is found is read, one that is named is loaded; what either says."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from dualwatch.core import clock
from dualwatch.frameworks import config_read
from dualwatch.frameworks.mmengine.adapter import MMEngine
from dualwatch.frameworks.mmengine.config import find, paths
from dualwatch.frameworks.mmengine.config.spec import read_spec
from dualwatch.frameworks.mmengine.config.static import StaticConfig
from dualwatch.frameworks.mmengine.config.static import read as read_text

DUMP = """model = dict(type='Detector', macl_head=dict(type='MACLHead', in_channels=48))
train_cfg = dict(max_epochs=6, type='EpochBasedTrainLoop')
env_cfg = dict(mp_cfg=dict(mp_start_method='spawn', opencv_num_threads=0))
train_dataloader = dict(
    batch_size=4,
    dataset=dict(data_root='pairs', return_modality_pair=True, type='PairedDataset'),
    num_workers=2,
    sampler=dict(shuffle=True, type='DefaultSampler'))
"""


def read_event(found: StaticConfig):
    spec = read_spec(found)
    return config_read.of_spec(spec, "a.log", "read", at=1.0, wall=2.0, platform="")


def write(path: Path, text: str, age: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (1_700_000_000 - age,) * 2)
    return path


# --- find ------------------------------------------------------------------------------------


def test_the_newest_dump_of_a_work_dir_is_found(tmp_path) -> None:
    assert find.find(tmp_path) is None
    assert find.find(tmp_path / "nowhere") is None
    write(tmp_path / "notes.py", "print('hello')\n")
    write(tmp_path / "20260101_000000" / "scalars.json", "{}")
    assert find.find(tmp_path) is None
    old = write(tmp_path / "20260101_000000/vis_data/config.py", DUMP, age=900)
    assert find.find(tmp_path) == old
    assert find.find(old.parent.parent) == old
    dumped = write(tmp_path / "faster_rcnn.py", DUMP, age=50)
    assert find.find(tmp_path) == old, "a copy's modification time does not make it newer"
    new = write(tmp_path / "20260102_000000/vis_data/config.py", DUMP, age=9000)
    assert find.find(tmp_path) == new
    log = write(tmp_path / "20260101_000000/20260101_000000.log", "")
    assert find.find(tmp_path, log) == old
    without = write(tmp_path / "20260103_000000/20260103_000000.log", "")
    assert find.find(tmp_path, without) == dumped, "not the one of another run"


def test_a_dump_of_another_form_is_found(tmp_path) -> None:
    write(tmp_path / "summary.json", json.dumps({"loss": 1}))
    dump = write(tmp_path / "c.json", json.dumps({"train_dataloader": {}}, indent=1), age=5)
    assert find.find(tmp_path) == dump


# --- read ------------------------------------------------------------------------------------


def test_what_a_dump_says(tmp_path) -> None:
    path = write(tmp_path / "work/c.py", DUMP)
    event = config_read.read(path, at=3.0, wall=4.0).event
    assert (event.at, event.wall, event.path, event.how) == (3.0, 4.0, str(path), "read")
    assert event.loaders == {
        "train_dataloader": {
            "batch_size": 4,
            "num_workers": 2,
            "sampler": {"shuffle": True, "type": "DefaultSampler"},
        }
    }
    assert (event.start_method, event.paired, event.platform) == ("spawn", True, sys.platform)
    assert (event.epochs, event.iterations, event.error) == (6, None, "")
    assert {"MACLHead", "macl_head"} <= set(event.model_words)
    assert event.missing == {"train_dataloader.dataset.data_root": "pairs"}


def test_data_are_looked_for_above_the_work_dir(tmp_path) -> None:
    for kind, number in (("visible", 1), ("infrared", 1), ("visible", 2)):
        write(tmp_path / "pairs" / kind / f"{number}.jpg", "")
    event = config_read.read(write(tmp_path / "work_dirs/a/c.py", DUMP), at=0.0, wall=0.0).event
    assert event.missing == {}
    assert (len(event.unpaired), event.looked_at) == (1, 2)


def test_what_cannot_be_read_is_an_error_and_what_is_marked_is_none(tmp_path) -> None:
    broken = config_read.read(
        write(tmp_path / "a.py", "train_dataloader = dict("), at=0.0, wall=0
    ).event
    assert "SyntaxError" in broken.error
    assert broken.loaders == {}
    gone = config_read.read(tmp_path / "gone.py", at=0.0, wall=0).event
    assert "cannot be read" in gone.error
    partly = "import x\ntrain_dataloader = dict(batch_size=x.n, dataset=dict(data_root=x.root))"
    event = config_read.read(write(tmp_path / "b.py", partly), at=0.0, wall=0).event
    assert (event.error, event.missing, event.paired) == ("", {}, None)


def test_the_loader_of_mmcv_1(tmp_path) -> None:
    text = "data = dict(samples_per_gpu=4, workers_per_gpu=2, train=dict(type='CocoDataset'))"
    event = read_event(read_text(text))
    assert event.loaders == {"train_dataloader": {"batch_size": 4, "num_workers": 2}}
    assert (event.paired, event.missing, event.platform) == (False, {}, "")


@pytest.mark.parametrize("values", [{}, {"train_dataloader": 3, "env_cfg": [], "model": "x"}])
def test_odd_values_are_no_trouble(values) -> None:
    event = read_event(StaticConfig(values))
    assert (event.loaders, event.start_method, event.paired) == ({}, None, None)


# --- as written ------------------------------------------------------------------------------


def test_the_loader_as_written_comes_from_the_nearest_file_that_has_it(tmp_path) -> None:
    base = write(tmp_path / "base/data.py", "train_dataloader = dict(\n    batch_size=4)  # four\n")
    write(tmp_path / "base/model.py", "model = dict()\n_base_ = '../loop.py'")
    loop = write(tmp_path / "loop.py", "_base_ = ['base/model.py', 'base/data.py', 'mmdet::x.py']")
    assert config_read.written_loader(loop) == "train_dataloader = dict(\n    batch_size=4)"
    child = write(
        tmp_path / "own.py", "_base_ = './loop.py'\ntrain_dataloader = dict(num_workers=0)"
    )
    assert config_read.written_loader(child) == "train_dataloader = dict(num_workers=0)"
    base.unlink()
    assert config_read.written_loader(loop) is None
    assert config_read.written_loader(tmp_path / "gone.py") is None


# --- load ------------------------------------------------------------------------------------


def test_a_named_configuration_is_loaded_with_its_options(tmp_path) -> None:
    more = """resume = True
visualizer = dict(type='Visualizer', vis_backends=[dict(type='mmengine.LocalVisBackend')])
data_preprocessor = dict(type='Pre')
"""
    path = write(tmp_path / "c.py", DUMP.replace("=2,", "=len('four'),") + more)
    options = ("train_dataloader.batch_size=8", "load_from=start.pth")
    spec = MMEngine().load(sys.executable, path, options, tmp_path)
    event = config_read.of_spec(spec, str(path), "loaded", **clock.now()._asdict())
    assert (event.how, event.error, event.start_method) == ("loaded", "", "spawn")
    loader = event.loaders["train_dataloader"]
    assert (loader["batch_size"], loader["num_workers"]) == (8, 4)
    assert event.paired is True
    assert "MACLHead" in event.model_words
    assert (event.preprocessor, event.backends) == ("Pre", ("LocalVisBackend",))
    assert (event.load_from, event.resumes) == ("start.pth", True)
    assert event.wall > 1_700_000_000


def test_the_values_come_with_the_fact(tmp_path) -> None:
    path = write(tmp_path / "c.py", DUMP)
    known = config_read.load(sys.executable, path, tmp_path)
    assert known.event.how == "loaded"
    assert known.spec.datasets[0].type == "PairedDataset"
    read = config_read.read(path, at=0.0, wall=0.0)
    assert read.spec.loaders == known.spec.loaders[:1]
    assert read.roots[1] == tmp_path
    broken = config_read.load(sys.executable, tmp_path / "gone.py", tmp_path)
    assert (broken.spec.loaders, bool(broken.event.error)) == ((), True)


@pytest.mark.parametrize(
    ("text", "limit", "words"),
    [
        ("x = 1 / 0", 100.0, "ZeroDivisionError: division by zero"),
        ("x = (", 100.0, "SyntaxError"),
        ("import time\ntime.sleep(600)", 0.5, "did not load within"),
        (None, 100.0, "does not exist"),
    ],
    ids=["raises", "no Python", "does not end", "not there"],
)
def test_why_a_configuration_does_not_load_is_part_of_the_fact(
    tmp_path, text, limit, words
) -> None:
    path = tmp_path / "c.py"
    if text is not None:
        write(path, text)
    event = config_read.load(sys.executable, path, tmp_path, limit).event
    assert words in event.error
    assert (event.how, event.loaders) == ("loaded", {})


def test_without_a_python_that_can_load_it_is_read(tmp_path) -> None:
    path = write(tmp_path / "c.py", DUMP)
    event = config_read.load(str(tmp_path / "python"), path, tmp_path).event
    assert (event.how, event.error) == ("read", "")
    assert event.loaders["train_dataloader"]["num_workers"] == 2


# --- data that is not there ------------------------------------------------------------------


def test_what_is_missing_is_named_by_its_key(tmp_path) -> None:
    (tmp_path / "here").mkdir()
    dataset = {"data_root": "here", "ann_file": "train.txt"}
    values = {
        "train_dataloader": {"dataset": {"dataset": dataset}},
        "val_dataloader": {"dataset": {"data_root": "gone", "ann_file": "val.txt"}},
        "test_dataloader": {"dataset": {"data_root": "never looked at"}},
    }
    assert paths.look(values, (tmp_path,)).missing == {
        "train_dataloader.dataset.dataset.ann_file": os.path.join("here", "train.txt"),
        "val_dataloader.dataset.data_root": "gone",
    }
    write(tmp_path / "here/train.txt", "")
    (tmp_path / "other/gone").mkdir(parents=True)
    write(tmp_path / "other/gone/val.txt", "")
    assert paths.look(values, (tmp_path, tmp_path / "other")).missing == {}


@pytest.mark.parametrize("root", [None, 7, "", "s3://x", "<not read: f()>"])
def test_what_is_no_local_path_is_not_missed(root) -> None:
    values = {"train_dataloader": {"dataset": {"data_root": root}}}
    assert paths.look(values, (Path(),)).missing == {}
