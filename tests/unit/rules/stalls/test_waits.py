"""What frames and source lines show of a wait; each kind beside what looks like it."""

from __future__ import annotations

import pytest
from dualwatch.events import Frame, SourceLine, ThreadStack, ThreadWait
from dualwatch.protocol import Phase
from dualwatch.rules.stalls import waits
from dualwatch.rules.stalls.waits import Wait

LIB = "/usr/lib/python3.11"
WINDOWS = r"C:\Python311\Lib"


def line(*calls: str, enters: tuple[str, ...] = ()) -> tuple[Frame, ...]:
    source = SourceLine(calls=calls, enters=enters)
    return (Frame(function="__getitem__", file="/my/data.py", line=7, source=source),)


def frames(*places: str) -> tuple[Frame, ...]:
    return tuple(
        Frame(function=place.split()[0], file=place.split()[1], line=1)
        for place in (*places, "__getitem__ /my/data.py")
    )


@pytest.mark.parametrize(
    ("stack", "wait"),
    [
        (line("self.lock.acquire"), Wait.LOCK),
        (line("self.locks.get", "?.acquire"), Wait.LOCK),
        (line(enters=("self.first",)), Wait.LOCK),
        (line("msvcrt.locking", "f.fileno"), Wait.LOCK),
        (line("time.sleep"), Wait.SLEEP),
        (line("connection.recv"), Wait.SOCKET),
        (line("open"), Wait.FILE),
        (line("self.queue.get"), Wait.QUEUE),
        (line("self.lock.acquire", "stream.read"), None),
        (line("open", enters=("self.lock",)), None),
        (line("decode"), None),
        (line(), None),
        (frames(), None),
        ((), None),
    ],
)
def test_the_source_line_shows_a_wait_that_has_no_frame(stack, wait) -> None:
    assert waits.of(stack) is wait


@pytest.mark.parametrize("lib", [LIB, WINDOWS, r"C:\Python311\python311.zip"])
@pytest.mark.parametrize(
    ("places", "wait"),
    [
        (("__enter__ multiprocessing/synchronize.py",), Wait.LOCK),
        (("wait threading.py", "result concurrent/futures/_base.py"), Wait.LOCK),
        (("wait threading.py", "get queue.py"), Wait.QUEUE),
        (("__enter__ multiprocessing/synchronize.py", "get multiprocessing/queues.py"), Wait.QUEUE),
        (("_recv multiprocessing/connection.py", "recv multiprocessing/connection.py"), Wait.PIPE),
        (
            ("recv multiprocessing/connection.py", "acquire multiprocessing/managers.py"),
            Wait.LOCK,
        ),
        (("readinto socket.py", "_read_status http/client.py"), Wait.SOCKET),
        (("wait subprocess.py",), Wait.CHILD),
    ],
)
def test_frames_of_the_standard_library_show_a_wait(lib, places, wait) -> None:
    slash = "\\" if "\\" in lib else "/"
    named = ((name, file.replace("/", slash)) for name, file in map(str.split, places))
    assert waits.of(frames(*(f"{name} {lib}{slash}{file}" for name, file in named))) is wait


def test_a_file_of_the_training_with_such_a_name_shows_nothing() -> None:
    assert waits.of(frames("get /my/queue.py")) is None
    assert waits.of(frames("read /my/socket.py")) is None


# --- in a verdict --------------------------------------------------------------------------------

ASKS = ("wait", "poll", "_try_get_data", "_get_data", "_next_data", "__next__", "run_epoch")


def plain(*functions: str) -> tuple[Frame, ...]:
    return tuple(Frame(function=f, file=f"/site/{f}.py", line=1) for f in functions)


def judged(story, inner: tuple[Frame, ...], **sample):
    """Two workers at the same place of their dataset, on a system without wait channels."""
    story.trains().stops_in(Phase.WAITING).silent(300, **sample)
    workers = tuple(
        ThreadStack(
            pid=pid,
            thread="MainThread",
            active=None,
            frames=(*inner, *plain("fetch", "_worker_loop")),
        )
        for pid in (101, 102)
    )
    for _ in range(3):
        story.captured(*plain(*ASKS), workers=workers)
    return story.judged()[0]


@pytest.mark.parametrize(
    "inner",
    [
        line("self.lock.acquire"),
        line(enters=("self.lock",)),
        frames(rf"__enter__ {WINDOWS}\multiprocessing\synchronize.py"),
    ],
    ids=["acquire", "with a lock of threads", "with a lock of processes"],
)
@pytest.mark.parametrize("wait", [None, ThreadWait.OBJECT, ThreadWait.ADDRESS])
def test_a_lock_is_a_deadlock_without_a_wait_channel(story, inner, wait) -> None:
    each = {pid: {"wait": wait} for pid in (101, 102)}
    assert judged(story, inner, each=each).code == "DW111"


@pytest.mark.parametrize(
    "inner",
    [
        frames(rf"wait {WINDOWS}\threading.py", rf"get {WINDOWS}\queue.py"),
        frames(rf"readinto {WINDOWS}\socket.py"),
        line("time.sleep"),
        line("connection.recv"),
        line("decode"),
    ],
    ids=["queue", "socket", "sleep", "recv", "not known"],
)
def test_other_waits_are_no_deadlock(story, inner) -> None:
    found = judged(story, inner)
    assert found.code == "DW112"
    wait = waits.of(inner)
    shown = "\n".join(one.text for one in found.evidence)
    assert (wait.value if wait is not None else "not known") in shown


def test_a_line_of_a_lock_that_the_kernel_shows_in_io_is_no_deadlock(story) -> None:
    each = {pid: {"wait": ThreadWait.IO} for pid in (101, 102)}
    assert judged(story, line("self.lock.acquire"), each=each).code == "DW112"


def test_a_line_of_a_lock_that_computes_is_no_deadlock(story) -> None:
    """A loop that takes a lock again and again is at that line, too."""
    found = judged(story, line("self.lock.acquire"), busy=(101, 102))
    assert found.code != "DW111"


def test_where_there_is_a_wait_channel_it_decides(story) -> None:
    found = judged(story, line("self.lock.acquire"), wchan="hrtimer_nanosleep")
    assert found.code == "DW112"
