"""Logs and rows as trainings write them, as many lines as are asked for."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from itertools import islice

EPOCH = 2000
"""Iterations of an epoch in the generated logs."""

LOG_EVERY = 50
LOSSES = ("loss", "loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_macl")
RESULTS = ("bbox_mAP", "bbox_mAP_50", "bbox_mAP_75", "bbox_mAP_s", "bbox_mAP_m", "bbox_mAP_l")
WORDS = ("image", "mask", "crop", "flip", "scale", "worker", "queue", "batch", "tensor", "shape")


def console_lines(count: int) -> Iterator[str]:
    """Lines as mmengine prints them, with what trainings print in between."""
    return (line for line, _ in islice(_console(), count))


def log_of_run(rows: int) -> Iterator[str]:
    """The lines of the run whose ``scalars.json`` has so many rows."""
    for line, is_row in _console():
        rows -= is_row
        yield line
        if rows <= 0:
            return


def _console() -> Iterator[tuple[str, bool]]:
    """Lines, and whether ``scalars.json`` has a row for each."""
    dice = random.Random(0)
    for epoch, iteration in _places():
        stamp = f"11/23 {iteration // 120 % 24:02d}:{iteration // 2 % 60:02d}:{epoch % 60:02d}"
        prefix = f"{stamp} - mmengine - INFO - "
        losses = "  ".join(f"{name}: {dice.random():.4f}" for name in LOSSES)
        fields = [
            f"Epoch(train)  [{epoch}][{iteration:4d}/{EPOCH}]",
            "base_lr: 2.5000e-03 lr: 2.5000e-03",
            f"eta: 2 days, 3:{iteration % 60:02d}:09",
            f"time: {dice.random():.4f}",
            f"data_time: {dice.random() / 50:.4f}",
            "memory: 7342",
            f"grad_norm: {dice.random():.4f}",
            f"acc: {dice.random() * 100:.4f}",
        ]
        yield prefix + "  ".join(fields) + f"  {losses}", True
        if iteration == EPOCH:
            results = "  ".join(f"coco/{name}: {dice.random():.4f}" for name in RESULTS)
            yield f"{prefix}Saving checkpoint at {epoch} epochs", False
            yield f"{prefix}Epoch(val) [{epoch}][50/500]    eta: 0:00:30  time: 0.05", False
            yield f"{prefix}Epoch(val) [{epoch}][500/500]    {results}  time: 0.05", True
        if dice.random() < 0.02:
            yield "/opt/mmdet/losses.py:42: UserWarning: the pair has no partner, skipped", False
        if dice.random() < 0.001:
            yield "Traceback (most recent call last):", False
            yield '  File "/opt/mmdet/macl.py", line 7, in forward', False
            yield "    return self.loss(visible, infrared)", False
            yield f"ValueError: pair {iteration} cannot be used", False


def scalar_rows(count: int) -> Iterator[str]:
    """Rows of ``scalars.json``: mmengine writes full precision, and one validation row an epoch."""
    dice = random.Random(0)
    made = 0
    for epoch, iteration in _places():
        row: dict[str, float] = {"base_lr": 0.0025, "lr": 0.0025, "data_time": dice.random() / 50}
        row |= {name: dice.random() for name in LOSSES}
        row |= {"acc": dice.random() * 100, "grad_norm": dice.random(), "time": dice.random()}
        step = (epoch - 1) * EPOCH + iteration
        row |= {"epoch": epoch, "iter": step, "memory": 7342, "step": step}
        rows = [row]
        if iteration == EPOCH:
            rows.append({f"coco/{name}": dice.random() for name in RESULTS} | {"step": epoch})
        for each in rows:
            if made == count:
                return
            made += 1
            yield json.dumps(each)


def _places() -> Iterator[tuple[int, int]]:
    """Epoch and iteration of the log lines of an endless training."""
    epoch = 1
    while True:
        for iteration in range(LOG_EVERY, EPOCH + 1, LOG_EVERY):
            yield epoch, iteration
        epoch += 1


def bar_lines(count: int) -> Iterator[str]:
    """A bar that tqdm redraws, as a file has it."""
    dice = random.Random(0)
    for number in range(count):
        epoch, done = divmod(number, EPOCH)
        yield (
            f"\rEpoch {epoch + 1}/500: {done * 100 // EPOCH:3d}%|{'#' * (done * 10 // EPOCH):10}|"
            f" {done}/{EPOCH} [00:{done // 60:02d}<00:30, 10.02it/s, loss={dice.random():.3f}]"
        )


def row_lines(count: int) -> Iterator[str]:
    """The rows that the Trainer of Hugging Face prints."""
    dice = random.Random(0)
    for number in range(count):
        losses = f"'loss': {dice.random():.4f}, 'grad_norm': {dice.random() * 5:.6f}"
        yield f"{{{losses}, 'learning_rate': 4.2e-05, 'epoch': {number / EPOCH:.4f}}}"


def printed_lines(count: int) -> Iterator[str]:
    """A log in which the training prints nine lines of its own between two of the logger."""
    dice = random.Random(0)
    for number, line in enumerate(console_lines(count)):
        yield line if number % 10 == 0 else f"stage {number % 4}: ids [{dice.randrange(9999)}] ok"


def older_lines(count: int) -> Iterator[str]:
    """Lines of mmcv 1.x."""
    dice = random.Random(0)
    for number, (epoch, iteration) in enumerate(islice(_places(), count)):
        losses = ", ".join(f"{name}: {dice.random():.4f}" for name in LOSSES[1:] + LOSSES[:1])
        yield (
            f"2023-02-09 {number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d},092"
            f" - mmdet - INFO - Epoch [{epoch}][{iteration}/{EPOCH}]\tlr: 7.468e-04,"
            f" eta: 1 day, 1:56:37, time: {dice.random():.3f}, memory: 5321, {losses}"
        )


def script_lines(count: int) -> Iterator[str]:
    """Lines of a plain script, as the examples of PyTorch print them."""
    dice = random.Random(0)
    for number in range(count):
        epoch, done = divmod(number, EPOCH)
        yield (
            f"Epoch: [{epoch}][{done:4d}/{EPOCH}]\tTime  {dice.random():.3f} ( 0.300)\t"
            f"Loss {dice.random():.4e} (8.0e-01)\tAcc@1 {dice.random() * 100:6.2f} ( 64.22)"
        )


def record_lines(count: int) -> Iterator[str]:
    """A JSON object a line."""
    dice = random.Random(0)
    for number in range(count):
        yield json.dumps({"step": number, "loss": dice.random(), "lr": 0.0003})


def rank_lines(count: int) -> Iterator[str]:
    """Lines of eight ranks with the time of a logger."""
    dice = random.Random(0)
    for number in range(count):
        time = f"{number // 36000 % 24:02d}:{number // 600 % 60:02d}:{number // 10 % 60:02d}"
        yield (
            f"[rank{number % 8}]: 2024-03-04 {time},100 [INFO] data.py:"
            f" {dice.randrange(9999)} pairs read"
        )


def text_lines(count: int) -> Iterator[str]:
    """Nine words a line, new in each."""
    dice = random.Random(0)
    for _ in range(count):
        yield " ".join(dice.choice(WORDS) for _ in range(8)) + f" x{dice.getrandbits(40):x}.png"


def error_lines(count: int) -> Iterator[str]:
    """An error that is caught and printed in every iteration."""
    for number in range(count):
        yield f"MACL loss failed: pair {number} cannot be used"


def traceback_lines(count: int) -> Iterator[str]:
    """The tracebacks of errors that are caught."""
    number = 0
    while True:
        number += 1
        lines = ["Traceback (most recent call last):"]
        for depth in range(20):
            lines += [f'  File "/opt/a/b{depth}.py", line {number % 999}, in f', "    return g(x)"]
        for line in [*lines, f"ValueError: pair {number} cannot be used"]:
            if not count:
                return
            count -= 1
            yield line


DIAGNOSED: dict[str, Callable[[int], Iterator[str]]] = {
    "mmengine": console_lines,
    "mmengine, and its own prints": printed_lines,
    "mmcv 1.x": older_lines,
    "a bar of tqdm": bar_lines,
    "rows of Hugging Face": row_lines,
    "a script's Epoch: [3][160/2000]": script_lines,
    "a JSON object a line": record_lines,
    "eight ranks with a logger's time": rank_lines,
    "a text that is new in each line": text_lines,
    "an error in each line": error_lines,
    "tracebacks": traceback_lines,
}
