"""What forbids reading a process, and the command that allows it.

Yama is told from its file; a kernel with Yama is not needed for that, nor at hand everywhere.
"""

from __future__ import annotations

import getpass
import os
from dataclasses import replace
from pathlib import Path

import pytest
from dualwatch.collectors.stacks.permissions import StackPermissions, how_to_allow, permissions_of

OPEN = StackPermissions(
    owner="ann", same_user=True, root=False, yama=None, container=False, platform="linux"
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "wanted", "not_wanted"),
    [
        ({"same_user": False}, ["belongs to ann", "`sudo -u ann dualwatch ...`"], "ptrace_scope"),
        ({"same_user": False, "owner": None}, ["the user of the training", "as root"], "None"),
        ({"yama": 1}, ["ptrace_scope 1", "`sudo sysctl kernel.yama.ptrace_scope=0`"], "belongs"),
        ({"yama": 2}, ["ptrace_scope 2", "or run dualwatch as root"], "container"),
        ({"yama": 3}, ["until the next start", "restart the machine"], "sudo sysctl"),
        ({"yama": 3, "root": True}, ["restart the machine"], "sudo sysctl"),
        ({"yama": 0}, ["as the user of the training or as root"], "ptrace_scope"),
        ({"yama": 1, "root": True, "container": True}, ["SYS_PTRACE"], "sysctl"),
        ({"container": True}, ["`--cap-add SYS_PTRACE`"], "sudo"),
        ({"same_user": False, "yama": 1}, ["`sudo -u ann", "sysctl"], "SYS_PTRACE"),
        ({"same_user": None}, ["as the user of the training or as root"], "belongs"),
        ({"platform": "darwin"}, ["`sudo dualwatch ...`"], "SYS_PTRACE"),
        ({"platform": "win32"}, ["as administrator"], "sudo"),
    ],
    ids=str,
)
def test_the_way_out_fits_the_obstacle(changes, wanted, not_wanted) -> None:
    way = how_to_allow(replace(OPEN, **changes))
    for words in wanted:
        assert words in way
    assert not_wanted not in way


def test_our_own_process() -> None:
    guard = permissions_of(os.getpid())
    if os.name == "posix":
        assert guard.same_user is True
        assert guard.owner == getpass.getuser()


def test_a_process_that_is_gone_has_no_owner() -> None:
    guard = permissions_of(2**22 + 7)
    assert (guard.owner, guard.same_user) == (None, None)


@pytest.mark.parametrize(("text", "scope"), [("1\n", 1), ("", None), ("no number", None)])
def test_yama_is_read_from_its_file(tmp_path: Path, text: str, scope: int | None) -> None:
    path = tmp_path / "ptrace_scope"
    path.write_text(text, encoding="ascii")
    assert permissions_of(os.getpid(), path).yama == scope


def test_a_kernel_without_yama(tmp_path: Path) -> None:
    assert permissions_of(os.getpid(), tmp_path / "nothing").yama is None
