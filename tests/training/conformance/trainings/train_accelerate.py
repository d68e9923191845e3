"""A loop with accelerate; resumes from what ``Accelerator.save_state`` has saved."""

import os

import numbered
import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration
from numbered import BATCH, EPOCHS
from torch.utils.data import DataLoader


def main():
    given = numbered.options()
    record = numbered.Record(given)
    layer = numbered.network()
    accelerator = Accelerator(
        cpu=True, dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True)
    )
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
    loader = DataLoader(
        numbered.Numbers(given), batch_size=BATCH, num_workers=given.workers, shuffle=True
    )
    validation = DataLoader(numbered.Numbers(given, training=False), batch_size=BATCH)
    model, optimizer, loader, validation = accelerator.prepare(layer, optimizer, loader, validation)
    first = skipped = 0
    if given.resume:
        accelerator.load_state(given.resume)
        place = torch.load(os.path.join(given.resume, "dualwatch.pt"), weights_only=True)
        first, skipped = place["epoch"], place["batches"]
    iteration = first * len(loader) + skipped
    for epoch in range(first, EPOCHS):
        loader.set_epoch(epoch)
        rest = accelerator.skip_first_batches(loader, skipped) if skipped else loader
        skipped = 0
        for batch in rest:
            iteration += 1
            record.before(iteration)
            loss = numbered.loss_of(model, batch)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            record.consumed(epoch, batch["id"])
        with torch.no_grad():
            for batch in validation:
                numbered.loss_of(model, batch)
    record.weights(layer)


if __name__ == "__main__":
    main()
