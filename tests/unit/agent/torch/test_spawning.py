"""Which data sets can be sent to a spawned worker, and which scripts it may import."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dualwatch.agent.torch import free_memory, spawning

if sys.platform == "win32":
    pytest.skip("workers are never forked on Windows", allow_module_level=True)

LATER = 1e12
"""No file was changed since."""

UNGUARDED = """
from types import SimpleNamespace
from dualwatch.agent.torch import spawning

class Data:
    pass

def check(dataset, method="fork"):
    import multiprocessing
    loader = SimpleNamespace(
        dataset=dataset, collate_fn=None, worker_init_fn=None,
        multiprocessing_context=multiprocessing.get_context(method),
    )
    try:
        return spawning.check(loader, 1e12).imports_main
    except Exception as error:
        return type(error).__name__
"""


def loader(dataset: Any, method: str = "fork") -> Any:
    return SimpleNamespace(
        dataset=dataset,
        collate_fn=None,
        worker_init_fn=None,
        multiprocessing_context=multiprocessing.get_context(method),
    )


def test_what_cannot_be_pickled_is_not_sent() -> None:
    with pytest.raises(spawning.NotSentError, match="generator"):
        spawning.check(loader(number for number in range(3)), LATER)


def test_a_lock_of_a_fork_is_not_sent_and_one_of_a_spawn_is() -> None:
    spawning.check(loader(multiprocessing.get_context("spawn").Lock()), LATER)
    if sys.version_info >= (3, 11):
        with pytest.raises(spawning.NotSentError, match="fork context"):
            spawning.check(loader(multiprocessing.get_context("fork").Lock()), LATER)


@pytest.mark.parametrize(
    ("lines", "printed"),
    [
        ("print(check([1]))", "False"),
        ("print(check(Data()))", "UnsafeMainError"),
        ("print(check(Data(), 'spawn'))", "True"),
        ("if __name__ == '__main__':\n    print(check(Data()))", "True"),
        ("for one in [Data()]:\n    print(check(one))", "UnsafeMainError"),
        (
            "if __name__ != '__main__':\n    raise SystemExit\nfor one in [Data()]:\n"
            "    print(check(one))",
            "UnsafeMainError",
        ),
    ],
    ids=["elsewhere", "in it", "spawned before", "guarded", "loop", "loop beside a guard"],
)
def test_a_script_that_would_train_again_is_not_imported(
    tmp_path: Path, lines: str, printed: str
) -> None:
    script = tmp_path / "train.py"
    script.write_text(UNGUARDED + lines + "\n", encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.stdout.strip() == printed, ran.stderr


def test_an_interactive_session_cannot_be_imported() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", UNGUARDED + "print(check(Data()), check([1]))"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.stdout.strip() == "UnsafeMainError False", ran.stderr


def test_the_size_of_a_copy() -> None:
    assert spawning.check(loader(bytes(1 << 20)), LATER).size >= 1 << 20
    assert spawning.check(loader(bytes(1 << 20), "spawn"), LATER).size == 0


def test_free_memory_is_a_number_or_not_known() -> None:
    free = free_memory.free_bytes()
    assert free is None or free > 0


def test_code_that_was_changed_since_is_not_imported_by_a_worker() -> None:
    with pytest.raises(spawning.ChangedCodeError):
        spawning.check(loader([1]), 0.0)
