"""A queue of events whose writer is gone is given up; in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals")

WAITS = """
import os, queue, signal, sys, threading
from dualwatch.agent import loggers

answers = []
signal.signal(signal.SIGUSR1, lambda number, frame: answers.append(loggers.release(frame)))


pending = queue.Queue(2)
{preparation}
code = compile("def write(q, call):\\n    call(q)\\n", {file!r}, "exec")
exec(code)

def asks():
    while not answers or not answers[-1]:
        if len(answers) > 20:
            os._exit(3)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        threading.Event().wait(0.1)

threading.Thread(target=asks, daemon=True).start()
write(pending, {call})
pending.put(1); pending.put(2); pending.put(3); pending.join()
assert pending.qsize() <= 1
"""


def ran(file: str, call: str, preparation: str = "pending.put(1); pending.put(2)") -> int:
    body = WAITS.format(file=file, call=call, preparation=preparation)
    words = [sys.executable, "-c", body]
    return subprocess.run(words, capture_output=True, timeout=120, check=False).returncode


@pytest.mark.parametrize("call", ["lambda q: q.put(3)", "lambda q: q.join()"])
def test_what_waits_for_a_writer_of_events_is_freed_and_never_waits_again(call):
    assert ran("/sp/tensorboard/summary/writer/event_file_writer.py", call) == 0


def test_a_queue_of_anything_else_is_left_alone():
    assert ran("/work/pipeline.py", "lambda q: q.put(3)") == 3
