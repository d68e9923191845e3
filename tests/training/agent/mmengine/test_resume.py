"""Checkpoints: mmengine's own load under torch's protection, and nothing else does."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import dualwatch
import pytest
from dualwatch.agent.mmengine import resume as checkpoints

pytest.importorskip("torch")
pytest.importorskip("mmengine")

WATCHDOG = str(Path(dualwatch.__file__).parents[1])

# Its trainings are shared: they run once where the tests stay in one process.
pytestmark = pytest.mark.xdist_group("resume")

# One child for all: it registers, loads each file, and says what came of it.
LOADER = """
import json, sys
import torch
from dualwatch.agent.mmengine import resume as checkpoints

if "--bare" not in sys.argv:
    checkpoints.allow_safe_classes()
results = {}
for path in sys.argv[1].split(","):
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        results[path] = {"loaded": repr(loaded)[:5000]}
        history = loaded.get("history") if isinstance(loaded, dict) else None
        if history is not None:
            results[path]["mean"] = float(history.mean())
            results[path]["count"] = len(history.data[0])
    except Exception as error:
        results[path] = {"refused": f"{type(error).__name__}: {error}"}
print(json.dumps(results))
"""


def load_all(*paths: Path, bare: bool = False) -> dict[str, dict[str, object]]:
    """Loads files in a child that trusts what the agent trusts; names -> what came of it."""
    done = subprocess.run(
        [sys.executable, "-c", LOADER, ",".join(map(str, paths)), *(["--bare"] if bare else [])],
        env={**os.environ, "PYTHONPATH": WATCHDOG},
        capture_output=True,
        text=True,
        check=True,
    )
    results = json.loads(done.stdout.splitlines()[-1])
    return {Path(path).name: result for path, result in results.items()}


# What a malicious checkpoint does, and the words with which it is refused.
REFUSED = {
    "os-system": "posix.system",
    "exec": "exec",
    "eval": "eval",
    "subprocess": "subprocess.check_output",
    "getattr-os": "posix.system",
    # Through the stand-in for getattr: what it may not give, and calling what it gives.
    "getattr-private": "does not let a checkpoint read '__init__'",
    "getattr-subclasses": "does not let a checkpoint read '__subclasses__'",
    "getattr-globals": "does not let a checkpoint read '__globals__'",
    "getattr-of-ndarray": "does not let a checkpoint read 'tofile'",
    "getattr-then-call": "Trying to call reduce for unrecognized function",
}


def attacks(folder: Path) -> dict[str, bytes]:
    """Pickles by name, in the opcodes that torch's own reader knows."""

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def call(function: bytes, *arguments: bytes) -> bytes:
        return function + b"(" + b"".join(arguments) + b"tR"

    def mark(name: str) -> str:
        return str(folder / f"{name}.mark")

    get, history = b"cbuiltins\ngetattr\n", b"cmmengine.logging.history_buffer\nHistoryBuffer\n"
    system, mean = b"cposix\nsystem\n", call(get, history, text("mean"))
    register = call(get, history, text("register_statistics"))
    touch = "open({!r}, 'w')"
    calls = {
        "os-system": call(system, text("touch " + mark("os-system"))),
        "exec": call(b"cbuiltins\nexec\n", text(touch.format(mark("exec")))),
        "eval": call(b"c__builtin__\neval\n", text(touch.format(mark("eval")))),
        "subprocess": call(b"csubprocess\ncheck_output\n", text("touch")),
        "getattr-os": call(get, system, text("__call__")),
        "getattr-private": call(get, history, text("__init__")),
        "getattr-subclasses": call(get, history, text("__subclasses__")),
        "getattr-globals": call(get, mean, text("__globals__")),
        "getattr-of-ndarray": call(get, b"cnumpy\nndarray\n", text("tofile")),
        "getattr-then-call": call(register, text("x")),
    }
    return {name: code + b"." for name, code in calls.items()}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> tuple[Path, dict[str, dict[str, object]]]:
    """A good checkpoint and several malicious ones, all handed to one child."""
    import numpy as np
    import torch
    from mmengine.logging import HistoryBuffer

    folder = tmp_path_factory.mktemp("checkpoints")
    history = HistoryBuffer([1.0, 2.0, 3.0], [1, 1, 1])
    good = {
        "state_dict": {"weight": torch.ones(2)},
        "history": history,
        "numbers": [np.float32(0.5), np.float64(0.5), np.int64(3), np.bool_(True)],
        "array": np.arange(4, dtype=np.int32),
        "meta": {"epoch": 1, checkpoints.STRETCH_KEY: 2},
    }
    torch.save(good, folder / "good.pth")

    for name, code in attacks(folder).items():
        with zipfile.ZipFile(folder / f"{name}.pth", "w") as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02" + code)
            archive.writestr("archive/version", "3\n")
            archive.writestr("archive/byteorder", "little")
    paths = [folder / "good.pth", *(folder / f"{name}.pth" for name in REFUSED)]
    return folder, load_all(*paths)


@pytest.mark.skipif(os.name == "nt", reason="the attacks are written for POSIX")
def test_the_attacks_are_real(results) -> None:
    """Without protection they do what they are meant to do: otherwise refusing proves nothing."""
    folder, _ = results
    for name in ("os-system", "exec"):
        with zipfile.ZipFile(folder / f"{name}.pth") as archive:
            pickle.loads(archive.read("archive/data.pkl"))
        mark = folder / f"{name}.mark"
        assert mark.exists()
        mark.unlink()


