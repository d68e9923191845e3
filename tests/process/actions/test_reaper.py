"""Adopted orphans: members of their training's tree, reaped when dead."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")

# Runs in a process of its own, since it changes whose parent it is. Starts a training whose middle
# process starts a grandchild in another session and dies; takes commands, answers in JSON.
SUPERVISOR = """
import json, os, signal, subprocess, sys
import psutil
from dualwatch.core import clock
from dualwatch.actions import reaper
from dualwatch.collectors.processes import orphans
from dualwatch.collectors.processes.tree import ProcessTree
TRAINING = '''
import os, signal, sys
ready, told = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        os.write(told, str(os.getpid()).encode())
        signal.pause()
    os._exit(0)
orphan = int(os.read(ready, 20))
os.wait()
print(orphan, flush=True)
signal.pause()
'''
time = 0.0
def tell(answer):
    print(json.dumps(answer), flush=True)
with reaper.adopting() as adopting:
    training = subprocess.Popen(
        [sys.executable, "-c", TRAINING], stdout=subprocess.PIPE, text=True,
        start_new_session=True, env={**os.environ, "DUALWATCH_MARKER": sys.argv[1]},
    )
    orphan = int(training.stdout.readline())
    undertaker = reaper.Reaper(spared=(training.pid,), now=lambda: time)
    tell([adopting, training.pid, orphan])
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "parent":
            tell(psutil.Process(orphan).ppid())
        elif word == "tree":
            tree = ProcessTree(training.pid, None, sys.argv[1])
            sample = tree.sample(*clock.now())
            tell([process.pid for process in sample.processes])
        elif word == "orphans":
            found = orphans.find(None, {training.pid, orphan}, at=0.0, wall=0.0)
            tell([process.pid for process in found.processes] if found else [])
        elif word == "reap":
            time += float(rest[0])
            tell(undertaker.reap())
        elif word == "helper":
            helper = subprocess.Popen([sys.executable, "-c", ""])
            os.waitid(os.P_PID, helper.pid, os.WEXITED | os.WNOWAIT)
            tell(helper.pid)
        elif word == "status":
            tell([helper.wait(), training.wait()])
        elif word == "leave":
            break
code = "import os; os.fork() and os._exit(0); print(os.getpid(), flush=True); os.read(0, 1)"
middle = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True)
later = int(middle.stdout.readline())
middle.wait()
tell(psutil.Process(later).ppid())
middle.stdin.close()
sys.stdin.readline()
"""


@pytest.fixture
def ask(start: Any, marker: str) -> Any:
    """A supervisor with a training that has an orphan; asks it by words."""
    process = start(SUPERVISOR, marker, DUALWATCH_MARKER="")

    def question(*words: str) -> Any:
        process.stdin.write(" ".join(words) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    question.supervisor = process.pid  # type: ignore[attr-defined]
    question.adopting, question.training, question.orphan = json.loads(process.hello)  # type: ignore[attr-defined]
    return question


def kill(pid: int) -> None:
    """Ends an orphan of the supervisor's and waits until it is dead."""
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([handle], [], [], 60.0)[0]
    os.close(handle)


def test_an_orphan_that_nobody_had_seen_comes_to_us_and_is_of_the_tree(ask: Any) -> None:
    assert ask.adopting
    assert ask("parent") == ask.supervisor
    assert ask("tree") == [ask.training, ask.orphan]


def test_an_adopted_orphan_of_the_training_is_none_of_an_earlier_one(ask: Any) -> None:
    assert ask.orphan not in ask("orphans")


def test_a_dead_orphan_is_reaped_after_a_while(ask: Any) -> None:
    assert ask("reap", "10") == []
    kill(ask.orphan)

    assert ask("reap", "0") == []
    assert ask("reap", "4") == []
    assert ask("reap", "2") == [ask.orphan]
    assert not os.path.exists(f"/proc/{ask.orphan}")


def test_children_of_our_own_keep_their_status(ask: Any) -> None:
    kill(ask.training)
    ask("helper")

    for _ in range(3):
        assert ask("reap", "10") == []

    assert ask("status") == [0, -signal.SIGKILL]


def test_afterwards_orphans_go_where_they_went_before(ask: Any) -> None:
    assert ask("leave") != ask.supervisor
