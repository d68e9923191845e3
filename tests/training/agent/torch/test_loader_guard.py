"""Guarded loaders of torch: real workers, real locks, and orders as the supervisor gives them."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import pytest
from dualwatch import protocol
from dualwatch.actions import agent_commands as orders
from dualwatch.agent.commands import CommandHandler
from dualwatch.agent.heartbeat import HeartbeatWriter as Heart
from dualwatch.agent.torch import loader_guard
from dualwatch.collectors.agent_files.heartbeat import HeartbeatFiles
from dualwatch.collectors.agent_files.replies import AgentReplies
from dualwatch.events import CommandAnswered
from dualwatch.protocol import AgentCommand, Phase
from msgspec.structs import replace

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info  # noqa: E402

TRIES = 600
"""Looks at the answers, or orders, before a test gives up; nothing is judged by it."""


class Numbers(Dataset):
    """Numbers; from ``hang_from`` on a worker says so and waits for a lock nobody gives back."""

    def __init__(self, length: int = 24, hang_from: int | None = None) -> None:
        self.length, self.hang_from = length, hang_from
        self.lock = multiprocessing.Lock()
        self.lock.acquire()
        self.stuck = multiprocessing.Event()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> int:
        if self.hang_from is not None and index >= self.hang_from and get_worker_info():
            self.stuck.set()
            self.lock.acquire()
        return index

    def get_data_info(self, index: int) -> dict[str, str]:
        return {"img_path": f"images/{index:04}.png"}


class Endless(IterableDataset):
    def __init__(self) -> None:
        self.lock = multiprocessing.Lock()
        self.lock.acquire()
        self.stuck = multiprocessing.Event()

    def __iter__(self) -> Iterator[int]:
        yield 0
        self.stuck.set()
        self.lock.acquire()


class NeverEnds(Numbers):
    """A worker that delivers everything, and waits at its end for a lock nobody gives back."""

    registered = False

    def __getitem__(self, index: int) -> int:
        if get_worker_info() and not self.registered:
            self.registered = True
            Finalize(None, self._hang, exitpriority=10)
        return index

    def _hang(self) -> None:
        self.stuck.set()
        self.lock.acquire()


class Office:
    """A command handler, and a supervisor that sends commands once a worker is stuck."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.heart = Heart(str(folder), 0)
        self.heart.beat(Phase.WAITING)
        self.saved: list[int] = []
        self.path = ""
        self.handler = CommandHandler(str(folder), self.heart, self._save)
        self.answers: list[CommandAnswered] = []
        self._reader = AgentReplies(folder)

    def _save(self) -> str:
        self.saved.append(len(self.saved))
        if self.path:
            return self.path
        raise OSError("no place for it")

    def order(self, order: str, *, when: Any, beats: int | None = None) -> threading.Thread:
        """Gives an order once ``when`` is set, again where the training was not stuck yet."""

        def supervise() -> None:
            assert when.wait(60)
            for _ in range(TRIES):
                answer = self.give(order, beats)
                if beats is not None or "has come" not in answer.why:
                    return

        thread = threading.Thread(target=supervise, daemon=True)
        thread.start()
        return thread

    def give(self, order: str, beats: int | None = None) -> CommandAnswered:
        """Gives an order now, and reads the answer."""
        with HeartbeatFiles(self.folder) as beating:
            (pulse,) = beating.poll(0, 0)
        number = orders.send(self.folder, replace(pulse, beats=beats or pulse.beats), order)
        for _ in range(TRIES):
            if order in (AgentCommand.TELL, AgentCommand.END_WORKERS):
                orders.notify_process(os.getpid())
            self.answers += self._reader.poll(0, 0)
            found = [answer for answer in self.answers if answer.number == number]
            if found:
                return found[0]
            threading.Event().wait(0.05)
        raise TimeoutError("nobody answered")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    handlers = {n: signal.getsignal(n) for n in (signal.SIGCHLD, signal.SIGWINCH)}
    yield Office(tmp_path)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def load(office: Office) -> Callable[..., Any]:
    def make(dataset: Any, **options: Any) -> Any:
        loader = DataLoader(dataset, **{"batch_size": 4, "num_workers": 2, **options})
        return loader_guard.guarded(loader, office.handler)

    return make


def children() -> set[int]:
    return {process.pid for process in multiprocessing.active_children() if process.pid}


