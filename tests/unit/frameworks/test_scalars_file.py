"""Files of scalars.json: several of one run, and one that grows."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest
from dualwatch.events import EvaluationLogged, IterationLogged
from dualwatch.frameworks.mmengine.logs.scalars_file import ScalarsFile, files, read_columns


def row(iteration: int) -> str:
    return f'{{"loss": 0.{iteration}, "epoch": 1, "iter": {iteration}, "step": {iteration}}}\n'


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_runs_of_a_work_dir_are_one_curve(tmp_path: Path) -> None:
    later = write(tmp_path / "20261123_070000" / "vis_data" / "scalars.json", row(5) + row(6))
    # Killed in the middle of a row.
    earlier = write(tmp_path / "20261123_060000" / "vis_data" / "scalars.json", row(3) + '{"los')
    write(tmp_path / "20261123_060000" / "vis_data" / "20261123_060000.json", row(3))
    assert files(tmp_path) == [earlier, later]
    found = read_columns(files(tmp_path), ["loss"])
    assert found.by_epoch()[1]["loss"] == array("d", [0.3, 0.5, 0.6])
    assert found.skipped == 1


def test_a_folder_without_runs(tmp_path: Path) -> None:
    assert files(tmp_path) == files(tmp_path / "none") == []
    with pytest.raises(FileNotFoundError):
        read_columns([tmp_path / "none"])


def test_a_file_that_grows(tmp_path: Path) -> None:
    path = tmp_path / "scalars.json"
    follower = ScalarsFile(path)
    assert follower.poll(0.0, 0.0) == []
    write(path, row(1) + row(2)[:9])
    (first,) = follower.poll(1.0, 2.0)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(row(2)[9:] + "no row\n" + '{"pascal_voc/mAP": NaN, "step": 1}\n')
    second, result = follower.poll(3.0, 4.0)
    assert isinstance(first, IterationLogged)
    assert (first.iteration, first.at, first.wall) == (1, 1.0, 2.0)
    assert isinstance(second, IterationLogged)
    assert (second.iteration, second.at) == (2, 3.0)
    assert isinstance(result, EvaluationLogged)
    assert (result.epoch, result.iteration) == (1, 2)
