"""DW3xx: loader workers that fail, and what they leave behind."""

from __future__ import annotations

from dualwatch.events import Circumstance, Severity
from dualwatch.rules.catalog.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW301",
        name="worker-killed",
        severity=Severity.CRITICAL,
        means="A loader worker was ended by a signal, in most cases by the kernel's out-of-memory "
        "killer.",
        matters="Every worker needs its own memory, so the next epoch would end the same way.",
        remedy="Use fewer workers (num_workers) or smaller images and batches. dmesg shows whether "
        "the kernel killed it. dualwatch train reruns with half the workers, then with none.",
        remedies={
            Circumstance.TERMINATED_WORKER: "Another process ended the worker with a signal "
            "that the "
            "kernel's out-of-memory killer does not send: a kill, a scheduler, or another program "
            "that cleans up. It is not for want of memory; start the training again.",
        },
        example="DW301 worker-killed (certain)\n"
        "  RuntimeError: DataLoader worker (pid 4711) is killed by signal: Killed.\n"
        "  the training ended with exit code 1\n"
        "  the kernel log names no process of this training",
        explains=("DW606", "DW102"),
    ),
    Code(
        code="DW302",
        name="shared-memory-exhausted",
        severity=Severity.CRITICAL,
        means="Loader workers could not get shared memory: /dev/shm is full or too small.",
        matters="Every batch of a worker passes through shared memory, several at a time.",
        remedy="Enlarge it (docker run --shm-size=8g), use fewer workers, or set num_workers=0. "
        "dualwatch train reruns with half the workers, then with none.",
        example="DW302 shared-memory-exhausted (certain)\n"
        "  RuntimeError: DataLoader worker (pid 4711) is killed by signal: Bus error.\n"
        "  the training ended with exit code 1\n"
        "  /dev/shm: 64 MiB in total, 0 KiB free",
        explains=("DW301", "DW305", "DW606"),
    ),
    Code(
        code="DW303",
        name="too-many-open-files",
        severity=Severity.CRITICAL,
        means="A process ran out of file descriptors.",
        matters="Every batch in flight holds some, and every worker more.",
        remedy="Raise the limit: ulimit -n 65536. Or share batches by files: "
        "torch.multiprocessing.set_sharing_strategy('file_system'). dualwatch train reruns once "
        "without workers.",
        example="DW303 too-many-open-files (certain)\n"
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
        "pickled, a Windows paging file that is too small, or a limit of processes.",
        matters="Under spawn, as on Windows, every worker imports the script and unpickles the "
        "dataset.",
        remedy="Start the training under if __name__ == '__main__', use module-level classes, "
        "enlarge the paging file, or set num_workers=0. dualwatch train reruns once without "
        "workers.",
        remedies={
            Circumstance.NO_MAIN_GUARD: "Start the training under if __name__ == '__main__':, or "
            "set num_workers=0. dualwatch train reruns once without workers.",
            Circumstance.UNPICKLABLE: "The dataset holds something that cannot be pickled (an open "
            "file, a lock, a lambda, a local class) or is too large for it: create it in the "
            "worker, "
            "use module-level classes, or set num_workers=0. dualwatch train reruns once without "
            "workers.",
            Circumstance.PAGING_FILE: "Enlarge the paging file of Windows, or use fewer workers. "
            "dualwatch train reruns once without workers.",
            Circumstance.PROCESS_LIMIT: "The limit of processes and threads is reached: raise it "
            "(ulimit -u, docker run --pids-limit=-1, pids.max of the cgroup), set "
            "OMP_NUM_THREADS=1, or use fewer workers. dualwatch train reruns once without workers.",
        },
        example="DW304 worker-start-failed (certain)\n"
        "  TypeError: cannot pickle '_thread.lock' object (reduction.py:60 in dump)\n"
        "  the training ended with exit code 1",
        explains=("DW305", "DW606"),
    ),
    Code(
        code="DW305",
        name="worker-crashed",
        severity=Severity.CRITICAL,
        means="A loader worker crashed: a segmentation fault, or an exit without an error message.",
        matters="The error itself is lost with the worker.",
        remedy="Run with num_workers=0, which shows the error. dualwatch train reruns once that "
        "way.",
        example="DW305 worker-crashed (certain)\n"
        "  RuntimeError: DataLoader worker (pid 4711) is killed by signal: Segmentation\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
    Code(
        code="DW306",
        name="dataset-error",
        severity=Severity.CRITICAL,
        means="The dataset or a transform raised an exception; the innermost one is quoted.",
        matters="The fault is in the data or in the pipeline, so a rerun would meet it again.",
        remedy="Correct the quoted line, or the sample that it fails on.",
        example="DW306 dataset-error (certain)\n"
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
        means="The pipeline returned None for one sample after another until the dataset gave up.",
        matters="The images are missing, or a filter drops all of them.",
        remedy="Check the paths in the configuration and the filters of the pipeline.",
        example="DW307 no-valid-sample (certain)\n"
        "  Exception: Cannot find valid image after 1000! Please check your image path\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
    Code(
        code="DW308",
        name="label-out-of-range",
        severity=Severity.CRITICAL,
        means="A label is a class index that the model has no output for.",
        matters="The head and the annotations disagree on the number of classes. On a GPU the "
        "error comes late, at a line that has nothing to do with it.",
        remedy="Compare the number of classes of every head with the classes of the dataset, and "
        "look for labels that start at 1 or are -1 (255 marks pixels that are ignored). "
        "CUDA_LAUNCH_BLOCKING=1 shows the line.",
        example="DW308 label-out-of-range (certain)\n"
        "  Loss.cu:250: nll_loss_forward: block: [0,0,0], thread: [0,0,0] Assertion "
        "`t >= 0 && t < n_classes` failed.\n"
        "  RuntimeError: CUDA error: device-side assert triggered\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
    Code(
        code="DW309",
        name="cuda-in-forked-worker",
        severity=Severity.CRITICAL,
        means="A forked process used CUDA, which its parent had initialised.",
        matters="CUDA does not survive a fork: the dataset or a transform moves data to the GPU.",
        remedy="Keep CUDA out of the dataset and its transforms (move batches to the GPU in the "
        "main process), start workers with spawn, or set num_workers=0.",
        example="DW309 cuda-in-forked-worker (certain)\n"
        "  RuntimeError: Cannot re-initialize CUDA in forked subprocess\n"
        "  the training ended with exit code 1",
        explains=("DW305", "DW306", "DW606"),
    ),
    Code(
        code="DW311",
        name="orphaned-workers",
        severity=Severity.WARNING,
        means="Processes of an earlier training are still alive although their main process is "
        "gone.",
        matters="They hold memory, shared memory and files, which a new training may need.",
        remedy="End the processes that the evidence names. dualwatch ends those of its own runs.",
        example="DW311 orphaned-workers (certain)\n"
        "  2 processes of an earlier training are still alive: pid 4711 4712\n"
        "  worker 4711, since 2026-05-02 22:14:07, holds 2.1 GiB of memory: python train.py\n"
        "  worker 4712, since 2026-05-02 22:14:07, holds 2.0 GiB of memory: python train.py",
    ),
)
