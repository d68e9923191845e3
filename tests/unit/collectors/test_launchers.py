"""The launcher of a virtual environment on Windows, beside the Python that it starts."""

from __future__ import annotations

import pytest
from dualwatch.collectors.processes.roles import Roles

LAUNCHER = r"C:\venv\Scripts\python.exe"
BASE = r"C:\Python311\python.exe"
WORKER = (BASE, "-c", "from multiprocessing.spawn import spawn_main", "--multiprocessing-fork")
PARENTS = {1: 0, 2: 1, 3: 2}


# Python 3.13's launcher keeps its command line for the Python that it starts.
@pytest.mark.parametrize("program", [BASE, LAUNCHER])
def test_the_main_process_is_what_the_launcher_started(program: str) -> None:
    commands = {1: (LAUNCHER, "train.py"), 2: (program, "train.py"), 3: WORKER}

    roles = Roles(1, commands, PARENTS, forks=False)

    assert [roles.of(pid) for pid in (1, 2, 3)] == ["launcher", "main", "worker"]


def test_a_python_without_a_launcher_is_the_main_process() -> None:
    commands = {1: (BASE, "train.py"), 2: WORKER, 3: (BASE, "other.py")}

    roles = Roles(1, commands, PARENTS, forks=False)

    assert [roles.of(pid) for pid in (1, 2)] == ["main", "worker"]


def test_where_processes_fork_a_child_with_the_same_command_is_a_worker() -> None:
    commands = {1: (LAUNCHER, "train.py"), 2: (LAUNCHER, "train.py")}

    roles = Roles(1, commands, {1: 0, 2: 1})

    assert [roles.of(pid) for pid in (1, 2)] == ["main", "worker"]
