"""What mmengine itself logs of a checkpoint that does not fit, read by the parsers of logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dualwatch import frameworks
from dualwatch.events import KeysReported, KeysState
from dualwatch.logs import reader

torch = pytest.importorskip("torch")
checkpoint = pytest.importorskip("mmengine.runner.checkpoint")
mmengine_logging = pytest.importorskip("mmengine.logging")
nn = torch.nn


def model(classes: int, prefix: str = "backbone") -> Any:
    return nn.ModuleDict({prefix: nn.Linear(3, 3), "head": nn.Linear(3, classes)})


def events_of(folder: Path, loads: list[tuple[Any, Any]]) -> list[KeysReported]:
    file = folder / "20260101_000000.log"
    logger = mmengine_logging.MMLogger(f"weights-{folder.name}", log_file=str(file))
    for own, theirs in loads:
        logger.info("Load checkpoint from a.pth")
        checkpoint.load_state_dict(own, theirs.state_dict(), logger=logger)
    for handler in logger.handlers:
        handler.flush()
    found = reader.read_log(file, frameworks.line_formats(), deadline=60.0)
    return [event for event in found.events if isinstance(event, KeysReported)]


def test_all_three_kinds_are_read(tmp_path):
    (reshaped, other, unexpected, missing) = events_of(tmp_path, [(model(7), model(81, "encoder"))])
    assert (reshaped.state, reshaped.keys) == (KeysState.RESHAPED, ("head.weight",))
    assert reshaped.shapes == ("81x3", "7x3")
    assert other.keys == ("head.bias",)
    assert (unexpected.state, unexpected.keys) == (
        KeysState.UNEXPECTED,
        ("encoder.weight", "encoder.bias"),
    )
    assert (missing.state, missing.keys) == (
        KeysState.MISSING,
        ("backbone.weight", "backbone.bias"),
    )
    assert len({event.load for event in (reshaped, other, unexpected, missing)}) == 1


def test_two_checkpoints_are_two(tmp_path):
    found = events_of(tmp_path, [(model(7), model(7, "encoder")), (model(7), model(81))])
    first, second = sorted({event.load for event in found})
    assert {event.state for event in found if event.load == first} == {
        KeysState.MISSING,
        KeysState.UNEXPECTED,
    }
    assert {event.state for event in found if event.load == second} == {KeysState.RESHAPED}


def test_weights_that_fit_say_nothing(tmp_path):
    assert events_of(tmp_path, [(model(7), model(7))]) == []
