"""A loop on plain PyTorch whose samples are numbered, with a fault of choice.

Usage: train_plain.py FOLDER [--cycle] [--iterable] [--fail] [--nan] [--half]. The samples of each
batch that was trained on go to FOLDER/consumed-RANK.txt, weights to FOLDER/weights-RANK.pt.
"""

import argparse
import contextlib
import multiprocessing
import os

import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, IterableDataset

LENGTH, EPOCHS, BATCH = 48, 2, 4
LOCKS = (multiprocessing.Lock(), multiprocessing.Lock())
HELD = (multiprocessing.Event(), multiprocessing.Event())


class Numbers(Dataset):
    """Numbers. With ``cycle`` two workers take two locks in opposite order, each its first one."""

    def __init__(self, cycle):
        self.cycle = cycle

    def __len__(self):
        return LENGTH

    def __getitem__(self, index):
        worker = torch.utils.data.get_worker_info()
        if self.cycle and worker is not None and index // BATCH in (4, 5):
            with LOCKS[worker.id]:
                HELD[worker.id].set()
                HELD[1 - worker.id].wait()
                with LOCKS[1 - worker.id]:
                    pass
        with contextlib.ExitStack() as locks:
            for lock in LOCKS if self.cycle else ():
                locks.enter_context(lock)
        return {"id": index, "x": torch.tensor([index / LENGTH])}


class Stream(IterableDataset):
    def __iter__(self):
        for index in range(LENGTH):
            yield {"id": index, "x": torch.tensor([index / LENGTH])}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--cycle", action="store_true")
    parser.add_argument("--iterable", action="store_true")
    parser.add_argument("--fail", action="store_true", help="in the forward pass of batch 17")
    parser.add_argument("--half", action="store_true", help="the optimizer lacks the first layer")
    parser.add_argument("--nan", action="store_true", help="from batch 17 on")
    options = parser.parse_args()

    torch.manual_seed(1)
    rank = int(os.environ.get("RANK", "0"))
    model = layer = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Linear(4, 1))
    sampler = None
    if "RANK" in os.environ:
        torch.distributed.init_process_group("gloo")
        model = torch.nn.parallel.DistributedDataParallel(layer)
        sampler = DistributedSampler(range(LENGTH), shuffle=False)
    # The workers of one rank only take the locks.
    data = Stream() if options.iterable else Numbers(options.cycle and rank == 0)
    loader = DataLoader(
        data, batch_size=BATCH, num_workers=0 if options.iterable else 2, sampler=sampler
    )
    optimizer = torch.optim.Adam((layer[1] if options.half else model).parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    done = 0
    with open(os.path.join(options.folder, f"consumed-{rank}.txt"), "w") as consumed:
        for epoch in range(EPOCHS):
            for batch in loader:
                if options.fail and done == 16:
                    raise ValueError("the forward pass fails")
                loss = ((model(batch["x"]) - 2 * batch["x"]) ** 2).mean()
                loss = loss * float("nan") if options.nan and done >= 16 else loss
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                done += 1
                print(epoch, *batch["id"].tolist(), file=consumed, flush=True)
                print(f"epoch {epoch} batch {done} loss {loss.item():.4f}")
            scheduler.step()
            with torch.no_grad():
                for batch in DataLoader(Numbers(False), batch_size=BATCH):
                    model(batch["x"])
            torch.save(layer.state_dict(), os.path.join(options.folder, f"weights-{rank}.pt"))


if __name__ == "__main__":
    main()
