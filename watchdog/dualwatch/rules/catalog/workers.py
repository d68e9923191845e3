"""DW3xx: loader workers that fail, and what they leave behind."""

from __future__ import annotations

from dualwatch.events import Severity
from dualwatch.rules.catalog.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW301",
        name="worker-killed",
        severity=Severity.CRITICAL,
        means="A loader worker was ended by a signal; mostly the kernel's out-of-memory killer.",
        matters="The next epoch would end the same way: every worker needs its own memory.",
        cure="Fewer workers (num_workers), smaller images or batches; dmesg says whether the "
        "kernel did it. dualwatch reruns with half the workers, then with none.",
        example="DW301 worker-killed (almost certain)\n"
        "  RuntimeError: DataLoader worker (pid 4711) is killed by signal: Killed.\n"
        "  the training ended with exit code 1\n"
        "  the kernel's log names no process of this training",
        explains=("DW606", "DW102"),
    ),
    Code(
        code="DW302",
        name="shared-memory-exhausted",
        severity=Severity.CRITICAL,
        means="Loader workers could not get shared memory: /dev/shm is full or too small.",
        matters="Batches go through shared memory, several for each worker.",
        cure="Enlarge it (docker run --shm-size=8g), use fewer workers, or num_workers=0. "
        "dualwatch reruns with half the workers, then with none.",
        example="DW302 shared-memory-exhausted (almost certain)\n"
        "  RuntimeError: DataLoader worker (pid 4711) is killed by signal: Bus error.\n"
        "  the training ended with exit code 1\n"
        "  /dev/shm: 64 MiB in all, 0 KiB free when looked at",
        explains=("DW301", "DW305", "DW606"),
    ),
    Code(
        code="DW303",
        name="too-many-open-files",
        severity=Severity.CRITICAL,
        means="The process ran out of file descriptors.",
        matters="Each batch in flight holds some, and each worker more.",
        cure="Raise the limit: ulimit -n 65536. Or share by files: "
        "torch.multiprocessing.set_sharing_strategy('file_system'). dualwatch reruns once "
        "without workers.",
        example="DW303 too-many-open-files (almost certain)\n"
        "  OSError: [Errno 24] Too many open files: '/data/visible/1216.jpg'\n"
        "  the training ended with exit code 1\n"
        "  limit: 1024 open files\n"
        "  open files, most first: main 4700: 1020, worker 4711: 312",
        explains=("DW305", "DW306", "DW606"),
    ),
    Code(
        code="DW304",
        name="worker-start-failed",
        severity=Severity.CRITICAL,
        means="Loader workers could not be started: no main guard, a dataset that cannot be "
        "pickled, or a Windows paging file that is too small.",
        matters="Under spawn, as on Windows, every worker imports the script and unpickles the "
        "dataset.",
        cure="Put the start under if __name__ == '__main__', use module-level classes, enlarge "
        "the paging file, or num_workers=0 (dualwatch reruns once so).",
        example="DW304 worker-start-failed (almost certain)\n"
        "  TypeError: cannot pickle '_thread.lock' object (reduction.py:60 in dump)\n"
        "  the training ended with exit code 1",
        explains=("DW305", "DW606"),
    ),
    Code(
        code="DW305",
        name="worker-crashed",
        severity=Severity.CRITICAL,
        means="A loader worker crashed: a segmentation fault, or an exit without an error.",
        matters="The error itself is lost with the worker.",
        cure="Run it with num_workers=0: then the real error is shown (dualwatch reruns once so).",
        example="DW305 worker-crashed (almost certain)\n"
        "  RuntimeError: DataLoader worker (pid 4711) is killed by signal: Segmentation\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
    Code(
        code="DW306",
        name="dataset-error",
        severity=Severity.CRITICAL,
        means="The dataset or a transform raised an error; the innermost one is quoted.",
        matters="It is in the data or in the pipeline, so a rerun would meet it again.",
        cure="Look at the sample and at the quoted line.",
        example="DW306 dataset-error (almost certain)\n"
        "  ValueError: operands could not be broadcast (transforms.py:88 in transform)\n"
        "  the training ended with exit code 1\n"
        '  File "transforms.py", line 88, in transform\n'
        "    image = image - mean",
        explains=("DW606",),
    ),
    Code(
        code="DW307",
        name="no-valid-sample",
        severity=Severity.CRITICAL,
        means="The pipeline returned None for sample after sample, until mmengine gave up.",
        matters="The images are missing, or a filter drops everything.",
        cure="Check the paths in the configuration and the filters of the pipeline.",
        example="DW307 no-valid-sample (almost certain)\n"
        "  Exception: Cannot find valid image after 1000! Please check your image path\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
    Code(
        code="DW311",
        name="orphaned-workers",
        severity=Severity.WARNING,
        means="Processes of an earlier training are still alive although their main process "
        "is gone.",
        matters="They hold memory, shared memory and files, and a new training may fail for "
        "want of them.",
        cure="End them by their pids, which the evidence names; dualwatch ends those of its "
        "own runs.",
        example="DW311 orphaned-workers (almost certain)\n"
        "  2 processes of an earlier training still alive: pid 4711 4712\n"
        "  worker 4711, since 2026-05-02 22:14:07, holds 2.1 GiB of memory: python train.py\n"
        "  worker 4712, since 2026-05-02 22:14:07, holds 2.0 GiB of memory: python train.py",
    ),
)
