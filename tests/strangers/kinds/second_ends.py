"""A second round: how it ended, as schedulers, shells, notebooks and other frameworks show it."""

from __future__ import annotations

from tests.strangers.case import Case, Kind, dead, finished, flawed, open_end, pair
from tests.strangers.consoles import base, foreign, platforms
from tests.strangers.consoles.errors import PACKAGES, elastic, traceback
from tests.strangers.consoles.mmcv import Mmcv
from tests.strangers.consoles.mmengine import HERE, Iterations, Mmengine, begun

A, B, D = Kind.ALL_CLEAR, Kind.ENDED_BY, Kind.FINISHED


def whole() -> Mmengine:
    return Mmengine().begin().whole()


def hugging_face_twice(over: bool) -> str:
    """One console, two starts of the Trainer."""
    again = "***** Running training *****\n  Num examples = 1,600\n  Num Epochs = 4\n"
    second = foreign.transformers(200, 200) if over else again
    return foreign.transformers(200, 200) + "nohup: ignoring input\n" + second


def ultralytics_useless(useless: bool) -> str:
    text = foreign.ultralytics(20, 20)
    if useless:
        text = text.replace(f"{0.612:>11}{0.544:>11}{0.571:>11}{0.342:>11}", f"{0:>11}" * 4)
    return text


def trainer_useless(useless: bool) -> str:
    """The Trainer's own evaluation after each epoch."""
    lines, rows = [], 0
    for line in foreign.transformers(200, 200).split("\n"):
        lines.append(line)
        rows += line.startswith("{'loss'")
        if line.startswith("{'loss'") and rows % 5 == 0:
            accuracy = 0.0 if useless else 0.5 + rows / 100
            lines.append(
                f"{{'eval_loss': 0.9, 'eval_accuracy': {accuracy}, 'eval_runtime': {9 - rows / 5}, "
                f"'eval_samples_per_second': 12.1, 'epoch': {rows / 5}}}"
            )
    return "\n".join(lines)


def empty_results(empty: bool) -> str:
    """The evaluation finds no box in any validation, which is only logged."""
    console = Mmengine().begin()
    for epoch in (1, 2, 3):
        console.epoch(epoch).save(epoch)
        if not empty:
            console.val(epoch, **{"coco/bbox_mAP": 0.1 * epoch})
            continue
        console.say("Evaluating bbox...").say(
            "The testing results of the whole dataset is empty.", level="ERROR"
        )
        console.say(f"Epoch(val) [{epoch}][20/20]    data_time: 0.0080  time: 0.0410")
    return console.text


def restarted_pod(over: bool) -> str:
    """``kubectl logs --timestamps`` of a pod whose command loops."""
    again = Mmengine(at="2024-03-04 13:00:00").begin()
    again = again.whole() if over else again
    return base.pod(whole().text) + base.pod(again.text, at="2024-03-04T13:00:00.000000000Z")


def evaluation_due(over: bool) -> str:
    """By iterations: the last checkpoint is announced, its evaluation is not there."""
    console = Iterations(total=1000).begin(interval=500)
    for iteration in range(50, 1001, 50):
        console.it(iteration, loss=round(0.2 + 1.5 / (1 + iteration / 100), 4))
        if iteration % 500 == 0:
            console.wait(1).say(f"Saving checkpoint at {iteration} iterations")
            if iteration < 1000 or over:
                console.evaluated(aAcc=80.1, mIoU=round(30 + iteration / 100, 2))
    return console.text


INTERRUPTED = platforms.ipython(
    "KeyboardInterrupt: ",
    ((f"{PACKAGES}/mmengine/runner/loops.py", 115, "run_epoch", "self.run_iter(idx, batch)"),),
)
SIGNAL = traceback(
    "torch.distributed.elastic.multiprocessing.api.SignalException: Process 48213 got signal: 15",
    (
        ("/opt/conda/bin/torchrun", 8, "<module>", "sys.exit(main())"),
        (
            "/opt/conda/lib/python3.11/site-packages/torch/distributed/elastic/multiprocessing/api.py",
            84,
            "_terminate_process_handler",
            'raise SignalException(f"Process {os.getpid()} got signal: {sigval}", sigval=sigval)',
        ),
    ),
)
READ = (
    (
        f"{PACKAGES}/torch/utils/data/_utils/fetch.py",
        51,
        "fetch",
        "data = [self.dataset[idx] for idx in batch]",
    ),
    (f"{PACKAGES}/mmcv/transforms/loading.py", 101, "transform", "raise e"),
    (
        f"{PACKAGES}/mmengine/fileio/backends/local_backend.py",
        33,
        "get",
        "with open(filepath, 'rb') as f:",
    ),
)
AFTER_FIT = traceback(
    "requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: https://huggingface.co/api/repos/create",
    (
        ("train.py", 97, "<module>", "trainer.push_to_hub()"),
        (f"{PACKAGES}/requests/models.py", 1021, "raise_for_status", "raise HTTPError(msg)"),
    ),
)


