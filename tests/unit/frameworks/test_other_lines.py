"""Lines by which trainings of other frameworks report their beginning and their end."""

from __future__ import annotations

import pytest
from dualwatch.events import LogMilestone
from dualwatch.frameworks.other_lines import OtherLines


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("`Trainer.fit` stopped: `max_epochs=5` reached.", "run-over"),
        ("INFO:lightning.pytorch.utilities.rank_zero:`Trainer.fit` stopped: `max_steps=9` reached.",
         "run-over"),
        ("{'train_runtime': 129.1, 'train_loss': 0.6121, 'epoch': 4.0}", "run-over"),
        ("{'train_runtime': '129.1', 'train_loss': '0.6121', 'epoch': '4'}", "run-over"),
        ("30 epochs completed in 1.032 hours.", "run-over"),
        ("Finished Training", "run-over"),
        ("2024-03-04 10:00:00,123 - INFO - Training complete in 10m 3s", "run-over"),
        ("训练完成!", "run-over"),
        ("***** Running training *****", "run-announced"),
        ("[INFO|trainer.py:1571] 2024-03-04 10:00:00,123 >> ***** Running training *****",
         "run-announced"),
        ("Starting training for 30 epochs...", "run-announced"),
        ("GPU available: True (cuda), used: True", "run-announced"),
        ("EarlyStopping: Stopping training early as no improvement", "stopped-early"),
        ("Training stopped early as no improvement observed in last 50 epochs.", "stopped-early"),
    ],
)  # fmt: skip
def test_the_beginning_or_the_end_of_a_training(line: str, name: str) -> None:
    event = OtherLines().parse(line, 1.0, 2.0)
    assert isinstance(event, LogMilestone)
    assert (event.name, event.wall) == (name, 2.0)


@pytest.mark.parametrize(
    "line",
    ["`Trainer.fit` stopped: `max_time` reached.", "training finished epoch 3", "epoch 3 complete",
     "Experiment 1 completed.", "Training did not complete", "download complete",
     "the training failed: not complete", "finished training epoch 4 of 9"],
)  # fmt: skip
def test_what_is_no_end(line: str) -> None:
    assert OtherLines().parse(line, 1.0, 2.0) is None
