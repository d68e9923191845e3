"""Lock files of extension builds: found by the frames that wait, with their holders."""

from __future__ import annotations

import os
import sys

import pytest
from dualwatch.collectors.processes import build_locks
from dualwatch.events import Frame, ThreadStack


def stack(folder: str | None) -> ThreadStack:
    torch = "/site-packages/torch/utils/"
    frames = (
        Frame(function="FileBaton.wait", file=f"{torch}file_baton.py", line=49),
        Frame(function="_jit_compile", file=f"{torch}cpp_extension.py", line=2400, subject=folder),
    )
    return ThreadStack(pid=os.getpid(), thread="MainThread", active=None, frames=frames)


def look(tmp_path):
    return build_locks.look((stack(str(tmp_path)),), at=1.0, wall=2.0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="open files are read from /proc")
def test_the_process_that_has_the_lock_open_is_its_holder(tmp_path):
    descriptor = os.open(tmp_path / "lock", os.O_CREAT | os.O_EXCL)
    try:
        (held,) = look(tmp_path).locks
    finally:
        os.close(descriptor)
    (left,) = look(tmp_path).locks

    assert held.holders == (os.getpid(),)
    assert left.holders == ()
    assert left.file == str(tmp_path / "lock")
    assert left.created == pytest.approx((tmp_path / "lock").stat().st_mtime)


def test_a_lock_that_is_gone_is_not_listed(tmp_path):
    assert look(tmp_path).locks == ()


def test_stacks_that_wait_for_something_else_are_not_looked_at(tmp_path):
    frames = (Frame(function="wait", file="threading.py", line=1),)
    other = ThreadStack(pid=1, thread="MainThread", active=None, frames=frames)
    assert build_locks.look((other,), at=1.0, wall=2.0) is None
