"""Consoles of mmcv 1.x (mmdet 2.x, mmseg 0.x, ...), in its exact form."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.strangers.consoles.base import Console, Number

if TYPE_CHECKING:
    from typing import Self


class Mmcv(Console):
    """A run of ``epochs`` epochs of ``iters`` iterations, a line every ``every``."""

    def __init__(
        self,
        *,
        epochs: int = 3,
        iters: int = 100,
        every: int = 50,
        at: str = "2023-02-08 11:14:12",
        step: float = 0.5,
        logger: str = "mmdet",
    ) -> None:
        super().__init__(at, step)
        self.epochs, self.iters, self.every, self.logger = epochs, iters, every, logger

    def say(self, message: str, level: str = "INFO") -> Self:
        stamp = self.now.strftime("%Y-%m-%d %H:%M:%S") + ",137"
        return self.raw(f"{stamp} - {self.logger} - {level} - {message}")

    def begin(
        self,
        *,
        epochs: int | None = None,
        work_dir: str = "/exp/old",
        host: str = "lin@dgx-7",
        dump: bool = False,
    ) -> Self:
        """All that is written up to the first batch."""
        self.say(
            f"Environment info:\n{'-' * 60}\nsys.platform: linux\nPyTorch: 1.12.1\n{'-' * 60}\n"
        )
        self.say("Distributed training: False")
        total = epochs if epochs is not None else self.epochs
        if dump:
            self.say(
                "Config:\nmodel = dict(type='RetinaNet')\n"
                "data = dict(samples_per_gpu=2, workers_per_gpu=2)\n"
                f"runner = dict(type='EpochBasedRunner', max_epochs={total})\n"
                f"workflow = [('train', 1)]\nwork_dir = '{work_dir}'\n"
            )
        self.wait(6).say(f"Start running, host: {host}, work_dir: {work_dir}")
        self.say(
            "Hooks will be executed in the following order:\nbefore_run:\n -------------------- "
        )
        self.say(f"workflow: [('train', 1)], max: {total} epochs")
        return self.say(f"Checkpoints will be saved to {work_dir} by HardDiskBackend.")

    def line(
        self,
        epoch: int,
        iteration: int,
        *,
        loss: Number = 0.7,
        time: float | None = None,
        data_time: float = 0.007,
        **more: Number,
    ) -> Self:
        """A training line."""
        seconds = self.step if time is None else time
        self.wait(seconds * self.every)
        left = (self.epochs - epoch + 1) * self.iters - iteration
        eta = str(timedelta(seconds=max(0, int(left * seconds))))
        values = [
            "lr: 2.000e-02",
            f"eta: {eta}",
            f"time: {seconds:.3f}",
            f"data_time: {data_time:.3f}",
            "memory: 6188",
            *(f"{name}: {_shown(value)}" for name, value in more.items()),
            f"loss: {_shown(loss)}",
        ]
        return self.say(f"Epoch [{epoch}][{iteration}/{self.iters}]\t{', '.join(values)}")

    def epoch(self, epoch: int, *, upto: int | None = None, **more: Number) -> Self:
        for iteration in range(self.every, (upto or self.iters) + 1, self.every):
            done = (epoch - 1) * self.iters + iteration
            values = {"loss": round(1.4 / (1 + done / 100) + 0.2, 4), **more}
            self.line(epoch, iteration, **values)  # type: ignore[arg-type]
        return self

    def save(self, epoch: int) -> Self:
        return self.wait(1).say(f"Saving checkpoint at {epoch} epochs")

    def val(self, epoch: int, batches: int = 400, **metrics: Number) -> Self:
        shown = ", ".join(f"{name}: {_shown(value)}" for name, value in metrics.items())
        return self.wait(20).say(f"Epoch(val) [{epoch}][{batches}]\t{shown}")

    def whole(self, first: int = 1, last: int | None = None, **more: Number) -> Self:
        for epoch in range(first, (last or self.epochs) + 1):
            self.epoch(epoch, **more).save(epoch)
            rising = round(0.1 + 0.3 * epoch / self.epochs, 4)
            self.val(epoch, bbox_mAP=rising, bbox_mAP_50=rising + 0.2)
        return self


def bar(done: int, total: int, speed: float = 9.8) -> str:
    """mmcv's progress bar at one moment; it is overwritten by ``\\r``."""
    filled = ">" * (30 * done // total)
    seconds, left = int(done / speed), int((total - done) / speed)
    return (
        f"\r[{filled:<30}] {done}/{total}, {speed:.1f} task/s, elapsed: {seconds}s, ETA: {left:>5}s"
    )


def _shown(value: Number) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
