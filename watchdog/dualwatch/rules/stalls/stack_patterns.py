"""What the frames of a stack mean: torch, multiprocessing, and the installed frameworks. Pure.

Frames are innermost first. A forked worker has the frames of its parent below its own, so a
worker's stack is always cut at its loop first.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from dualwatch import frameworks
from dualwatch.events import Frame, StacksCaptured, ThreadStack
from dualwatch.protocol import Phase
from dualwatch.rules.stalls import waits

Outline = tuple[tuple[str, str], ...]
"""(file, function) of each frame, innermost first."""

# Functions of torch's loader: the main process asks for a batch, a worker makes one.
_MAIN_WAITS = frozenset(("_try_get_data", "_get_data"))
_FETCH = "fetch"
_WORKER_LOOP = "_worker_loop"
_SAMPLER = frozenset(("_next_index", "_try_put_index"))
_LOADER_ITSELF = "torch/utils/data/_utils/"

_LOADER = frozenset(("_next_data", "_next_index", "_get_iterator", "_reset", *_MAIN_WAITS))

_PARTS = {
    **dict.fromkeys(("backward", "_engine_run_backward"), "backward"),
    **dict.fromkeys(("update_params", "optimizer_step", "clip_grad"), "the optimizer"),
    **dict.fromkeys(("forward", "_call_impl", "loss", "predict", "extract_feat"), "forward"),
    "data_preprocessor": "the data preprocessor",
}

_LIBRARIES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"(?:^|-packages/)(?:cv2|albumentations)/", "OpenCV"),
        (r"(?:^|-packages/)(?:torch(?!/utils/data/)|torchvision)/", "PyTorch"),
        (r"(?:^|-packages/)(?:numpy|scipy)/", "NumPy"),
        (r"(?:^|-packages/)h5py/", "HDF5"),
        (r"(?:^|-packages/)lmdb/", "LMDB"),
    )
)

_COLLECTIVES = frozenset(
    (
        *("all_reduce", "all_reduce_dict", "all_reduce_params", "all_gather", "all_gather_object"),
        *("all_gather_into_tensor", "all_to_all", "all_to_all_single", "barrier", "broadcast"),
        *("broadcast_object_list", "gather", "gather_object", "monitored_barrier", "reduce"),
        *("reduce_scatter", "reduce_scatter_tensor", "scatter", "scatter_object_list"),
        *("collect_results", "collect_results_cpu", "collect_results_gpu", "sync_random_seed"),
        *("_sync_buffers", "_sync_module_states", "_sync_params_and_buffers", "_verify_param"),
    )
)
_COLLECTIVE_FILES = ("torch/distributed/", "torch/nn/parallel/distributed.py")


class _Patterns(NamedTuple):
    """What functions and files mean, in torch and in the installed frameworks."""

    phases: Mapping[str, str]
    libraries: tuple[tuple[re.Pattern[str], str], ...]
    collective_files: tuple[str, ...]


@functools.cache
def _patterns() -> _Patterns:
    phases: dict[str, str] = {"backward": Phase.STEP}
    libraries, files = list(_LIBRARIES), list(_COLLECTIVE_FILES)
    for framework in frameworks.installed():
        phases |= framework.phases
        libraries += framework.libraries
        files += framework.collective_files
    return _Patterns(phases, tuple(libraries), tuple(files))


class Collective(NamedTuple):
    """A collective operation of several ranks, and who called it."""

    operation: str
    caller: tuple[Frame, ...]


def place(frames: Sequence[Frame]) -> str:
    """Frames in words: ``acquire (locks.py:7) < read (files.py:20)``."""
    return " < ".join(f"{f.function} ({f.slashed.rsplit('/', 1)[-1]}:{f.line})" for f in frames)


def main_thread(capture: StacksCaptured, pid: int) -> tuple[Frame, ...]:
    """Frames of the main thread of a process in a capture; () if it was not seen."""
    return main_thread_of([stack for stack in capture.stacks if stack.pid == pid])


def main_thread_of(threads: Sequence[ThreadStack]) -> tuple[Frame, ...]:
    """The same of the threads of one process."""
    named = [stack for stack in threads if "MainThread" in stack.thread] or threads[:1]
    return named[0].frames if named else ()


def outline_of(capture: StacksCaptured, pid: int) -> Outline:
    """The stack of a process in a capture, without line numbers; () if it was not seen.

    Without them, because a loop that spins inside one function is still the same place.
    """
    return tuple((frame.file, frame.function) for frame in main_thread(capture, pid))


def are_one(outlines: Iterable[Outline]) -> bool:
    """Whether readings of one process may all show the same stack.

    One of a process that was not held meanwhile may lack outer frames. A real stack never begins
    with another one of the same thread: both end in the function that the thread was started with.
    """
    known = sorted(outlines, key=len)
    return all(outer[: len(inner)] == inner for inner, outer in itertools.pairwise(known))


# --- the loader --------------------------------------------------------------------------------


def is_worker(stack: ThreadStack) -> bool:
    """Whether a stack is a loader worker's."""
    return _holds(stack.frames, _WORKER_LOOP)


