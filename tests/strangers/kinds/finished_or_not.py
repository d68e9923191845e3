"""Kind D: the goal is there, or it was no training."""

from __future__ import annotations

from tests.strangers.case import Case, Kind, Outcome, Truth, dead, finished, open_end, pair, tested
from tests.strangers.consoles import foreign
from tests.strangers.consoles.errors import MAIN, elastic, traceback
from tests.strangers.consoles.mmcv import Mmcv, bar
from tests.strangers.consoles.mmengine import Iterations, Mmengine

D = Kind.FINISHED


def enlarged(first: int, second: int, upto: int) -> str:
    """mmengine: trained to ``first`` epochs, resumed with the goal ``second``."""
    one = Mmengine(epochs=first).begin().whole()
    two = Mmengine(epochs=second, at="2024-03-06 09:00:00").banner().config(epochs=second)
    two.say(f"Auto resumed from the latest checkpoint /exp/run/epoch_{first}.pth.")
    two.raw(f"Loads checkpoint by local backend from path: /exp/run/epoch_{first}.pth")
    two.say(f"Load checkpoint from /exp/run/epoch_{first}.pth")
    two.say(f"resumed epoch: {first}, iter: {first * 100}")
    two.say("Checkpoints will be saved to /exp/run.").whole(first + 1, upto)
    return one.text + two.text


def enlarged_old(second: int, upto: int) -> str:
    """mmcv: the same with its own words and no dump of the configuration."""
    one = Mmcv(epochs=2).begin().whole()
    two = Mmcv(epochs=second, at="2023-02-09 08:00:00")
    two.say("load checkpoint from local path: /exp/old/epoch_2.pth")
    two.say("resumed epoch 2, iter 200")
    two.say("Start running, host: lin@dgx-7, work_dir: /exp/old")
    two.say(f"workflow: [('train', 1)], max: {second} epochs").whole(3, upto)
    return one.text + two.text


def iterations_old(upto: int) -> str:
    """mmseg 0.x: iterations of mmcv."""
    console = Mmcv(epochs=1, logger="mmseg")
    console.say("Start running, host: root@a100, work_dir: /exp/seg")
    console.say("workflow: [('train', 1)], max: 20000 iters")
    for iteration in range(500, upto + 1, 500):
        console.wait(200).say(
            f"Iter [{iteration}/20000]\tlr: 9.000e-03, eta: 1:02:03, time: 0.400, data_time: 0.007, "
            f"memory: 8120, decode.loss_ce: {1.2 / (1 + iteration / 4000):.4f}, "
            f"decode.acc_seg: 71.2000, loss: {1.2 / (1 + iteration / 4000):.4f}"
        )
        if iteration % 10000 == 0:
            console.say(f"Saving checkpoint at {iteration} iterations")
            console.wait(60).say(
                f"Iter(val) [250]\taAcc: 0.9120, mIoU: 0.{iteration // 400:04}, mAcc: 0.8"
            )
    return console.text


def stopped_early(said: bool) -> str:
    """mmengine's early stopping ended it on purpose."""
    console = Mmengine(epochs=50).begin().whole(1, 12)
    if said:
        console.say(
            "the monitored metric did not improve in the last 5 records. best score: 0.172. "
        )
    return console.text


def own_report(fails: bool) -> str:
    """The user's own evaluation script runs after the training, in the same console."""
    console = Mmengine().begin().whole()
    frames = (
        ("/w/det/tools/export_table.py", 41, "<module>", "write(rows)"),
        ("/w/det/tools/export_table.py", 33, "write", "best = max(r['mAP_s'] for r in rows)"),
    )
    return console.raw(traceback("KeyError: 'mAP_s'", frames)).text if fails else console.text


def restarted(whole: bool) -> str:
    """torchrun restarted the workers after a crash; they resumed."""
    console = Mmengine().begin().whole(1, 1)
    console.raw(elastic(1, -6, "SIGABRT").split("Traceback")[0])
    console.raw(
        "[2024-03-04 10:07:13,001] torch.distributed.elastic.agent.server.api: [INFO] [default] "
        "Worker group FAILED. 2/3 attempts left; will restart worker group"
    )
    again = Mmengine(at="2024-03-04 10:08:00").banner().config(epochs=3)
    again.say("Auto resumed from the latest checkpoint /exp/run/epoch_1.pth.")
    again.say("resumed epoch: 1, iter: 100").say("Checkpoints will be saved to /exp/run.")
    again.whole(2, 3 if whole else 2)
    return console.text + again.text


def test_old(whole: bool) -> str:
    """mmdet 2.x: tools/test.py, a bar and a table."""
    text = "loading annotations into memory...\nDone (t=0.62s)\ncreating index...\nindex created!\n"
    text += "load checkpoint from local path: work_dirs/a/latest.pth\n"
    for done in range(100, 1001 if whole else 601, 100):
        text += bar(done, 1000)
    if whole:
        text += (
            "\nEvaluating bbox...\nLoading and preparing results...\nDONE (t=0.34s)\n"
            "Running per image evaluation...\nEvaluate annotation type *bbox*\nDONE (t=8.91s).\n"
            "Accumulating evaluation results...\nDONE (t=1.50s).\n"
            " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.374\n"
            "OrderedDict([('bbox_mAP', 0.374), ('bbox_mAP_50', 0.581)])\n"
        )
    return text


