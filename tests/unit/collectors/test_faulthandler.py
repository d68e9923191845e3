"""Dumps of Python's faulthandler, of several versions and of this one."""

from __future__ import annotations

import faulthandler as real
import sys
import threading
from pathlib import Path

import pytest
from dualwatch.collectors.stacks.faulthandler import parse
from dualwatch.events import Frame
from hypothesis import given
from hypothesis import strategies as st

PYTHON_3_8 = """\
Thread 0x00007fded75c66c0 (most recent call first):
  File "/usr/lib/python3.8/threading.py", line 302 in wait
  File "/usr/lib/python3.8/threading.py", line 890 in _bootstrap

Current thread 0x00007fded7dadb80 (most recent call first):
  File "/site-packages/torch/utils/data/dataloader.py", line 1120 in _try_get_data
  File "tools/train.py", line 121 in <module>
"""

PYTHON_3_14 = """\
Thread 0x00007f80996856c0 [pin memory] (most recent call first):
  File "/site-packages/torch/utils/data/_utils/pin_memory.py", line 30 in do_one_step

Thread 0x00007f8099e866c0 [python] (most recent call first):
  <no Python frame>

Current thread 0x00007f809a209b80 [python3.14] (most recent call first):
  Garbage-collecting
  File "train.py", line 6 in main
  ...

Current thread's C stack trace (most recent call first):
  Binary file "/usr/lib/libpython3.14.so", at _Py_DumpStack+0x48 [0x7f809a5c6b12]
  <truncated rest of calls>
"""


def test_threads_come_with_the_main_one_first_and_frames_innermost_first() -> None:
    main, helper = parse(PYTHON_3_8, 12)
    assert (main.pid, main.thread, main.active) == (12, "MainThread", None)
    assert main.frames == (
        Frame(
            function="_try_get_data",
            file="/site-packages/torch/utils/data/dataloader.py",
            line=1120,
        ),
        Frame(function="<module>", file="tools/train.py", line=121),
    )
    assert helper.thread == "Thread 0x00007fded75c66c0"
    assert [frame.function for frame in helper.frames] == ["wait", "_bootstrap"]


def test_names_of_threads_and_what_is_no_frame() -> None:
    main, pin, bare = parse(PYTHON_3_14, 12)
    assert main.thread == "MainThread"
    assert [(frame.function, frame.line) for frame in main.frames] == [("main", 6)]
    assert pin.thread == "pin memory"
    assert [frame.function for frame in pin.frames] == ["do_one_step"]
    assert (bare.thread, bare.frames) == ("python", ())


@pytest.mark.parametrize("earlier", [PYTHON_3_8, PYTHON_3_14, "a line of somebody else\n"])
def test_of_several_dumps_the_newest_counts(earlier: str) -> None:
    assert parse(earlier + PYTHON_3_8, 1) == parse(PYTHON_3_8, 1)


def test_without_the_last_threads_nobody_is_the_main_one() -> None:
    stacks = parse(PYTHON_3_8 + "...\n", 1)
    assert [stack.thread for stack in stacks] == [
        "Thread 0x00007fded75c66c0",
        "Thread 0x00007fded7dadb80",
    ]
    assert parse(PYTHON_3_8 + "...\n" + PYTHON_3_8, 1)[0].thread == "MainThread"


def test_a_stack_alone_is_the_main_threads() -> None:
    (stack,) = parse('Stack (most recent call first):\n  File "a.py", line 2 in f\n', 1)
    assert (stack.thread, stack.frames[0].function) == ("MainThread", "f")


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        ('  File "/d/a, line 3 in x.py", line 2 in f', ("f", "/d/a, line 3 in x.py", 2)),
        ('  File "/d/"q".py", line 2 in <lambda>', ("<lambda>", '/d/"q".py', 2)),
        ("  File ???, line ??? in ???", ("???", "???", 0)),
        (r'  File "/d/\xfcn\u4e2d\U0001f600.py", line 7 in \xe9', ("é", "/d/ün中😀.py", 7)),
        (r'  File "C:\users\x41.py", line 7 in f', ("f", r"C:\users\x41.py", 7)),
        (r'  File "a\x1b[2J\u202e.py", line 7 in f', ("f", r"a\x1b[2J.py", 7)),
        (r'  File "a\Uffffffff\ud800.py", line 7 in f', ("f", r"a\Uffffffff.py", 7)),
        (f'  File "a.py", line {"9" * 30} in f', ("f", "a.py", 999999999)),
        ("  File a.py, line 7 in f", None),
        ('File "a.py", line 7 in f', None),
    ],
)
def test_a_line_of_a_frame(line: str, frame: tuple[str, str, int] | None) -> None:
    (stack,) = parse(f"Thread 0x1 (most recent call first):\n{line}\n", 1)
    assert [(one.function, one.file, one.line) for one in stack.frames] == (
        [frame] if frame is not None else []
    )


@pytest.mark.parametrize(
    "text", ["", "\n\n", "Fatal Python error: Aborted\n", '  File "a", line 1']
)
def test_what_is_no_dump(text: str) -> None:
    assert parse(text, 1) == ()


def test_a_dump_without_bounds_is_bounded() -> None:
    frames = '  File "a.py", line 1 in f\n' * 600
    threads = "".join(f"Thread {n:#x} (most recent call first):\n{frames}\n" for n in range(210))
    stacks = parse(threads, 1)
    assert len(stacks) == 200
    assert {len(stack.frames) for stack in stacks} == {500}
    assert stacks[0].thread == "MainThread"


@given(st.text(alphabet='TCurenthad Stk0x1f[](most recalfi):\n "File.,?\\line<>xuU', max_size=300))
def test_nothing_raises(text: str) -> None:
    for stack in parse(PYTHON_3_8 + text, 1):
        assert stack.pid == 1


def test_what_this_python_writes(tmp_path: Path) -> None:
    stop, started = threading.Event(), threading.Event()

    def waits_in_a_helper() -> None:
        started.set()
        stop.wait()

    helper = threading.Thread(target=waits_in_a_helper)
    helper.start()
    started.wait()
    try:
        with open(tmp_path / "dump.txt", "w+", encoding="utf-8") as file:
            real.dump_traceback(file, all_threads=True)
            file.seek(0)
            stacks = parse(file.read(), 3)
    finally:
        stop.set()
        helper.join()
    here = sys._getframe()
    assert stacks[0].thread == "MainThread"
    assert stacks[0].frames[0].function == here.f_code.co_name
    assert stacks[0].frames[0].file == __file__
    helpers = [stack for stack in stacks[1:] if "waits_in_a_helper" in
               {frame.function for frame in stack.frames}]  # fmt: skip
    assert len(helpers) == 1
