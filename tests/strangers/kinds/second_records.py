"""A second round: since when, other machines, records, names in the bundle."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.strangers.case import (
    Case,
    Files,
    Kind,
    Truth,
    ailing,
    dead,
    finished,
    flawed,
    open_end,
    pair,
)
from tests.strangers.consoles import base, foreign, platforms
from tests.strangers.consoles.errors import (
    BACKWARD,
    MAIN,
    PACKAGES,
    traceback,
)
from tests.strangers.consoles.mmengine import Mmengine

E, G, H, J = Kind.SINCE_WHEN, Kind.ELSEWHERE, Kind.RECORDS, Kind.BUNDLE
HERE = (2, 50)
NOWHERE = (None, None)


def begun() -> Mmengine:
    """Ends at epoch 2, iteration 50 of 100."""
    return Mmengine().begin().whole(1, 1).epoch(2, upto=50)


def whole() -> Mmengine:
    return Mmengine().begin().whole()


BUILD_OLD = (
    *MAIN,
    (
        f"{PACKAGES}/mmdet/datasets/builder.py",
        82,
        "build_dataset",
        "dataset = build_from_cfg(cfg, DATASETS, default_args)",
    ),
    (
        f"{PACKAGES}/mmdet/datasets/custom.py",
        97,
        "__init__",
        "self.data_infos = self.load_annotations(local_path)",
    ),
    (f"{PACKAGES}/mmdet/datasets/coco.py", 77, "load_annotations", "self.coco = COCO(ann_file)"),
)


def gradients(bad: bool) -> str:
    """mmengine: grad_norm is NaN from epoch 2 on, the losses are finite; or in one line of 60."""
    console = Mmengine(epochs=6, iters=500).begin()
    for epoch in range(1, 7):
        for iteration in range(50, 501, 50):
            odd = epoch >= 2 if bad else (epoch, iteration) == (3, 250)
            console.line(
                epoch,
                iteration,
                loss=round(1 / epoch, 4),
                grad_norm="nan" if odd and bad else "inf" if odd else 3.2,
            )
        console.save(epoch).val(epoch, **{"coco/bbox_mAP": 0.2 + epoch / 50})
    return console.text


def zero_loss(bad: bool) -> str:
    """The Trainer: its filter logs 0.0 for a loss that is NaN."""
    text = foreign.transformers(200, 200)
    if not bad:
        return text
    lines = text.split("\n")
    rows = [n for n, line in enumerate(lines) if line.startswith("{'loss'")]
    for n in rows[5:]:
        rest = lines[n].partition("'learning_rate'")[2]
        lines[n] = f"{{'loss': 0.0, 'grad_norm': nan, 'learning_rate'{rest}"
    return "\n".join(lines)


def earlier_nan(starts: int, last: bool) -> str:
    """Starts that became NaN and were stopped; the last one is sound, or NaN, too."""
    text = ""
    for number in range(starts):
        console = Mmengine(at=f"2024-03-0{4 + number} 10:00:00").begin()
        bad = number < starts - 1 or last
        if bad:
            console.epoch(1).epoch(2, upto=100, loss="nan")
        else:
            console.whole()
        text += console.text
    return text


def trainer_state(bad: bool, over: bool) -> str:
    """checkpoint-N/trainer_state.json of the Hugging Face Trainer."""
    rows: list[dict[str, object]] = [
        {
            "epoch": step / 50,
            "grad_norm": 1.2,
            "learning_rate": 5e-5,
            "loss": float("nan") if bad and step > 60 else round(2 / (1 + step / 50), 4),
            "step": step,
        }
        for step in range(10, 201 if over else 121, 10)
    ]
    return json.dumps(
        {
            "best_metric": None,
            "epoch": 4.0,
            "global_step": 200 if over else 120,
            "max_steps": 200,
            "num_train_epochs": 4,
            "log_history": rows,
        },
        indent=2,
    )


def case(name: str, files: Files, truth: Truth, target: str = "work") -> Case:
    return Case(
        name=name,
        kind=H,
        files=lambda: files,
        target=target,
        truth=truth,
        twin=name.endswith(" / sound"),
    )


OOM_OLD = (
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.12 GiB (GPU 0; 23.69 GiB total capacity; 21.02 GiB "
    "already allocated; 801.69 MiB free; 22.35 GiB reserved in total by PyTorch)"
)


CASES: tuple[Case, ...] = (
    *pair(
        E,
        "grad_norm is NaN since epoch 2, the losses are finite",
        sick=lambda: gradients(True),
        truth=flawed(
            "DW203", place=(6, 500), facts=("\\[2\\]\\[ ?50/500\\]|2|50",), fails=("finite",)
        ),
        sound=lambda: gradients(False),
        health=finished(place=(6, 500)),
    ),
    *pair(
        E,
        "Hugging Face: the loss is 0.0 and grad_norm nan",
        sick=lambda: zero_loss(True),
        truth=flawed("DW203", "DW206", fails=("finite",)),
        sound=lambda: zero_loss(False),
        health=finished(),
    ),
    *pair(
        E,
        "YOLOv5: nan since epoch 4",
        sick=lambda: platforms.yolov5(30, 12, bad_from=4, over=False),
        truth=ailing("DW203", place=(11, 90), fails=("finite",)),
        sound=lambda: platforms.yolov5(30, 12, over=False),
        health=open_end(place=(11, 90)),
    ),
    *pair(
        E,
        "three starts in one file became NaN",
        sick=lambda: earlier_nan(3, True),
        truth=ailing("DW203", place=(2, 100), fails=("finite",)),
        sound=lambda: earlier_nan(3, False),
        health=finished(place=(3, 100), facts=("NaN|nan|DW203",)),
    ),
    *pair(
        E,
        "detectron2: the loss explodes and becomes nan",
        sick=lambda: platforms.detectron2(
            400, 600, over=False, loss=lambda n: float("nan") if n > 200 else 0.9
        ),
        truth=ailing("DW203", place=(None, 399), facts=("219",), fails=("finite",)),
        sound=lambda: platforms.detectron2(
            400, 600, over=False, loss=lambda n: 0.3 + 1.2 / (1 + n / 100)
        ),
        health=open_end(place=(None, 399)),
    ),
    *pair(
        G,
        "the disk of Kaggle was full",
        sick=lambda: (
            begun()
            .raw(
                traceback(
                    "OSError: [Errno 28] No space left on device: '/kaggle/working/epoch_1.pth'",
                    BACKWARD,
                )
            )
            .text
        ),
        truth=dead("DW502", place=HERE),
        sound=lambda: Mmengine().begin(work_dir="/kaggle/working").whole().text,
        health=finished(place=(3, 100)),
    ),
    *pair(
        G,
        "paths of a rented machine, data that is not here",
        sick=lambda: (
            Mmengine()
            .begin(
                work_dir="/root/autodl-tmp/work_dirs/a",
                more="data_root = '/root/autodl-tmp/data/kaist/'\n",
            )
            .whole(1, 1)
            .text
        ),
        truth=open_end(place=(1, 100), never=("DW603", "DW502")),
        sound=lambda: Mmengine().begin(work_dir="/root/autodl-tmp/work_dirs/a").whole().text,
        health=finished(place=(3, 100)),
    ),
    *pair(
        G,
        "a path in Chinese on drive E: does not exist",
        sick=lambda: base.crlf(
            Mmengine()
            .banner()
            .config(epochs=3)
            .raw(
                traceback(
                    "FileNotFoundError: [Errno 2] No such file or directory: 'E:\\\\数据集\\\\kaist\\\\train.json'",
                    BUILD_OLD,
                )
            )
            .text
        ),
        truth=dead("DW603", place=NOWHERE, facts=(".*train\\.json",)),
        sound=lambda: base.crlf(begun().text),
        health=open_end(place=HERE),
    ),
    case(
        "trainer_state.json with NaN, no log",
        {"work/checkpoint-120/trainer_state.json": trainer_state(True, False)},
        ailing("DW203", place=(None, 120)),
    ),
    case(
        "trainer_state.json with NaN, no log / sound",
        {"work/checkpoint-200/trainer_state.json": trainer_state(False, True)},
        finished(place=(None, 200)),
    ),
    case(
        "outputs of two Slurm jobs, the later one died",
        {
            "work/slurm-8812.out": whole().text,
            "work/slurm-8813.out": Mmengine(at="2024-03-06 10:00:00")
            .begin()
            .whole(1, 1)
            .raw(traceback(OOM_OLD, BACKWARD))
            .text,
        },
        dead("DW401", place=(1, 100)),
    ),
    case(
        "outputs of two Slurm jobs, the later one died / sound",
        {
            "work/slurm-8812.out": Mmengine()
            .begin()
            .whole(1, 1)
            .raw(traceback(OOM_OLD, BACKWARD))
            .text,
            "work/slurm-8813.out": Mmengine(at="2024-03-06 10:00:00").begin().whole().text,
        },
        finished(place=(3, 100)),
    ),
    *pair(
        J,
        "wandb names the account, a prompt the host",
        sick=lambda: (
            "(base) alicewu@gpu-box-17:~/det$ python tools/train.py\nwandb: Currently logged in as: alicewu (vision-lab-7). Use `wandb login --relogin` to force relogin\n"
            + begun().text
        ),
        truth=replace(open_end(place=HERE), hidden=("alicewu", "gpu-box-17", "vision-lab-7")),
        sound=lambda: begun().text,
        health=open_end(place=HERE),
    ),
    *pair(
        J,
        "a prompt of Windows and an e-mail address",
        sick=lambda: base.crlf(
            "PS C:\\Users\\MeierK\\det> python tools\\train.py\n"
            + whole().raw("mail sent to karl.meier@uni-example.de").text
        ),
        truth=finished(place=(3, 100), hidden=("MeierK", "karl.meier@uni-example.de")),
        sound=lambda: base.crlf(whole().text),
        health=finished(place=(3, 100)),
    ),
)
