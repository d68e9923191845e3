"""Asking real processes for their stacks: who answers, who is never asked, and what it costs them.

The processes are told what they are in the middle of by their own stacks: a test that waits for a
worker to be blocked asks until its innermost frame says so.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from dualwatch import protocol
from dualwatch.actions.launch import SITE_FOLDER
from dualwatch.collectors.stacks.capture import capture
from dualwatch.collectors.stacks.from_agent import ask
from dualwatch.events import ThreadStack

from tests.support.paths import WATCHDOG

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"),
    reason="only on Linux is a process asked for its own stacks",
)

DEADLINE = 30.0
"""Seconds after which a test gives up waiting; nothing is judged by it."""

SIGURG = int(getattr(signal, protocol.STACKS_SIGNAL, 0))

# Everything that a training may be blocked in when the signal comes, and what each made of it.
BLOCKED = """
import json, multiprocessing, os, queue, select, sys, threading, time

LIMIT = float(sys.argv[1])
context = multiprocessing.get_context("fork")
lock, results = context.Lock(), context.SimpleQueue()
lock.acquire()
never = context.Queue()

def waits_for_a_lock():
    results.put(["lock", lock.acquire()])

def waits_with_a_limit():
    begun = time.monotonic()
    results.put(["limit", not never._reader.poll(LIMIT) and time.monotonic() - begun >= LIMIT])

workers = [context.Process(target=waits_for_a_lock), context.Process(target=waits_with_a_limit)]
for worker in workers:
    worker.start()

box, done = queue.Queue(), []

def waits_for_an_item():
    done.append(["item", box.get()])

def sleeps():
    begun = time.monotonic()
    time.sleep(LIMIT)
    done.append(["sleep", time.monotonic() - begun >= LIMIT])

threads = [threading.Thread(target=waits_for_an_item), threading.Thread(target=sleeps)]
for thread in threads:
    thread.start()

def polls_for_input():
    poll = select.poll()
    poll.register(0, select.POLLIN)
    return poll.poll()

print(json.dumps([os.getpid(), *[worker.pid for worker in workers]]), flush=True)
came = polls_for_input()
sys.stdin.readline()
lock.release()
box.put(True)
for waiter in threads + workers:
    waiter.join()
answers = dict([results.get(), results.get(), *done], poll=bool(came))
print(json.dumps([answers, [worker.exitcode for worker in workers]]), flush=True)
"""


@pytest.fixture
def training(spawn: Any, tmp_path: Path) -> Any:
    """Starts a program as the supervisor starts a training: with the agent inside."""

    def start(code: str, *arguments: str) -> Any:
        return spawn(
            code,
            *arguments,
            PYTHONPATH=os.pathsep.join((str(SITE_FOLDER), str(WATCHDOG))),
            **{protocol.ENV_ATTEMPT_DIR: str(tmp_path)},
        )

    return start


def asked(pid: int, folder: Path) -> Any:
    return ask([pid], folder)[pid]


def functions(stacks: tuple[ThreadStack, ...]) -> set[str]:
    return {frame.function for stack in stacks for frame in stack.frames}


def until(pid: int, folder: Path, *wanted: str) -> tuple[ThreadStack, ...]:
    """Asks until a process stands where it shall; its stacks."""
    deadline = time.monotonic() + DEADLINE
    answer: Any = None
    while time.monotonic() < deadline:
        answer = asked(pid, folder)
        if isinstance(answer, tuple) and functions(answer) >= set(wanted):
            return answer
    raise TimeoutError(f"{wanted} never came; the last answer was {answer}")


def frames(stacks: tuple[ThreadStack, ...]) -> list[Any]:
    return [stack.frames for stack in stacks]


def alive(process: subprocess.Popen[str]) -> bool:
    """Whether a process that echoes lines still does."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("still there\n")
    process.stdin.flush()
    return process.stdout.readline() == "still there\n"


ECHOES = """
import sys
print("ready", flush=True)
for line in sys.stdin: print(line, end="", flush=True)
"""


