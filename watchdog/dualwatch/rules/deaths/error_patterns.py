"""DW118, DW301-DW307, DW401, DW403, DW501-DW503, DW602-DW605: what the last error means.

A literal table: the first row whose pattern matches the error's text gives the code; DW606 where
none does. Patterns are pieces of the messages that libraries print, in every wording that was met,
matched against the error that ended the training and the earlier links of its chain, never against
the whole console. Frameworks add patterns of their own (``Framework.error_patterns``).
"""

from __future__ import annotations

import functools
import re

from dualwatch import frameworks
from dualwatch.events import ErrorSeen

# Specific before general: a bus error of a worker means shared memory, not just a dead worker.
PATTERNS: tuple[tuple[str, str], ...] = (
    ("DW605", r"Weights only load failed|PytorchStreamReader failed|invalid magic number; corrupt"),
    (
        "DW401",
        r"CUDA out of memory|OutOfMemoryError|HIP out of memory|CUDA error: out of memory"
        r"|CU(?:BLAS|DNN)_STATUS_ALLOC_FAILED",
    ),
    (
        "DW403",
        r"Unable to determine the device handle|fallen off the bus|GPU is lost"
        r"|CUDA error: uncorrectable (?:ECC|NVLink)|Driver/library version mismatch"
        r"|CUDA driver version is insufficient|CUDA error: device (?:unavailable|lost)",
    ),
    (
        "DW118",
        r"Watchdog caught collective operation timeout|\[[^\]]*gloo[^\]]*\] Timed out waiting",
    ),
    ("DW303", r"Too many open files|received 0 items of ancdata"),
    (
        "DW302",
        r"unable to (allocate|open|resize|mmap) shared memory|unable to write to file </torch_"
        r"|insufficient shared memory|Unexpected bus error|killed by signal: Bus error"
        r"|No space left on device: '/(?:torch_|dev/shm)",
    ),
    (
        "DW304",
        r"finished its bootstrapping phase|[Cc]an(?:'t|not) pickle|paging file is too small"
        r"|WinError 1455|\u9875\u9762\u6587\u4ef6\u592a\u5c0f"
        r"|Can't get attribute '.+' on <module '__(?:mp_)?main__'",
    ),
    ("DW305", r"killed by signal: (Segmentation fault|Aborted|Illegal|Floating|\W*$)"),
    ("DW301", r"killed by signal"),
    (
        "DW502",
        r"No space left on device|Disk quota exceeded|not enough space on the disk"
        r"|PytorchStreamWriter failed writing",
    ),
    ("DW501", r"can't allocate memory|Cannot allocate memory|Unable to allocate .*iB|^MemoryError"),
    ("DW503", r"UnicodeEncodeError"),
    ("DW305", r"worker \(pid(?:\(s\))?[ \d,]+\) exited unexpectedly"),
    ("DW604", r"MissingPairError"),
)

_COMPILED = tuple((code, re.compile(pattern)) for code, pattern in PATTERNS)


@functools.cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The table, then the patterns of the adapters."""
    own = (row for one in frameworks.installed() for row in one.error_patterns)
    return (*_COMPILED, *own)


@functools.cache
def _places() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple(row for one in frameworks.installed() for row in one.error_places)


# An error of pickle while a checkpoint is written is not about starting a worker.
_NOT_BELOW = {"DW304": re.compile(r"torch/serialization\.py|save_checkpoint")}

_DATASET_BUILT = re.compile(r"in (?:full_init|load_data_list)\b")
# In a process that loads without workers; a worker's error names its worker.
_FETCHED = re.compile(r"_utils/fetch\.py")
# A batch comes through a socket of its worker, which breaks when the worker is gone.
_HANDED_OVER = re.compile(r"in rebuild_storage_fd\b|multiprocessing/resource_sharer\.py")
_BROKEN_OFF = (
    "ConnectionResetError",
    "ConnectionRefusedError",
    "BrokenPipeError",
    "EOFError",
    "FileNotFoundError",
)
_ABSENT = ("FileNotFoundError", "NotADirectoryError")

_OF_A_PEER = re.compile(
    r"[Cc]onnection (?:closed|reset) by peer|remote process exited|Broken pipe|ncclRemoteError"
    r"|NCCL communicator was aborted"
)


def recognise(error: ErrorSeen) -> tuple[str, str]:
    """The finding code of the error that ended a training, and the text that shows it.

    Returns:
        The code, and the first line of that link of the chain which the code rests on.
    """
    own = text_of(error)
    for code, pattern in _patterns():
        for text in (own, *error.causes):
            if pattern.search(text) and not _is_below(error, _NOT_BELOW.get(code)):
                return code, text.partition("\n")[0]
    return _by_place(error), own.partition("\n")[0]


def text_of(error: ErrorSeen) -> str:
    """The error as Python prints it: ``Kind: message``."""
    return f"{error.exception}: {error.message}" if error.message else error.exception


def follows_another(error: ErrorSeen) -> bool:
    """Whether it only reports that another rank is gone or does not respond."""
    text = text_of(error)
    if _lost_its_worker(error):
        return False
    return _OF_A_PEER.search(text) is not None or recognise(error)[0] == "DW118"


def _lost_its_worker(error: ErrorSeen) -> bool:
    """Whether a worker went away while the main process was taking a batch from it."""
    return error.exception in _BROKEN_OFF and _is_below(error, _HANDED_OVER)


def _by_place(error: ErrorSeen) -> str:
    """The code of an error with an unspecific message, by where it was raised."""
    if _lost_its_worker(error):
        return "DW305"
    for place, code in _places():
        if _is_below(error, place):
            return code
    if _is_below(error, _DATASET_BUILT):
        return "DW603" if error.exception in _ABSENT else "DW306"
    return "DW306" if error.worker is not None or _is_below(error, _FETCHED) else "DW606"


def _is_below(error: ErrorSeen, place: re.Pattern[str] | None) -> bool:
    """Whether a frame of the traceback is of that place."""
    if place is None:
        return False
    return any(place.search(line.replace("\\", "/")) for line in error.excerpt)