def test_a_checkpoint_of_mmengine_loads(results) -> None:
    good = results[1]["good.pth"]
    assert good.get("refused") is None
    assert (good["mean"], good["count"]) == (2.0, 3)
    assert "dualwatch_stretch" in str(good["loaded"])


def test_without_the_agent_torch_refuses_it(results) -> None:
    """The reason why the classes are registered at all."""
    torch = pytest.importorskip("torch")
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6):
        pytest.skip("torch before 2.6 does not protect by default")
    folder, _ = results
    assert "HistoryBuffer" in str(load_all(folder / "good.pth", bare=True)["good.pth"]["refused"])


@pytest.mark.parametrize(("name", "words"), REFUSED.items())
def test_a_malicious_checkpoint_is_refused(results, name, words) -> None:
    folder, outcome = results
    assert words in str(outcome[f"{name}.pth"].get("refused"))
    assert not (folder / f"{name}.mark").exists()


# --- units of the counters -------------------------------------------------------------------


def test_a_checkpoint_says_in_which_units_it_counts() -> None:
    checkpoint = {"meta": {"epoch": 1}, "state_dict": {}}
    checkpoints.mark(checkpoint, 4)
    assert checkpoint["meta"] == {"epoch": 1, "dualwatch_stretch": 4}


@pytest.mark.parametrize("checkpoint", [None, {}, {"meta": None}, {"meta": []}, [], "text"])
def test_a_checkpoint_of_another_kind_is_left_alone(checkpoint) -> None:
    before = repr(checkpoint)
    checkpoints.mark(checkpoint, 4)
    checkpoints.remember(checkpoint=checkpoint)
    assert repr(checkpoint) == before


class Loop:
    """Counts as mmengine's loops do."""

    def __init__(self, epoch: int, iteration: int, batches: int | None) -> None:
        self.epoch, self._iter = epoch, iteration
        if batches is not None:
            self.dataloader = [None] * batches
            self.run_epoch = lambda: None

    @property
    def iter(self) -> int:
        return self._iter


class Schedule:
    """A scheduler's state as mmengine keeps it: everything but the optimizer."""

    def __init__(self, *, by_epoch: bool, end: int, step: int) -> None:
        self.by_epoch, self.end = by_epoch, end
        self.last_step = self._global_step = step
        self.base_values = [0.02]

    def state_dict(self) -> dict[str, object]:
        return dict(self.__dict__)


def resumed(*, stretch: int, written: int | None, resume: bool = True, batches: int | None = 16):
    """A Runner that resumes a checkpoint written after 8 iterations of its own."""
    fresh = 12 * stretch
    schedules = [
        Schedule(by_epoch=False, end=fresh, step=0),
        Schedule(by_epoch=True, end=3, step=0),
    ]
    runner = SimpleNamespace(
        _has_loaded=False,
        _resume=resume,
        iter=0,
        train_loop=Loop(0, 0, batches),
        param_schedulers=schedules,
        message_hub=SimpleNamespace(info={}),
    )
    runner.message_hub.update_info = runner.message_hub.info.__setitem__

    def load_or_resume():
        meta = {} if written is None else {checkpoints.STRETCH_KEY: written}
        checkpoints.remember(checkpoint={"meta": meta})
        if resume:
            runner.iter = runner.train_loop._iter = 8
            runner.train_loop.epoch = 1
            schedules[0].__dict__.update(end=12 * (written or 1), last_step=8, _global_step=8)
            schedules[0].base_values = [0.05]
            schedules[1].__dict__.update(end=3, last_step=1, _global_step=1)
        runner._has_loaded = True

    runner.load_or_resume = load_or_resume
    checkpoints.resuming(runner, stretch, lambda loaded: None)()
    return runner


@pytest.mark.parametrize(
    ("stretch", "written", "step"),
    [(2, None, 16), (2, 1, 16), (4, 2, 16), (1, 2, 4), (2, 2, 8), (1, None, 8)],
)
def test_counters_are_converted_to_the_units_of_this_attempt(stretch, written, step) -> None:
    schedule = resumed(stretch=stretch, written=written).param_schedulers[0]
    assert (schedule.last_step, schedule._global_step) == (step, step)
    assert schedule.end == 12 * stretch
    assert schedule.base_values == [0.05], "what came from the optimizer stays"


def test_schedules_that_count_epochs_are_left_alone() -> None:
    schedule = resumed(stretch=2, written=None).param_schedulers[1]
    assert (schedule.last_step, schedule.end) == (1, 3)


@pytest.mark.parametrize(("batches", "expected"), [(16, 16), (None, 16), (15, 15)])
def test_the_loop_counts_on_in_its_own_units(batches, expected) -> None:
    runner = resumed(stretch=2, written=None, batches=batches)
    assert runner.train_loop.iter == expected
    assert runner.message_hub.info == {"iter": expected}


def test_what_was_loaded_but_not_resumed_is_left_alone() -> None:
    runner = resumed(stretch=2, written=None, resume=False)
    assert runner.train_loop.iter == 0
    assert runner.message_hub.info == {}
