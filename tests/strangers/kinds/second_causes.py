"""A second round: causes and their consequences, phase and clock."""

from __future__ import annotations

from tests.strangers.case import (
    Case,
    Kind,
    dead,
    finished,
    open_end,
    pair,
)
from tests.strangers.consoles import base, foreign, platforms
from tests.strangers.consoles.errors import (
    BACKWARD,
    FETCH,
    LOOP,
    MAIN,
    PACKAGES,
    elastic,
    traceback,
)
from tests.strangers.consoles.mmcv import Mmcv
from tests.strangers.consoles.mmengine import HERE, Mmengine, begun

C, F = Kind.CONSEQUENCE, Kind.PHASE
NOWHERE = (None, None)


def whole() -> Mmengine:
    return Mmengine().begin().whole()


BUILD = (
    *MAIN,
    (
        f"{PACKAGES}/mmengine/runner/runner.py",
        1728,
        "train",
        "self._train_loop = self.build_train_loop(",
    ),
    (
        f"{PACKAGES}/mmengine/dataset/base_dataset.py",
        307,
        "full_init",
        "self.data_list = self.load_data_list()",
    ),
    (
        f"{PACKAGES}/mmdet/datasets/coco.py",
        64,
        "load_data_list",
        "self.coco = self.COCOAPI(local_path)",
    ),
    (f"{PACKAGES}/pycocotools/coco.py", 81, "__init__", "with open(annotation_file, 'r') as f:"),
)
SHM = (
    "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).\n"
    + traceback(
        "RuntimeError: DataLoader worker (pid 1123) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory. Please try to raise your shared memory limit.",
        FETCH,
    )
    + "\n\nThe above exception was the direct cause of the following exception:\n\n"
    + traceback("RuntimeError: DataLoader worker (pid(s) 1123) exited unexpectedly", FETCH)
)
CROWDED = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.69 GiB "
    "of which 1.21 GiB is free. Process 9917 has 12.40 GiB memory in use. Including non-PyTorch memory, this process "
    "has 10.02 GiB memory in use. Of the allocated memory 9.40 GiB is allocated by PyTorch, and 210.00 MiB is "
    "reserved by PyTorch but unallocated."
)
GUARD = (
    traceback(
        "RuntimeError: \n        An attempt has been made to start a new process before the\n        current process has finished its bootstrapping phase.",
        (
            ("<string>", 1, "<module>", "spawn_main(parent_pid=7712)"),
            ("D:\\det\\train.py", 12, "<module>", "for batch in loader:"),
        ),
    )
    + "\n"
    + traceback(
        "BrokenPipeError: [Errno 32] Broken pipe",
        (
            ("D:\\det\\train.py", 12, "<module>", "for batch in loader:"),
            (
                "C:\\Python310\\lib\\multiprocessing\\reduction.py",
                60,
                "dump",
                "ForkingPickler(file, protocol).dump(obj)",
            ),
        ),
    )
)
PAGING = (
    traceback(
        'OSError: [WinError 1455] 页面文件太小\uff0c无法完成操作。 Error loading "D:\\env\\lib\\site-packages\\torch\\lib\\cudnn_cnn_infer64_8.dll" or one of its dependencies.',
        (
            ("<string>", 1, "<module>", "spawn_main()"),
            ("D:\\env\\lib\\site-packages\\torch\\__init__.py", 128, "<module>", "raise err"),
        ),
    )
    + "\n"
    + traceback(
        "RuntimeError: DataLoader worker (pid(s) 9812, 1120) exited unexpectedly",
        (("D:\\det\\train.py", 40, "<module>", "main()"),),
    )
)
WANDB = traceback(
    "wandb.errors.UsageError: api_key not configured (no-tty). call wandb.login(key=[your_api_key])",
    (*MAIN, (f"{PACKAGES}/wandb/sdk/wandb_init.py", 1189, "init", "raise e")),
)


def building(over: bool) -> str:
    """mmdet 2.x: pycocotools reads its annotations before the first batch."""
    console = Mmcv().say(f"Environment info:\n{'-' * 60}\nPyTorch: 1.12.1\n{'-' * 60}\n")
    console.say("Distributed training: False").say("Set random seed to 0, deterministic: False")
    console.raw("loading annotations into memory...")
    return (
        (
            console.raw("Done (t=12.31s)\ncreating index...\nindex created!").text
            + Mmcv().begin().whole().text
        )
        if over
        else console.text
    )


def new_year(over: bool) -> str:
    """A console without a year, from 31 December to 1 January."""
    console = Mmengine(dated=False, at="2023-12-31 23:57:00", epochs=6).begin()
    return (console.whole() if over else console.whole(1, 4)).text


def chinese_bars(error: bool) -> str:
    text = "".join(
        "\r" + foreign.tqdm(f"训练 第{epoch}轮", done, 250, f"loss={1 / (epoch + done / 250):.3f}")
        for epoch in (1, 2, 3)
        for done in range(25, 251 if epoch < 3 else 126, 25)
    )
    oom = "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 512.00 MiB (GPU 0; 10.76 GiB total capacity; 9.02 GiB already allocated; 210.25 MiB free; 9.60 GiB reserved in total by PyTorch)"
    return (
        text
        + (
            "\n" + traceback(oom, (("train.py", 88, "<module>", "loss.backward()"),))
            if error
            else ""
        )
        + "\n"
    )


