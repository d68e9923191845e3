"""Windows: a process whose threads are suspended is seen and resumed; readers leave none so."""

from __future__ import annotations

import sys
from typing import Any

import psutil
import pytest
from dualwatch.actions import terminate
from dualwatch.collectors.processes.tree import ProcessTree
from dualwatch.collectors.stacks import capture
from dualwatch.core import clock, process_identity, process_status

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="Windows suspends threads")

BUSY = """
import threading
def inner(x):
    return x * 2
def spin():
    x = 0
    while True:
        x = inner(x) % 7
threading.Thread(target=spin, daemon=True).start()
print("ready", flush=True)
spin()
"""

CAPTURES = 50
"""Of two processes each."""


def test_a_suspended_process_is_stopped_and_is_woken(spawn: Any) -> None:
    process = psutil.Process(spawn(BUSY).pid)
    tree = {(process.pid, process_identity.created(process))}
    assert process_status.of(process) != psutil.STATUS_STOPPED
    process.suspend()
    process.suspend()

    sample = ProcessTree(process.pid).sample(*clock.now())
    assert [one.status for one in sample.processes] == ["stopped"]
    terminate.wake(tree)

    assert process_status.of(process) != psutil.STATUS_STOPPED


def test_captures_under_load_leave_no_process_suspended(spawn: Any) -> None:
    processes = [psutil.Process(spawn(BUSY).pid) for _ in range(2)]

    for index in range(CAPTURES):
        # Limits that end a reader before, within and after its reading.
        capture.capture([p.pid for p in processes], None, timeout=0.1 * (index % 20), at=0, wall=0)
        states = [process_status.of(process) for process in processes]
        assert psutil.STATUS_STOPPED not in states
