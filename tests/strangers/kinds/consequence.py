"""Kind C: what is printed last is a consequence, or is no fault of the script."""

from __future__ import annotations

from tests.strangers.case import Case, Kind, dead, finished, open_end, pair
from tests.strangers.consoles.errors import (
    BACKWARD,
    FETCH,
    LOOP,
    MAIN,
    PACKAGES,
    Frame,
    elastic,
    traceback,
)
from tests.strangers.consoles.mmcv import Mmcv
from tests.strangers.consoles.mmengine import HOOKS, Mmengine

C = Kind.CONSEQUENCE
HERE = (1, 100)
LOADS = "Loads checkpoint by local backend from path: /home/lin/.cache/resnet50.pth"
NOWHERE = (None, None)


def begun(upto: int = 1) -> Mmengine:
    return Mmengine().begin().whole(1, upto)


def after(*words: str) -> str:
    console = begun()
    for one in words:
        console.raw(one)
    return console.text


def before_the_first_line(*words: str) -> str:
    console = Mmengine().begin()
    for one in words:
        console.raw(one)
    return console.text


def at_once(*words: str) -> str:
    """It died before it logged anything."""
    return "\n".join(words) + "\n"


def whole(*words: str) -> str:
    console = Mmengine().begin().whole(1, 2)
    for one in words:
        console.raw(one)
    return console.whole(3).text


LOAD: tuple[Frame, ...] = (
    *MAIN,
    (
        f"{PACKAGES}/mmengine/runner/checkpoint.py",
        334,
        "load_from_local",
        "checkpoint = torch.load(filename, map_location=map_location)",
    ),
    (
        f"{PACKAGES}/torch/serialization.py",
        1040,
        "load",
        "return _legacy_load(opened_file, map_location, pickle_module, **pickle_load_args)",
    ),
)
WORKERS: tuple[Frame, ...] = (
    *FETCH,
    (
        "C:\\Python310\\lib\\multiprocessing\\popen_spawn_win32.py",
        93,
        "__init__",
        "reduction.dump(process_obj, to_child)",
    ),
    (
        "C:\\Python310\\lib\\multiprocessing\\reduction.py",
        60,
        "dump",
        "ForkingPickler(file, protocol).dump(obj)",
    ),
)
CHILD: tuple[Frame, ...] = (
    ("<string>", 1, "<module>", ""),
    (
        "C:\\Python310\\lib\\multiprocessing\\spawn.py",
        116,
        "spawn_main",
        "exitcode = _main(fd, parent_sentinel)",
    ),
    (
        "C:\\Python310\\lib\\multiprocessing\\spawn.py",
        126,
        "_main",
        "self = reduction.pickle.load(from_parent)",
    ),
)
LABELS = "\n".join(
    f"/opt/conda/conda-bld/pytorch_1702400410390/work/aten/src/ATen/native/cuda/Loss.cu:250: nll_loss_forward_reduce_cuda_kernel_2d: block: [0,0,0], thread: [{n},0,0] Assertion `t >= 0 && t < n_classes` failed."
    for n in (4, 9, 17)
)
ASSERT = "RuntimeError: CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1.\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions."
TIMEOUT = "[rank0]:[E304 10:41:26.551756518 ProcessGroupNCCL.cpp:607] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=311, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=1800000) ran for 1800022 milliseconds before timing out."


def nan_then(error: str) -> str:
    console = begun()
    console.line(2, 50, loss=0.9, grad_norm=71.2)
    console.line(2, 100, loss="nan", grad_norm="nan").save(2)
    return console.raw(traceback(error, LOOP)).text


