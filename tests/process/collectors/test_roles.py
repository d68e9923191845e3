"""Roles of a tree, as tables."""

from __future__ import annotations

import pytest
from dualwatch.collectors.processes.roles import Roles

TRAIN = ("python", "tools/train.py", "config.py")
SPAWN = ("python", "-c", "from multiprocessing.spawn import spawn_main; spawn_main()",
         "--multiprocessing-fork")  # fmt: skip
TRACK = ("python", "-c", "from multiprocessing.resource_tracker import main;main(3)")
SERVER = ("python", "-c", "from multiprocessing.forkserver import main; main(1, 2)")
AGENT = ("python", "-m", "torch.distributed.run", "tools/train.py")
TORCHRUN = ("/venv/bin/python3.11", "/venv/bin/torchrun", "--nproc-per-node=2", "tools/train.py")
LAUNCH = ("python", "-X", "dev", "-m", "accelerate.commands.launch", "tools/train.py")
FOLDER = ("python", "tools/train.py", "runs/accelerate")

Rows = dict[int, tuple[int, tuple[str, ...], str]]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param({1: (0, TRAIN, "main")}, id="alone"),
        pytest.param(
            {1: (0, TRAIN, "main"), 2: (1, TRAIN, "worker"), 3: (1, ("nvidia-smi",), "other"),
             4: (2, TRAIN, "other")},
            id="fork",
        ),
        pytest.param(
            {1: (0, TRAIN, "main"), 2: (1, TRACK, "tracker"), 3: (1, SPAWN, "worker")}, id="spawn"
        ),
        pytest.param(
            {1: (0, TRAIN, "main"), 2: (1, SERVER, "tracker"), 3: (2, SERVER, "worker")},
            id="forkserver",
        ),
        pytest.param(
            {1: (0, AGENT, "main"), 2: (1, TRAIN, "rank"), 3: (1, TRAIN, "rank"),
             4: (2, TRAIN, "worker"), 5: (3, SPAWN, "worker"), 6: (3, ("gcc", "x.c"), "other")},
            id="agent",
        ),
        pytest.param({1: (0, TORCHRUN, "main"), 2: (1, TRAIN, "rank")}, id="torchrun"),
        pytest.param(
            {1: (0, FOLDER, "main"), 2: (1, FOLDER, "worker")}, id="a-folder-named-as-a-launcher"
        ),
        pytest.param({1: (0, LAUNCH, "main"), 2: (1, TRAIN, "rank")}, id="accelerate"),
        pytest.param(
            {1: (0, ("bash", "run.sh"), "other"), 2: (1, ("nice",), "other"),
             3: (2, TRAIN, "main"), 4: (3, TRAIN, "worker")},
            id="wrapped",
        ),
        pytest.param({1: (0, ("my-trainer",), "main"), 2: (1, ("cc",), "other")}, id="no-python"),
        pytest.param({1: (0, TRAIN, "main"), 7: (99, TRAIN, "worker")}, id="orphan-of-a-fork"),
        pytest.param({7: (99, SPAWN, "worker"), 8: (99, TRACK, "tracker")}, id="main-gone"),
        pytest.param({1: (0, TRAIN, "main"), 2: (1, (), "other")}, id="unreadable"),
        pytest.param({1: (2, ("a",), "main"), 2: (1, ("b",), "other")}, id="a-cycle-ends"),
    ],
)  # fmt: skip
def test_roles(rows: Rows) -> None:
    roles = Roles(
        1,
        {pid: command for pid, (_, command, _) in rows.items()},
        {pid: parent for pid, (parent, _, _) in rows.items()},
    )
    assert {pid: roles.of(pid) for pid in rows} == {pid: role for pid, (_, _, role) in rows.items()}
