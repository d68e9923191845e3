"""The harness is also used by the benchmarks, so its modules are imported from the root."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

pytest.importorskip("torch")
pytest.importorskip("mmengine")

from tests.training.recovery.scene import Scene, Undisturbed


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """Makes scenes: a training of this test with its faults, under ``dualwatch train``."""
    scenes: list[Scene] = []

    def make(**options: Any) -> Scene:
        made = Scene(tmp_path / f"scene-{len(scenes)}", **options)
        scenes.append(made)
        return made

    yield make
    for each in scenes:
        each.clean_up()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Runs a training without dualwatch, workers or faults; each one once a session."""
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"))