def flat(batches: Any) -> list[int]:
    return [int(value) for batch in batches for value in batch]


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_stuck_loader_goes_on_without_workers(office, load, method, persistent) -> None:
    dataset = Numbers(hang_from=9)
    context = multiprocessing.get_context(method)
    dataset.lock, dataset.stuck = context.Lock(), context.Event()
    dataset.lock.acquire()
    loader = load(dataset, persistent_workers=persistent, multiprocessing_context=method)
    before = children()
    supervisor = office.order(AgentCommand.REPLACE, when=dataset.stuck)

    assert flat(loader) == list(range(24))

    supervisor.join(60)
    answer = office.answers[-1]
    assert answer.done
    # The batch that is waited for: the stuck one, or one of a worker that is still being started.
    assert answer.awaited[0] in [f"index {n}: images/{n:04}.png" for n in (0, 4, 8)]
    assert children() <= before, "the workers are gone"
    # All that follows is read without workers, and nothing is lost either.
    assert flat(loader) == list(range(24))
    assert loader.num_workers == 0


def test_workers_that_do_not_end_are_ended(office, load, monkeypatch) -> None:
    # Older versions of torch wait for the end of a worker without a limit of time.
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 10.0**5)
    office.handler.listen()
    dataset = NeverEnds()
    loader = load(dataset)
    before = children()
    for workers in (2, 0):
        dataset.stuck.clear()
        supervisor = office.order(AgentCommand.END_WORKERS, when=dataset.stuck)
        assert flat(loader) == list(range(24))
        supervisor.join(60)
        assert office.answers[-1].done
        assert children() <= before, "the workers are gone"
        assert loader.num_workers == workers, "workers that hang twice are not started again"
    assert flat(loader) == list(range(24))


def test_an_end_of_workers_that_nobody_waits_for_is_refused(office) -> None:
    office.handler.listen()
    answer = office.give(AgentCommand.END_WORKERS)
    assert not answer.done


def test_custom_batches_and_collate_keep_their_order(office, load) -> None:
    class Odd(torch.utils.data.Sampler):
        def __iter__(self):
            yield from ([5, 1], [2], [11, 3, 7], [0, 4], [6], [8, 10, 9])

        def __len__(self):
            return 6

    dataset = Numbers(12, hang_from=11)
    loader = load(dataset, batch_size=1, batch_sampler=Odd(), collate_fn=tuple)
    office.order(AgentCommand.REPLACE, when=dataset.stuck)
    assert list(loader) == [(5, 1), (2,), (11, 3, 7), (0, 4), (6,), (8, 10, 9)]


def test_random_states_are_those_of_a_run_with_workers(office, load) -> None:
    class Random(Numbers):
        def __getitem__(self, index: int) -> int:
            super().__getitem__(index)
            torch.rand(1), random.random()
            return index

    def states(dataset: Numbers) -> tuple[Any, Any]:
        torch.manual_seed(3)
        random.seed(3)
        if dataset.hang_from is not None:
            office.order(AgentCommand.REPLACE, when=dataset.stuck)
        flat(load(dataset))
        return torch.get_rng_state().tolist(), random.getstate()

    assert states(Random(hang_from=9)) == states(Random())


def test_an_order_that_the_batch_overtook_is_void(office, load) -> None:
    dataset = Numbers(hang_from=9)
    loader = load(dataset)
    overtaken = office.order(AgentCommand.REPLACE, when=dataset.stuck, beats=10_000)

    def again() -> None:
        # It waits on with its workers; an order that rests on what is so replaces them.
        overtaken.join()
        office.order(AgentCommand.REPLACE, when=dataset.stuck).join()

    threading.Thread(target=again, daemon=True).start()
    assert flat(loader) == list(range(24))
    assert office.answers[0].done is False
    assert "has come" in office.answers[0].why


def test_a_dataset_with_an_order_of_its_own_is_not_replaced(office, load) -> None:
    dataset = Endless()
    loader = load(dataset, batch_size=1, num_workers=1)
    supervisor = office.order(AgentCommand.REPLACE, when=dataset.stuck)
    batches = iter(loader)
    next(batches)
    ended = threading.Event()

    def end() -> None:
        supervisor.join()
        ended.set()
        for process in multiprocessing.active_children():
            process.kill()

    threading.Thread(target=end, daemon=True).start()
    with pytest.raises(RuntimeError, match="DataLoader worker"):
        next(batches)
    assert ended.is_set()
    assert not office.answers[-1].done
    assert "order of its own" in office.answers[-1].why


