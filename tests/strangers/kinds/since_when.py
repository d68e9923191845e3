"""Kind E: since which line, which checkpoint is sound, and what only looks like NaN."""

from __future__ import annotations

import json

from tests.strangers.case import Case, Kind, ailing, finished, flawed, open_end, pair
from tests.strangers.consoles import foreign
from tests.strangers.consoles.mmcv import Mmcv
from tests.strangers.consoles.mmengine import Iterations, Mmengine

E = Kind.SINCE_WHEN


def since(epoch: int | None, iteration: int) -> str:
    """mmcv: NaN from a line on, checkpoints are still saved."""
    console = Mmcv(epochs=8, iters=500).begin(dump=True)
    for now in range(1, 6):
        for at in range(50, 501, 50):
            bad = epoch is not None and (now, at) >= (epoch, iteration)
            loss = "nan" if bad else round(1.2 / (now + at / 500), 4)
            console.line(now, at, loss=loss, loss_cls=loss, grad_norm="nan" if bad else 3.1)
        console.save(now).val(
            now, bbox_mAP=0.0 if epoch is not None and now >= epoch else 0.1 + now / 50
        )
    return console.text


def by_iterations(bad: bool) -> str:
    """mmengine by iterations; saved every 500; NaN since 1350."""
    console = Iterations(total=4000).begin(interval=500)
    for at in range(50, 3001, 50):
        console.it(at, loss="nan" if bad and at >= 1350 else round(0.3 + 1 / (1 + at / 500), 4))
        if at % 500 == 0:
            console.say(f"Saving checkpoint at {at} iterations")
            console.evaluated(mIoU=3.1 if bad and at >= 1500 else 20 + at / 200)
    return console.text


def now_and_then(bad: bool) -> str:
    """Single lines of one loss are NaN (an image without boxes); the next ones are fine."""
    console = Mmengine(epochs=4, iters=1000).begin()
    for epoch in range(1, 5):
        for at in range(50, 1001, 50):
            odd = bad and (epoch, at) in ((1, 350), (2, 900), (3, 150))
            console.line(
                epoch, at, loss=round(1 / (epoch + at / 1e3), 4), loss_iou="nan" if odd else 0.21
            )
        console.save(epoch).val(epoch, **{"coco/bbox_mAP": 0.1 + epoch / 20})
    return console.text


def rows(bad: bool) -> str:
    """mmcv's .log.json; the last row is a validation."""
    text = json.dumps({"env_info": "sys.platform: linux", "seed": 7, "exp_name": "a.py"}) + "\n"
    for epoch in range(1, 4):
        for at in range(50, 301, 50):
            value = float("nan") if bad and (epoch, at) >= (2, 100) else 0.5
            row = {"mode": "train", "epoch": epoch, "iter": at, "lr": 0.01, "memory": 3000}
            text += (
                json.dumps(
                    {**row, "data_time": 0.01, "loss_cls": value, "loss": value, "time": 0.4}
                )
                + "\n"
            )
        row = {"mode": "val", "epoch": epoch, "iter": 400, "lr": 0.01}
        text += json.dumps({**row, "bbox_mAP": 0.1 + epoch / 20, "bbox_mAP_50": 0.3}) + "\n"
    return text


def slow_start(bad: bool) -> str:
    """The first line comes after 25 minutes; the loss is NaN since the third."""
    console = Mmengine(iters=900).begin().wait(1500 if bad else 20)
    for at in range(50, 501, 50):
        console.line(1, at, loss="nan" if bad and at >= 150 else 0.6)
    return console.text


def summed(grows: bool) -> str:
    """A loss that is summed over all cells: 14,000 at first. It falls, or it grows without end."""
    console = Mmcv(epochs=12, iters=900).begin()
    for number, at in enumerate(range(50, 601, 50)):
        loss = 14000.0 * (3.0**number if grows else 0.6**number)
        console.line(1, at, loss=loss, loss_conf=loss * 0.6, loss_cls=loss * 0.4)
    return console.text


def diverges(bad: bool) -> str:
    """From 0.9 to 3e8 within an epoch, and it goes on."""
    console = Mmengine(epochs=12, iters=1000).begin()
    for number, at in enumerate(range(50, 801, 50)):
        loss = min(3.1e8, 0.9 * (9.0 ** max(0, number - 6))) if bad else 0.9 / (1 + number / 9)
        console.line(1, at, loss=loss, loss_rpn_cls=loss / 2, grad_norm=loss * 7)
    return console.text


