"""Consoles of plain PyTorch scripts: what they count, and how they end."""

from __future__ import annotations

import json
import math
from collections.abc import Callable


def steps(upto: int, *, bad_from: int | None = None, every: int = 10) -> str:
    """A language model: steps alone, and an estimate of both losses now and then."""
    text = "number of parameters: 29.94M\nusing fused AdamW: True\n"
    for step in range(0, upto + 1, every):
        bad = bad_from is not None and step >= bad_from
        loss = "nan" if bad else f"{2 + 8 / (1 + step / 300):.4f}"
        if step % 200 == 0:
            text += f"step {step}: train loss {loss}, val loss {loss}\n"
        text += f"iter {step}: loss {loss}, time {210 + step % 7}.31ms, mfu 31.20%\n"
    return text


def pipelines(upto: int, *, bad_from: int | None = None) -> str:
    """Megatron: no loss is printed where it is not finite, the gradient is."""
    text = ""
    for step in range(5, upto + 1, 5):
        bad = bad_from is not None and step >= bad_from
        loss = "" if bad else f" lm loss: {3 + 7 / (1 + step / 100):.6E} |"
        text += (
            f" [2025-02-03 11:{step // 60 % 60:02}:{step % 60:02}] iteration {step:8}/   20000 | "
            f"consumed samples: {step * 64:12} | elapsed time per iteration (ms): 998.1 | "
            f"learning rate: 3.0000E-04 | global batch size:    64 |{loss} loss scale: 1.0 | "
            f"grad norm: {'nan' if bad else '0.912'} | number of skipped iterations:   0 | "
            f"number of nan iterations: {5 if bad else 0:3} |\n"
        )
    return text


def detection(epochs: int, upto: int, ap: Callable[[int], float], *, tail: str = "") -> str:
    """A detector by torchvision's reference scripts."""
    text = "Not using distributed mode\nLoading data\nCreating model\nStart training\n"
    for epoch in range(upto):
        for batch in (0, 50, 100, 149):
            loss = 1.2 / (1 + epoch + batch / 150)
            text += (
                f"Epoch: [{epoch}]  [{batch:3}/150]  eta: 0:00:{59 - batch // 3:02}  lr: 0.005000  "
                f"loss: {loss:.4f} ({loss + 0.03:.4f})  loss_mask: {loss / 2:.4f} ({loss / 2:.4f})  "
                "time: 0.3912  data: 0.0102  max mem: 6021\n"
            )
        text += f"Epoch: [{epoch}] Total time: 0:00:59 (0.3933 s / it)\n"
        text += "Test:  [ 0/40]  eta: 0:00:09  model_time: 0.1000 (0.1000)  time: 0.2  data: 0.1\n"
        text += "Averaged stats: model_time: 0.0911 (0.0921)\nIoU metric: bbox\n"
        for iou, share in (("0.50:0.95", 1.0), ("0.50     ", 1.5), ("0.75     ", 0.9)):
            text += (
                f" Average Precision  (AP) @[ IoU={iou} | area=   all | maxDets=100 ] = "
                f"{ap(epoch) * share:.3f}\n"
            )
    return text + tail


def classifier(upto: int, *, accuracy: Callable[[int], float], loss: float, over: bool) -> str:
    """A classifier of 60 classes by timm."""
    text = "Model vit_small created, param count:21689145\n"
    for epoch in range(upto):
        now = loss / (1 + epoch / 3) if over else loss
        for batch in (0, 30, 60, 89):
            shown = now + 0.001 * (batch % 7 - 3)
            text += (
                f"Train: {epoch} [{batch:>4}/90 ({batch * 100 // 89:>3}%)]  Loss: {shown:#.4g} "
                f"({now:#.4g})  Time: 0.301s,  425.11/s  LR: 1.000e-03  Data: 0.011 (0.014)\n"
            )
        acc = accuracy(epoch)
        text += (
            f"Test: [  12/12]  Time: 0.112 (0.131)  Loss: {now:>7.4f} ({now:>6.4f})  "
            f"Acc@1: {acc:>7.3f} ({acc:>7.3f})  Acc@5: {5 * acc:>7.3f} ({5 * acc:>7.3f})\n"
        )
    return text + (f"*** Best metric: {accuracy(upto - 1)} (epoch {upto - 1})\n" if over else "")


