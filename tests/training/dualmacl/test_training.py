"""A real, short training by mmengine's Runner, and its resumption as a supervisor does it."""

from __future__ import annotations

import json
import math

import pytest
import torch
from dualmacl.results import measure, table
from mmengine.config import Config
from mmengine.runner import Runner

# Its trainings are shared: they run once where the tests stay in one process.
pytestmark = pytest.mark.xdist_group("dualmacl")


@pytest.fixture(scope="module")
def short(configs, synthetic):
    """Makes the configuration of a training of a few iterations."""

    def make(name: str, work_dir, **options) -> Config:
        cfg = Config.fromfile(configs / "demo" / name)
        cfg.work_dir = str(work_dir)
        # Names of their own, since mmengine keeps runners and visualizers by name.
        cfg.experiment_name = cfg.visualizer.name = work_dir.name
        train = cfg.train_dataloader.dataset
        train.times = 1
        train.dataset.indices = 12
        for dataset in (train.dataset, cfg.val_dataloader.dataset, cfg.test_dataloader.dataset):
            dataset.data_root = str(synthetic)
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            loader.num_workers, loader.persistent_workers = 0, False
        cfg.default_hooks.logger.interval = 1
        cfg.merge_from_dict(options)
        return cfg

    return make


def scalars(work_dir) -> list[dict]:
    newest = max(work_dir.glob("*/vis_data/scalars.json"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(line) for line in newest.read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(short, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("healthy")
    Runner.from_cfg(short("dualmacl_tiny_synthetic_2e.py", work_dir)).train()
    return work_dir


def test_every_line_of_the_log_has_the_metrics(trained):
    lines = scalars(trained)
    training = [line for line in lines if "train/loss" in line]
    assert len(training) == 6
    for line in training:
        for key in ("loss_macl", "loss_cls", "loss_bbox", "grad_norm"):
            assert math.isfinite(line[f"train/{key}"])
    assert [line["step"] for line in lines if "val/pascal_voc/mAP" in line] == [1, 2]


def test_console_names_the_loss_exactly(trained):
    log = next(trained.glob("*/*.log")).read_text()
    lines = [line for line in log.splitlines() if "Epoch(train)" in line]
    assert len(lines) == 6
    assert all("  loss_macl: " in line for line in lines)


def test_tensorboard_has_the_tags_of_the_checklist(trained):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = next(trained.glob("*/vis_data"))
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert {"train/loss_macl", "train/loss_cls", "train/loss_bbox", "val/pascal_voc/mAP"} <= tags


@pytest.mark.parametrize(
    ("name", "batch_size"),
    [("dualmacl_tiny_synthetic_2e.py", 2), ("dualmacl_tiny_synthetic_2e_deadlock.py", 1)],
)
def test_resumes_with_a_smaller_batch_and_without_workers(
    trained, short, tmp_path, name, batch_size, monkeypatch
):
    # What an older training under torch >= 2.6 needs is another's business: here we trust the file.
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **k: load(*a, **{**k, "weights_only": False}))
    work_dir = tmp_path / f"resumed-{batch_size}-{name.count('deadlock')}"
    cfg = short(
        name,
        work_dir,
        resume=True,
        load_from=str(trained / "epoch_1.pth"),
        **{
            "train_dataloader.batch_size": batch_size,
            "optim_wrapper.accumulative_counts": 4 // batch_size,
        },
    )
    Runner.from_cfg(cfg).train()
    lines = [line for line in scalars(work_dir) if "train/loss" in line]
    assert {line["epoch"] for line in lines} == {2}
    assert len(lines) == 12 // batch_size
    assert all(math.isfinite(line["train/loss_macl"]) for line in lines)
    assert (work_dir / "epoch_2.pth").exists()


def test_the_table_of_results_is_read_from_the_log(trained):
    newest = next(trained.glob("*/vis_data/scalars.json"))
    result = measure(newest)
    assert len(result["mAP"]) == len(result["loss_macl"]) == 2
    lines = [line for line in scalars(trained) if line.get("epoch") == 2 and "train/loss" in line]
    expected = sum(line["train/loss_macl"] for line in lines) / len(lines)
    assert result["loss_macl"][1] == pytest.approx(expected)
    row = table({"both/7": result}).splitlines()[-1]
    assert row.startswith("| both | 7 | 0.")
    assert row.count("|") == 7
