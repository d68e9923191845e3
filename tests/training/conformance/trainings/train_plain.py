"""A loop on plain PyTorch, with torchrun on several ranks; resumes from a rescue checkpoint."""

import os
from itertools import islice

import numbered
import torch
from numbered import BATCH, EPOCHS
from torch.utils.data import DataLoader, DistributedSampler


def main():
    given = numbered.options()
    record = numbered.Record(given)
    model = layer = numbered.network()
    data = numbered.Stream(given) if given.iterable else numbered.Numbers(given)
    generator, sampler = torch.Generator(), None
    if "RANK" in os.environ:
        torch.distributed.init_process_group("gloo")
        model = torch.nn.parallel.DistributedDataParallel(layer)
        sampler = DistributedSampler(data, seed=1)
    loader = DataLoader(
        data,
        batch_size=BATCH,
        num_workers=given.workers,
        shuffle=None if sampler is not None or given.iterable else True,
        sampler=sampler,
        generator=generator,
    )
    validation = DataLoader(numbered.Numbers(given, training=False), batch_size=BATCH)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    first = skipped = 0
    if given.resume:
        saved = torch.load(given.resume, weights_only=True)
        layer.load_state_dict(saved["models"][0])
        optimizer.load_state_dict(saved["optimizers"][0])
        scheduler.load_state_dict(saved["schedulers"][0])
        first, skipped = saved["epoch"], saved["batches"]
    iteration = first * len(loader) + skipped if not given.iterable else 0
    for epoch in range(first, EPOCHS):
        generator.manual_seed(epoch)  # The order of an epoch is the same in each process.
        if sampler is not None:
            sampler.set_epoch(epoch)
        for batch in islice(loader, skipped, None):
            iteration += 1
            record.before(iteration)
            loss = numbered.loss_of(model, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            record.consumed(epoch, batch["id"])
        skipped = 0
        scheduler.step()
        with torch.no_grad():
            for batch in validation:
                numbered.loss_of(layer, batch)
    record.weights(layer)


if __name__ == "__main__":
    main()
