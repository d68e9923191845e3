"""A small Lightning training whose samples are numbered, with a data set that may deadlock.

Usage: train_lightning.py FOLDER [--deadlock] [--fail]. Samples that were trained on are appended
to FOLDER/consumed.txt, one line for each batch.
"""

import argparse
import os
import threading

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from torch.utils.data import DataLoader, Dataset, get_worker_info

LENGTH, EPOCHS, BATCH = 48, 2, 4


class Numbers(Dataset):
    """Numbers. With ``lock`` held by the parent at the fork, a worker waits for it for ever."""

    def __init__(self, length, lock=None, at=-1):
        self.length, self.lock, self.at = length, lock, at

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if self.lock is not None and index == self.at and get_worker_info() is not None:
            with self.lock:
                pass
        return {"id": index, "x": torch.tensor([index / self.length])}


class Line(LightningModule):
    def __init__(self, folder, fail):
        super().__init__()
        self.folder, self.fail = folder, fail
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        if self.fail and self.current_epoch == 1:
            raise ValueError("this training fails in its second epoch")
        loss = ((self.layer(batch["x"]) - 2 * batch["x"]) ** 2).mean()
        self.log("train_loss", loss)
        with open(os.path.join(self.folder, "consumed.txt"), "a") as stream:
            ids = " ".join(str(int(one)) for one in batch["id"])
            stream.write(f"{self.current_epoch} {os.getpid()} {ids}\n")
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", (self.layer(batch["x"]) - 2 * batch["x"]).abs().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class SaveAndStop(Callback):
    """Saves a checkpoint in the middle of an epoch and ends the process."""

    def __init__(self, batch):
        self.batch = batch

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if batch_idx + 1 == self.batch:
            trainer.save_checkpoint(os.path.join(module.folder, "middle.ckpt"))
            os._exit(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--deadlock", action="store_true")
    parser.add_argument("--fail", action="store_true")
    parser.add_argument("--save-at", type=int, default=0, help="batch after which it stops")
    parser.add_argument("--resume")
    options = parser.parse_args()
    seed_everything(1)
    lock = threading.Lock() if options.deadlock else None
    train = DataLoader(Numbers(LENGTH, lock, at=17), batch_size=BATCH, shuffle=True, num_workers=2)
    val = DataLoader(Numbers(8), batch_size=BATCH, num_workers=1)
    if lock is not None:
        lock.acquire()  # As a thread that logs while the workers are forked.
    stop = [SaveAndStop(options.save_at)] if options.save_at else []
    trainer = Trainer(
        callbacks=stop,
        max_epochs=EPOCHS,
        accelerator="cpu",
        default_root_dir=options.folder,
        log_every_n_steps=5,
        enable_progress_bar=False,
    )
    trainer.fit(Line(options.folder, options.fail), train, val, ckpt_path=options.resume)


if __name__ == "__main__":
    main()
