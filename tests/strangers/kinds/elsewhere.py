"""Kind G: what lies on this machine says nothing of a log from another one."""

from __future__ import annotations

from collections.abc import Callable

from tests.strangers.case import Case, Kind, dead, finished, open_end, pair
from tests.strangers.consoles.errors import FETCH, LOOP, MAIN, PACKAGES, Frame, traceback
from tests.strangers.consoles.mmcv import Mmcv
from tests.strangers.consoles.mmengine import Mmengine

G = Kind.ELSEWHERE
OURS = ("[\\d.]+ ?[KMGT]i?B (?:free|of|available)", "Memory cgroup", "oom_score_adj", "oom-kill:")
"""What this machine's disk, memory or kernel log would look like among the evidence."""

DATA = ("data-present", "images-present", "checkpoint")
COCO = """train_dataloader = dict(
    batch_size=2, dataset=dict(
        ann_file='{root}annotations/train.json', data_prefix=dict(img='{root}train/'), type='CocoDataset'),
    num_workers=4)
val_dataloader = dict(
    batch_size=1, dataset=dict(
        ann_file='{root}annotations/val.json', data_prefix=dict(img='{root}val/'), type='CocoDataset'),
    num_workers=2)
load_from = '{root}weights/start.pth'
"""
SAVE: tuple[Frame, ...] = (
    *MAIN,
    (
        f"{PACKAGES}/torch/serialization.py",
        441,
        "save",
        "_save(obj, opened_zipfile, pickle_module)",
    ),
)


def begun(**more: str) -> Mmengine:
    return Mmengine(at="2021-06-01 10:00:00").begin(**more).whole(1, 1)  # type: ignore[arg-type]


def after(error: str, frames: tuple[Frame, ...] = FETCH) -> str:
    return begun().raw(traceback(error, frames)).text


def folder(root: str, whole: bool) -> dict[str, str]:
    """A work dir that was copied here, with paths of its own machine."""
    console = Mmengine(at="2021-06-01 10:00:00").begin(more=COCO.format(root=root))
    console.whole(1, 3 if whole else 1)
    config = COCO.format(root=root) + (
        "train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=1)\n"
    )
    return {
        "run/20210601_100000/20210601_100000.log": console.text,
        "run/20210601_100000/vis_data/config.py": config,
        "run/model.py": config,
    }


def old_folder(root: str, whole: bool) -> dict[str, str]:
    """The same of mmdet 2.x."""
    console = Mmcv(at="2021-06-01 10:00:00").begin(dump=True)
    console.whole(1, 3 if whole else 1)
    config = (
        f"data = dict(samples_per_gpu=2, workers_per_gpu=2, train=dict(type='CocoDataset', "
        f"ann_file='{root}annotations/train.json', img_prefix='{root}train/'), val=dict("
        f"type='CocoDataset', ann_file='{root}annotations/val.json', img_prefix='{root}val/'))\n"
        f"runner = dict(type='EpochBasedRunner', max_epochs=3)\nload_from = '{root}weights/a.pth'\n"
    )
    return {"run/20210601_100000.log": console.text, "run/model.py": config}


def copied(name: str, files: Callable[[bool], dict[str, str]]) -> tuple[Case, Case]:
    spared = (*DATA, "disk", "memory")
    sick = open_end(place=(1, 100), spared=spared, never=("DW603", "DW605"))
    return (
        Case(name=name, kind=G, files=lambda: files(False), target="run", truth=sick),
        Case(
            name=f"{name} / sound",
            kind=G,
            files=lambda: files(True),
            target="run",
            truth=finished(place=(3, 100), spared=spared, never=("DW603", "DW605")),
            twin=True,
        ),
    )


CASES: tuple[Case, ...] = (
    *pair(
        G,
        "a worker killed, in a log of 2021",
        sick=lambda: after("RuntimeError: DataLoader worker (pid 1) is killed by signal: Killed. "),
        truth=dead("DW301", place=(1, 100), untrue=OURS),
        sound=lambda: begun().text,
        health=open_end(place=(1, 100), untrue=OURS),
    ),
    *pair(
        G,
        "the disk was full there",
        sick=lambda: after("OSError: [Errno 28] No space left on device", SAVE),
        truth=dead("DW502", place=(1, 100), untrue=OURS),
        sound=lambda: begun().whole(2).text,
        health=finished(place=(3, 100), untrue=OURS),
    ),
    *pair(
        G,
        "shared memory was too small there",
        sick=lambda: after(
            "RuntimeError: DataLoader worker (pid 812) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory. Please try to raise your shared memory limit."
        ),
        truth=dead("DW302", place=(1, 100), untrue=OURS),
        sound=lambda: begun().text,
        health=open_end(place=(1, 100), untrue=OURS),
    ),
    *pair(
        G,
        "too many open files there",
        sick=lambda: after(
            "OSError: [Errno 24] Too many open files: '/data/kaist/images/I00017.jpg'"
        ),
        truth=dead("DW303", place=(1, 100), untrue=OURS),
        sound=lambda: begun().text,
        health=open_end(place=(1, 100)),
    ),
    *pair(
        G,
        "a GPU that fell off the bus there",
        sick=lambda: after(
            "RuntimeError: CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.",
            LOOP,
        ).replace(
            "Traceback",
            "NVRM: Xid (PCI:0000:3b:00): 79, pid=71234, GPU has fallen off the bus.\nTraceback",
        ),
        truth=dead("DW403", place=(1, 100), never=("DW404",)),
        sound=lambda: begun().text,
        health=open_end(place=(1, 100), never=("DW404",)),
    ),
    *pair(
        G,
        "a log with paths of Windows",
        sick=lambda: (
            Mmengine(at="2021-06-01 10:00:00")
            .begin(more=COCO.format(root="D:\\\\data\\\\coco\\\\"))
            .whole(1, 1)
            .text
        ),
        truth=open_end(place=(1, 100), spared=DATA, never=("DW603", "DW605")),
        sound=lambda: (
            Mmengine(at="2021-06-01 10:00:00")
            .begin(more=COCO.format(root="D:\\\\data\\\\coco\\\\"))
            .whole()
            .text
        ),
        health=finished(place=(3, 100), spared=DATA, never=("DW603", "DW605")),
    ),
    *pair(
        G,
        "a log with paths below /mnt/nas",
        sick=lambda: (
            Mmengine(at="2021-06-01 10:00:00")
            .begin(more=COCO.format(root="/mnt/nas/coco/"))
            .whole(1, 1)
            .text
        ),
        truth=open_end(place=(1, 100), spared=DATA, never=("DW603", "DW605")),
        sound=lambda: (
            Mmengine(at="2021-06-01 10:00:00")
            .begin(more=COCO.format(root="/mnt/nas/coco/"))
            .whole()
            .text
        ),
        health=finished(place=(3, 100), spared=DATA, never=("DW603", "DW605")),
    ),
    *copied("a work dir copied here, mmengine", lambda whole: folder("/mnt/nas/coco/", whole)),
    *copied("a work dir copied here from Windows", lambda whole: folder("D:/data/coco/", whole)),
    *copied("a work dir copied here, mmdet 2.x", lambda whole: old_folder("/mnt/nas/coco/", whole)),
)
