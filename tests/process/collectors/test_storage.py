"""Storage that responds, and storage that does not; a pipe without a writer is the latter."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dualwatch.collectors.host import storage

PATIENT = 60.0


def test_folders_files_and_what_is_not_there_respond(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.jpg").write_bytes(b"1")
    (tmp_path / "empty").mkdir()
    paths = [tmp_path / "full", tmp_path / "full/a.jpg", tmp_path / "empty", tmp_path / "gone"]
    found = storage.look(paths, PATIENT)
    assert [one.path for one in found] == [str(path) for path in paths]
    assert storage.stuck(found) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_one_that_does_not_respond_holds_up_no_other(tmp_path: Path) -> None:
    dead = tmp_path / "dead"
    os.mkfifo(dead)
    found = storage.look([dead, tmp_path], 1.0)
    assert storage.stuck(found) == [str(dead)]
    # The thread that was left behind ends with the pipe.
    os.close(os.open(dead, os.O_WRONLY))


def test_a_path_is_looked_at_once(tmp_path: Path) -> None:
    assert len(storage.look([tmp_path, str(tmp_path)], PATIENT)) == 1
