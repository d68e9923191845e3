"""Metrics that the agent records, as the events of a log."""

from __future__ import annotations

import math
from pathlib import Path

from dualwatch import protocol
from dualwatch.agent import files
from dualwatch.collectors.agent_files.metrics import MetricsFile
from dualwatch.events import EvaluationLogged, IterationLogged

LINE = {"mode": "train", "epoch": 1, "iteration": 5, "total": 12, "metrics": {"loss": 0.5}}


def test_training_lines_and_evaluations(tmp_path: Path) -> None:
    path = str(tmp_path / protocol.METRICS_FILE)
    reader = MetricsFile(tmp_path)
    assert reader.poll(1.0, 2.0) == []
    files.append(path, LINE)
    files.append(path, {**LINE, "mode": "val", "total": None, "metrics": {"mAP": math.nan}})
    trained, validated = reader.poll(1.0, 2.0)
    expected = IterationLogged(
        at=1.0, wall=2.0, mode="train", epoch=1, iteration=5, total=12, metrics={"loss": 0.5}
    )
    assert trained == expected
    assert isinstance(validated, EvaluationLogged)
    assert math.isnan(validated.metrics["mAP"])
    assert reader.poll(1.0, 2.0) == []


def test_what_is_no_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / protocol.METRICS_FILE
    path.write_text('[]\n{"mode": 1}\nnonsense\n{"mode": "train"}\n', encoding="utf-8")
    reader = MetricsFile(tmp_path)
    assert reader.poll(0.0, 0.0) == []
    files.append(str(path), LINE)
    assert len(reader.poll(0.0, 0.0)) == 1


def test_a_later_supervisor_reads_what_is_new(tmp_path: Path) -> None:
    path = str(tmp_path / protocol.METRICS_FILE)
    files.append(path, LINE)
    reader = MetricsFile(tmp_path, from_end=True)
    assert reader.poll(0.0, 0.0) == []
    files.append(path, {**LINE, "iteration": 6})
    assert [event.iteration for event in reader.poll(0.0, 0.0)] == [6]
