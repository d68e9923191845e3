"""Fresh workers after a replacement: real processes, real locks, and every batch once, in order."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dualwatch.actions import agent_commands as orders
from dualwatch.actions.launch import write_trials
from dualwatch.agent.commands import CommandHandler
from dualwatch.agent.heartbeat import HeartbeatWriter
from dualwatch.agent.torch import loader_guard, recovery
from dualwatch.collectors.agent_files.heartbeat import HeartbeatFiles
from dualwatch.collectors.agent_files.workers import WorkersFiles
from dualwatch.events import WorkersChanged
from dualwatch.protocol import AgentCommand, Phase
from dualwatch.protocol.workers import WorkersReason, WorkersStep

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info  # noqa: E402

DEADLINE = 900.0

HELD = threading.Lock()
"""Held while workers are forked, so that it never opens in them; spawned ones have their own."""


class Slow(Dataset):
    """Numbers that take a while; a worker that was forked, or every one, hangs at the third."""

    def __init__(self, seconds: float = 0.05, *, always: bool = False) -> None:
        self.seconds, self.always = seconds, always
        self.stuck = multiprocessing.get_context("spawn").Event()

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, index: int) -> int:
        time.sleep(self.seconds)
        if get_worker_info() is not None and index >= 3:
            if self.always:
                self.stuck.set()
                threading.Event().wait()
            if HELD.locked():
                self.stuck.set()
            with HELD:
                pass
        return index


class Unsendable(Slow):
    """It cannot be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.open = (number for number in range(3))


class Until(Sampler):
    """Counts until a pass shall be over."""

    def __init__(self, over: Callable[[], bool]) -> None:
        self.over = over

    def __iter__(self) -> Iterator[int]:
        return itertools.takewhile(lambda _: not self.over(), itertools.count())


class Run:
    """A loop over a loader, whose workers are replaced once they hang."""

    def __init__(self, folder: Path, trials: tuple[int | None, ...] = (None, 1)) -> None:
        self.folder = folder
        self.heart = HeartbeatWriter(str(folder), 0)
        self.heart.beat(Phase.WAITING)
        self.handler = CommandHandler(str(folder), self.heart, str)
        self.steps: list[WorkersChanged] = []
        self.got: list[int] = []
        self._files = WorkersFiles(folder)
        self._trials = trials

    def until(
        self,
        dataset: Slow,
        over: Callable[[Run], Any],
        *,
        step_s: float = 0.01,
        sampler: Sampler | None = None,
        passes: int = 1,
    ) -> None:
        """Trains on a loader until a step was seen; a supervisor replaces what hangs first."""
        loader: Any = DataLoader(
            dataset, num_workers=2, multiprocessing_context="fork", sampler=sampler
        )
        loader_guard.guarded(loader, self.handler)
        threading.Thread(target=self._supervise, args=(dataset,), daemon=True).start()
        end = time.monotonic() + DEADLINE
        with HELD:
            for batch in itertools.chain.from_iterable(itertools.repeat(loader, passes)):
                self.got.append(int(batch))
                time.sleep(step_s)
                self.heart.iteration += 1
                self.heart.beat(Phase.WAITING)
                self.steps += self._files.poll(0, 0)
                if over(self):
                    break
                assert time.monotonic() < end, self.steps
        guard: Any = loader_guard.guard_of(loader)
        guard.restart()  # Ends what is left of the pass.

    def _supervise(self, dataset: Slow) -> None:
        assert dataset.stuck.wait(DEADLINE)
        write_trials(self.folder, self._trials, "DW111")
        with HeartbeatFiles(self.folder) as beating:
            while not list(self.folder.glob("answer-0-*.json")) or "has come" in self._answer():
                (pulse,) = beating.poll(0, 0)
                orders.send(self.folder, pulse, AgentCommand.REPLACE)
                threading.Event().wait(1.0)

    def _answer(self) -> str:
        newest = max(self.folder.glob("answer-0-*.json"), key=lambda path: path.stat().st_mtime)
        return str(json.loads(newest.read_text())["why"])

    def saw(self, step: str) -> int:
        return sum(one.step == step for one in self.steps)

    @property
    def named(self) -> list[tuple[str, str]]:
        return [(one.step, one.reason) for one in self.steps]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Passes of a test are shorter than those for which it is worth it."""
    monkeypatch.setattr(recovery, "LEAST_LIMIT", 2.0)
    return


def test_spawned_workers_take_over_where_forked_ones_inherited_a_lock(tmp_path: Path) -> None:
    run = Run(tmp_path)

    run.until(Slow(), lambda run: run.saw(WorkersStep.GAIN))

    assert run.got == list(range(len(run.got)))
    assert [step for step, _ in run.named] == ["starting", "taken-over", "gain"]
    gain = run.steps[-1]
    assert gain.workers == 2
    assert gain.relapses == 0
    assert gain.without_s is not None
    assert gain.fresh_s is not None


def test_what_hangs_on_probation_is_replaced_and_stays_without_after_two(tmp_path: Path) -> None:
    run = Run(tmp_path)

    run.until(Slow(always=True), lambda run: run.saw(WorkersStep.WITHOUT))

    assert run.got == list(range(len(run.got)))
    assert run.named == [
        (WorkersStep.STARTING, WorkersReason.WAITS),
        (WorkersStep.TAKEN_OVER, WorkersReason.WAITS),
        (WorkersStep.RELAPSED, WorkersReason.HUNG),
        (WorkersStep.STARTING, WorkersReason.WAITS),
        (WorkersStep.TAKEN_OVER, WorkersReason.WAITS),
        (WorkersStep.RELAPSED, WorkersReason.HUNG),
        (WorkersStep.WITHOUT, WorkersReason.USED_UP),
    ]
    assert [one.workers for one in run.steps] == [2, 2, 2, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("dataset", "trials", "step_s", "reason"),
    [
        (Unsendable, (None, 1), 0.01, WorkersReason.NOT_SENT),
        (Slow, (), 0.01, WorkersReason.ASKED),
        (lambda: Slow(0.0), (None, 1), 0.05, WorkersReason.FAST_ENOUGH),
    ],
    ids=["not picklable", "asked", "fast enough"],
)
def test_it_stays_without_for_a_reason(
    tmp_path: Path,
    dataset: Callable[[], Slow],
    trials: tuple[int | None, ...],
    step_s: float,
    reason: str,
) -> None:
    run = Run(tmp_path, trials)

    run.until(dataset(), lambda run: run.saw(WorkersStep.WITHOUT), step_s=step_s)

    assert run.got == list(range(len(run.got)))
    assert run.named[-1] == (WorkersStep.WITHOUT, reason)
    assert not run.saw(WorkersStep.TAKEN_OVER)


def test_each_pass_gets_workers_of_its_own(tmp_path: Path) -> None:
    run = Run(tmp_path)
    ended: list[int] = []

    def pass_is_over() -> bool:
        # Each pass ends once fresh workers have taken over.
        over = run.saw(WorkersStep.TAKEN_OVER) > len(ended)
        if over:
            ended.append(run.saw(WorkersStep.TAKEN_OVER))
        return over

    run.until(Slow(), lambda _: False, sampler=Until(pass_is_over), passes=2)

    assert ended == [1, 2]
    second = run.got.index(0, 1)
    assert run.got[:second] == list(range(second))
    assert run.got[second:] == list(range(len(run.got) - second))
    assert not run.saw(WorkersStep.RELAPSED)
