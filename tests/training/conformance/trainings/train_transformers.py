"""A training of the Hugging Face Trainer; resumes by ``resume_from_checkpoint``."""

import os

import numbered
import torch
from numbered import BATCH, EPOCHS, HIDDEN
from transformers import Trainer, TrainingArguments


class Net(torch.nn.Module):
    """A model as the Trainer wants it: it returns its loss."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.hidden, self.out = torch.nn.Linear(1, HIDDEN), torch.nn.Linear(HIDDEN, 1)

    def forward(self, x, id=None, return_loss=True):
        prediction = self.out(self.hidden(x))
        return {"loss": ((prediction - 2 * x) ** 2).mean(), "prediction": prediction}


class Recording(Trainer):
    """Records the samples of each step."""

    record = None

    def training_step(self, model, inputs, *args, **kwargs):
        self.record.before(self.state.global_step + 1)
        ids = [*inputs["id"]]
        loss = super().training_step(model, inputs, *args, **kwargs)
        self.record.consumed(int(self.state.epoch or 0), ids)
        return loss


def main():
    given = numbered.options()
    arguments = TrainingArguments(
        output_dir=os.path.join(given.folder, "out"),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH,
        dataloader_num_workers=given.workers,
        logging_steps=5,
        eval_strategy="epoch",
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        ddp_backend="gloo" if "RANK" in os.environ else None,
        disable_tqdm=True,
    )
    model = Net()
    trainer = Recording(
        model,
        arguments,
        train_dataset=numbered.Numbers(given),
        eval_dataset=numbered.Numbers(given, training=False),
    )
    trainer.record = record = numbered.Record(given)
    trainer.train(resume_from_checkpoint=given.resume)
    record.weights(model)


if __name__ == "__main__":
    main()
