"""What the error that ended a training means: its code, and what happened beyond it.

``error_table`` holds the messages; frameworks add rows of their own (``Framework.error_patterns``)
and places (``error_places``); DW606 is what belongs to none. Only the error and the earlier links
of its chain are looked at, never the whole console.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from dualwatch import frameworks
from dualwatch.events import Circumstance, ErrorSeen
from dualwatch.rules.deaths.error_table import TABLE, Row


class Meaning(NamedTuple):
    """What an error means.

    Attributes:
        text: First line of that link of the chain which the code rests on.
        sure: Whether the message means this alone.
    """

    code: str
    text: str
    circumstance: Circumstance | None = None
    sure: bool = True


_DATASET_BUILT = re.compile(
    r"in (?:full_init|load_data_list|load_annotations|build_dataset)\b|pycocotools/coco\.py"
)
# In a process that loads without workers; a worker's error names its worker.
_FETCHED = re.compile(r"_utils/fetch\.py")
# A batch comes through a socket of its worker, which breaks when the worker is gone.
_HANDED_OVER = re.compile(r"in rebuild_storage_fd\b|multiprocessing/resource_sharer\.py")
# The child of a spawn reads what its parent pickled; the parent writes to a child that is gone.
_SPAWNED = re.compile(r"multiprocessing/spawn\.py|in spawn_main\b|in _main\b")
_WRITES_TO_CHILD = re.compile(r"multiprocessing/(?:reduction|popen_\w+)\.py")
_BROKEN_OFF = (
    "ConnectionResetError",
    "ConnectionRefusedError",
    "BrokenPipeError",
    "EOFError",
    "FileNotFoundError",
)
_ABSENT = ("FileNotFoundError", "NotADirectoryError")
_WRITES = re.compile(
    r"\bopen\([^)]*,\s*(?:mode=)?['\"][awx]|in (?:save|save_checkpoint|_save\w*|_dump|dump|put"
    r"|put_text"
    r"|add_scalars?|emit|write)\b|os\.(?:makedirs|rename|replace|symlink)\("
)
_DATA_FILE = re.compile(
    r"\.(?:csv|tsv|jsonl?|jpe?g|png|bmp|tiff?|webp|np[yz]|h5|hdf5|xml|parquet|l?mdb|mat|mp4|avi"
    r"|wav|flac|nii|gz|dcm|tfrecord|zarr)'?\s*$",
    re.IGNORECASE,
)
_PARENT_GONE = re.compile(r"Parent directory .+ does not exist|File .+ cannot be opened")
_MISSING_PATH = re.compile(r"No such file or directory: '([^']+)'|directory (\S+) does not exist")

_OF_A_PEER = re.compile(
    r"[Cc]onnection (?:closed|reset) by peer|remote process exited|Broken pipe|ncclRemoteError"
    r"|NCCL communicator was aborted|Pin memory thread exited|[Ss]ocket (?:closed|Timeout)"
    r"|Some NCCL operations have failed or timed out|TCPStore|DistBackendError|DistNetworkError"
)


@functools.cache
def _rows() -> tuple[Row, ...]:
    """The rows of the adapters, whose messages are longer, then the table."""
    own = (Row(*row) for one in frameworks.installed() for row in one.error_patterns)
    return (*own, *TABLE)


@functools.cache
def _places() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple(row for one in frameworks.installed() for row in one.error_places)


def recognise(error: ErrorSeen) -> Meaning:
    """What the error that ended a training means."""
    own = text_of(error)
    for row in _rows():
        if row.below is not None and not _is_below(error, row.below):
            continue
        if row.not_below is not None and _is_below(error, row.not_below):
            continue
        for text in (own, *error.causes):
            if row.pattern.search(text):
                line = text.partition("\n")[0]
                return Meaning(row.code, line, row.circumstance, row.sure)
    return Meaning(_by_place(error), own.partition("\n")[0])


def text_of(error: ErrorSeen) -> str:
    """The error as Python prints it: ``Kind: message``."""
    return f"{error.exception}: {error.message}" if error.message else error.exception


def follows_another(error: ErrorSeen) -> bool:
    """Whether it only reports that another process is gone or does not respond."""
    if _lost_its_worker(error):
        return False
    if is_of_a_spawn(error):
        return True
    code = recognise(error).code
    return code == "DW118" or (code == "DW606" and _OF_A_PEER.search(text_of(error)) is not None)


def is_of_a_spawn(error: ErrorSeen) -> bool:
    """Whether one side of a spawn reports that the other side broke off."""
    if error.exception.endswith(("EOFError", "UnpicklingError")) and _is_below(error, _SPAWNED):
        return True
    return error.exception == "BrokenPipeError" and _is_below(error, _WRITES_TO_CHILD)


def broke_off(error: ErrorSeen) -> bool:
    """Whether it only shows that processes are being ended: its own, or one that it talks to."""
    text = text_of(error)
    return (
        (error.exception in _BROKEN_OFF and error.exception != "FileNotFoundError")
        or recognise(error).circumstance is Circumstance.TERMINATED_WORKER
        or "exited unexpectedly" in text
    )


def missing_output(error: ErrorSeen) -> str | None:
    """The path that the training could not write since its folder does not exist; None for others.

    A training that has written there before lost its folder.
    """
    text = text_of(error)
    path = _MISSING_PATH.search(text)
    if _PARENT_GONE.search(text) is not None:
        return (path[1] or path[2] or "") if path is not None else ""
    if error.exception not in _ABSENT or path is None or not _is_below(error, _WRITES):
        return None
    return path[1] or path[2]


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
    if _is_data_missing(error):
        return "DW603"
    if _is_below(error, _DATASET_BUILT):
        return "DW603" if error.exception in _ABSENT else "DW306"
    return "DW306" if error.worker is not None or _is_below(error, _FETCHED) else "DW606"


def _is_data_missing(error: ErrorSeen) -> bool:
    """Whether the main process did not find a file of the kind that data is kept in."""
    if error.exception not in _ABSENT or error.worker is not None or _is_below(error, _FETCHED):
        return False
    is_data = _DATA_FILE.search(error.message.partition("\n")[0]) is not None
    return is_data and not _is_below(error, _WRITES)


def _is_below(error: ErrorSeen, place: re.Pattern[str]) -> bool:
    """Whether a line of the traceback is of that place."""
    return any(place.search(line.replace("\\", "/")) for line in error.excerpt)