def skipped(count: int, upto: int) -> str:
    """apex: the scale halves at each step that is left out; a line every ten steps after that."""
    text = "Selected optimization level O1:  Insert automatic casts around functions.\n"
    for number in range(1, count + 1):
        scale = 65536.0 / 2**number
        text += f"Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to {scale}\n"
    for done in range(10, upto + 1, 10):
        text += f"Epoch: [0][{done}/900]\tTime 0.2 (0.2)\tLoss {4 - done / 200:.4f} (3.9)\n"
    return text


def translation(epochs: int, *, over: bool) -> str:
    """fairseq: its own loggers, a scale that settles at first."""
    text = "2025-02-03 11:00:00 | INFO | fairseq.trainer | begin training epoch 1\n"
    text += "2025-02-03 11:00:10 | INFO | fairseq.trainer | NOTE: gradient overflow detected, "
    text += "ignoring gradient, setting loss scale to: 64.0\n"
    for epoch in range(1, epochs + 1):
        loss = 7 / epoch
        at = f"2025-02-03 11:{epoch:02}"
        text += (
            f"{at}:00 | INFO | train_inner | epoch {epoch:03d}:    100 / 120 loss={loss:.3f}, "
            f"ppl={2**loss:.2f}, num_updates={epoch * 120 - 20}, lr=0.0005, gnorm=1.2, wall=60\n"
            f"{at}:30 | INFO | valid | epoch {epoch:03d} | valid on 'valid' subset | loss "
            f"{loss:.3f} | ppl {2**loss:.2f} | num_updates {epoch * 120}\n"
        )
    if over:
        text += "2025-02-03 12:00:00 | INFO | fairseq_cli.train | done training in 3521.7 seconds\n"
    return text


def evaluations(epochs: int, *, bad: bool) -> str:
    """The Hugging Face Trainer: a loss of each evaluation."""
    text = ""
    for epoch in range(1, epochs + 1):
        for part in (0.25, 0.5, 0.75, 1.0):
            text += (
                f"{{'loss': {2 / (epoch + part):.4f}, 'grad_norm': 1.1, 'learning_rate': 4e-05, "
                f"'epoch': {epoch - 1 + part}}}\n"
            )
        loss = "nan" if bad else f"{2.2 / epoch:.4f}"
        text += f"{{'eval_loss': {loss}, 'eval_runtime': 9.1, 'epoch': {float(epoch)}}}\n"
    return text


def json_lines(epochs: int, *, failed: bool) -> str:
    """A logger of JSON objects; it keeps a traceback in one of them."""
    rows = [
        {
            "asctime": f"2025-02-03 11:{epoch:02}:00,120",
            "levelname": "INFO",
            "message": f"Epoch {epoch}/20 train loss {2 / epoch:.4f}",
        }
        for epoch in range(1, epochs + 1)
    ]
    if failed:
        trace = (
            'Traceback (most recent call last):\n  File "train.py", line 9, in main\n'
            "    loss.backward()\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB."
        )
        rows.append(
            {
                "asctime": "2025-02-03 11:59:00,120",
                "levelname": "ERROR",
                "message": "training failed",
                "exc_info": trace,
            }
        )
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def chance(classes: int) -> float:
    """The loss of guessing."""
    return math.log(classes)


def table(epochs: int, *, bad_from: int | None = None) -> str:
    """fastai: a row an epoch."""
    text = "epoch     train_loss  valid_loss  error_rate  time    \n"
    for epoch in range(epochs):
        bad = bad_from is not None and epoch >= bad_from
        losses = ("nan", "nan") if bad else (f"{1 / (1 + epoch):.6f}", f"{1.1 / (1 + epoch):.6f}")
        text += f"{epoch:<10}{losses[0]:<12}{losses[1]:<12}{'0.312500':<12}00:31   \n"
    return text


