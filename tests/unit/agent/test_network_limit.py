"""The time limit of sockets that a remedy sets in the processes of a rerun, and in no others."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from dualwatch.protocol import ENV_ATTEMPT_DIR
from dualwatch.protocol.environment import NETWORK_LIMIT

ASKS = """
from dualwatch.agent import bootstrap
bootstrap.prepare()
import socket
print(socket.getdefaulttimeout())
"""


@pytest.mark.parametrize(("limit", "expected"), [("60", "60.0"), ("", "None"), ("x", "None")])
def test_sockets_have_a_limit_where_a_remedy_sets_one(tmp_path, limit, expected):
    environment = {**os.environ, ENV_ATTEMPT_DIR: str(tmp_path), NETWORK_LIMIT: limit}
    done = subprocess.run(
        [sys.executable, "-c", ASKS],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.strip() == expected
