"""What a process has received from the network, asked of the system."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from dualwatch.collectors.processes import connections, transfers
from dualwatch.events import Frame, ThreadStack

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux's kernel")

READER = """
import os, socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
half = open(sys.argv[2], "wb")
half.write(connection.recv(100)); half.flush()
print("ready", flush=True)
connection.recv(100)
"""


@pytest.fixture
def reader(tmp_path):
    """A process that received ten bytes and waits for more, and the other end of its connection."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        words = [sys.executable, "-c", READER, str(port), str(tmp_path / "r50.pth.partial")]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"x" * 10)
                assert process.stdout.readline() == "ready\n"
                yield process.pid, port
                process.kill()


def test_the_half_file_and_the_connection_are_found(reader, tmp_path):
    pid, port = reader
    frames = (Frame(function="recv_into", file="/usr/lib/python3.11/socket.py", line=1),)
    stack = ThreadStack(pid=pid, thread="MainThread", active=None, frames=frames)
    (seen,) = transfers.look((stack,), at=1.0, wall=2.0).transfers

    assert seen.file == str(tmp_path / "r50.pth.partial")
    assert seen.size == 10
    if connections.of_process(pid) is None:
        pytest.skip("this kernel does not answer sock_diag")
    assert seen.peer == f"127.0.0.1:{port}"
    assert 0.0 <= seen.quiet < 3600.0


def test_a_process_that_reads_no_network_is_not_looked_at():
    frames = (Frame(function="forward", file="/work/model.py", line=1),)
    stack = ThreadStack(pid=os.getpid(), thread="MainThread", active=None, frames=frames)
    assert transfers.look((stack,), at=1.0, wall=2.0) is None
