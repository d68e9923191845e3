"""Consoles and files of mmengine 0.x, in its exact form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.strangers.consoles.base import Console, Number

if TYPE_CHECKING:
    from typing import Self

RULE = "-" * 60

HOOKS = """Hooks will be executed in the following order:
before_run:
(VERY_HIGH   ) RuntimeInfoHook
(BELOW_NORMAL) LoggerHook
 --------------------
after_run:
(BELOW_NORMAL) LoggerHook
 --------------------"""


class Mmengine(Console):
    """A run of ``epochs`` epochs of ``iters`` iterations, a line every ``every``.

    Args:
        dated: Whether lines have their year: the file does, the console does not.
        wide: Epochs aligned to the right, as newer versions write.
    """

    def __init__(
        self,
        *,
        epochs: int = 3,
        iters: int = 100,
        every: int = 50,
        at: str = "2024-03-04 10:00:00",
        step: float = 0.5,
        dated: bool = True,
        wide: bool = True,
        logger: str = "mmengine",
    ) -> None:
        super().__init__(at, step)
        self.epochs, self.iters, self.every = epochs, iters, every
        self.dated, self.wide, self.logger = dated, wide, logger

    def say(self, message: str, level: str = "INFO") -> Self:
        """A line of the logger."""
        stamp = self.now.strftime("%Y/%m/%d %H:%M:%S" if self.dated else "%m/%d %H:%M:%S")
        return self.raw(f"{stamp} - {self.logger} - {level} - {message}")

    def begin(
        self,
        *,
        epochs: int | None = None,
        work_dir: str = "/exp/run",
        more: str = "",
        interval: int = 1,
        banner: bool = True,
    ) -> Self:
        """All that is written up to the first batch."""
        if banner:
            self.banner()
        self.config(epochs=epochs, work_dir=work_dir, more=more, interval=interval)
        self.wait(4).say(HOOKS)
        return self.wait(2).say(f"Checkpoints will be saved to {work_dir}.")

    def banner(self) -> Self:
        """The environment."""
        self.say(
            f"\n{RULE}\nSystem environment:\n    sys.platform: linux\n"
            "    Python: 3.10.13 (main, Sep 11 2023, 13:44:35) [GCC 11.2.0]\n"
            "    CUDA available: True\n    PyTorch: 2.1.2\n    MMEngine: 0.10.3\n\n"
            "Runtime environment:\n    cudnn_benchmark: False\n    Distributed launcher: none\n"
            f"    GPU number: 1\n{RULE}\n"
        )
        return self

    def config(
        self, *, epochs: int | None, work_dir: str = "/exp/run", more: str = "", interval: int = 1
    ) -> Self:
        """The dump of the configuration."""
        return self.say(
            "Config:\nauto_scale_lr = dict(base_batch_size=16, enable=False)\n"
            f"default_scope = 'mmdet'\n{more}optim_wrapper = dict(\n"
            "    optimizer=dict(lr=0.01, momentum=0.9, type='SGD'), type='OptimWrapper')\n"
            "train_cfg = dict(\n"
            f"    max_epochs={epochs if epochs is not None else self.epochs}, "
            f"type='EpochBasedTrainLoop', val_interval={interval})\n"
            f"work_dir = '{work_dir}'\n"
        )

    def line(
        self,
        epoch: int,
        iteration: int,
        *,
        loss: Number = 0.7,
        time: float | None = None,
        data_time: float = 0.01,
        **more: Number,
    ) -> Self:
        """A training line."""
        seconds = self.step if time is None else time
        self.wait(seconds * self.every)
        left = (self.epochs - epoch + 1) * self.iters - iteration
        eta = str(timedelta(seconds=max(0, int(left * seconds))))
        place = f"{self._epoch(epoch)}[{iteration:>{len(str(self.iters))}}/{self.iters}]"
        values: Mapping[str, Number] = {
            "lr": "1.0000e-02",
            "eta": eta,
            "time": seconds,
            "data_time": data_time,
            "memory": "3187",
            "loss": loss,
            **more,
        }
        return self.say(f"Epoch(train){place}  {self._values(values)}")

    def epoch(self, epoch: int, *, upto: int | None = None, start: int = 0, **more: Number) -> Self:
        """The training lines of an epoch."""
        for iteration in range(self.every, (upto or self.iters) + 1, self.every):
            if iteration > start:
                done = (epoch - 1) * self.iters + iteration
                values = {"loss": round(1.4 / (1 + done / 100) + 0.2, 4), **more}
                self.line(epoch, iteration, **values)  # type: ignore[arg-type]
        return self

    def _epoch(self, epoch: int) -> str:
        width = len(str(self.epochs)) + 3
        return f"[{epoch}]".rjust(width) if self.wide else f" [{epoch}]"

    def save(self, epoch: int) -> Self:
        return self.wait(1).say(f"Saving checkpoint at {epoch} epochs")

    def val(self, epoch: int, batches: int = 20, **metrics: Number) -> Self:
        """A validation with its metrics."""
        for done in (batches // 2, batches):
            last = done == batches
            self.wait(4)
            values: dict[str, Number] = dict(metrics) if last else {"eta": "0:00:01"}
            values |= {"time": 0.041, "data_time": 0.008}
            if not last:
                values["memory"] = "1204"
            number = f" [{epoch}]" if last else self._epoch(epoch)
            place = f"{number}[{done:>{len(str(batches))}}/{batches}]"
            self.say(f"Epoch(val){place}    {self._values(values)}")
        return self

    def whole(self, first: int = 1, last: int | None = None, **more: Number) -> Self:
        """Epochs with their saving and validation; mAP rises."""
        for epoch in range(first, (last or self.epochs) + 1):
            self.epoch(epoch, **more).save(epoch)
            rising = round(0.1 + 0.3 * epoch / self.epochs, 4)
            self.val(epoch, **{"coco/bbox_mAP": rising, "coco/bbox_mAP_50": rising + 0.2})
        return self

    @staticmethod
    def _values(values: Mapping[str, Number]) -> str:
        return "  ".join(
            f"{key}: {value:.4f}" if isinstance(value, float) else f"{key}: {value}"
            for key, value in values.items()
        )


class Iterations(Mmengine):
    """A run by iterations."""

    def __init__(self, *, total: int = 2000, every: int = 50, **more: str) -> None:
        super().__init__(epochs=1, iters=total, every=every, **more)  # type: ignore[arg-type]
        self.total = total

    def config(
        self, *, epochs: int | None, work_dir: str = "/exp/run", more: str = "", interval: int = 1
    ) -> Self:
        return self.say(
            f"Config:\ndefault_scope = 'mmseg'\n{more}train_cfg = dict(\n"
            f"    max_iters={self.total}, type='IterBasedTrainLoop', val_interval={interval})\n"
            f"work_dir = '{work_dir}'\n"
        )

    def it(self, iteration: int, *, loss: Number = 0.7, **more: Number) -> Self:
        """A training line."""
        self.wait(self.step * self.every)
        values = {
            "base_lr": "1.0000e-02 lr: 9.9000e-03",
            "eta": str(timedelta(seconds=int((self.total - iteration) * self.step))),
            "time": self.step,
            "data_time": 0.004,
            "memory": "5512",
            "loss": loss,
            **more,
        }
        return self.say(
            f"Iter(train) [{iteration:>{len(str(self.total))}}/{self.total}]  {self._values(values)}"
        )

    def evaluated(self, batches: int = 100, **metrics: Number) -> Self:
        values = {**metrics, "data_time": 0.0037, "time": 0.2811}
        return self.wait(20).say(f"Iter(val) [{batches}/{batches}]    {self._values(values)}")


HERE = (2, 50)
"""Where ``begun`` ends."""


def begun() -> Mmengine:
    """Ends at epoch 2, iteration 50 of 100."""
    return Mmengine().begin().whole(1, 1).epoch(2, upto=50)
