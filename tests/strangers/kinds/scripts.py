"""A third round: plain scripts, which no framework's lines describe."""

from __future__ import annotations

from tests.strangers.case import (
    Case,
    Kind,
    ailing,
    dead,
    finished,
    flawed,
    open_end,
    pair,
)
from tests.strangers.consoles import base, platforms, scripts
from tests.strangers.consoles.errors import LOOP, traceback
from tests.strangers.consoles.mmengine import HERE, Mmengine, begun

AT_MINIMUM = traceback(
    "Exception: Current loss scale already at minimum - cannot decrease scale anymore. Exiting run.",
    (
        ("finetune.py", 210, "<module>", "trainer.train()"),
        ("/opt/py/deepspeed/runtime/fp16/loss_scaler.py", 175, "update_scale", "raise Exception("),
    ),
)
STOPPED = (
    "Loss is nan, stopping training\n"
    "{'loss_mask': tensor(nan, device='cuda:0', grad_fn=<DivBackward0>)}\n"
)
OF_ONE_RANK = (
    "[03/04 10:00:00 detectron2]: Rank of current process: 1. World size: 2\n"
    + traceback(
        "ValueError: Expected more than 1 value per channel when training, got input size [1, 64]",
        (
            ("train_net.py", 170, "<module>", "launch("),
            ("/opt/py/torch/nn/functional.py", 2448, "batch_norm", "_verify_batch_size(size)"),
        ),
    )
)

RAY = traceback(
    "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.",
    (("/opt/py/ray/_private/worker.py", 2623, "get", "raise value"),),
)
NO_CLASSES = traceback(
    "FileNotFoundError: Couldn't find any class folder in /data/leaves/train.",
    (("/opt/py/torchvision/datasets/folder.py", 42, "find_classes", "raise FileNotFoundError("),),
)
NO_TABLE = traceback(
    "FileNotFoundError: [Errno 2] No such file or directory: 'data/fold0.csv'",
    (
        ("train.py", 40, "<module>", "table = pandas.read_csv(args.table)"),
        ("/opt/py/pandas/io/common.py", 873, "get_handle", "handle = open("),
    ),
)
NEVER_JOINED = traceback(
    "torch.distributed.DistStoreError: Timed out after 901 seconds waiting for clients. 1/2 clients joined.",
    (("/opt/conda/bin/torchrun", 8, "<module>", "sys.exit(main())"),),
)


def rate(value: float) -> str:
    """mmengine: its learning rate in all lines."""
    console = Mmengine().begin()
    for epoch in (1, 2, 3):
        for iteration in (50, 100):
            done = epoch * 100 + iteration
            loss = 1.3 + 0.01 * (done % 7) if not value else 40 / done
            console.line(epoch, iteration, lr=f"{value:.4e}", loss=round(loss, 4))
        console.save(epoch).val(epoch, **{"coco/bbox_mAP": 0.1 * epoch if value else 0.03})
    return console.text


def screen(loss: float | str) -> str:
    """mmengine up to the beginning of epoch 3; the losses since epoch 2 are given."""
    console = Mmengine().begin().whole(1, 1)
    for epoch, iteration in ((2, 50), (2, 100), (3, 50)):
        console.line(epoch, iteration, loss_cls=loss, loss=loss)
    return console.text


def ray(killed: bool) -> str:
    lines = scripts.epochs(20, 4).splitlines()
    text = "".join(f"(RayTrainWorker pid=4711, ip=10.0.0.12) {line}\n" for line in lines)
    return text + (RAY + "\n" if killed else "")


def of_wandb(over: bool) -> dict[str, str]:
    """A run folder of wandb, with the logs of wandb itself."""
    console = Mmengine().begin().whole() if over else begun()
    own = "2024-03-04 19:00:01,120 INFO    MainThread:48213 [wandb_run.py:_on_finish():2021] done\n"
    run = "run/run-20240304_100000-ab12cd"
    return {
        f"{run}/files/output.log": console.text,
        f"{run}/logs/debug.log": own,
        f"{run}/logs/debug-internal.log": own,
    }


def rising(epoch: int) -> float:
    return 0.1 + 0.05 * epoch


def by_rank(failed: bool) -> dict[str, str]:
    """detectron2: a log a rank; only one of them shows why the training is silent."""
    console = platforms.detectron2(
        400, 400 if not failed else 800, over=not failed, loss=lambda i: 1 / (1 + i / 90)
    )
    other = OF_ONE_RANK if failed else OF_ONE_RANK.partition("Traceback")[0]
    return {"out/log.txt": console, "out/log.txt.rank1": other}


