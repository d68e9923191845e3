"""Kind F: where it was, and when; no more is claimed than the text shows."""

from __future__ import annotations

from tests.strangers.case import Case, Kind, dead, finished, open_end, pair
from tests.strangers.consoles import foreign
from tests.strangers.consoles.errors import BACKWARD, FETCH, MAIN, PACKAGES, VALIDATE, traceback
from tests.strangers.consoles.mmcv import Mmcv, bar
from tests.strangers.consoles.mmengine import HOOKS, Mmengine

F = Kind.PHASE
OOM = (
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 512.00 MiB (GPU 0; 10.76 GiB "
    "total capacity; 9.02 GiB already allocated; 210.25 MiB free; 9.60 GiB reserved in total by PyTorch)"
)
LAST_YEAR = "2026(?=\\D)"
"""The year in which the file was written, which no line of it names."""

VALIDATION = ("val-step", "waiting-for-val-batch", "computing-metrics")
SINGLE_GPU = (
    ("tools/train.py", 242, "<module>", "main()"),
    (
        f"{PACKAGES}/mmdet/core/evaluation/eval_hooks.py",
        60,
        "_do_evaluate",
        "results = single_gpu_test(runner.model, self.dataloader, show=False)",
    ),
    (
        f"{PACKAGES}/mmdet/apis/test.py",
        29,
        "single_gpu_test",
        "result = model(return_loss=False, rescale=True, **data)",
    ),
)
SAVE = (
    *MAIN,
    (
        f"{PACKAGES}/mmengine/hooks/checkpoint_hook.py",
        374,
        "_save_checkpoint_with_step",
        "runner.save_checkpoint(",
    ),
    (
        f"{PACKAGES}/mmengine/runner/runner.py",
        2271,
        "save_checkpoint",
        "save_checkpoint(checkpoint, filepath)",
    ),
    (
        f"{PACKAGES}/torch/serialization.py",
        619,
        "save",
        "_save(obj, opened_zipfile, pickle_module, pickle_protocol)",
    ),
)


def bar_of(done: int, error: str = "") -> str:
    """mmcv: a validation's bar behind the saving of epoch 1."""
    console = Mmcv().begin().epoch(1).save(1)
    text = console.text + "".join(bar(at, 1184) for at in range(8, done + 1, 8))
    return text + ("\n" + traceback(error, SINGLE_GPU) + "\n" if error else "")


def coco(upto: int) -> str:
    """pycocotools prints its steps without a newline between them."""
    console = Mmengine().begin().epoch(1).save(1)
    for done in (10, 20):
        console.wait(4).say(
            f"Epoch(val) [1][{done}/20]    eta: 0:00:01  time: 0.0412  data_time: 0.0081  memory: 1204"
        )
    console.say("Evaluating bbox...")
    steps = [
        "Loading and preparing results...",
        "DONE (t=1.02s)",
        "creating index...",
        "index created!",
        "Running per image evaluation...",
        "Evaluate annotation type *bbox*",
    ]
    return console.raw("\n".join(steps[:upto])).text


def building(names: bool) -> str:
    """Ends at the list of hooks."""
    console = Mmengine().banner().config(epochs=3).say(HOOKS)
    return (
        console.text
        if not names
        else console.say("Checkpoints will be saved to /exp/run.").whole().text
    )


def yearless(named: bool) -> str:
    """mmengine's console has no year; the name of the experiment has one."""
    console = Mmengine(dated=False, at="2022-09-17 10:00:00").begin(
        work_dir="/exp/a_20220917_095959"
    )
    return (console.whole() if named else console.whole(1, 1).epoch(2, upto=50)).text


def resumed(upto: int | None) -> str:
    """An iteration-based run that resumes: it advances its loader for minutes."""
    console = Mmengine(epochs=1, iters=8000).banner()
    console.say(
        "Config:\ntrain_cfg = dict(max_iters=8000, type='IterBasedTrainLoop', val_interval=2000)\n"
    )
    console.say(HOOKS).say("Load checkpoint from /exp/seg/iter_4000.pth").say(
        "resumed epoch: 0, iter: 4000"
    )
    console.say("Checkpoints will be saved to /exp/seg.")
    console.say(
        "Advance dataloader 4000 steps to skip data that has already been trained", level="WARNING"
    )
    for at in range(4050, (upto or 0) + 1, 50):
        console.wait(25).say(
            f"Iter(train) [{at}/8000]  base_lr: 1.0000e-02 lr: 5.0000e-03  eta: 0:30:00  time: 0.5000  "
            "data_time: 0.0040  memory: 5512  loss: 0.4100  decode.loss_ce: 0.4100"
        )
    return console.text


CASES: tuple[Case, ...] = (
    *pair(
        F,
        "out of memory in backward",
        sick=lambda: (
            Mmengine().begin().whole(1, 1).epoch(2, upto=50).raw(traceback(OOM, BACKWARD)).text
        ),
        truth=dead("DW401", place=(2, 50), phases=("train-step",)),
        sound=lambda: Mmengine().begin().whole(1, 1).epoch(2, upto=50).text,
        health=open_end(place=(2, 50)),
    ),
    *pair(
        F,
        "out of memory behind mmcv's bar of a validation",
        sick=lambda: bar_of(264, OOM),
        truth=dead("DW401", place=(1, 100), phases=VALIDATION),
        sound=lambda: bar_of(264),
        health=open_end(place=(1, 100), phases=VALIDATION),
    ),
    *pair(
        F,
        "out of memory in mmengine's validation",
        sick=lambda: Mmengine().begin().epoch(1).save(1).raw(traceback(OOM, VALIDATE)).text,
        truth=dead("DW401", place=(1, 100), phases=VALIDATION),
        sound=lambda: Mmengine().begin().epoch(1).save(1).text,
        health=open_end(place=(1, 100), phases=("saving-checkpoint",)),
    ),
    *pair(
        F,
        "a loop of one's own with bars of tqdm, out of memory",
        sick=lambda: (
            foreign.bars([(1, 250), (2, 250), (3, 120)], 40, 250, {})
            + "\n"
            + traceback(OOM, (("train.py", 88, "<module>", "loss.backward()"),))
            + "\n"
        ),
        truth=dead("DW401", place=(3, 120), never=("DW101",), spared=("first-line",)),
        sound=lambda: foreign.bars([(1, 250), (2, 250), (3, 120)], 40, 250, {}),
        health=open_end(place=(3, 120), untrue=(LAST_YEAR,)),
    ),
    *pair(
        F,
        "Lightning's bar, killed",
        sick=lambda: foreign.lightning(3, 20, 50, over=False) + "\nKilled\n",
        truth=dead("DW501", untrue=(LAST_YEAR,), spared=("first-line",)),
        sound=lambda: foreign.lightning(3, 20, 50, over=False),
        health=open_end(
            untrue=(LAST_YEAR,), phases=("training", "train-step", "waiting-for-batch")
        ),
    ),
    *pair(
        F,
        "computing the metrics of COCO",
        sick=lambda: coco(5),
        truth=open_end(place=(1, 100), phases=("computing-metrics",)),
        sound=lambda: Mmengine().begin().whole(1, 1).text,
        health=open_end(place=(1, 100)),
    ),
    *pair(
        F,
        "ends at the list of hooks",
        sick=lambda: building(False),
        truth=open_end(place=(None, None), phases=("building-data",)),
        sound=lambda: building(True),
        health=finished(place=(3, 100)),
    ),
    *pair(
        F,
        "a console without a year",
        sick=lambda: yearless(False),
        truth=open_end(place=(2, 50), untrue=(LAST_YEAR,)),
        sound=lambda: yearless(True),
        health=finished(place=(3, 100), untrue=(LAST_YEAR,)),
    ),
    *pair(
        F,
        "a worker's error in the loader, Windows paths",
        sick=lambda: (
            Mmengine()
            .begin()
            .whole(1, 1)
            .raw(
                traceback(
                    "RuntimeError: Caught OSError in DataLoader worker process 2.\nOriginal "
                    + traceback(
                        "OSError: image file is truncated (12 bytes not processed)",
                        (
                            (
                                "D:\\det\\data\\kaist.py",
                                71,
                                "__getitem__",
                                "img = Image.open(path).convert('RGB')",
                            ),
                        ),
                    ),
                    FETCH,
                )
            )
            .text
        ),
        truth=dead(
            "DW306", place=(1, 100), phases=("waiting-for-batch",), facts=("kaist\\.py:71",)
        ),
        sound=lambda: Mmengine().begin().whole(1, 1).text,
        health=open_end(place=(1, 100)),
    ),
    *pair(
        F,
        "an error while saving",
        sick=lambda: (
            Mmengine()
            .begin()
            .epoch(1)
            .raw(
                traceback(
                    "RuntimeError: [enforce fail at inline_container.cc:595] . unexpected pos 12480 vs 12374",
                    SAVE,
                )
            )
            .text
        ),
        truth=dead("DW502", "DW606", place=(1, 100), phases=("saving-checkpoint",)),
        sound=lambda: Mmengine().begin().whole().text,
        health=finished(place=(3, 100)),
    ),
    *pair(
        F,
        "a resumed run advances its loader",
        sick=lambda: resumed(None),
        truth=open_end(
            place=(None, None),
            phases=("first-iteration", "waiting-for-batch", "loading-checkpoint"),
        ),
        sound=lambda: (
            resumed(8000)
            + "2024/03/04 11:30:00 - mmengine - INFO - Saving checkpoint at 8000 iterations\n2024/03/04 11:31:00 - mmengine - INFO - Iter(val) [100/100]    mIoU: 41.2000  data_time: 0.0037  time: 0.2811\n"
        ),
        health=finished(place=(None, 8000)),
    ),
    *pair(
        F,
        "mmcv's last line is the workflow",
        sick=lambda: Mmcv().begin().text,
        truth=open_end(place=(None, None), phases=("first-iteration", "waiting-for-batch")),
        sound=lambda: Mmcv().begin().whole().text,
        health=finished(place=(3, 100)),
    ),
)