def test_new(whole: bool) -> str:
    """mmengine: tools/test.py."""
    console = Mmengine(epochs=12).banner().config(epochs=12)
    console.say("Load checkpoint from work_dirs/a/epoch_12.pth")
    for done in (50, 100, 150, 200 if whole else 190):
        more = "" if done < 200 else "coco/bbox_mAP: 0.3740  coco/bbox_mAP_50: 0.5810  "
        console.wait(5).say(
            f"Epoch(test) [{done:>3}/200]    {more}"
            + ("eta: 0:00:10  " if not more else "")
            + "time: 0.1012  data_time: 0.0031"
            + ("  memory: 901  " if not more else "")
        )
    return console.text


def no_validation(named: bool) -> str:
    """The dump has no validation: saving the last checkpoint is the end."""
    more = "val_cfg = None\nval_dataloader = None\nval_evaluator = None\n" if named else ""
    console = Mmengine(epochs=2).begin(more=more)
    for epoch in (1, 2):
        console.epoch(epoch).save(epoch)
        if not named and epoch == 1:
            console.val(1, **{"coco/bbox_mAP": 0.2})
    return console.text


AFTERWARDS = Truth(
    outcome=Outcome.FINISHED,
    may=("DW606",),
    exit=(0,),
    check_exit=(0,),
    place=(3, 100),
    spared=("alive",),
)

CASES: tuple[Case, ...] = (
    *pair(
        D,
        "mmcv names its goal in the workflow line only",
        sick=lambda: Mmcv().begin().whole().text,
        truth=finished(place=(3, 100)),
        sound=lambda: Mmcv().begin().whole(1, 2).text,
        health=open_end(place=(2, 100), unpassed=("alive",)),
    ),
    *pair(
        D,
        "resumed with a larger goal (mmengine)",
        sick=lambda: enlarged(2, 5, 5),
        truth=finished(place=(5, 100)),
        sound=lambda: enlarged(2, 5, 4),
        health=open_end(place=(4, 100), unpassed=("alive",)),
    ),
    *pair(
        D,
        "resumed with a larger goal (mmcv)",
        sick=lambda: enlarged_old(4, 4),
        truth=finished(place=(4, 100)),
        sound=lambda: enlarged_old(4, 3),
        health=open_end(place=(3, 100), unpassed=("alive",)),
    ),
    *pair(
        D,
        "iterations of mmcv, goal in the workflow line",
        sick=lambda: iterations_old(20000),
        truth=finished(place=(None, 20000)),
        sound=lambda: iterations_old(14500),
        health=open_end(place=(None, 14500)),
    ),
    *pair(
        D,
        "early stopping",
        sick=lambda: stopped_early(True),
        truth=finished(place=(12, 100)),
        sound=lambda: stopped_early(False),
        health=open_end(place=(12, 100)),
    ),
    *pair(
        D,
        "finished, then the user's own report fails",
        sick=lambda: own_report(True),
        truth=AFTERWARDS,
        sound=lambda: own_report(False),
        health=finished(place=(3, 100)),
    ),
    *pair(
        D,
        "torchrun restarted it, then it finished",
        sick=lambda: restarted(True),
        truth=finished(place=(3, 100)),
        sound=lambda: restarted(False),
        health=open_end(place=(2, 100)),
    ),
    *pair(
        D,
        "a test run of mmdet 2.x",
        sick=lambda: test_old(True),
        truth=tested(never=("DW101",)),
        sound=lambda: test_old(False),
        health=open_end(never=("DW101",)),
    ),
    *pair(
        D,
        "a test run of mmengine",
        sick=lambda: test_new(True),
        truth=tested(never=("DW101",)),
        sound=lambda: test_new(False),
        health=open_end(never=("DW101",)),
    ),
    *pair(
        D,
        "no validation is configured",
        sick=lambda: no_validation(True),
        truth=finished(place=(2, 100)),
        sound=lambda: no_validation(False),
        health=open_end(place=(2, 100)),
    ),
    *pair(
        D,
        "Lightning reached its last epoch",
        sick=lambda: foreign.lightning(4, 50, 50, over=True),
        truth=finished(),
        sound=lambda: foreign.lightning(4, 20, 50, over=False),
        health=open_end(),
    ),
    *pair(
        D,
        "the Hugging Face Trainer printed its summary",
        sick=lambda: foreign.transformers(400, 400),
        truth=finished(),
        sound=lambda: foreign.transformers(400, 240),
        health=open_end(),
    ),
    *pair(
        D,
        "Ultralytics completed its epochs",
        sick=lambda: foreign.ultralytics(30, 30),
        truth=finished(),
        sound=lambda: foreign.ultralytics(30, 17),
        health=open_end(),
    ),
    *pair(
        D,
        "one iteration short of its goal, then an error",
        sick=lambda: (
            Iterations(total=2000)
            .begin()
            .it(1950)
            .raw(
                traceback(
                    "RuntimeError: stack expects each tensor to be equal size, but got [3, 512, 640] at entry 0 and [1, 512, 640] at entry 1",
                    MAIN,
                )
            )
            .text
        ),
        truth=dead("DW306", "DW606", place=(None, 1950)),
        sound=lambda: (
            Iterations(total=2000)
            .begin()
            .it(1950)
            .it(2000)
            .say("Saving checkpoint at 2000 iterations")
            .evaluated(mIoU=41.2)
            .text
        ),
        health=finished(place=(None, 2000)),
    ),
)
