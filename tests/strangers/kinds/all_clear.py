"""Kind A: said to be well when it is not."""

from __future__ import annotations

from tests.strangers.case import Case, Kind, finished, flawed, open_end, pair
from tests.strangers.consoles import base
from tests.strangers.consoles.errors import BACKWARD, traceback
from tests.strangers.consoles.mmcv import Mmcv
from tests.strangers.consoles.mmengine import Iterations, Mmengine

A = Kind.ALL_CLEAR
OOM = (
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.12 GiB (GPU 0; 23.69 GiB "
    "total capacity; 21.02 GiB already allocated; 801.69 MiB free; 22.35 GiB reserved in total by "
    "PyTorch) If reserved memory is >> allocated memory try setting max_split_size_mb to avoid "
    "fragmentation.  See documentation for Memory Management and PYTORCH_CUDA_ALLOC_CONF"
)


def two_starts(second: int | None) -> str:
    """nohup appended a second start; it wrote epochs up to ``second``, None for no line at all."""
    first = Mmengine().begin().whole()
    again = Mmengine(at="2024-03-04 15:20:00").begin()
    if second is not None:
        again.whole(1, second)
    return first.text + "nohup: ignoring input\n" + again.text


def loop_of_experiments(done: bool) -> str:
    """``for cfg in a b; do python tools/train.py $cfg; done`` with mmcv's logger."""
    first = Mmcv().begin(work_dir="/exp/a").whole()
    second = Mmcv(at="2023-02-08 13:00:00").begin(work_dir="/exp/b")
    if done:
        second.whole()
    return (
        "+ python tools/train.py a.py\n"
        + first.text
        + "+ python tools/train.py b.py\n"
        + second.text
    )


def died_before(again: bool) -> str:
    """Out of memory; started again, silent so far, or trained on."""
    first = Mmengine().begin().whole(1, 1).raw(traceback(OOM, BACKWARD))
    second = Mmengine(at="2024-03-04 12:00:00").begin()
    if again:
        second.whole()
    return first.text + second.text


def banner_only(lines: bool) -> str:
    """A third start that ends in its own banner."""
    text = Mmengine().begin().whole().text
    third = Mmengine(at="2024-03-05 08:00:00")
    return text + (third.begin().whole().text if lines else third.banner().text)


def late_nan(bad: bool) -> str:
    """A long log of mmcv; NaN in two lines far from both ends."""
    console = Mmcv(epochs=8, iters=3000, every=10).begin(dump=True)
    for epoch in range(1, 9):
        for iteration in range(10, 3001, 10):
            loss = "nan" if bad and (epoch, iteration) in ((5, 1210), (5, 1220)) else 0.512
            console.line(epoch, iteration, loss=loss, loss_cls=0.3, loss_bbox=0.212)
        console.save(epoch).val(epoch, bbox_mAP=0.3 + epoch / 100)
    return console.text


def huge_in_the_middle(bad: bool) -> str:
    """mmengine: the loss explodes for a stretch and comes back."""
    console = Mmengine(epochs=6, iters=2000, every=20).begin()
    for epoch in range(1, 7):
        for iteration in range(20, 2001, 20):
            exploded = bad and epoch == 3 and 900 <= iteration <= 1400
            loss = 8.3e9 if exploded else 0.83
            console.line(epoch, iteration, loss=loss, loss_cls=loss * 0.6, loss_bbox=loss * 0.4)
        console.save(epoch).val(epoch, **{"coco/bbox_mAP": 0.2 + epoch / 50})
    return console.text


def metric(values: tuple[float, ...], name: str = "coco/bbox_mAP") -> str:
    """Losses fall; the evaluation's metric is as given."""
    console = Mmengine(epochs=len(values)).begin()
    for epoch, value in enumerate(values, 1):
        console.epoch(epoch).save(epoch).val(epoch, **{name: value})
    return console.text


def segmentation(miou: float) -> str:
    console = Iterations(total=2000).begin(interval=500)
    for iteration in range(50, 2001, 50):
        console.it(
            iteration, loss=round(0.2 + 1.5 / (1 + iteration / 100), 4), **{"decode.acc_seg": 70}
        )
        if iteration % 500 == 0:
            console.wait(1).say(f"Saving checkpoint at {iteration} iterations")
            console.evaluated(aAcc=miou * 1.3, mIoU=round(miou * (1 + iteration / 9e3), 2))
    return console.text


def unvalidated(validated: bool) -> str:
    """The last checkpoint is being saved; saving or the validation after it never ended."""
    console = Mmengine(epochs=2).begin().whole(1, 1).epoch(2).save(2)
    if validated:
        console.val(2, **{"coco/bbox_mAP": 0.31})
    return console.text


def validation_under_way(ended: bool) -> str:
    """In the last validation, 10 of 20 batches."""
    console = Mmengine(epochs=2).begin().whole(1, 1).epoch(2).save(2)
    console.val(2, **{"coco/bbox_mAP": 0.31})
    return console.text if ended else "\n".join(console.text.split("\n")[:-2]) + "\n"


def big_log(bad: bool) -> str:
    """200,000 lines with one NaN in the middle."""
    console = Mmcv(epochs=40, iters=25000, every=5).begin(dump=True)
    head = console.text
    lines = []
    for epoch in range(1, 41):
        for iteration in range(5, 25001, 5):
            loss = "nan" if bad and (epoch, iteration) == (21, 12345) else "0.5123"
            lines.append(
                f"2023-02-08 {10 + epoch // 4:02}:{iteration // 500:02}:{iteration % 60:02},137 - mmdet - "
                f"INFO - Epoch [{epoch}][{iteration}/25000]\tlr: 2.000e-02, eta: 1 day, 2:03:04, "
                f"time: 0.500, data_time: 0.007, memory: 6188, loss_cls: 0.3000, loss: {loss}"
            )
        lines.append(
            f"2023-02-08 {10 + epoch // 4:02}:59:00,137 - mmdet - INFO - Epoch(val) [{epoch}][400]\tbbox_mAP: 0.3{epoch:02}0"
        )
    return head + "\n".join(lines) + "\n"


CASES: tuple[Case, ...] = (
    *pair(
        A,
        "second start appended by nohup, no line yet",
        sick=lambda: two_starts(None),
        truth=open_end(place=(None, None), phases=("first-iteration", "waiting-for-batch")),
        sound=lambda: two_starts(3),
        health=finished(place=(3, 100)),
    ),
    *pair(
        A,
        "second configuration of a shell loop, no line yet (mmcv)",
        sick=lambda: loop_of_experiments(False),
        truth=open_end(place=(None, None), unpassed=("alive", "first-line")),
        sound=lambda: loop_of_experiments(True),
        health=finished(place=(3, 100)),
    ),
    *pair(
        A,
        "out of memory, then started again and silent",
        sick=lambda: died_before(False),
        truth=open_end(place=(None, None), never=("DW401",)),
        sound=lambda: died_before(True),
        health=finished(place=(3, 100)),
    ),
    *pair(
        A,
        "third start ends within its banner",
        sick=lambda: banner_only(False),
        truth=open_end(place=(None, None)),
        sound=lambda: banner_only(True),
        health=finished(place=(3, 100)),
    ),
    *pair(
        A,
        "two NaN lines of 2,400, far from both ends (mmcv)",
        sick=lambda: late_nan(True),
        truth=flawed("DW203", place=(8, 3000), facts=("1210",), fails=("finite",), mild=True),
        sound=lambda: late_nan(False),
        health=finished(place=(8, 3000)),
    ),
    *pair(
        A,
        "a loss of 8.3e9 in the middle, then back",
        sick=lambda: huge_in_the_middle(True),
        truth=flawed(
            "DW204", "DW203", place=(6, 2000), facts=("900",), fails=("finite",), mild=True
        ),
        sound=lambda: huge_in_the_middle(False),
        health=finished(place=(6, 2000)),
    ),
    *pair(
        A,
        "mAP is 0 in every validation",
        sick=lambda: metric((0.0, 0.0, 0.0, 0.0, 0.0)),
        truth=flawed("DW207", place=(5, 100)),
        sound=lambda: metric((0.0, 0.02, 0.11, 0.24, 0.31)),
        health=finished(place=(5, 100)),
    ),
    *pair(
        A,
        "PCK of a pose model stays 0 (mmengine, key with a slash)",
        sick=lambda: metric((0.0, 0.0, 0.0, 0.0), "PCK/PCK@0.05"),
        truth=flawed("DW207", place=(4, 100)),
        sound=lambda: metric((0.31, 0.44, 0.52, 0.55), "PCK/PCK@0.05"),
        health=finished(place=(4, 100)),
    ),
    *pair(
        A,
        "mIoU of 0 in every evaluation (iterations)",
        sick=lambda: segmentation(0.0),
        truth=flawed("DW207", place=(None, 2000)),
        sound=lambda: segmentation(61.0),
        health=finished(place=(None, 2000)),
    ),
    *pair(
        A,
        "last line is the saving of the last epoch",
        sick=lambda: unvalidated(False),
        truth=open_end(place=(2, 100), phases=("saving-checkpoint",), unpassed=("alive",)),
        sound=lambda: unvalidated(True),
        health=finished(place=(2, 100)),
    ),
    *pair(
        A,
        "in the middle of the last validation",
        sick=lambda: validation_under_way(False),
        truth=open_end(place=(2, 100), unpassed=("alive",)),
        sound=lambda: validation_under_way(True),
        health=finished(place=(2, 100)),
    ),
    *pair(
        A,
        "one NaN in the middle of 200,000 lines",
        sick=lambda: big_log(True),
        truth=flawed("DW203", place=(40, 25000), facts=("12345",), fails=("finite",), mild=True),
        sound=lambda: big_log(False),
        health=finished(place=(40, 25000)),
    ),
    *pair(
        A,
        "second start without a line, in UTF-16 from PowerShell",
        sick=lambda: base.utf16(two_starts(None)),
        truth=open_end(place=(None, None), unpassed=("alive",)),
        sound=lambda: base.utf16(two_starts(3)),
        health=finished(place=(3, 100)),
    ),
)