CASES: tuple[Case, ...] = (
    *pair(
        Kind.SINCE_WHEN,
        "a language model that counts steps alone: nan since 540",
        sick=lambda: scripts.steps(900, bad_from=540),
        truth=ailing("DW203", place=(None, 900), facts=("iteration 540",)),
        sound=lambda: scripts.steps(900),
        health=open_end(place=(None, 900)),
    ),
    *pair(
        Kind.SINCE_WHEN,
        "Megatron: the gradient is nan since iteration 305",
        sick=lambda: scripts.pipelines(400, bad_from=305),
        truth=ailing("DW203", facts=("iteration 305.*",)),
        sound=lambda: scripts.pipelines(400),
        health=open_end(place=(None, 400)),
    ),
    *pair(
        Kind.SINCE_WHEN,
        "fastai's table: nan since epoch 5",
        sick=lambda: scripts.table(9, bad_from=5),
        truth=ailing("DW203", place=(8, 0), facts=("epoch 5",)),
        sound=lambda: scripts.table(9),
        health=open_end(place=(8, 0)),
    ),
    *pair(
        Kind.SINCE_WHEN,
        "a language model of 30,000 lines, nan in 20 of them",
        sick=lambda: (
            scripts.steps(100_000, every=10)
            .replace("iter 50000: loss 2", "iter 50000: loss nan, was 2")
            .replace("iter 50010: loss 2", "iter 50010: loss nan, was 2")
        ),
        truth=ailing("DW203", place=(None, 100_000), facts=(".*iteration 50000.*",)),
        sound=lambda: scripts.steps(100_000, every=10),
        health=open_end(place=(None, 100_000)),
    ),
    *pair(
        Kind.ALL_CLEAR,
        "torchvision's reference: AP is 0 in all epochs",
        sick=lambda: scripts.detection(4, 4, lambda epoch: 0.0, tail="Training time 0:12:31\n"),
        truth=flawed("DW207"),
        sound=lambda: scripts.detection(4, 4, rising, tail="Training time 0:12:31\n"),
        health=finished(place=(3, 149)),
    ),
    *pair(
        Kind.ALL_CLEAR,
        "timm: at chance in all of 8 epochs",
        sick=lambda: scripts.classifier(
            8, accuracy=lambda epoch: 1.667, loss=scripts.chance(60), over=False
        ),
        truth=ailing("DW207"),
        sound=lambda: scripts.classifier(
            8, accuracy=lambda epoch: 20.0 + 5 * epoch, loss=4.0, over=True
        ),
        health=finished(place=(7, 89)),
    ),
    *pair(
        Kind.ENDED_BY,
        "the script stopped: Loss is nan",
        sick=lambda: scripts.detection(4, 2, rising, tail=STOPPED),
        truth=dead("DW203", place=(1, 149)),
        sound=lambda: scripts.detection(4, 2, rising),
        health=open_end(place=(1, 149)),
    ),
    *pair(
        Kind.ENDED_BY,
        "wandb reports a failure and no traceback is there",
        sick=lambda: scripts.epochs(20, 7, failed=True),
        truth=dead("DW606", place=(7, 0), facts=("failed 1|1",)),
        sound=lambda: scripts.epochs(20, 20, failed=False),
        health=open_end(place=(20, 0)),
    ),
    *pair(
        Kind.CONSEQUENCE,
        "DeepSpeed: the loss scale is at its minimum",
        sick=lambda: scripts.overflows(16, 0) + AT_MINIMUM + "\n",
        truth=dead("DW203"),
        sound=lambda: scripts.overflows(3, 60),
        health=open_end(),
    ),
    Case(
        name="detectron2: a log a rank, one of them failed",
        kind=Kind.RECORDS,
        files=lambda: by_rank(True),
        target="out",
        truth=dead("DW606", place=(None, 399), facts=("log.txt.rank1",)),
    ),
    Case(
        name="detectron2: a log a rank, one of them failed / sound",
        kind=Kind.RECORDS,
        files=lambda: by_rank(False),
        target="out",
        truth=finished(place=(None, 399)),
        twin=True,
    ),
    *(
        case
        for name, write, place in (
            ("DETR's history", scripts.history, (9, 0)),
            ("Lightning's CSV file", scripts.columns, (9, 999)),
            ("a loop in Chinese words", scripts.in_chinese, (10, 0)),
            ("a loop in German words", scripts.in_german, (10, 0)),
        )
        for case in pair(
            Kind.SINCE_WHEN,
            f"{name}: nan since epoch 6",
            sick=lambda write=write: write(10, bad_from=6),
            truth=ailing("DW203", place=place, facts=("epoch 6.*",)),
            sound=lambda write=write: write(10),
            health=open_end(place=place),
        )
    ),
    *pair(
        Kind.ALL_CLEAR,
        "the learning rate is 0 in all lines",
        sick=lambda: rate(0.0),
        truth=flawed("DW206", place=(3, 100)),
        sound=lambda: rate(0.01),
        health=finished(place=(3, 100)),
    ),
    *pair(
        Kind.ENDED_BY,
        "Ray killed the worker for memory",
        sick=lambda: ray(True),
        truth=dead("DW501", place=(4, 0)),
        sound=lambda: ray(False),
        health=open_end(place=(4, 0)),
    ),
    *(
        case
        for state, code in (("OUT_OF_MEMORY", "DW501"), ("TIMEOUT", "DW609"))
        for case in pair(
            Kind.ENDED_BY,
            f"seff reports {state}",
            sick=lambda state=state: begun().raw(f"Job ID: 81\nState: {state} (exit code 0)").text,
            truth=dead(code, place=HERE),
            sound=lambda: begun().raw("Job ID: 81\nState: RUNNING\nCores: 4").text,
            health=open_end(place=HERE),
        )
    ),
    *(
        case
        for name, text, code in (
            ("no class folders for torchvision", NO_CLASSES, "DW603"),
            ("a table that is not there", NO_TABLE, "DW603"),
            ("a node that never joined", NEVER_JOINED, "DW118"),
        )
        for case in pair(
            Kind.CONSEQUENCE,
            name,
            sick=lambda text=text: f"Loading data\n{text}\n",
            truth=dead(code),
            sound=lambda: "Loading data\n" + scripts.epochs(9, 3),
            health=open_end(place=(3, 0)),
        )
    ),
    *pair(
        Kind.SINCE_WHEN,
        "apex: 200 steps are left out, the scale is 4e-56",
        sick=lambda: scripts.skipped(200, 0),
        truth=ailing("DW203", facts=("200 steps",)),
        sound=lambda: scripts.skipped(4, 800),
        health=open_end(place=(0, 800)),
    ),
    *pair(
        Kind.SINCE_WHEN,
        "a copied screen with broken lines: nan since epoch 2",
        sick=lambda: base.wrapped(screen("nan")),
        truth=ailing("DW203", place=(3, 50)),
        sound=lambda: base.wrapped(screen(0.4)),
        health=open_end(place=(3, 50)),
    ),
    *pair(
        Kind.SINCE_WHEN,
        "Hugging Face: the loss of each evaluation is nan",
        sick=lambda: scripts.evaluations(4, bad=True),
        truth=ailing("DW203", place=(4, 0), facts=("eval_loss|loss",)),
        sound=lambda: scripts.evaluations(4, bad=False),
        health=open_end(place=(4, 0)),
    ),
    *pair(
        Kind.FINISHED,
        "fairseq: not done yet",
        sick=lambda: scripts.translation(4, over=False),
        truth=open_end(),
        sound=lambda: scripts.translation(4, over=True),
        health=finished(),
    ),
    *pair(
        Kind.CONSEQUENCE,
        "a logger of JSON objects: out of memory",
        sick=lambda: scripts.json_lines(7, failed=True),
        truth=dead("DW401", place=(7, 0)),
        sound=lambda: scripts.json_lines(7, failed=False),
        health=open_end(place=(7, 0)),
    ),
    *(
        case
        for name, words, code in (
            (
                "Colab: no memory left",
                "Your session crashed after using all available RAM.",
                "DW501",
            ),
            (
                "a notebook's kernel died",
                "The Kernel crashed while executing code in the current cell or a previous cell.",
                "DW606",
            ),
        )
        for case in pair(
            Kind.ENDED_BY,
            name,
            sick=lambda words=words: scripts.epochs(9, 3) + words + "\n",
            truth=dead(code, place=(3, 0)),
            sound=lambda: scripts.epochs(9, 3) + "The kernel size of the first layer is 7\n",
            health=open_end(place=(3, 0)),
        )
    ),
    *pair(
        Kind.CONSEQUENCE,
        "a paste that begins among the frames of a traceback",
        sick=lambda: "\n".join(traceback("KeyError: 'gt_masks'", LOOP).split("\n")[3:]) + "\n",
        truth=dead("DW606", facts=(".*gt_masks.*",)),
        sound=lambda: "\n".join(begun().text.split("\n")[12:]),
        health=open_end(place=HERE),
    ),
    Case(
        name="a run folder of wandb",
        kind=Kind.RECORDS,
        files=lambda: of_wandb(False),
        target="run/run-20240304_100000-ab12cd",
        truth=open_end(place=HERE),
    ),
    Case(
        name="a run folder of wandb / sound",
        kind=Kind.RECORDS,
        files=lambda: of_wandb(True),
        target="run/run-20240304_100000-ab12cd",
        truth=finished(place=(3, 100)),
        twin=True,
    ),
)
