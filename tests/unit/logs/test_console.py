"""What a training prints, with its tracebacks."""

from __future__ import annotations

import pytest
from dualwatch import frameworks
from dualwatch.events import ErrorSeen, EvaluationLogged, Event, IterationLogged, LogMilestone
from dualwatch.logs.console import ConsoleParser
from dualwatch.logs.tracebacks import EXCERPT_LINES, MESSAGE_CHARS
from hypothesis import given, settings
from hypothesis import strategies as st

LOG = "11/23 06:20:46 - mmengine - INFO - "
PROGRESS = LOG + "Epoch(train)  [1][50/200]  lr: 1.0e-04  eta: 0:00:01  loss: 0.3  loss_macl: 0.4"


def parse(text: str) -> list[Event]:
    parser = ConsoleParser(frameworks.line_formats())
    events = [event for line in text.splitlines() for event in parser.feed(line, 1.0, 2.0)]
    return events + parser.close(1.0, 2.0)


def errors(text: str) -> list[ErrorSeen]:
    return [event for event in parse(text) if isinstance(event, ErrorSeen)]


def only_error(text: str) -> ErrorSeen:
    found = errors(text)
    assert len(found) == 1, found
    return found[0]


PLAIN = """\
Traceback (most recent call last):
  File "tools/train.py", line 121, in <module>
    main()
  File "/x/model.py", line 7, in forward
    raise ValueError("bad shape")
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
ValueError: bad shape
"""


def test_a_plain_traceback() -> None:
    error = only_error(PLAIN)
    assert (error.exception, error.message) == ("ValueError", "bad shape")
    assert error.where == "/x/model.py:7 in forward"
    assert error.worker is None
    assert error.causes == ()
    assert error.excerpt == tuple(PLAIN.splitlines())
    assert (error.at, error.wall) == (1.0, 2.0)


def test_progress_and_milestones_pass_through() -> None:
    events = parse(
        f"{LOG}Checkpoints will be saved to /x.\n{PROGRESS}\n"
        f"{LOG}Epoch(val) [1][9/9]  pascal_voc/mAP: 0.6  time: 0.1\n"
        "2023-02-09 22:37:36,092 - mmdet - INFO - Epoch [1][5/9]\tlr: 1e-3, loss: 0.5\n"
    )
    assert [type(event) for event in events] == [
        LogMilestone,
        IterationLogged,
        EvaluationLogged,
        IterationLogged,
    ]


CHAINED = """\
Traceback (most recent call last):
  File "a.py", line 1, in load
    d["x"]
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 9, in <module>
    load()
  File "a.py", line 3, in load
    raise RuntimeError("no x") from None
mypackage.errors.LoadError: no x
"""


def test_a_chain_is_one_error_named_by_its_last_link() -> None:
    error = only_error(CHAINED)
    assert (error.exception, error.message) == ("mypackage.errors.LoadError", "no x")
    assert error.where == "a.py:3 in load"
    assert "KeyError: 'x'" in error.excerpt
    assert error.causes == ("KeyError: 'x'",)


def test_the_direct_cause_chain_too() -> None:
    text = CHAINED.replace(
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
    )
    assert only_error(text).exception == "mypackage.errors.LoadError"


WORKER = """\
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    for batch in loader:
  File "/t/torch/_utils.py", line 733, in reraise
    raise exception
ValueError: Caught ValueError in DataLoader worker process 3.
Original Traceback (most recent call last):
  File "/t/torch/utils/data/_utils/worker.py", line 351, in _worker_loop
    data = fetcher.fetch(index)
  File "/x/dataset.py", line 42, in __getitem__
    return self.load(index)
ValueError: image 17 is broken
"""


def test_an_exception_of_a_worker_names_the_cause_and_the_worker() -> None:
    error = only_error(WORKER)
    assert (error.exception, error.message) == ("ValueError", "image 17 is broken")
    assert error.where == "/x/dataset.py:42 in __getitem__"
    assert error.worker == 3


