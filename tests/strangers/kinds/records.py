"""Kind H: records without a log; which run of a folder is the newest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from dualwatch.tensorboard import records

from tests.strangers.case import Case, Files, Kind, Truth, ailing, finished, open_end
from tests.strangers.consoles.mmcv import Mmcv
from tests.strangers.consoles.mmengine import Mmengine

H = Kind.RECORDS
NOWHERE = (None, None)
Row = Mapping[str, object]


def scalars(
    epochs: int, upto: int | None = None, *, iters: int = 100, val: bool = True, bad: bool = False
) -> str:
    """mmengine's scalars.json: ``epochs`` whole ones, and the next up to an iteration."""
    rows: list[Row] = []
    for epoch in range(1, epochs + (2 if upto else 1)):
        for at in range(50, (upto if epoch > epochs and upto else iters) + 1, 50):
            loss = float("nan") if bad and epoch > 1 else round(1 / (epoch + at / iters), 4)
            step = (epoch - 1) * iters + at
            rows.append(
                {
                    "lr": 0.01,
                    "data_time": 0.0166,
                    "grad_norm": 6.3,
                    "loss": loss,
                    "time": 0.4,
                    "epoch": epoch,
                    "iter": step,
                    "memory": 3187,
                    "step": step,
                }
            )
        if val and epoch <= epochs:
            rows.append(
                {
                    "coco/bbox_mAP": 0.1 + epoch / 20,
                    "coco/bbox_mAP_50": 0.3 + epoch / 20,
                    "data_time": 0.0078,
                    "time": 0.0091,
                    "step": epoch,
                }
            )
    return "".join(json.dumps(row) + "\n" for row in rows)


def old_rows(epochs: int, val: bool, header: bool = True) -> str:
    """mmcv's .log.json."""
    rows: list[Row] = (
        [{"env_info": "sys.platform: linux", "seed": 1024, "exp_name": "faster.py"}]
        if header
        else []
    )
    for epoch in range(1, epochs + 1):
        for at in range(50, 301, 50):
            rows.append(
                {
                    "mode": "train",
                    "epoch": epoch,
                    "iter": at,
                    "lr": 0.01,
                    "memory": 3000,
                    "data_time": 0.01,
                    "loss": round(1 / (epoch + at / 300), 4),
                    "time": 0.4,
                }
            )
        if val:
            rows.append(
                {
                    "mode": "val",
                    "epoch": epoch,
                    "iter": 400,
                    "lr": 0.01,
                    "bbox_mAP": 0.1 + epoch / 20,
                }
            )
    return "".join(json.dumps(row) + "\n" for row in rows)


def board(steps: int) -> bytes:
    """An event file of TensorBoard."""
    wall = 1709546400.0
    events = [records.opening(wall)]
    events += [
        records.scalars(wall + step, step, {"train/loss": 1 / (1 + step / 100), "train/lr": 0.01})
        for step in range(50, steps + 1, 50)
    ]
    return b"".join(map(records.framed, events))


def run(stamp: str, text: str) -> Files:
    return {f"work/{stamp}/{stamp}.log": text}


def started(at: str) -> str:
    """A start that ended before its first batch."""
    return Mmengine(at=at).begin().text


def saving(at: str) -> str:
    """A start that ended while it saved the first checkpoint."""
    return Mmengine(at=at).begin().epoch(1).save(1).text


def case(
    name: str,
    files: dict[str, str | bytes],
    truth: Truth,
    old: Mapping[str, float] | None = None,
    target: str = "work",
) -> Case:
    return Case(
        name=name,
        kind=H,
        files=lambda: files,
        target=target,
        truth=truth,
        old=old or {},
        twin=name.endswith(" / sound"),
    )


A = "work/20240304_100000/vis_data/"
B = "work/20240305_090000/vis_data/"
DUMP = "train_cfg = dict(max_epochs={}, type='EpochBasedTrainLoop', val_interval=1)\n"

UNVALIDATED = replace(
    open_end(place=(3, 300), unpassed=("validation", "alive")),
    check_exit=(0, 1, 3),
    exit=(1, 3),
    may=("DW103",),
)
"""No validation came, which may fail; that is all that can be held against it."""

