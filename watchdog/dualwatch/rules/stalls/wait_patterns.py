"""Stacks of a main process that waits for something outside of the training. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dualwatch.events import Frame
from dualwatch.rules.stalls import stack_patterns

_BUILD_FILES = ("torch/utils/file_baton.py", "torch/utils/cpp_extension.py")


def caller_of_build_lock(main: Sequence[Frame]) -> str | None:
    """Who waits for the lock of an extension build, in words; None where it is not waited for."""
    waits = any(f.bare == "wait" and f.slashed.endswith(_BUILD_FILES[0]) for f in main)
    return stack_patterns.caller(main, _BUILD_FILES) if waits else None


def builds(main: Sequence[Frame]) -> bool:
    """Whether an extension is being built, by this process or by the one that has the lock."""
    return any(_in_any(frame, _BUILD_FILES) for frame in main)


# --- downloads -----------------------------------------------------------------------------------

_NETWORK_FILES = (
    *("/ssl.py", "/socket.py", "http/client.py", "urllib/request.py"),
    *("/urllib3/", "/requests/", "/httpcore/", "/httpx/"),
)
_DOWNLOADERS = ("torch/hub.py", "/huggingface_hub/", "/gdown/", "urllib/request.py")
_DOWNLOADS = frozenset(
    ("urlopen", "urlretrieve", "load_state_dict_from_url", "load_url", "load_from_http", "http_get")
)


def caller_of_download(main: Sequence[Frame]) -> str | None:
    """Who waits for data of a download, in words; None where nothing is downloaded."""
    if not main or not _in_any(main[0], _NETWORK_FILES):
        return None
    inside = [
        index
        for index, frame in enumerate(main)
        if frame.bare in _DOWNLOADS or "download" in frame.bare or _in_any(frame, _DOWNLOADERS)
    ]
    return stack_patterns.place(main[inside[-1] : inside[-1] + 3]) if inside else None


def address(main: Sequence[Frame]) -> str:
    """The address that a download is of, "" where the frames do not show it."""
    return next((f.subject for f in main if f.subject and "://" in f.subject), "")


# --- the end of workers --------------------------------------------------------------------------

_WAITS_FOR_A_PROCESS = ("multiprocessing/process.py", "multiprocessing/popen_")


def joins_workers(main: Sequence[Frame]) -> bool:
    """Whether a main process waits for its loader workers to end, also at its own end."""
    for index, frame in enumerate(main):
        ends = frame.bare == "_shutdown_workers" and "torch/utils/data/" in frame.slashed
        exits = frame.bare == "_exit_function" and frame.slashed.endswith("multiprocessing/util.py")
        if ends or exits:
            return any(_in_any(inner, _WAITS_FOR_A_PROCESS) for inner in main[:index])
    return False


# --- loggers -------------------------------------------------------------------------------------

_EVENT_WRITERS = ("event_file_writer.py",)
_WANDB = ("/wandb/",)
_CONSOLES = ("logging/__init__.py", "rich/console.py", "tqdm/", "colorama/ansitowin32.py")
_WAITS = frozenset(
    (
        *("put", "wait", "get", "acquire", "join", "send", "sendall", "send_record_publish"),
        *("select", "poll", "recv", "read", "result", "sleep", "wait_for"),
    )
)


def caller_of_event_queue(main: Sequence[Frame]) -> str | None:
    """Who waits for the queue of an event file's writer, in words; None where none does."""
    inner = [f for f in main if f.slashed.endswith("/queue.py") and f.bare in ("put", "join")]
    if not inner or not any(_in_any(frame, _EVENT_WRITERS) for frame in main):
        return None
    return stack_patterns.caller(main, _EVENT_WRITERS)


def writes_events(frames: Sequence[Frame]) -> bool:
    """Whether a thread is the writer of an event file."""
    return any(f.bare in ("run", "_run") and _in_any(f, _EVENT_WRITERS) for f in frames)


def works_elsewhere(main: Sequence[Frame], threads: Sequence[Sequence[Frame]]) -> bool:
    """Whether work that a main process waits for is done by a compiler, a server or a writer.

    Its own stack is the same all the time then.
    """
    if builds(main) or caller_of_download(main) is not None:
        return True
    return caller_of_event_queue(main) is not None and any(map(writes_events, threads))


def caller_of_wandb(main: Sequence[Frame]) -> str | None:
    """Who waits for wandb, in words; None where wandb is not waited for."""
    if not main or main[0].bare not in _WAITS or not any(_in_any(f, _WANDB) for f in main):
        return None
    return stack_patterns.caller(main, _WANDB)


def sends_to_a_process(main: Sequence[Frame]) -> bool:
    """Whether a main process sends something to another one of its tree."""
    return any(_in_any(frame, ("multiprocessing/", "/subprocess.py")) for frame in main)


def logs_to_the_console(main: Sequence[Frame]) -> bool:
    """Whether a main process writes a line to its console, as far as its frames show that."""
    return bool(main) and _in_any(main[0], _CONSOLES)


def _in_any(frame: Frame, parts: Sequence[str]) -> bool:
    return any(part in frame.slashed for part in parts)