def test_a_worker_killed_by_a_signal() -> None:
    error = only_error(
        PLAIN.replace(
            "ValueError: bad shape",
            "RuntimeError: DataLoader worker (pid 12) is killed by signal: Killed. \n\n"
            "The above exception was the direct cause of the following exception:\n\n"
            "Traceback (most recent call last):\n"
            '  File "loader.py", line 5, in _try_get_data\n'
            "RuntimeError: DataLoader worker (pid(s) 12) exited unexpectedly",
        )
    )
    assert error.exception == "RuntimeError"
    assert error.message == "DataLoader worker (pid(s) 12) exited unexpectedly"
    assert error.causes == (
        "RuntimeError: DataLoader worker (pid 12) is killed by signal: Killed.",
    )


def test_a_message_of_several_lines() -> None:
    error = only_error(
        PLAIN.replace(
            "ValueError: bad shape",
            "RuntimeError: Error(s) in loading state_dict for Net:\n"
            "\tMissing key(s): a\n\tUnexpected key(s): b",
        )
        + PROGRESS
    )
    assert error.message.splitlines() == [
        "Error(s) in loading state_dict for Net:",
        "\tMissing key(s): a",
        "\tUnexpected key(s): b",
    ]


def test_a_message_that_does_not_end_is_bounded() -> None:
    error = errors(PLAIN + "more and more\n" * 100_000)[0]
    assert len(error.message) <= MESSAGE_CHARS
    assert len(error.excerpt) <= EXCERPT_LINES


def test_a_deep_traceback_keeps_its_newest_lines() -> None:
    frames = '  File "a.py", line 1, in f\n    f()\n' * 500
    error = only_error(f"Traceback (most recent call last):\n{frames}RecursionError: too deep\n")
    assert len(error.excerpt) == EXCERPT_LINES
    assert error.excerpt[-1] == "RecursionError: too deep"


@pytest.mark.parametrize(
    ("last", "kind", "message"),
    [
        ("KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("AssertionError", "AssertionError", ""),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried", "torch.OutOfMemoryError",
         "CUDA out of memory. Tried"),
        ("socket.timeout: timed out", "socket.timeout", "timed out"),
        ("cv2.error: OpenCV(4.7.0) resize.cpp:1: error: (-215)", "cv2.error",
         "OpenCV(4.7.0) resize.cpp:1: error: (-215)"),
        ("OSError: [WinError 1455] 页面文件太小", "OSError", "[WinError 1455] 页面文件太小"),
        ("__main__.f.<locals>.Odd: x", "__main__.f.<locals>.Odd", "x"),
        ("UnicodeEncodeError: 'gbk' codec can't encode character '\\u2713'", "UnicodeEncodeError",
         "'gbk' codec can't encode character '\\u2713'"),
    ],
)  # fmt: skip
def test_the_last_line_of_a_traceback(last: str, kind: str, message: str) -> None:
    error = only_error(PLAIN.replace("ValueError: bad shape", last))
    assert (error.exception, error.message) == (kind, message)


@pytest.mark.parametrize("header", ["Traceback (most recent call last):\n", ""])
def test_a_syntax_error_with_and_without_a_header(header: str) -> None:
    error = only_error(
        f'{header}  File "conf.py", line 3\n    model = dict(\n                ^\n'
        "SyntaxError: '(' was never closed\n"
    )
    assert error.exception == "SyntaxError"
    assert error.where == "conf.py:3"


def test_frames_of_a_crash_dump_are_no_syntax_error() -> None:
    events = errors(
        "Fatal Python error: Segmentation fault\n\nCurrent thread 0x01 (most recent call first):\n"
        '  File "a.py", line 3 in f\n  File "a.py", line 5 in <module>\n'
    )
    assert [(event.exception, event.message) for event in events] == [
        ("Fatal Python error", "Segmentation fault")
    ]


def test_a_traceback_that_a_logger_printed_whole() -> None:
    error = only_error(
        "11/23 06:20:46 - mmengine - ERROR - /x/head.py - loss - 88 - MACL failed: "
        + PLAIN
        + PROGRESS
    )
    assert (error.exception, error.where) == ("ValueError", "/x/model.py:7 in forward")


