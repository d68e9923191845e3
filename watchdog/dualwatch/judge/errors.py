"""DW118, DW301-DW307, DW401, DW403, DW501-DW503, DW605: what the last error of a training means.

A literal table: the first row whose pattern is in the error's text gives the code. What none of
them knows is DW606, the error quoted. Patterns are pieces of the messages that the libraries
print, in every wording that was met; they are matched against the error that ended the training
and the earlier links of its chain, never against the whole console.
"""

from __future__ import annotations

import re

from dualwatch.facts import ErrorSeen

# Specific before general: a bus error of a worker means shared memory, not just a dead worker.
PATTERNS: tuple[tuple[str, str], ...] = (
    ("DW605", r"Weights only load failed|PytorchStreamReader failed|invalid magic number; corrupt"),
    ("DW401", r"CUDA out of memory|OutOfMemoryError|HIP out of memory"),
    ("DW403", r"Unable to determine the device handle|fallen off the bus|GPU is lost"),
    (
        "DW118",
        r"Watchdog caught collective operation timeout|\[[^\]]*gloo[^\]]*\] Timed out waiting",
    ),
    (
        "DW302",
        r"unable to (allocate|open|resize|mmap) shared memory|unable to write to file </torch_"
        r"|insufficient shared memory|Unexpected bus error|killed by signal: Bus error"
        r"|No space left on device: '/torch_",
    ),
    ("DW303", r"Too many open files|received 0 items of ancdata"),
    (
        "DW304",
        r"finished its bootstrapping phase|[Cc]an(?:'t|not) pickle|paging file is too small"
        r"|WinError 1455|\u9875\u9762\u6587\u4ef6\u592a\u5c0f",
    ),
    ("DW305", r"killed by signal: (Segmentation fault|Aborted|Illegal|Floating)"),
    ("DW301", r"killed by signal"),
    ("DW307", r"Cannot find valid image after"),
    ("DW502", r"No space left on device|Disk quota exceeded|not enough space on the disk"),
    ("DW501", r"can't allocate memory|Cannot allocate memory|Unable to allocate .*iB|^MemoryError"),
    ("DW503", r"UnicodeEncodeError"),
    ("DW305", r"worker \(pid\(s\)[ \d,]+\) exited unexpectedly"),
)

_COMPILED = tuple((code, re.compile(pattern)) for code, pattern in PATTERNS)


def recognise(error: ErrorSeen) -> tuple[str, str]:
    """The finding code of the error that ended a training, and the words that tell it.

    Returns:
        The code, and the first line of that link of the chain which the code rests on.
    """
    own = f"{error.exception}: {error.message}" if error.message else error.exception
    for code, pattern in _COMPILED:
        for text in (own, *error.causes):
            if pattern.search(text):
                return code, text.partition("\n")[0]
    is_of_dataset = error.worker is not None or _is_from_a_dataset(error)
    return "DW306" if is_of_dataset else "DW606", own.partition("\n")[0]


def _is_from_a_dataset(error: ErrorSeen) -> bool:
    """Raised below torch's fetch, in a process that loads for itself."""
    return any("_utils/fetch.py" in line.replace("\\", "/") for line in error.excerpt)