def odd_names(bad: bool) -> str:
    """Metrics called error, loss_nan_guard, inf_ratio; a class without instances gives nan."""
    console = Mmengine().begin()
    for epoch in (1, 2, 3):
        for at in (50, 100):
            value = "inf" if bad and epoch > 1 else 0.31
            console.line(
                epoch, at, loss=0.9 / epoch, loss_nan_guard=0.0, inf_ratio=0.0, error=value
            )
        console.save(epoch).val(
            epoch, **{"error": 0.3 / epoch, "coco/bbox_mAP": 0.1 * epoch, "coco/bbox_mAP_s": "nan"}
        )
    return console.text


def infinite(bad: bool) -> str:
    """The loss is inf, not NaN."""
    console = Mmengine(epochs=3).begin().whole(1, 1)
    for at in (50, 100):
        console.line(2, at, loss="inf" if bad else 0.5, loss_bbox="inf" if bad else 0.2)
    return console.text


CASES: tuple[Case, ...] = (
    *pair(
        E,
        "NaN since the third epoch, still training (mmcv)",
        sick=lambda: since(3, 250),
        truth=ailing(
            "DW203", place=(5, 500), facts=("250", "epoch_2(?:\\.pth)?"), fails=("finite",)
        ),
        sound=lambda: since(None, 0),
        health=open_end(place=(5, 500)),
    ),
    *pair(
        E,
        "NaN since the very first line (mmcv)",
        sick=lambda: since(1, 50),
        truth=ailing(
            "DW203",
            place=(5, 500),
            facts=("50",),
            untrue=("epoch_1\\.pth", "epoch_5\\.pth"),
            fails=("finite",),
        ),
        sound=lambda: since(None, 0),
        health=open_end(place=(5, 500)),
    ),
    *pair(
        E,
        "NaN since an iteration, checkpoints by iteration",
        sick=lambda: by_iterations(True),
        truth=ailing(
            "DW203", place=(None, 3000), facts=("1350", "iter_1000(?:\\.pth)?"), fails=("finite",)
        ),
        sound=lambda: by_iterations(False),
        health=open_end(place=(None, 3000)),
    ),
    *pair(
        E,
        "one loss is NaN in three single lines",
        sick=lambda: now_and_then(True),
        truth=flawed("DW203", place=(4, 1000), facts=("350",), mild=True),
        sound=lambda: now_and_then(False),
        health=finished(place=(4, 1000)),
    ),
    *pair(
        E,
        "NaN in .log.json, the last row is a validation",
        sick=lambda: rows(True),
        truth=ailing("DW203", place=(3, 300), facts=("100",)),
        sound=lambda: rows(False),
        health=open_end(place=(3, 300), spared=("validation",)),
        file="20240304_101010.log.json",
    ),
    *pair(
        E,
        "a first line after 25 minutes, and NaN",
        sick=lambda: slow_start(True),
        truth=ailing("DW203", place=(1, 500), facts=("150",), fails=("finite",)),
        sound=lambda: slow_start(False),
        health=open_end(place=(1, 500)),
    ),
    *pair(
        E,
        "a summed loss of 14,000 that grows threefold a line",
        sick=lambda: summed(True),
        truth=ailing("DW204", "DW203", place=(1, 600), fails=("finite",)),
        sound=lambda: summed(False),
        health=open_end(place=(1, 600), never=("DW204",)),
    ),
    *pair(
        E,
        "diverged to 3e8 and goes on",
        sick=lambda: diverges(True),
        truth=ailing("DW204", place=(1, 800), fails=("finite",)),
        sound=lambda: diverges(False),
        health=open_end(place=(1, 800)),
    ),
    *pair(
        E,
        "metrics called error and loss_nan_guard",
        sick=lambda: odd_names(True),
        truth=flawed("DW203", place=(3, 100), mild=True),
        sound=lambda: odd_names(False),
        health=finished(place=(3, 100)),
    ),
    *pair(
        E,
        "the loss is inf",
        sick=lambda: infinite(True),
        truth=ailing("DW203", place=(2, 100), facts=("epoch_1(?:\\.pth)?",), fails=("finite",)),
        sound=lambda: infinite(False),
        health=open_end(place=(2, 100)),
    ),
    *pair(
        E,
        "NaN in the dicts of the Hugging Face Trainer",
        sick=lambda: foreign.transformers(400, 300, bad_from=120),
        truth=ailing("DW203", facts=("120|1\\.2|2",)),
        sound=lambda: foreign.transformers(400, 300),
        health=open_end(),
    ),
    *pair(
        E,
        "NaN in a bar of tqdm",
        sick=lambda: foreign.bars([(1, 400), (2, 400), (3, 200)], 60, 400, {2: "nan", 3: "nan"}),
        truth=ailing("DW203"),
        sound=lambda: foreign.bars([(1, 400), (2, 400), (3, 200)], 60, 400, {}),
        health=open_end(),
    ),
)