def fetches(frames: Sequence[Frame]) -> bool:
    """Whether a sample is being loaded here, rather than waited for."""
    return _holds(own(frames), _FETCH)


def beside_dataset(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """What a worker does in its loop other than loading and waiting for work; () for nothing.

    A finalizer, which may run at any allocation, or what is to be done at the worker's start.
    """
    inner = own(frames)[:-1]
    if fetches(frames) or not _holds(frames, _WORKER_LOOP):
        return ()
    # While a worker waits for its next index, nothing else is done but what interrupts that.
    return finalizer(inner) if inner and inner[-1].bare == "get" else inner


def finalizer(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """The frames of a finalizer, innermost first, its own function last; () where there is none."""
    for index, frame in enumerate(frames):
        if frame.bare == "__del__":
            return tuple(frames[: index + 1])
        if frame.bare == "__call__" and frame.slashed.endswith("weakref.py"):
            return tuple(frames[:index])
    return ()


def own(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """The frames of a worker without those that it has of its parent since the fork."""
    kept = []
    for frame in frames:
        kept.append(frame)
        if frame.bare == _WORKER_LOOP:
            break
    return tuple(kept)


def waits_for_work(frames: Sequence[Frame]) -> bool:
    """Whether a worker's loop waits for the indices of its next batch."""
    own_frames = own(frames)
    return (
        len(own_frames) > 1 and own_frames[-1].bare == _WORKER_LOOP and own_frames[-2].bare == "get"
    )


def waits_for_batch(main: Sequence[Frame]) -> bool:
    """Whether the main process waits for its loader workers."""
    return any(frame.bare in _MAIN_WAITS for frame in main)


def asks_sampler(main: Sequence[Frame]) -> bool:
    """Whether the main process asks the sampler for the next indices."""
    return any(frame.bare in _SAMPLER for frame in main)


def dataset_frames(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """The frames inside the dataset, innermost first; () where none is."""
    inner: list[Frame] = []
    for frame in frames:
        if frame.bare == _FETCH:
            return tuple(inner)
        if _LOADER_ITSELF not in frame.slashed:
            inner.append(frame)
    return ()


def dataset_place(frames: Sequence[Frame]) -> str:
    """The innermost frames of the dataset in words."""
    return place(dataset_frames(frames)[:2] or frames[:1])


def is_forked(frames: Sequence[Frame]) -> bool:
    """Whether a worker was forked: the stack of its parent is below its own."""
    return any(
        frame.slashed.endswith("multiprocessing/popen_fork.py") for frame in frames
    ) and not any("spawn_main" in frame.function for frame in frames)


def library(frames: Sequence[Frame]) -> str:
    """The native library whose call the innermost frame is, "" where it is not known."""
    inner = dataset_frames(frames)
    if not inner or waits.calls_a_lock(inner):
        return ""
    file = inner[0].slashed
    return next((name for pattern, name in _patterns().libraries if pattern.search(file)), "")


# --- the phase of a training -------------------------------------------------------------------


def phase_of(main: Sequence[Frame]) -> str | None:
    """The phase that a main process's stack shows, None where it shows none."""
    for index, frame in enumerate(main):
        if frame.bare in _LOADER and "torch/utils/data/" in frame.slashed:
            return _loop(main[index:])
        if frame.bare in _MAIN_WAITS:
            return _loop(main[index:])
        if frame.bare == "evaluate" and "evaluat" in frame.slashed:
            return Phase.METRICS
        if frame.bare in _patterns().phases:
            return _patterns().phases[frame.bare]
    return None


def _loop(outer: Sequence[Frame]) -> str:
    """Whose batch is waited for: that of the innermost loop around it."""
    loops = [f for f in outer if f.slashed.endswith("runner/loops.py")]
    if not loops or loops[0].bare == "run_epoch":
        return Phase.WAITING
    kind = loops[0].function.split(".")[0]
    if kind in ("ValLoop", "TestLoop"):
        return Phase.VAL_WAITING
    # Older readers give no class: a validation is run by the loop of the training or by itself.
    nested = len(loops) > 1 or any(f.bare in ("val", "test") for f in outer)
    return Phase.VAL_WAITING if kind == "run" and nested else Phase.WAITING


def builds_data(main: Sequence[Frame]) -> bool:
    """Whether the dataset is being built."""
    return any(_patterns().phases.get(frame.bare) == Phase.BUILDING_DATA for frame in main)


def part_of_step(main: Sequence[Frame]) -> str:
    """Which part of its own work a main process is in, in words; "" where that is not known."""
    if asks_sampler(main):
        return "the sampler"
    for frame in main:
        if frame.bare == "step" and "/optim" in frame.slashed:
            return "the optimizer"
        if frame.bare in _PARTS:
            return _PARTS[frame.bare]
    return ""


# --- the start of workers ----------------------------------------------------------------------


def starts_a_worker(main: Sequence[Frame]) -> bool:
    """Whether a process is being spawned: its state is pickled into a pipe."""
    parts = ("multiprocessing/popen_spawn", "multiprocessing/popen_forkserver")
    return any(_in_any(frame, parts) for frame in main)


def is_starting(frames: Sequence[Frame]) -> bool:
    """Whether a spawned process still imports modules and unpickles its work."""
    spawned = any(f.slashed.endswith("multiprocessing/spawn.py") for f in frames)
    return spawned and not any(
        frame.bare in (_WORKER_LOOP, "_bootstrap", "_wrap") for frame in frames
    )


# --- pools of processes ------------------------------------------------------------------------

_POOL_FILE = "multiprocessing/pool.py"
_POOL_WAITS = frozenset(
    ("map", "starmap", "apply", "_map_async", "get", "wait", "next", "imap", "join")
)


def caller(main: Sequence[Frame], files: Sequence[str]) -> str:
    """Who called into some files of a library, in words."""
    inside = [index for index, frame in enumerate(main) if _in_any(frame, files)]
    outer = [f for f in main[inside[-1] + 1 :] if "dualwatch/agent/" not in f.slashed]
    return place(outer[:2]) or "?"


def caller_of_pool(main: Sequence[Frame]) -> str | None:
    """Who waits for a pool of processes, in words; None where the pool is not waited for."""
    inside = [i for i, frame in enumerate(main) if frame.slashed.endswith(_POOL_FILE)]
    if not inside or main[inside[-1]].bare not in _POOL_WAITS:
        return None
    return caller(main, (_POOL_FILE,))


def is_pool_worker(frames: Sequence[Frame]) -> bool:
    """Whether a process is one of a pool."""
    return any(f.bare == "worker" and f.slashed.endswith(_POOL_FILE) for f in frames)


def own_of_pool(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """The frames of a pool's process without those that it has of its parent since the fork."""
    kept: list[Frame] = []
    for frame in frames:
        if frame.bare == "worker" and frame.slashed.endswith(_POOL_FILE):
            break
        kept.append(frame)
    return tuple(kept)


def waits_for_a_task(frames: Sequence[Frame]) -> bool:
    """Whether a pool's process waits for its next task."""
    own_frames = own_of_pool(frames)
    return bool(own_frames) and own_frames[-1].bare == "get"


# --- several ranks -----------------------------------------------------------------------------


def is_spawned_rank(stack: ThreadStack) -> bool:
    """Whether a process is a rank that torch.multiprocessing started."""
    return not is_worker(stack) and any(
        f.bare == "_wrap" and f.slashed.endswith("torch/multiprocessing/spawn.py")
        for f in stack.frames
    )


def collective(main: Sequence[Frame]) -> Collective | None:
    """The collective that a rank is in, None for none."""
    inside = [
        index
        for index, frame in enumerate(main)
        if frame.bare in _COLLECTIVES and _in_any(frame, _patterns().collective_files)
    ]
    if not inside:
        return None
    # A framework's functions call torch's: the outermost is what the training asked for.
    outer = inside[-1]
    between = (*_patterns().collective_files, "torch/nn/modules/module.py")
    caller = [f for f in main[outer + 1 :] if not _in_any(f, between)]
    return Collective(main[outer].bare, tuple(caller[:2]))


def in_backward(main: Sequence[Frame]) -> bool:
    """Whether a rank is in the backward pass, where gradients are reduced out of sight."""
    return bool(main) and main[0].bare in ("_engine_run_backward", "backward")


def _holds(frames: Sequence[Frame], function: str) -> bool:
    return any(frame.bare == function for frame in frames)


def _in_any(frame: Frame, parts: Sequence[str]) -> bool:
    return any(part in frame.slashed for part in parts)
