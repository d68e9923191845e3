"""Checkpoints that torch wrote are recognised as whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from dualwatch.events import ConfigRead
from dualwatch.frameworks.mmengine.start_checkpoint import look

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("zipped", [True, False])
def test_one_that_torch_wrote(tmp_path: Path, zipped: bool) -> None:
    state = {"state_dict": {"a": torch.zeros(1000)}, "meta": {"epoch": 1}}
    path = tmp_path / "a.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    config = ConfigRead(
        at=0.0, wall=0.0, path="c.py", how="loaded", loaders={}, load_from=str(path), resumes=False
    )
    seen = look(config, None, at=1.0, wall=2.0)
    assert seen is not None
    assert (seen.exists, seen.whole) == (True, True if zipped else None)
    assert zipped or "before 1.6" in seen.why
