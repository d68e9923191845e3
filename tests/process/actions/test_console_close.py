"""Windows: the end of the console is a request to stop, and ends nothing before it is answered."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="consoles are Windows'")

DEADLINE = 60.0

# Calls the handler as Windows does, in a thread of its own; whether it has returned is printed.
PROGRAM = """
import ctypes, sys
from dualwatch.actions import console_close
from dualwatch.actions.signals import StopRequests

kernel32 = ctypes.WinDLL("kernel32")
kernel32.CreateThread.restype = ctypes.c_void_p
address, number = ctypes.c_void_p, ctypes.c_uint
kernel32.CreateThread.argtypes = (address, ctypes.c_size_t, address, address, number, address)
kernel32.WaitForSingleObject.argtypes = (address, number)

def call(event):
    start = ctypes.cast(console_close._handlers[-1], address)
    return kernel32.CreateThread(None, 0, start, event, 0, None)

requests = StopRequests()
with requests.listening():
    ignored = call(0)  # Ctrl-C is a signal.
    assert kernel32.WaitForSingleObject(ignored, 60_000) == 0
    assert not requests.to_stop
    thread = call(int(sys.argv[1]))
    while not requests.to_stop:
        requests.sleep(60)
returned = kernel32.WaitForSingleObject(thread, 200) == 0
print(requests.terminated, requests.console_end.name, returned)
sys.exit(143)
"""


@pytest.mark.parametrize(("event", "name"), [(2, "CLOSED"), (5, "LOGOFF"), (6, "SHUTDOWN")])
def test_the_end_of_the_console_is_a_request_to_stop(event: int, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(event)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.stdout.split() == ["True", name, "False"], done.stderr
    assert done.returncode == 143