CASES: tuple[Case, ...] = (
    case(
        "two runs with scalars.json only",
        {A + "scalars.json": scalars(3), B + "scalars.json": scalars(1, 50)},
        open_end(place=(2, 150)),
    ),
    case(
        "two runs with scalars.json only / sound",
        {
            A + "scalars.json": scalars(1, 50),
            B + "scalars.json": scalars(3),
            B + "config.py": DUMP.format(3),
        },
        finished(place=(3, 300)),
    ),
    case(
        "scalars.json with NaN, no log",
        {A + "scalars.json": scalars(3, bad=True)},
        ailing("DW203", place=(3, 300), fails=("finite",)),
    ),
    case(
        "scalars.json with NaN, no log / sound",
        {A + "scalars.json": scalars(3)},
        open_end(place=(3, 300)),
    ),
    case(
        "a folder with .log.json only, no validation",
        {"work/20230208_111412.log.json": old_rows(3, False)},
        UNVALIDATED,
    ),
    case(
        "a folder with .log.json only, no validation / sound",
        {"work/20230208_111412.log.json": old_rows(3, True)},
        open_end(place=(3, 300), spared=("validation",)),
    ),
    case(
        ".log.json without its header row",
        {"a.log.json": old_rows(2, False, header=False)},
        replace(UNVALIDATED, place=(2, 300)),
        target="a.log.json",
    ),
    case(
        ".log.json without its header row / sound",
        {"a.log.json": old_rows(2, True, header=False)},
        open_end(place=(2, 300), spared=("validation",)),
        target="a.log.json",
    ),
    case(
        "an event file of TensorBoard only",
        {"work/tf_logs/events.out.tfevents.1709546400.box.4711.0": board(400)},
        open_end(place=(None, 400)),
    ),
    case(
        "an event file of TensorBoard only / sound",
        {
            "work/tf_logs/events.out.tfevents.1709546400.box.4711.0": board(400),
            **run("20240304_100000", Mmengine().begin().whole().text),
        },
        finished(place=(3, 100)),
    ),
    case(
        "the newest log is empty",
        {
            **run("20240304_100000", saving("2024-03-04 10:00:00")),
            **run("20240305_100000", saving("2024-03-05 10:00:00")),
            **run("20240306_100000", ""),
        },
        open_end(place=NOWHERE, unpassed=("alive", "first-line")),
    ),
    case(
        "the newest log is empty / sound",
        {
            **run("20240304_100000", ""),
            **run("20240306_100000", Mmengine(at="2024-03-06 10:00:00").begin().whole().text),
        },
        finished(place=(3, 100)),
    ),
    case(
        "five starts, each ends before its first batch",
        {
            name: text
            for day in range(1, 6)
            for name, text in run(
                f"2024030{day}_100000", started(f"2024-03-0{day} 10:00:00")
            ).items()
        },
        open_end(
            place=NOWHERE,
            phases=("first-iteration", "waiting-for-batch"),
            unpassed=("alive", "first-line"),
        ),
    ),
    case(
        "five starts, each ends before its first batch / sound",
        {
            **{
                name: text
                for day in range(1, 5)
                for name, text in run(
                    f"2024030{day}_100000", started(f"2024-03-0{day} 10:00:00")
                ).items()
            },
            **run("20240305_100000", Mmengine(at="2024-03-05 10:00:00").begin().whole().text),
        },
        finished(place=(3, 100)),
    ),
    case(
        "an older run was touched last",
        {
            **run("20240304_100000", Mmengine().begin().whole().text),
            **run(
                "20240307_120000", Mmengine(at="2024-03-07 12:00:00").begin().epoch(1, upto=50).text
            ),
        },
        open_end(place=(1, 50)),
        old={"work/20240307_120000/20240307_120000.log": 40},
    ),
    case(
        "an older run was touched last / sound",
        {
            **run("20240304_100000", Mmengine().begin().epoch(1, upto=50).text),
            **run("20240307_120000", Mmengine(at="2024-03-07 12:00:00").begin().whole().text),
        },
        finished(place=(3, 100)),
        old={"work/20240307_120000/20240307_120000.log": 40},
    ),
    case(
        "a newer configuration in the folder has a smaller goal",
        {
            **run("20240304_100000", Mmengine(epochs=8).begin().whole(1, 2).text),
            A + "config.py": DUMP.format(8),
            "work/detector.py": DUMP.format(2),
        },
        open_end(place=(2, 100), unpassed=("alive",)),
        old={A + "config.py": 30, "work/20240304_100000/20240304_100000.log": 30},
    ),
    case(
        "a newer configuration in the folder has a smaller goal / sound",
        {
            **run("20240304_100000", Mmengine(epochs=2).begin().whole().text),
            A + "config.py": DUMP.format(2),
            "work/detector.py": DUMP.format(9),
        },
        finished(place=(2, 100)),
        old={A + "config.py": 30, "work/20240304_100000/20240304_100000.log": 30},
    ),
    case(
        "mmcv: an older log was touched last",
        {
            "work/20230208_111412.log": Mmcv().begin(dump=True).whole().text,
            "work/20230210_080000.log": Mmcv(at="2023-02-10 08:00:00")
            .begin(dump=True)
            .epoch(1, upto=50)
            .text,
        },
        open_end(place=(1, 50)),
        old={"work/20230210_080000.log": 12},
    ),
    case(
        "mmcv: an older log was touched last / sound",
        {
            "work/20230208_111412.log": Mmcv().begin(dump=True).epoch(1, upto=50).text,
            "work/20230210_080000.log": Mmcv(at="2023-02-10 08:00:00")
            .begin(dump=True)
            .whole()
            .text,
        },
        finished(place=(3, 100)),
        old={"work/20230210_080000.log": 12},
    ),
)