def epochs(last: int, upto: int, *, failed: bool | None = None) -> str:
    """A loop of one's own, a line an epoch, with what wandb prints around it.

    Args:
        failed: What wandb reports of the end; None while it did not end.
    """
    text = "wandb: Tracking run with wandb version 0.16.3\n"
    for epoch in range(1, upto + 1):
        loss = 1.9 / (1 + epoch / 3)
        text += (
            f"Epoch {epoch}/{last} | train loss {loss:.4f} | val loss {loss + 0.1:.4f} | "
            f"val acc {0.4 + 0.5 * epoch / last:.3f}\n"
        )
    if failed is None:
        return text
    how = "failed 1). Press Ctrl-C to abort syncing." if failed else "success)."
    return f"{text}wandb: Waiting for W&B process to finish... ({how}\nwandb: Run summary:\n"


def overflows(count: int, steps: int) -> str:
    """DeepSpeed in float16: the scale halves at each overflow."""
    text = "[2025-02-03 11:00:00,001] [INFO] [config.py:1003:print]   fp16_enabled ........ True\n"
    scale = 65536.0
    for number in range(count):
        below = max(scale / 2, 1.0)
        text += (
            f"[2025-02-03 11:00:{number % 60:02},120] [INFO] [loss_scaler.py:183:update_scale] "
            f"[deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: {scale:g}, "
            f"reducing to {below:g}\n"
        )
        scale = below
    for step in range(10, steps + 1, 10):
        loss = round(1.8 / (1 + step / 100), 4)
        text += f"{{'loss': {loss}, 'learning_rate': 2e-05, 'epoch': {step / 100:.2f}}}\n"
    return text


def history(epochs: int, *, bad_from: int | None = None) -> str:
    """A JSON object an epoch, as DETR and its children keep their history."""
    rows = (
        {
            "train_lr": 2e-4,
            "train_loss": math.nan if bad_from is not None and epoch >= bad_from else 9 - epoch / 4,
            "test_loss": 9.5 - epoch / 4,
            "test_coco_eval_bbox": [0.1, 0.2],
            "epoch": epoch,
            "n_parameters": 38100213,
        }
        for epoch in range(epochs)
    )
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def columns(epochs: int, *, bad_from: int | None = None) -> str:
    """Lightning's CSVLogger: training and validation in rows of their own."""
    text = "epoch,lr-AdamW,step,train_loss,val_acc,val_loss\n"
    for epoch in range(epochs):
        bad = bad_from is not None and epoch >= bad_from
        loss = "nan" if bad else f"{1.2 / (1 + epoch):.5f}"
        text += f"{epoch},0.0003,{epoch * 100 + 49},{loss},,\n"
        text += f"{epoch},0.0003,{epoch * 100 + 99},{loss},,\n"
        text += f"{epoch},,{epoch * 100 + 99},,{0.1 if bad else 0.5 + epoch / 50:.3f},{loss}\n"
    return text


def in_chinese(epochs: int, *, bad_from: int | None = None) -> str:
    """A loop of one's own in Chinese words."""
    return "".join(
        f"轮次 [{epoch}/{epochs * 2}]\uff0c训练损失\uff1a"
        f"{'nan' if bad_from is not None and epoch >= bad_from else f'{3 / epoch:.4f}'}"
        f"\uff0c验证准确率\uff1a{0.5 + epoch / 50:.3f}\n"
        for epoch in range(1, epochs + 1)
    )


def in_german(epochs: int, *, bad_from: int | None = None) -> str:
    """A loop of one's own in German words, with decimal commas."""
    return "".join(
        f"Epoche {epoch}/{epochs * 2} - Verlust: "
        f"{'nan' if bad_from is not None and epoch >= bad_from else f'{3 / epoch:.4f}'.replace('.', ',')}"
        f" - Genauigkeit: {60 + epoch},5 %\n"
        for epoch in range(1, epochs + 1)
    )