def test_a_traceback_that_a_logger_printed_line_by_line() -> None:
    prefix = "11/23 06:20:46 - mmengine - ERROR - /x/head.py - loss - 88 - "
    text = "".join(prefix + line + "\n" for line in PLAIN.splitlines())
    error = only_error(text + LOG + "Exp name: x\n" + PROGRESS)
    assert (error.exception, error.message) == ("ValueError", "bad shape")
    assert error.where == "/x/model.py:7 in forward"


@pytest.mark.parametrize("margin", ["    ", "  | "])
def test_a_traceback_with_a_margin(margin: str) -> None:
    text = "".join(margin + line + "\n" for line in PLAIN.splitlines())
    error = only_error(text)
    assert (error.exception, error.message) == ("ValueError", "bad shape")


def test_an_exception_group_tells_its_members() -> None:
    events = errors(
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "a.py", line 1, in <module>\n'
        "  | ExceptionGroup: two (2 sub-exceptions)\n"
        "  +-+---------------- 1 ----------------\n"
        "    | Traceback (most recent call last):\n"
        '    |   File "a.py", line 2, in f\n'
        "    | ValueError: one\n"
        "    +---------------- 2 ----------------\n"
        "    | Traceback (most recent call last):\n"
        '    |   File "a.py", line 3, in g\n'
        "    | TypeError: two\n"
        "    +------------------------------------\n"
    )
    assert [event.exception for event in events] == ["ExceptionGroup", "ValueError", "TypeError"]


def test_two_ranks_in_each_others_way() -> None:
    other = PLAIN.replace("bad shape", "worse shape").replace("ValueError", "TypeError")
    mixed = "".join(
        f"[rank0]: {one}\n[default1]:[rank1]: {two}\n"
        for one, two in zip(PLAIN.splitlines(), other.splitlines(), strict=True)
    )
    found = errors(mixed)
    assert {(error.exception, error.message) for error in found} == {
        ("ValueError", "bad shape"),
        ("TypeError", "worse shape"),
    }
    assert all(error.where == "/x/model.py:7 in forward" for error in found)


def test_progress_lines_in_the_middle_of_a_traceback() -> None:
    lines = PLAIN.splitlines()
    events = parse("\n".join([*lines[:3], PROGRESS, "a stray print", *lines[3:], PROGRESS]))
    assert sum(isinstance(event, IterationLogged) for event in events) == 2
    assert [event.where for event in events if isinstance(event, ErrorSeen)] == [
        "/x/model.py:7 in forward"
    ]


def test_a_traceback_cut_off_by_the_end_is_kept_without_a_kind() -> None:
    error = only_error("\n".join(PLAIN.splitlines()[:4]))
    assert error.exception == ""
    assert error.where == "/x/model.py:7 in forward"
    assert error.excerpt


def test_frames_that_lead_nowhere_are_given_up() -> None:
    parser = ConsoleParser(frameworks.line_formats())
    for line in [*PLAIN.splitlines()[:4], *["prose goes on"] * 100]:
        assert parser.feed(line, 0.0, 0.0) == []
    assert parser.close(0.0, 0.0) == []


def test_flush_brings_out_what_waits_for_more_lines() -> None:
    parser = ConsoleParser(frameworks.line_formats())
    for line in PLAIN.splitlines():
        assert parser.feed(line, 0.0, 0.0) == []
    assert [type(event) for event in parser.flush(0.0, 0.0)] == [ErrorSeen]
    assert parser.flush(0.0, 0.0) == []
    assert parser.close(0.0, 0.0) == []


def test_flush_waits_for_the_kind() -> None:
    parser = ConsoleParser(frameworks.line_formats())
    lines = PLAIN.splitlines()
    for line in lines[:-1]:
        parser.feed(line, 0.0, 0.0)
    assert parser.flush(0.0, 0.0) == []
    parser.feed(lines[-1], 0.0, 0.0)
    assert len(parser.flush(0.0, 0.0)) == 1