def test_what_cannot_be_saved_is_said_and_the_loader_waits_on(office, load) -> None:
    dataset = Numbers(hang_from=9)
    loader = load(dataset)
    saving = office.order(AgentCommand.SAVE, when=dataset.stuck)

    def replace_after() -> None:
        saving.join()
        office.order(AgentCommand.REPLACE, when=dataset.stuck).join()

    threading.Thread(target=replace_after, daemon=True).start()
    assert flat(loader) == list(range(24))
    assert office.answers[0].why == "OSError: no place for it"
    assert office.saved == [0]


def test_a_training_that_waits_for_a_batch_ends_when_it_is_asked_to(office, load) -> None:
    dataset = Numbers(hang_from=9)
    loader = load(dataset)
    office.order(AgentCommand.END, when=dataset.stuck)
    with pytest.raises(KeyboardInterrupt):
        flat(loader)
    assert office.handler.ending


def test_after_a_rescue_it_ends_without_another_iteration(office, load) -> None:
    office.path = "rescue.pth"
    loader = load(Numbers(), num_workers=0)
    asked = threading.Event()
    asked.set()
    saving = office.order(AgentCommand.SAVE, when=asked)

    def end_after() -> None:
        saving.join()
        office.give(AgentCommand.END)

    number = office.folder / protocol.command_file(0)
    while number.read_bytes()[:1] == b"\0":
        threading.Event().wait(0.01)  # The order is there before the first batch is asked for.
    threading.Thread(target=end_after, daemon=True).start()
    batches = []
    with pytest.raises(KeyboardInterrupt):
        batches += iter(loader)
    assert batches == []
    assert office.saved == [0]


def test_commands_are_looked_at_in_the_middle_of_a_sample_when_it_rings(office, load) -> None:
    class Slow(Numbers):
        def __getitem__(self, index: int) -> int:
            if index == 9 and not get_worker_info():
                self.stuck.set()
                answered.wait(60)
            return index

    answered = threading.Event()
    dataset = Slow()
    loader = load(dataset, num_workers=0)
    office.handler.listen()

    def supervise() -> None:
        assert dataset.stuck.wait(60)
        office.give(AgentCommand.TELL)
        answered.set()

    threading.Thread(target=supervise, daemon=True).start()
    assert flat(loader) == list(range(24))
    assert office.answers[0].awaited[1] == "index 9: images/0009.png"


def test_the_death_of_a_worker_is_told_between_two_batches(office, load) -> None:
    loader = load(Numbers(), persistent_workers=True)
    batches = iter(loader)
    next(batches)
    victim = batches._workers[0]
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(60)
    # Here the training would be in the middle of a step: nothing is raised.
    for _ in range(1000):
        pass
    with pytest.raises(RuntimeError, match="is killed by signal: Killed"):
        list(batches)


def test_a_connection_that_a_dying_worker_broke_tells_of_its_death(office, load) -> None:
    """The system closes what a process held before it tells that the process is dead."""
    batches = iter(load(Numbers()))
    next(batches)
    doomed = batches._workers[0]

    def take_a_tensor():
        os.kill(doomed.pid, signal.SIGKILL)
        raise ConnectionResetError("Connection reset by peer")

    killed = f"pid {doomed.pid}.* is killed by signal: Killed"
    with pytest.raises(RuntimeError, match=killed):
        batches._dualwatch.next(take_a_tensor)


def test_a_guarded_loader_looks_like_what_it_was(load) -> None:
    loader = load(Numbers(), num_workers=0, shuffle=True)
    assert type(loader).__name__ == "DataLoader"
    assert isinstance(loader, DataLoader)
    assert isinstance(loader.batch_sampler, torch.utils.data.BatchSampler)
    assert isinstance(loader.sampler, torch.utils.data.RandomSampler)
    assert len(loader) == 6
    assert sorted(flat(loader)) == list(range(24))


def test_a_loader_of_single_samples(load) -> None:
    loader = load(Numbers(6), batch_size=None, num_workers=0)
    assert [int(value) for value in loader] == list(range(6))
    assert loader_guard.guard_of(loader).tracker.position()["samples"] == 6


def test_what_is_no_loader_is_left_alone(office) -> None:
    plan = {"batch_size": 4}
    assert loader_guard.guarded(plan, office.handler) is plan
    assert loader_guard.guarded(None, office.handler) is None
    assert loader_guard.guard_of(plan) is None
