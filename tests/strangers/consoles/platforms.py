"""Consoles as platforms keep them (Docker, notebooks), and of detectron2 and YOLOv5."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.strangers.consoles.errors import Frame
from tests.strangers.consoles.foreign import tqdm


def docker_json(text: str, at: str = "2024-03-04T10:00:00") -> str:
    """``/var/lib/docker/containers/ID/ID-json.log``: an object a line."""
    begun = datetime.fromisoformat(at)
    return "".join(
        json.dumps(
            {
                "log": line + "\n",
                "stream": "stderr",
                "time": (begun + timedelta(seconds=number)).isoformat() + ".123456789Z",
            },
            separators=(",", ":"),
        )
        + "\n"
        for number, line in enumerate(text.splitlines())
    )


def ipython(error: str, frames: tuple[Frame, ...]) -> str:
    """A traceback as a notebook's cell shows it."""
    kind, _, message = error.partition(": ")
    shown = "".join(
        f"{file} in {function}(*args)\n    {line - 1}     #\n--> {line}     {code}\n    {line + 1}     #\n\n"
        for file, line, function, code in frames
    )
    head = f"{'-' * 75}\n{kind:<42}Traceback (most recent call last)\n"
    cell = "<ipython-input-7-2b6ab1b4c7b5> in <cell line: 3>()\n      1 runner = Runner.from_cfg(cfg)\n      2 \n----> 3 runner.train()\n\n"
    return head + cell + shown + f"{kind}: {message}"


def detectron2(upto: int, total: int, *, over: bool, loss: Callable[[int], float]) -> str:
    """Its default trainer, a line every 20 iterations."""
    now = datetime.fromisoformat("2024-03-04T10:00:00")
    text = f"[{now:%m/%d %H:%M:%S} d2.engine.train_loop]: Starting training from iteration 0\n"
    for done in range(19, upto, 20):
        now += timedelta(seconds=8)
        left = timedelta(seconds=int((total - done - 1) * 0.4))
        text += (
            f"[{now:%m/%d %H:%M:%S} d2.utils.events]:  eta: {left}  iter: {done}  "
            f"total_loss: {loss(done):.4g}  loss_cls: {loss(done) * 0.6:.4g}  "
            f"loss_box_reg: {loss(done) * 0.4:.4g}    time: 0.4011  last_time: 0.3907  "
            "data_time: 0.0061  last_data_time: 0.0052   lr: 0.0025  max_mem: 4120M\n"
        )
    if over:
        text += (
            f"[{now:%m/%d %H:%M:%S} d2.engine.hooks]: Overall training speed: {total - 2} iterations "
            "in 0:03:59 (0.4011 s / it)\n"
            f"[{now:%m/%d %H:%M:%S} d2.engine.hooks]: Total training time: 0:04:03 (0:00:04 on hooks)\n"
        )
    return text


def yolov5(epochs: int, upto: int, *, bad_from: int | None = None, over: bool) -> str:
    """YOLOv5's table: epochs from 0, a bar in each row."""
    text = (
        "YOLOv5 🚀 v7.0-210-gdd10481 Python-3.8.10 torch-1.13.1+cu117 CUDA:0 (Tesla T4, 15110MiB)\n\n"
        "Image sizes 640 train, 640 val\nUsing 2 dataloader workers\n"
        f"Logging results to runs/train/exp\nStarting training for {epochs} epochs...\n"
    )
    for epoch in range(upto):
        bad = bad_from is not None and epoch >= bad_from
        losses = ["nan"] * 3 if bad else [f"{0.1 / (1 + epoch / 5) * k:.4g}" for k in (1, 0.5, 0.2)]
        text += (
            "\n      Epoch    GPU_mem   box_loss   obj_loss   cls_loss  Instances       Size\n"
            f"{f'{epoch}/{epochs - 1}':>11}{'3.72G':>11}{losses[0]:>11}{losses[1]:>11}{losses[2]:>11}"
            f"{32:>11}{640:>11}: {tqdm('', 90, 90, speed=4.1)}\n"
            "                 Class     Images  Instances          P          R      mAP50   mAP50-95: "
            f"{tqdm('', 12, 12, speed=3.9)}\n"
            f"{'all':>22}{190:>11}{702:>11}{0.51:>11}{0.44:>11}{0 if bad else 0.47:>11}{0.25:>11}\n"
        )
    if over:
        text += f"\n{epochs} epochs completed in 0.412 hours.\nOptimizer stripped from runs/train/exp/weights/best.pt, 14.4MB\n"
    return text