CASES: tuple[Case, ...] = (
    *pair(
        C,
        "Ctrl-C under torchrun",
        sick=lambda: after(
            "^C[2024-03-04 10:05:11,871] torch.distributed.elastic.agent.server.api: [WARNING] Received 2 death signal, shutting down workers",
            traceback("KeyboardInterrupt", BACKWARD),
            traceback(
                "torch.distributed.elastic.multiprocessing.api.SignalException: Process 48001 got signal: 2",
                (("/opt/conda/bin/torchrun", 8, "<module>", "sys.exit(main())"),),
            ),
        ),
        truth=dead("DW609", place=HERE, never=("DW606",)),
        sound=lambda: whole("KeyboardInterrupt is handled by hooks/stop_hook.py"),
        health=finished(place=(3, 100)),
    ),
    *pair(
        C,
        "Ctrl-C while a worker waits, four tracebacks",
        sick=lambda: after(
            traceback(
                "KeyboardInterrupt",
                (
                    (
                        "/usr/lib/python3.10/multiprocessing/process.py",
                        314,
                        "_bootstrap",
                        "self.run()",
                    ),
                ),
            ).replace("Traceback", "Process DataLoader-1:\nTraceback"),
            "^CTraceback (most recent call last):"
            + traceback("KeyboardInterrupt", FETCH)[len("Traceback (most recent call last):") :],
        ),
        truth=dead("DW609", place=HERE, never=("DW606", "DW306", "DW301")),
        sound=lambda: begun().text,
        health=open_end(place=HERE),
    ),
    *pair(
        C,
        "a lambda in the dataset, then the child's EOFError (Windows)",
        sick=lambda: before_the_first_line(
            traceback(
                "AttributeError: Can't pickle local object 'build_dataset.<locals>.<lambda>'",
                WORKERS,
            ),
            traceback("EOFError: Ran out of input", CHILD),
        ),
        truth=dead("DW304", place=NOWHERE, facts=("lambda|pickle",)),
        sound=lambda: Mmengine().begin().whole().text,
        health=finished(place=(3, 100)),
    ),
    *pair(
        C,
        "one rank's index error, then everybody's time-out",
        sick=lambda: after(
            "[rank1]: "
            + traceback(
                "IndexError: index 17 is out of bounds for dimension 0 with size 17",
                (*LOOP, ("/w/det/heads/my_head.py", 88, "loss_by_feat", "picked = scores[last]")),
            ).replace("\n", "\n[rank1]: "),
            TIMEOUT,
            elastic(
                1, 1, "To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html"
            ),
        ),
        truth=dead("DW606", place=HERE, facts=("17",)),
        sound=lambda: begun().whole(2).text,
        health=finished(place=(3, 100)),
    ),
    *pair(
        C,
        "a label beyond the classes, on the GPU",
        sick=lambda: after(LABELS, traceback(ASSERT, BACKWARD)),
        truth=dead("DW308", place=HERE),
        sound=lambda: whole("warning: 3 boxes with area 0 were skipped"),
        health=finished(place=(3, 100)),
    ),
    *pair(
        C,
        "a label beyond the classes, on the CPU",
        sick=lambda: after(
            traceback(
                "IndexError: Target 21 is out of bounds.",
                (
                    *LOOP,
                    (
                        f"{PACKAGES}/torch/nn/functional.py",
                        3059,
                        "cross_entropy",
                        "return torch._C._nn.cross_entropy_loss(input, target, weight)",
                    ),
                ),
            )
        ),
        truth=dead("DW308", place=HERE, facts=("21",)),
        sound=lambda: begun().text,
        health=open_end(place=HERE),
    ),
    *pair(
        C,
        "diverged, then the assignment refuses NaN",
        sick=lambda: nan_then("ValueError: matrix contains invalid numeric entries"),
        truth=dead("DW203", place=(2, 100)),
        sound=lambda: begun().text,
        health=open_end(place=HERE),
    ),
    *pair(
        C,
        "out of memory, and another process holds most of it",
        sick=lambda: after(
            traceback(
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 96.00 MiB. GPU 0 has a total capacity of 23.68 GiB of which 14.00 MiB is free. Process 30112 has 19.31 GiB memory in use. Including non-PyTorch memory, this process has 4.33 GiB memory in use. Of the allocated memory 3.71 GiB is allocated by PyTorch, and 182.00 MiB is reserved by PyTorch but unallocated.",
                BACKWARD,
            )
        ),
        truth=dead("DW402", "DW401", place=HERE, also=("DW402",), facts=("19\\.31|30112",)),
        sound=lambda: begun().text,
        health=open_end(place=HERE),
    ),
    *pair(
        C,
        "weights are half downloaded",
        sick=lambda: (
            Mmengine()
            .banner()
            .config(epochs=3)
            .say(HOOKS)
            .raw(LOADS)
            .raw(
                traceback(
                    "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory",
                    LOAD,
                )
            )
            .text
        ),
        truth=dead("DW605", place=NOWHERE),
        sound=lambda: (
            Mmengine()
            .banner()
            .config(epochs=3)
            .say(HOOKS)
            .raw(LOADS)
            .say("Checkpoints will be saved to /exp/run.")
            .whole()
            .text
        ),
        health=finished(place=(3, 100)),
    ),
    *pair(
        C,
        "no kernel image for this GPU",
        sick=lambda: before_the_first_line(
            "/opt/conda/lib/python3.10/site-packages/torch/cuda/__init__.py:215: UserWarning: \nNVIDIA GeForce RTX 5080 with CUDA capability sm_120 is not compatible with the current PyTorch installation.",
            traceback(
                "RuntimeError: CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might be asynchronously reported at some other API call.",
                LOOP,
            ),
        ),
        truth=dead("DW405", place=NOWHERE, never=("DW101",)),
        sound=lambda: Mmengine().begin().whole().text,
        health=finished(place=(3, 100)),
    ),
    *pair(
        C,
        "CUDA in a forked worker",
        sick=lambda: before_the_first_line(
            traceback(
                "RuntimeError: Caught RuntimeError in DataLoader worker process 0.\nOriginal "
                + traceback(
                    "RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use the 'spawn' start method",
                    (("/w/det/data/aug.py", 30, "__call__", "x = x.cuda()"),),
                ),
                FETCH,
            )
        ),
        truth=dead("DW309", place=NOWHERE),
        sound=lambda: Mmengine().begin().whole().text,
        health=finished(place=(3, 100)),
    ),
    *pair(
        C,
        "a registered class that is not imported",
        sick=lambda: (
            Mmengine()
            .banner()
            .config(epochs=3)
            .raw(
                traceback(
                    "KeyError: 'ThermalFusionNeck is not in the mmdet::model registry. Please check whether the value of `ThermalFusionNeck` is correct or it was registered as expected. More details can be found at https://mmengine.readthedocs.io/en/latest/advanced_tutorials/config.html#import-the-custom-module'",
                    MAIN,
                )
            )
            .text
        ),
        truth=dead("DW607", place=NOWHERE, facts=("ThermalFusionNeck",), never=("DW101",)),
        sound=lambda: Mmengine().begin().whole().text,
        health=finished(place=(3, 100)),
    ),
    *pair(
        C,
        "a module that is not installed, before any log line",
        sick=lambda: at_once(
            traceback(
                "ModuleNotFoundError: No module named 'timm'",
                (
                    ("tools/train.py", 9, "<module>", "from det import heads"),
                    ("/w/det/heads/__init__.py", 3, "<module>", "import timm"),
                ),
            )
        ),
        truth=dead("DW607", place=NOWHERE, facts=("timm",)),
        sound=lambda: (
            "/opt/conda/lib/python3.10/site-packages/timm/models/layers/__init__.py:48: FutureWarning: Importing from timm.models.layers is deprecated\n"
            + Mmengine().begin().whole().text
        ),
        health=finished(place=(3, 100)),
    ),
    *pair(
        C,
        "the port of the start is taken",
        sick=lambda: at_once(
            "W0304 09:59:58.002000 3341 torch/distributed/run.py:793] *****************************************",
            traceback(
                "torch.distributed.DistNetworkError: The server socket has failed to listen on any local network address. port: 29511, useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use",
                (("/opt/conda/bin/torchrun", 8, "<module>", "sys.exit(main())"),),
            ),
        ),
        truth=dead("DW608", place=NOWHERE, facts=("29511",)),
        sound=lambda: (
            "W0304 09:59:58.002000 3341 torch/distributed/run.py:793] *****************************************\n"
            + Mmengine().begin().whole().text
        ),
        health=finished(place=(3, 100)),
    ),
    *pair(
        C,
        "quota exceeded while saving",
        sick=lambda: (
            Mmcv()
            .begin()
            .whole(1, 1)
            .epoch(2)
            .save(2)
            .raw(
                traceback(
                    "OSError: [Errno 122] Disk quota exceeded",
                    (
                        *MAIN,
                        (
                            f"{PACKAGES}/torch/serialization.py",
                            379,
                            "save",
                            "_legacy_save(obj, opened_file, pickle_module, pickle_protocol)",
                        ),
                    ),
                )
            )
            .text
        ),
        truth=dead("DW502", place=(2, 100), facts=("quota",), phases=("saving-checkpoint",)),
        sound=lambda: Mmcv().begin().whole().text,
        health=finished(place=(3, 100)),
    ),
    *pair(
        C,
        "a worker got SIGTERM",
        sick=lambda: after(
            traceback(
                "RuntimeError: DataLoader worker (pid 73110) is killed by signal: Terminated. ",
                FETCH,
            )
        ),
        truth=dead("DW301", "DW609", place=HERE, untrue=("num_workers",)),
        sound=lambda: begun().text,
        health=open_end(place=HERE),
    ),
    *pair(
        C,
        "an exception that was caught and printed; the training goes on",
        sick=lambda: (
            whole(
                traceback(
                    "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.wandb.ai', port=443): Max retries exceeded",
                    (("/w/det/hooks/board.py", 14, "push", "requests.post(url)"),),
                ),
                traceback(
                    "ValueError: bad box",
                    (("/w/det/heads/my_head.py", 88, "loss", "check(boxes)"),),
                ),
            ).rsplit("\n", 4)[0]
            + "\n"
            + traceback(
                "RuntimeError: Given groups=1, weight of size [64, 3, 7, 7], expected input[2, 4, 512, 640] to have 3 channels, but got 4 channels instead",
                LOOP,
            )
            + "\n"
        ),
        truth=dead("DW606", place=(3, 100), facts=("4 channels",)),
        sound=lambda: whole(
            traceback(
                "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.wandb.ai', port=443): Max retries exceeded",
                (("/w/det/hooks/board.py", 14, "push", "requests.post(url)"),),
            )
        ),
        health=finished(place=(3, 100)),
    ),
)