def test_whatever_it_waits_in_goes_on_waiting_and_ends_right(training: Any, tmp_path: Path) -> None:
    process = training(BLOCKED, "5")
    main, locked, limited = json.loads(process.hello)
    before = [
        until(main, tmp_path, "polls_for_input", "waits_for_an_item", "sleeps"),
        until(locked, tmp_path, "waits_for_a_lock"),
        until(limited, tmp_path, "waits_with_a_limit"),
    ]
    again = ask([main, locked, limited], tmp_path)
    assert frames(again[locked]) == frames(before[1])
    assert frames(again[limited]) == frames(before[2])
    assert frames(again[main])[0] == frames(before[0])[0]
    out, _ = process.communicate("\n", timeout=DEADLINE)
    answers, codes = json.loads(out)
    assert answers == {"lock": True, "limit": True, "item": True, "sleep": True, "poll": True}
    assert codes == [0, 0]
    assert process.returncode == 0


def test_threads_and_frames_as_py_spy_gives_them(training: Any, tmp_path: Path) -> None:
    process = training(BLOCKED, "0.1")
    main, locked, _ = json.loads(process.hello)
    stacks = until(main, tmp_path, "polls_for_input", "waits_for_an_item")
    assert [stack.thread for stack in stacks].count("MainThread") == 1
    assert stacks[0].thread == "MainThread"
    assert {stack.pid for stack in stacks} == {main}
    assert [frame.function for frame in stacks[0].frames] == ["polls_for_input", "<module>"]
    worker = until(locked, tmp_path, "waits_for_a_lock")
    assert worker[0].frames[0].function == "waits_for_a_lock"
    assert worker[0].frames[-1].function == "<module>"
    process.communicate("\n", timeout=DEADLINE)


def test_all_processes_share_one_private_file(training: Any, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        process = training(BLOCKED, "0.1")
        other = training(ECHOES)
    finally:
        os.umask(before)
    main, locked, _ = json.loads(process.hello)
    pids = [main, locked, other.pid]
    answers = ask(pids, tmp_path)
    assert all(isinstance(answers[pid], tuple) for pid in pids), answers
    (path,) = tmp_path.iterdir()
    assert path.name == protocol.STACKS_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    process.communicate("\n", timeout=DEADLINE)


SPAWNED = """
import multiprocessing, sys
def waits_for_its_parent(pipe):
    pipe.recv()
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=waits_for_its_parent, args=(theirs,))
    worker.start()
    print(worker.pid, flush=True)
    sys.stdin.readline()
    ours.send(None)
    worker.join()
    sys.exit(worker.exitcode)
"""


def test_a_spawned_worker_answers_too(training: Any, tmp_path: Path) -> None:
    script = tmp_path / "spawned.py"
    script.write_text(SPAWNED, encoding="utf-8")
    process = training("import runpy, sys; sys.argv = sys.argv[1:]\n"
                       "import subprocess\n"
                       "sys.exit(subprocess.call([sys.executable, *sys.argv]))",
                       str(script))  # fmt: skip
    stacks = until(int(process.hello), tmp_path, "waits_for_its_parent")
    assert stacks[0].thread == "MainThread"
    process.communicate("\n", timeout=DEADLINE)
    assert process.returncode == 0


def test_more_threads_than_are_written_leave_the_main_thread_unnamed(
    training: Any, tmp_path: Path
) -> None:
    process = training(
        "import threading, sys\nstop = threading.Event()\n"
        "threads = [threading.Thread(target=stop.wait) for _ in range(120)]\n"
        "for thread in threads: thread.start()\n"
        "print('ready', flush=True)\nsys.stdin.readline()\nstop.set()"
    )
    stacks = asked(process.pid, tmp_path)
    assert len(stacks) == 100
    assert not any(stack.thread == "MainThread" for stack in stacks)
    process.communicate("\n", timeout=DEADLINE)
    assert process.returncode == 0


# --- who is never asked ----------------------------------------------------------------------


def test_a_program_that_was_started_by_the_training_is_left_alone(
    training: Any, tmp_path: Path
) -> None:
    process = training(
        "import subprocess, sys\n"
        "child = subprocess.Popen(['cat'], stdin=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\nsys.stdin.readline()\n"
        "child.communicate()\nsys.exit(child.returncode)"
    )
    assert asked(int(process.hello), tmp_path) == "it has no agent that answers"
    process.communicate("\n", timeout=DEADLINE)
    assert process.returncode == 0


def test_a_process_of_another_attempt_is_left_alone(training: Any, tmp_path: Path) -> None:
    process = training(ECHOES)
    other = tmp_path / "attempt-2"
    other.mkdir()
    (other / protocol.STACKS_FILE).touch()
    assert asked(process.pid, other) == "it has closed the file that it would answer into"
    assert (tmp_path / protocol.STACKS_FILE).read_bytes() == b""
    assert alive(process)


HANDLES_IT_ITSELF = (
    "import signal, sys\nsignal.signal(signal.SIGURG, lambda *_: sys.exit('asked'))" + ECHOES
)


def test_a_stranger_that_handles_the_signal_is_left_alone(spawn: Any, tmp_path: Path) -> None:
    (tmp_path / protocol.STACKS_FILE).touch()
    process = spawn(HANDLES_IT_ITSELF)
    assert asked(process.pid, tmp_path) == "it has closed the file that it would answer into"
    assert alive(process)


def test_a_closed_descriptor_is_never_written_to(training: Any, tmp_path: Path) -> None:
    precious = tmp_path / "checkpoint.pth"
    process = training(
        "import os, sys\nos.closerange(3, 64)\n"
        "kept = [os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT) for _ in range(8)]" + ECHOES,
        str(precious),
    )
    assert asked(process.pid, tmp_path) == "it has closed the file that it would answer into"
    assert alive(process)
    assert precious.read_bytes() == b""


def test_a_process_that_blocks_the_signal_is_not_left_with_it(
    training: Any, tmp_path: Path
) -> None:
    process = training(
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])" + ECHOES
    )
    assert asked(process.pid, tmp_path) == "all of its threads block the signal"
    assert not pending(process.pid)
    assert alive(process)