def folds(over: bool) -> str:
    """A loop over folds; the third is cut short."""
    text = "".join(f"fold {n}\n" + foreign.lightning(3, 50, 50, over=True) for n in (0, 1))
    return text + "fold 2\n" + foreign.lightning(3, 30, 50, over=over)


def falling(iteration: int) -> float:
    return 0.3 + 1.2 / (1 + iteration / 100)


CASES: tuple[Case, ...] = (
    *pair(
        A,
        "Hugging Face: a second start appended, silent",
        sick=lambda: hugging_face_twice(False),
        truth=open_end(unpassed=("alive",)),
        sound=lambda: hugging_face_twice(True),
        health=finished(),
    ),
    *pair(
        A,
        "Ultralytics completed, and its mAP is 0 all the time",
        sick=lambda: ultralytics_useless(True),
        truth=flawed("DW207"),
        sound=lambda: ultralytics_useless(False),
        health=finished(),
    ),
    *pair(
        A,
        "Hugging Face: the accuracy is 0 in every evaluation",
        sick=lambda: trainer_useless(True),
        truth=flawed("DW207"),
        sound=lambda: trainer_useless(False),
        health=finished(),
    ),
    *pair(
        A,
        "every evaluation is empty, an ERROR line reports it",
        sick=lambda: empty_results(True),
        truth=flawed("DW207", place=(3, 100)),
        sound=lambda: empty_results(False),
        health=finished(place=(3, 100)),
    ),
    *pair(
        A,
        "a pod that began again, no line yet",
        sick=lambda: restarted_pod(False),
        truth=open_end(place=(None, None), unpassed=("alive",)),
        sound=lambda: restarted_pod(True),
        health=finished(place=(3, 100)),
    ),
    *pair(
        A,
        "the last evaluation by iterations did not come",
        sick=lambda: evaluation_due(False),
        truth=open_end(place=(None, 1000), unpassed=("alive",)),
        sound=lambda: evaluation_due(True),
        health=finished(place=(None, 1000)),
    ),
    *pair(
        B,
        "Kubernetes: OOMKilled, from kubectl describe",
        sick=lambda: (
            begun()
            .raw(
                "    State:          Terminated\n      Reason:       OOMKilled\n      Exit Code:    137"
            )
            .text
        ),
        truth=dead("DW501", place=HERE, facts=("OOMKilled|137",)),
        sound=lambda: (
            whole()
            .raw(
                "    State:          Terminated\n      Reason:       Completed\n      Exit Code:    0"
            )
            .text
        ),
        health=finished(place=(3, 100)),
    ),
    *pair(
        B,
        "PowerShell: Terminate batch job, UTF-16",
        sick=lambda: base.utf16(begun().raw("^CTerminate batch job (Y/N)? y").text),
        truth=dead("DW609", place=HERE),
        sound=lambda: base.utf16(begun().text),
        health=open_end(place=HERE),
    ),
    *pair(
        B,
        "cmd in Chinese: 终止批处理操作吗, GBK",
        sick=lambda: base.crlf(begun().raw("^C终止批处理操作吗(Y/N)? y").text).encode("gbk"),
        truth=dead("DW609", place=HERE),
        sound=lambda: base.crlf("开始训练, 数据集: 行人\n" + whole().text).encode("gbk"),
        health=finished(place=(3, 100)),
    ),
    *pair(
        B,
        "Slurm: node failure",
        sick=lambda: (
            begun()
            .raw(
                "srun: error: Node failure on n21\nslurmstepd: error: *** JOB 88123 ON n21 CANCELLED AT 2024-03-04T10:06:00 DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***"
            )
            .text
        ),
        truth=dead("DW609", place=HERE, facts=("88123|NODE FAILURE|node failure",)),
        sound=lambda: whole().raw("srun: info: job 88123 completed").text,
        health=finished(place=(3, 100)),
    ),
    *pair(
        B,
        "torchrun 2.x got SIGTERM",
        sick=lambda: (
            begun()
            .raw(
                "W0304 10:05:11.871000 140233 torch/distributed/elastic/agent/server/api.py:741] Received 15 death signal, shutting down workers\n"
                "W0304 10:05:11.872000 140233 torch/distributed/elastic/multiprocessing/api.py:900] Sending process 48214 closing signal SIGTERM\n"
                + SIGNAL
            )
            .text
        ),
        truth=dead("DW609", place=HERE, facts=("SIGTERM|15",)),
        sound=lambda: (
            "W0304 09:59:50.871000 140233 torch/distributed/run.py:779] Setting OMP_NUM_THREADS environment variable for each process to be 1 in default\n"
            + begun().text
        ),
        health=open_end(place=HERE),
    ),
    *pair(
        B,
        "Colab: the cell was interrupted",
        sick=lambda: begun().raw(INTERRUPTED).text,
        truth=dead("DW609", place=HERE, never=("DW606",)),
        sound=lambda: begun().text,
        health=open_end(place=HERE),
    ),
    *pair(
        B,
        "LSF: run time limit",
        sick=lambda: (
            begun()
            .raw(
                "\n------------------------------------------------------------\nSender: LSF System <lsfadmin@c12>\nSubject: Job 5512: <train> in cluster <hpc> Exited\n\n"
                "TERM_RUNLIMIT: job killed after reaching LSF run time limit.\nExited with exit code 140."
            )
            .text
        ),
        truth=dead("DW609", place=HERE, facts=("TERM_RUNLIMIT|time limit|140",)),
        sound=lambda: (
            whole()
            .raw(
                "\n------------------------------------------------------------\nSender: LSF System <lsfadmin@c12>\nSubject: Job 5512: <train> in cluster <hpc> Done\n\nSuccessfully completed."
            )
            .text
        ),
        health=finished(place=(3, 100)),
    ),
    *pair(
        B,
        "Windows: Fortran's word of control-C",
        sick=lambda: base.crlf(
            begun()
            .raw(
                "forrtl: error (200): program aborting due to control-C event\n"
                "Image              PC                Routine            Line        Source\n"
                "libifcoremd.dll    00007FFD3A3B3B58  Unknown               Unknown  Unknown"
            )
            .text
        ),
        truth=dead("DW609", place=HERE),
        sound=lambda: base.crlf(whole().text),
        health=finished(place=(3, 100)),
    ),
    *pair(
        D,
        "Hugging Face: finished, then the upload is refused",
        sick=lambda: foreign.transformers(200, 200) + AFTER_FIT + "\n",
        truth=finished(),
        sound=lambda: foreign.transformers(200, 200),
        health=finished(),
    ),
    *pair(
        D,
        "YOLOv5: its last epoch is not there",
        sick=lambda: platforms.yolov5(30, 17, over=False),
        truth=open_end(place=(16, 90)),
        sound=lambda: platforms.yolov5(30, 30, over=True),
        health=finished(),
    ),
    *pair(
        D,
        "Lightning: interrupted gracefully",
        sick=lambda: (
            foreign.lightning(3, 20, 50, over=False)
            + "\nDetected KeyboardInterrupt, attempting graceful shutdown ...\n"
        ),
        truth=dead("DW609"),
        sound=lambda: foreign.lightning(3, 50, 50, over=True),
        health=finished(),
    ),
    *pair(
        D,
        "detectron2: ends at iteration 399 of 600",
        sick=lambda: platforms.detectron2(400, 600, over=False, loss=falling),
        truth=open_end(place=(None, 399)),
        sound=lambda: platforms.detectron2(600, 600, over=True, loss=falling),
        health=finished(place=(None, 599)),
    ),
    *pair(
        D,
        "Lightning: three folds, the last one is cut short",
        sick=lambda: folds(False),
        truth=open_end(unpassed=("alive",)),
        sound=lambda: folds(True),
        health=finished(),
    ),
    *pair(
        B,
        "mmcv under torchrun: all ranks got SIGTERM from the scheduler",
        sick=lambda: (
            Mmcv().begin().whole(1, 1).epoch(2, upto=50).raw(elastic(0, -15, "SIGTERM")).text
        ),
        truth=dead("DW609", place=HERE, facts=("SIGTERM|-15",)),
        sound=lambda: Mmcv().begin().whole(1, 1).epoch(2, upto=50).text,
        health=open_end(place=HERE),
    ),
    *pair(
        B,
        "Colab: an error in a cell, not an interrupt",
        sick=lambda: (
            begun()
            .raw(
                platforms.ipython(
                    "FileNotFoundError: [Errno 2] No such file or directory: '/content/drive/MyDrive/kaist/set03/I00012.jpg'",
                    READ,
                )
            )
            .text
        ),
        truth=dead("DW603", "DW306", place=HERE, facts=(".*I00012\\.jpg",)),
        sound=lambda: whole().raw("In [8]: runner.val()").text,
        health=finished(place=(3, 100)),
    ),
)
