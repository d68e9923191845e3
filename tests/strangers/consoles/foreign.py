"""Consoles of other frameworks: bars of tqdm, Lightning, the Hugging Face Trainer, Ultralytics."""

from __future__ import annotations

from collections.abc import Iterable


def tqdm(description: str, done: int, total: int, postfix: str = "", speed: float = 5.0) -> str:
    """A bar at one moment, without the ``\\r`` before it."""
    share = done / total
    full = int(share * 10)
    bar = "█" * full + ("▌" if full < 10 else "") + " " * max(0, 9 - full)
    more = f", {postfix}" if postfix else ""
    head = f"{description}: " if description else ""
    return (
        f"{head}{share:4.0%}|{bar}| {done}/{total} "
        f"[{_clock(done / speed)}<{_clock((total - done) / speed)}, {speed:5.2f}it/s{more}]"
    )


def bars(epochs: Iterable[tuple[int, int]], last: int, of: int, losses: dict[int, str]) -> str:
    """A loop of one's own: ``Epoch 3/60: 40%|...| 160/400 [...]``, overwritten by ``\\r``.

    Args:
        epochs: Epoch and how far it came.
        losses: Epoch -> its loss; 0.5 where none is named.
    """
    text = ""
    for epoch, upto in epochs:
        step = max(1, of // 10)
        for done in [*range(step, upto, step), upto]:
            loss = losses.get(epoch, f"{1 / (epoch + done / of):.3f}")
            text += "\r" + tqdm(f"Epoch {epoch}/{last}", done, of, f"loss={loss}, lr=0.001")
        text += "\n" if upto == of else ""
    return text


def lightning(epochs: int, upto: int, batches: int, *, over: bool) -> str:
    """Lightning's default bar."""
    text = (
        "GPU available: True (cuda), used: True\nTPU available: False, using: 0 TPU cores\n"
        "LOCAL_RANK: 0 - CUDA_VISIBLE_DEVICES: [0]\n\n  | Name  | Type   | Params\n"
        "---------------------------------\n0 | model | ResNet | 11.7 M\n"
        "---------------------------------\n11.7 M    Trainable params\n"
    )
    text += "Sanity Checking DataLoader 0: 100%|██████████| 2/2 [00:00<00:00,  8.31it/s]\n"
    for epoch in range(epochs):
        last = batches if over or epoch < epochs - 1 else upto
        for done in [*range(batches // 5, last, batches // 5), last]:
            loss = f"v_num=3, train_loss={1 / (1 + epoch + done / batches):.3f}"
            text += "\r" + tqdm(f"Epoch {epoch}", done, batches, loss)
        text += "\n" if last == batches else ""
    if over:
        text += f"`Trainer.fit` stopped: `max_epochs={epochs}` reached.\n"
    return text


def transformers(steps: int, upto: int, *, bad_from: int | None = None) -> str:
    """The Hugging Face Trainer: a bar, and a dict every ten steps."""
    text = "***** Running training *****\n  Num examples = 1,600\n  Num Epochs = 4\n"
    text += f"  Total optimization steps = {steps}\n"
    for step in range(10, upto + 1, 10):
        bad = bad_from is not None and step >= bad_from
        loss = "nan" if bad else round(2 / (1 + step / 50), 4)
        norm = "nan" if bad else 1.3
        text += "\r" + tqdm("", step, steps, speed=3.1) + "\n"
        rate = round(5e-5 * (1 - step / steps), 10)
        epoch = round(4 * step / steps, 2)
        text += (
            f"{{'loss': {loss}, 'grad_norm': {norm}, 'learning_rate': {rate}, 'epoch': {epoch}}}\n"
        )
    if upto == steps and bad_from is None:
        text += (
            "{'train_runtime': 129.1, 'train_samples_per_second': 49.5, "
            "'train_steps_per_second': 3.1, 'train_loss': 0.6121, 'epoch': 4.0}\n"
        )
    return text


def ultralytics(epochs: int, upto: int, *, bad_from: int | None = None) -> str:
    """Ultralytics: a table that grows, a bar in each row."""
    text = (
        "Ultralytics 8.2.18 🚀 Python-3.10.13 torch-2.1.2 CUDA:0 (NVIDIA RTX A5000, 24248MiB)\n"
        "Image sizes 640 train, 640 val\nUsing 8 dataloader workers\n"
        f"Logging results to runs/detect/train4\nStarting training for {epochs} epochs...\n"
    )
    for epoch in range(1, upto + 1):
        bad = bad_from is not None and epoch >= bad_from
        losses = ["nan"] * 3 if bad else [f"{1.9 / (1 + epoch / 4) * k:.4g}" for k in (1, 1.4, 0.9)]
        text += (
            "\n      Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size\n"
            f"{f'{epoch}/{epochs}':>11}{'4.32G':>11}{losses[0]:>11}{losses[1]:>11}{losses[2]:>11}"
            f"{45:>11}{640:>11}: {tqdm('', 120, 120, speed=3.84)}\n"
            "                 Class     Images  Instances      Box(P          R      mAP50  mAP50-95): "
            f"{tqdm('', 10, 10, speed=4.3)}\n"
            f"{'all':>22}{320:>11}{1120:>11}{0.612:>11}{0.544:>11}{0 if bad else 0.571:>11}{0.342:>11}\n"
        )
    if upto == epochs:
        text += (
            f"\n{epochs} epochs completed in 1.032 hours.\n"
            "Optimizer stripped from runs/detect/train4/weights/last.pt, 6.3MB\n"
        )
    return text


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"