@pytest.mark.parametrize("spins", ["main", "helper"])
def test_a_process_that_runs_is_never_asked(training: Any, tmp_path: Path, spins: str) -> None:
    """faulthandler would read frames that are just being changed, and may crash it."""
    process = training(
        "import sys, threading\n"
        "def spin():\n"
        "    while True: pass\n"
        "print('ready', flush=True)\n"
        "if sys.argv[1] == 'main': spin()\n"
        "threading.Thread(target=spin, daemon=True).start()\n"
        "sys.stdin.readline()\n",
        spins,
    )
    assert asked(process.pid, tmp_path) == "it is running, and asking it could harm it"
    assert (tmp_path / protocol.STACKS_FILE).read_bytes() == b""


def pending(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    mask = next(line for line in status.splitlines() if line.startswith("ShdPnd:"))
    return bool(int(mask.split()[1], 16) >> (SIGURG - 1) & 1)


def test_a_stopped_process_is_not_asked_and_the_others_are(training: Any, tmp_path: Path) -> None:
    stopped, well = training(ECHOES), training(ECHOES)
    os.kill(stopped.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
    answers = ask([stopped.pid, well.pid], tmp_path)
    assert answers[stopped.pid] == "it is stopped (T) and cannot answer"
    assert isinstance(answers[well.pid], tuple)
    assert not pending(stopped.pid)
    os.kill(stopped.pid, signal.SIGCONT)
    assert isinstance(asked(stopped.pid, tmp_path), tuple)
    assert alive(stopped)


def test_while_an_older_answer_is_due_nobody_else_is_asked(training: Any, tmp_path: Path) -> None:
    late, well = training(ECHOES), training(ECHOES)
    os.kill(late.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, late.pid, os.WSTOPPED | os.WNOWAIT)
    os.kill(late.pid, SIGURG)  # As one that was frozen at the moment when it was asked.
    assert pending(late.pid)
    answer = ask([well.pid, late.pid], tmp_path)[well.pid]
    assert answer == f"an answer of pid {late.pid} is still due, which could be taken for its own"
    assert not pending(well.pid)
    os.kill(late.pid, signal.SIGCONT)
    assert all(isinstance(one, tuple) for one in ask([well.pid, late.pid], tmp_path).values())


def test_two_askers_do_not_take_each_others_answers(training: Any, tmp_path: Path) -> None:
    import fcntl

    process = training(ECHOES)
    with open(tmp_path / protocol.STACKS_FILE, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        answer = asked(process.pid, tmp_path)
    assert answer == "another dualwatch is asking the same training"
    assert isinstance(asked(process.pid, tmp_path), tuple)


def test_a_process_that_is_gone_and_a_folder_without_agents(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert "no agent can answer" in asked(gone.pid, tmp_path)
    (tmp_path / protocol.STACKS_FILE).touch()
    assert asked(gone.pid, tmp_path) == "the process is gone"


# --- in place of py-spy ----------------------------------------------------------------------


def refusing(folder: Path, words: str) -> str:
    path = folder / "py-spy"
    path.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_what_py_spy_is_refused_is_read_from_inside(training: Any, tmp_path: Path) -> None:
    process = training(BLOCKED, "0.1")
    main, locked, _ = json.loads(process.hello)
    until(main, tmp_path, "polls_for_input", "waits_for_an_item")
    until(locked, tmp_path, "waits_for_a_lock")
    reader = refusing(tmp_path, "Error: Permission denied (os error 13)")
    captured, missing = capture([main, locked], tmp_path / "stacks", at=1.0, wall=2.0,
                                reader=reader, inside=tmp_path)  # fmt: skip
    assert captured is not None
    assert functions(captured.stacks) >= {"polls_for_input", "waits_for_a_lock"}
    assert [stack.pid for stack in captured.stacks if stack.thread == "MainThread"] == [
        main,
        locked,
    ]
    assert [one.what for one in missing] == [f"py-spy on pid {main}", f"py-spy on pid {locked}"]
    for one in missing:
        assert one.why.startswith("Permission denied (os error 13); to allow it: ")
        assert one.why.endswith("; its stacks were read by the agent inside it")
    text = Path(captured.path or "").with_suffix(".txt").read_text(encoding="utf-8")
    assert f"pid {locked}, thread MainThread\n    waits_for_a_lock (<string>:" in text
    process.communicate("\n", timeout=DEADLINE)


def test_a_py_spy_that_hangs_is_replaced(training: Any, tmp_path: Path) -> None:
    process = training(ECHOES)
    reader = refusing(tmp_path, "")
    Path(reader).write_text("#!/bin/sh\nexec sleep 600\n", encoding="utf-8")
    captured, missing = capture([process.pid], tmp_path / "stacks", at=0, wall=0, timeout=0.2,
                                reader=reader, inside=tmp_path)  # fmt: skip
    assert captured is not None
    assert "did not answer within 0.2 s" in missing[0].why
    assert alive(process)


def test_where_nobody_answers_the_kernels_view_is_kept(spawn: Any, tmp_path: Path) -> None:
    process = spawn(ECHOES)
    reader = refusing(tmp_path, "Error: Permission denied (os error 13)")
    captured, missing = capture([process.pid], tmp_path / "stacks", at=0, wall=0,
                                reader=reader, inside=tmp_path)  # fmt: skip
    assert captured is None
    assert [one.what for one in missing] == [f"stacks of pid {process.pid}"]
    assert "; from inside: no agent can answer" in missing[0].why
    document = json.loads((tmp_path / "stacks" / "stacks-001.json").read_text(encoding="utf-8"))
    kernel = document["kernel"][str(process.pid)]
    assert f"thread {process.pid} (" in kernel[1]
    assert "S (sleeping)" in kernel[1]
    text = (tmp_path / "stacks" / "stacks-001.txt").read_text(encoding="utf-8")
    assert kernel[1] in text