def test_a_failing_print_of_the_logger_ends_at_the_call_stack() -> None:
    error = only_error(
        "--- Logging error ---\n"
        + PLAIN.replace("ValueError: bad shape", "UnicodeEncodeError: 'gbk' codec can't encode")
        + "Call stack:\n  File \"t.py\", line 3, in <module>\n    log()\nMessage: 'ok'\n"
    )
    assert error.exception == "UnicodeEncodeError"
    assert error.message == "'gbk' codec can't encode"


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ("RuntimeError: DataLoader worker (pid(s) 123) exited unexpectedly", "RuntimeError",
         "DataLoader worker (pid(s) 123) exited unexpectedly"),
        (LOG.replace("INFO", "WARNING") + "macl skipped: RuntimeError: shapes differ",
         "RuntimeError", "shapes differ"),
        (LOG.replace("INFO", "WARNING") + "MACL loss skipped: mat1 and mat2 cannot be multiplied",
         "", "MACL loss skipped: mat1 and mat2 cannot be multiplied"),
        ("caught RuntimeError('size of tensor a (4) must match')", "RuntimeError",
         "size of tensor a (4) must match"),
        ("[macl] loss failed: size of tensor a must match", "",
         "[macl] loss failed: size of tensor a must match"),
        ("MACL损失计算失败\uff1a维度不匹配", "", "MACL损失计算失败\uff1a维度不匹配"),
        ("2026-11-23 06:20:46,001 - mmdet - ERROR - no infrared image", "", "no infrared image"),
        ("ERROR: Unexpected bus error encountered in worker.", "",
         "ERROR: Unexpected bus error encountered in worker."),
        ("terminate called after throwing an instance of 'c10::Error'", "c10::Error", ""),
        ("Fatal Python error: Aborted", "Fatal Python error", "Aborted"),
    ],
)  # fmt: skip
def test_errors_of_one_line(line: str, kind: str, message: str) -> None:
    error = only_error(line)
    assert (error.exception, error.message) == (kind, message)


@pytest.mark.parametrize(
    "line",
    [
        "MACL loss skipped: mat1 and mat2 cannot be multiplied",  # no warning of the logger
        LOG.replace("INFO", "WARNING") + "skipped: 12",
        "mean error: 0.123",
        "error: nan",
        "UserWarning: this is deprecated",
        "    raise ValueError('not now')",
        "loss=dict(type='SmoothL1Error', error='x'), {'error': 'y'}",
        "0 failed, 12 passed",
        LOG + "Exp name: failed_experiment",
        LOG.replace("INFO", "WARNING") + 'Failed to search registry with scope "mmdet".',
        "the Killed command",
        "Evaluating bbox...",
    ],
)
def test_quiet_twins(line: str) -> None:
    assert errors(line) == []


def test_an_error_caught_in_every_iteration_is_told_now_and_then() -> None:
    parser = ConsoleParser(frameworks.line_formats())
    told = []
    for iteration in range(1, 1001):
        line = f"macl failed in iteration {iteration}: shapes differ"
        told += [iteration for _ in parser.feed(line, 0.0, 0.0)]
    assert told == [1, 10, 100, 1000]


def test_different_errors_are_told_each() -> None:
    assert len(errors("a failed: x\nb failed: x\na failed: y\n")) == 3


_lines = st.sampled_from(
    [*PLAIN.splitlines(), *CHAINED.splitlines(), *WORKER.splitlines(), PROGRESS, "", "  ", "\x1b[",
     "[rank0]: ", "[rank1]: Traceback (most recent call last):", "  | ", "Call stack:", "A.: b",
     "Caught X in DataLoader worker process 99999999999999999999.", "print", ":", ".: x"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.one_of(_lines, st.text()), max_size=40))
def test_never_raises(lines: list[str]) -> None:
    parser = ConsoleParser(frameworks.line_formats())
    for line in lines:
        parser.feed(line, 0.0, 0.0)
        parser.flush(0.0, 0.0)
    parser.close(0.0, 0.0)