def lightning_validation(error: bool) -> str:
    text = foreign.lightning(1, 50, 50, over=False)
    text += "".join("\r" + foreign.tqdm("Validation DataLoader 0", done, 40) for done in (4, 8, 16))
    frames = (
        ("train.py", 60, "<module>", "trainer.fit(model, data)"),
        (
            f"{PACKAGES}/pytorch_lightning/strategies/strategy.py",
            402,
            "validation_step",
            "return self.lightning_module.validation_step(*args, **kwargs)",
        ),
    )
    return text + ("\n" + traceback(CROWDED, frames) + "\n" if error else "")


OOM_OLD = (
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.12 GiB (GPU 0; 23.69 GiB total capacity; 21.02 GiB "
    "already allocated; 801.69 MiB free; 22.35 GiB reserved in total by PyTorch)"
)


CASES: tuple[Case, ...] = (
    *pair(
        C,
        "annotations missing on all ranks, torchrun's table last",
        sick=lambda: (
            Mmengine()
            .banner()
            .config(epochs=3)
            .raw(
                "\n".join(
                    traceback(
                        "FileNotFoundError: [Errno 2] No such file or directory: 'data/kaist/annotations/train.json'",
                        BUILD,
                    )
                    for _ in range(4)
                )
                + "\n"
                + elastic(
                    0,
                    1,
                    "To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html",
                )
            )
            .text
        ),
        truth=dead("DW603", facts=(".*train\\.json",), never=("DW101",)),
        sound=lambda: whole().text,
        health=finished(place=(3, 100)),
    ),
    *pair(
        C,
        "a target out of bounds on the CPU",
        sick=lambda: (
            begun()
            .raw(
                traceback(
                    "IndexError: Target 7 is out of bounds.",
                    (
                        *LOOP,
                        (
                            f"{PACKAGES}/torch/nn/functional.py",
                            3059,
                            "cross_entropy",
                            "return torch._C._nn.cross_entropy_loss(",
                        ),
                    ),
                )
            )
            .text
        ),
        truth=dead("DW308", place=HERE, facts=("7",)),
        sound=lambda: begun().text,
        health=open_end(place=HERE),
    ),
    *pair(
        C,
        "a bus error in a worker, then exited unexpectedly (YOLOv5)",
        sick=lambda: platforms.yolov5(30, 3, over=False) + SHM + "\n",
        truth=dead("DW302", facts=("shm|shared memory|1123",)),
        sound=lambda: platforms.yolov5(30, 3, over=False),
        health=open_end(place=(2, 90)),
    ),
    *pair(
        C,
        "out of memory in the newest wording, another process holds half",
        sick=lambda: begun().raw(traceback(CROWDED, BACKWARD)).text,
        truth=dead("DW402", "DW401", place=HERE, also=("DW402",), facts=("9917|12\\.40?",)),
        sound=lambda: begun().text,
        health=open_end(place=HERE),
    ),
    *pair(
        C,
        "no main guard, then the parent's broken pipe (Windows)",
        sick=lambda: base.crlf(GUARD + "\n"),
        truth=dead("DW304", place=NOWHERE, never=("DW606",)),
        sound=lambda: base.crlf(whole().text),
        health=finished(place=(3, 100)),
    ),
    *pair(
        C,
        "页面文件太小 in a child, then workers exited unexpectedly (GBK)",
        sick=lambda: base.crlf(PAGING + "\n").encode("gbk"),
        truth=dead("DW304", place=NOWHERE, facts=("1455",)),
        sound=lambda: base.crlf("使用 GPU 训练\n" + begun().text).encode("gbk"),
        health=open_end(place=HERE),
    ),
    *pair(
        C,
        "wandb has no key",
        sick=lambda: Mmengine().banner().config(epochs=3).raw(WANDB).text,
        truth=dead("DW606", place=NOWHERE, facts=("api_key|wandb.*",)),
        sound=lambda: whole().raw("wandb: Synced 5 W&B file(s), 0 media file(s)").text,
        health=finished(place=(3, 100)),
    ),
    *pair(
        F,
        "Docker's own file, an object a line",
        sick=lambda: platforms.docker_json(begun().raw(traceback(OOM_OLD, BACKWARD)).text),
        truth=dead("DW401", place=HERE, phases=("train-step",)),
        sound=lambda: platforms.docker_json(whole().text),
        health=finished(place=(3, 100)),
        file="4f5e1c-json.log",
    ),
    *pair(
        F,
        "Lightning: out of memory in its validation bar",
        sick=lambda: lightning_validation(True),
        truth=dead(
            "DW402",
            "DW401",
            phases=("val-step", "waiting-for-val-batch", "computing-metrics"),
            may=("DW401", "DW402"),
        ),
        sound=lambda: lightning_validation(False),
        health=open_end(phases=("val-step", "waiting-for-val-batch", "computing-metrics")),
    ),
    *pair(
        F,
        "mmdet 2.x: loading annotations into memory",
        sick=lambda: building(False),
        truth=open_end(place=NOWHERE, phases=("building-data",)),
        sound=lambda: building(True),
        health=finished(place=(3, 100)),
    ),
    *pair(
        F,
        "over New Year's Eve, without a year",
        sick=lambda: new_year(False),
        truth=open_end(place=(4, 100), never=("DW102", "DW104", "DW208")),
        sound=lambda: new_year(True),
        health=finished(place=(6, 100)),
    ),
    *pair(
        F,
        "bars in Chinese, out of memory in epoch 3",
        sick=lambda: chinese_bars(True),
        truth=dead("DW401", place=(3, 125)),
        sound=lambda: chinese_bars(False),
        health=open_end(place=(3, 125)),
    ),
)
