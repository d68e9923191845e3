"""The ranks of a loop on torch's DistributedDataParallel, saved together at one iteration."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from dualwatch import protocol
from dualwatch.actions.launch import write_orders
from dualwatch.protocol import AgentCommand, CommandRecord

torch = pytest.importorskip("torch")

WORLD, LENGTH, BATCH, AT = 2, 48, 4, 4
DEADLINE = 240.0

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks its ranks")


def rank(number: int, folder: str, environment: Mapping[str, str]) -> None:
    """One rank, with the agent in it, until it is told to continue after it was saved."""
    os.environ.update(environment, RANK=str(number))
    from dualwatch.agent.plain import loaders, trainer
    from torch.utils.data import DataLoader, DistributedSampler, dataloader

    torch.set_num_threads(1)
    store = torch.distributed.FileStore(os.path.join(folder, "store"), WORLD)
    torch.distributed.init_process_group("gloo", store=store, rank=number, world_size=WORLD)
    loaders.install(dataloader)
    torch.manual_seed(1)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = [{"id": one, "x": torch.tensor([one / LENGTH])} for one in range(LENGTH)]
    loader = DataLoader(data, batch_size=BATCH, sampler=DistributedSampler(data, seed=1))
    trainer.take_into_care(loader)
    attempt = Path(environment[protocol.ENV_ATTEMPT_DIR])
    order = CommandRecord(number=1, order=AgentCommand.SAVE_TOGETHER, beats=AT)
    command(attempt, number, order)
    with open(os.path.join(folder, f"consumed-{number}.txt"), "w") as consumed:
        for batch in loader:
            optimizer.zero_grad()
            (model(batch["x"]) ** 2).mean().backward()
            optimizer.step()
            print(*batch["id"].tolist(), file=consumed, flush=True)
    torch.distributed.destroy_process_group()


def command(attempt: Path, number: int, record: CommandRecord) -> None:
    """Writes a command where the agent of a rank looks for it."""
    with (attempt / protocol.command_file(number)).open("r+b") as stream:
        stream.write(protocol.pack_command(record))


def test_ranks_are_saved_together_after_one_iteration(tmp_path: Path) -> None:
    attempt = tmp_path / "wd" / "dualwatch" / "attempt-0"
    attempt.mkdir(parents=True)
    write_orders(attempt, {}, 1)
    sizes = {"WORLD_SIZE": str(WORLD), "LOCAL_WORLD_SIZE": str(WORLD)}
    environment = {protocol.ENV_ATTEMPT_DIR: str(attempt), **sizes}
    context = multiprocessing.get_context("fork")
    ranks = [
        context.Process(target=rank, args=(number, str(tmp_path), environment))
        for number in range(WORLD)
    ]
    for process in ranks:
        process.start()
    until = time.monotonic() + DEADLINE
    replies = [attempt / protocol.reply_file(number, 1) for number in range(WORLD)]
    while not all(reply.exists() for reply in replies):
        assert time.monotonic() < until
        assert all(process.is_alive() for process in ranks)
        time.sleep(0.05)
    for number in range(WORLD):
        command(attempt, number, CommandRecord(number=2, order="", beats=0))
    for process in ranks:
        process.join(DEADLINE)

    assert [process.exitcode for process in ranks] == [0] * WORLD
    assert not (attempt / "agent-error.txt").exists()
    saved = torch.load(tmp_path / "wd" / f"rescue_iter_{AT}.pth", weights_only=True)
    torch.nn.Linear(1, 1).load_state_dict(saved["models"][0])
    assert (saved["epoch"], saved["iteration"], saved["batches"]) == (0, AT, AT)
    assert list(saved["ranks"]) == [1]
    assert saved["ranks"][1]["batches"] == AT
    positions = [saved["position"], saved["ranks"][1]["position"]]
    for number, position in enumerate(positions):
        lines = (tmp_path / f"consumed-{number}.txt").read_text().splitlines()
        assert len(lines) == LENGTH // BATCH // WORLD
        assert position["samples"] == AT * BATCH
        # Of a loader without workers nothing is read ahead.
        assert position["pending"] == []
