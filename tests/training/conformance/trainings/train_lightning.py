"""A training of PyTorch Lightning; resumes by ``ckpt_path``."""

import numbered
import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from numbered import BATCH, EPOCHS
from torch.utils.data import DataLoader


class Line(LightningModule):
    def __init__(self, record):
        super().__init__()
        self.record, self.layer = record, numbered.network()

    def training_step(self, batch, batch_idx):
        self.record.before(self.global_step + 1)
        loss = numbered.loss_of(self.layer, batch)
        self.log("loss", loss)
        self.record.consumed(self.current_epoch, batch["id"])
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", numbered.loss_of(self.layer, batch))

    def configure_optimizers(self):
        return torch.optim.Adam(self.layer.parameters(), lr=0.01)


def main():
    given = numbered.options()
    seed_everything(1)
    train = DataLoader(
        numbered.Numbers(given), batch_size=BATCH, shuffle=True, num_workers=given.workers
    )
    validation = DataLoader(numbered.Numbers(given, training=False), batch_size=BATCH)
    record = numbered.Record(given)
    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        default_root_dir=given.folder,
        log_every_n_steps=5,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
    )
    module = Line(record)
    trainer.fit(module, train, validation, ckpt_path=given.resume)
    record.weights(module.layer)


if __name__ == "__main__":
    main()
