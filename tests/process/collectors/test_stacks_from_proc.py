"""What the kernel shows of a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dualwatch.collectors.stacks.from_proc import MAX_FRAMES, MAX_THREADS, describe

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc")


def thread(root: Path, number: int, **files: str) -> None:
    folder = root / "9" / "task" / str(number)
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def test_all_that_is_shown(tmp_path: Path) -> None:
    thread(
        tmp_path,
        9,
        status="Name:\\tpython\nState:\tD (disk sleep)\n",
        wchan="nfs_wait_bit_killable",
        syscall="0 0x3 0x7f 0x1000 0x0 0x0 0x0 0x7ffc 0x7f\n",
        comm="python\n",
        stack="[<0>] nfs_wait_bit_killable+0x1c/0x90\n[<0>] nfs_file_read+0x6e/0xb0\n",
    )
    thread(tmp_path, 11, status="State:\tR (running)\n", wchan="0", syscall="running\n")
    assert describe(9, str(tmp_path)).splitlines() == [
        "pid 9, as the kernel shows it",
        "    thread 9 (python): D (disk sleep), sleeps in nfs_wait_bit_killable, system call 0",
        "        nfs_wait_bit_killable+0x1c/0x90",
        "        nfs_file_read+0x6e/0xb0",
        "    thread 11 (): R (running)",
    ]


def test_it_is_bounded_and_clean(tmp_path: Path) -> None:
    for number in range(1, 100):
        thread(tmp_path, number, status="State:\tS (sleeping)\n", comm="\x1b[2Jpython\n",
               stack="[<0>] frame\n" * 1000)  # fmt: skip
    lines = describe(9, str(tmp_path)).splitlines()
    assert len(lines) == 2 + MAX_THREADS * (1 + MAX_FRAMES)
    assert lines[-1] == "    and 35 more threads"
    assert "(python)" in lines[1]


@pytest.mark.parametrize("files", [{}, {"status": ""}, {"status": "garbage", "comm": "python"}])
def test_a_thread_that_ends_meanwhile(tmp_path: Path, files: dict[str, str]) -> None:
    thread(tmp_path, 9, **files)
    assert describe(9, str(tmp_path)) == ""


def test_a_real_process_and_one_that_is_gone(spawn: Any) -> None:
    process = spawn("import sys; print('ready', flush=True); sys.stdin.readline()")
    assert f"thread {process.pid} (" in describe(process.pid)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert describe(gone.pid) == ""
