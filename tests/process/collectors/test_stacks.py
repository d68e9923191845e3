"""Reading stacks of real processes, and of readers that refuse, hang and talk nonsense."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from dualwatch import protocol
from dualwatch.actions.launch import SITE_FOLDER
from dualwatch.collectors.stacks.capture import capture, find_reader, readable
from dualwatch.collectors.stacks.from_agent import ask
from dualwatch.core import own_session
from dualwatch.events import Frame, NotObserved, StacksCaptured, ThreadStack

from tests.support.paths import WATCHDOG
from tests.support.systems import WINDOWS

posix = pytest.mark.skipif(os.name != "posix", reason="fake readers are shell scripts")

WAITING = """
import sys, threading
def waits_for_a_lock(lock):
    lock.acquire()
lock = threading.Lock()
lock.acquire()
helper = threading.Thread(target=waits_for_a_lock, args=(lock,), name="helper", daemon=True)
helper.start()
def waits_for_input():
    print("ready", flush=True)
    sys.stdin.readline()
waits_for_input()
"""

LOOPING = """
import time
def spin():
    print("ready", flush=True)
    while True:
        pass
spin()
"""

ONE_THREAD = (
    '[{"pid": %s, "thread_id": 1, "thread_name": "MainThread", "active": true, "frames": '
    '[{"name": "f", "filename": "a.py", "line": 3}]}]'
)


def fake_reader(folder: Path, script: str) -> str:
    path = folder / "py-spy"
    path.write_text("#!/bin/sh\n" + script, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def readable_here() -> bool:
    """Whether this machine lets py-spy read a child at all (macOS wants root, some sandboxes)."""
    reader = find_reader()
    if reader is None:
        return False
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()  # before, it is no Python process yet
    try:
        command = [reader, "dump", "--nonblocking", "--pid", str(child.pid)]
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    finally:
        child.communicate(b"\n")


needs_reader = pytest.mark.skipif(not readable_here(), reason="py-spy may not read a child here")


@needs_reader
def test_threads_and_frames_innermost_first(spawn: Any, tmp_path: Path) -> None:
    process = spawn(WAITING)
    captured, missing = capture([process.pid], tmp_path, at=1.0, wall=2.0)
    assert missing == []
    assert isinstance(captured, StacksCaptured)
    assert (captured.at, captured.wall) == (1.0, 2.0)
    main, helper = captured.stacks
    assert (main.pid, main.thread) == (process.pid, "MainThread")
    assert [frame.function for frame in main.frames][-2:] == ["waits_for_input", "<module>"]
    assert "helper" in helper.thread
    assert helper.frames[0].function == "waits_for_a_lock"


@needs_reader
def test_several_processes_in_the_asked_order(spawn: Any, tmp_path: Path) -> None:
    pids = [spawn(WAITING).pid, spawn(LOOPING).pid, spawn(WAITING).pid]
    captured, missing = capture([*reversed(pids), pids[0]], tmp_path, timeout=20, at=0, wall=0)
    assert missing == []
    assert captured is not None
    assert list(dict.fromkeys(stack.pid for stack in captured.stacks)) == pids[::-1]


@needs_reader
def test_what_is_no_python_is_said_and_the_others_are_read(spawn: Any, tmp_path: Path) -> None:
    python = spawn(WAITING)
    cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    try:
        captured, missing = capture([cat.pid, python.pid], tmp_path, at=0, wall=0)
    finally:
        cat.communicate()
    assert captured is not None
    assert {stack.pid for stack in captured.stacks} == {python.pid}
    assert [one.what for one in missing] == [f"stacks of pid {cat.pid}"]
    assert "not a Python process" in missing[0].why


@pytest.mark.skipif(not WINDOWS, reason="only Windows has console hosts")
def test_a_console_host_has_no_stacks_and_nobody_refused_them(tmp_path: Path) -> None:
    code = "print('ready', flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **own_session.options(),
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        hosts = [
            child.pid
            for child in psutil.Process(process.pid).children()
            if child.name().lower() == "conhost.exe"
        ]
        assert hosts
        assert capture(hosts, tmp_path, at=0, wall=0) == (None, [])
    finally:
        process.communicate(b"\n")


def test_a_process_that_is_gone_and_a_zombie(spawn: Any, tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    captured, missing = capture([gone.pid], tmp_path, at=0, wall=0, reader="never-started")
    assert captured is None
    assert missing[0].gone
    assert list(tmp_path.iterdir()) == []


@posix
def test_files_are_numbered_private_and_never_overwritten(spawn: Any, tmp_path: Path) -> None:
    process = spawn(WAITING)
    reader = fake_reader(tmp_path, f"echo '{ONE_THREAD % process.pid}'")
    folder = tmp_path / "deep" / "stacks"
    paths = []
    for _ in range(2):
        captured, _ = capture([process.pid], folder, at=0, wall=5.0, reader=reader)
        assert captured is not None
        paths.append(Path(captured.path or ""))
    assert [path.name for path in paths] == ["stacks-001.json", "stacks-002.json"]
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = json.loads(paths[0].read_text(encoding="utf-8"))
    assert document["stacks"][0]["frames"] == [{"function": "f", "file": "a.py", "line": 3}]
    assert "f (a.py:3)" in paths[0].with_suffix(".txt").read_text(encoding="utf-8")


@posix
def test_a_reader_that_hangs_is_killed_and_recorded(spawn: Any, tmp_path: Path) -> None:
    hung, well = spawn(WAITING), spawn(WAITING)
    reader = fake_reader(
        tmp_path,
        f'[ "$4" = {hung.pid} ] && {{ echo $$ >>{tmp_path}/pids; exec sleep 600; }}\n'
        f"echo '{ONE_THREAD % well.pid}'",
    )
    captured, missing = capture([hung.pid, well.pid], tmp_path, timeout=0.5, at=0, wall=0,
                                reader=reader)  # fmt: skip
    assert captured is not None
    assert [one.what for one in missing] == [f"stacks of pid {hung.pid}"]
    assert "did not answer within 0.5 s" in missing[0].why
    for pid in (tmp_path / "pids").read_text(encoding="utf-8").split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@posix
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'Error: Permission Denied: Try running again with elevated permissions' >&2; exit 1",
         "to allow it: "),
        ("echo 'Error: Operation not permitted (os error 1)' >&2; exit 1", "to allow it: "),
        ("echo 'Error: Failed to find python version from target process' >&2; exit 1",
         "not a Python process"),
        ("echo '[]'", "gave no stacks"),
        ("echo 'no json at all'", "gave no stacks"),
        ("echo '[{\"pid\": null}]'", "gave no stacks"),
        ("printf 'Error: \\033[31mred\\033[0m\\n\\nStack backtrace:\\n 0\\n' >&2; exit 1", "red"),
    ],
)  # fmt: skip
def test_what_a_reader_answers(spawn: Any, tmp_path: Path, script: str, words: str) -> None:
    process = spawn(WAITING)
    reader = fake_reader(tmp_path, script)
    captured, missing = capture([process.pid], tmp_path / "s", at=0, wall=0, reader=reader)
    assert captured is None
    assert len(missing) == 1
    assert words in missing[0].why
    assert "\x1b" not in missing[0].why
    assert "backtrace" not in missing[0].why


@posix
def test_the_second_way_is_tried_when_the_first_gives_nothing(spawn: Any, tmp_path: Path) -> None:
    process = spawn(WAITING)
    reader = fake_reader(
        tmp_path,
        'case "$*" in *--nonblocking*) echo "Error: no luck" >&2; exit 1;; esac\n'
        f"echo '{ONE_THREAD % process.pid}'",
    )
    captured, missing = capture([process.pid], tmp_path, at=0, wall=0, reader=reader)
    assert missing == []
    assert captured is not None


def test_without_py_spy_it_is_said_once(
    spawn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    monkeypatch.setattr(sys, "executable", str(empty / "python"))
    monkeypatch.setenv("PATH", str(empty))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(empty))
    captured, missing = capture([os.getpid()], tmp_path, at=0, wall=0)
    assert captured is None
    assert [one.what for one in missing] == ["stacks"]
    assert "`pip install py-spy`" in missing[0].why
    captured, missing = capture([os.getpid()], tmp_path, at=0, wall=0, inside=tmp_path)
    assert [one.what for one in missing] == [f"stacks of pid {os.getpid()}"]
    assert "`pip install py-spy`; from inside: " in missing[0].why


def test_no_reader_is_said(spawn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = spawn(WAITING)
    captured, missing = capture([process.pid], tmp_path, at=0, wall=0,
                                reader=str(tmp_path / "nowhere"))  # fmt: skip
    assert captured is None
    assert "could not be started" in missing[0].why


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user"
)
@needs_reader
def test_somebody_elses_process_is_refused_with_a_way_out(spawn: Any, tmp_path: Path) -> None:
    process = spawn(WAITING)
    code = (
        "import os, sys, psutil\n"
        "from dualwatch.collectors.stacks.capture import capture, find_reader\n"
        "pid, reader = int(sys.argv[1]), find_reader()\n"
        "capture([0], '/nowhere', at=0, wall=0, reader='none')\n"  # imports what it needs
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(capture([pid], '/nowhere', at=0, wall=0, reader=reader)[1][0].why)\n"
    )
    answer = spawn(code, str(process.pid)).hello
    if "could not be started" in answer:
        pytest.skip("py-spy lies where others may not look")
    assert "to allow it: the process belongs to root: `sudo -u root dualwatch ...`" in answer


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user"
)
def test_the_agent_of_somebody_elses_process_is_not_asked(spawn: Any, tmp_path: Path) -> None:
    inside = tmp_path / "attempt-1"
    inside.mkdir()
    path = os.pathsep.join((str(SITE_FOLDER), str(WATCHDOG)))
    process = spawn(WAITING, PYTHONPATH=path, **{protocol.ENV_ATTEMPT_DIR: str(inside)})
    code = (
        "import os, sys, psutil\n"
        "from dualwatch.collectors.stacks.from_agent import ask\n"
        "pid, folder = int(sys.argv[1]), sys.argv[2]\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(ask([pid], folder)[pid])\n"
    )
    reached = [parent for parent in inside.parents if parent.stat().st_mode & 0o777 == 0o700]
    assert "Permission denied" in spawn(code, str(process.pid), str(inside)).hello
    for folder in (*reached, inside / protocol.STACKS_FILE):
        folder.chmod(0o777)  # Even where the file lies open, the process is not ours to ask.
    try:
        answer = spawn(code, str(process.pid), str(inside)).hello
    finally:
        for folder in reached:
            folder.chmod(0o700)
    assert answer == "its descriptors cannot be read: Permission denied"
    (mine,) = ask([process.pid], inside).values()
    assert isinstance(mine, tuple)


def test_the_text_names_what_is_missing() -> None:
    stack = ThreadStack(
        pid=7, thread="MainThread", active=False, frames=(Frame(function="f", file="a", line=1),)
    )
    missing = NotObserved(at=0, wall=0, what="stacks of pid 8", why="refused")
    assert readable([stack], [missing]) == (
        "pid 7, thread MainThread (idle)\n    f (a:1)\n\nnot observed: stacks of pid 8: refused\n"
    )
