"""Lines as platforms keep them, and tracebacks of notebooks."""

from __future__ import annotations

import json

import pytest
from dualwatch.events import EndReported, ErrorSeen
from dualwatch.logs.console import ConsoleParser
from dualwatch.logs.envelopes import text_of, unwrapped

TIME = "2024-03-04T10:00:00.123456789Z"


def read(text: str):
    parser = ConsoleParser(())
    events = [event for line in text.split("\n") for event in parser.feed(line, 0.0, 0.0)]
    return [*events, *parser.close(0.0, 0.0)]


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"log": "Epoch 3\n", "stream": "stderr", "time": TIME}),
        json.dumps({"log": "Epoch 3\n", "stream": "stderr", "time": TIME}, separators=(",", ":")),
        f"{TIME} stderr F Epoch 3",
        f"{TIME} stdout P Epoch 3",
    ],
)
def test_a_line_of_a_platforms_file_keeps_its_time(line) -> None:
    assert unwrapped(line) == f"{TIME} Epoch 3"
    assert text_of(unwrapped(line)) == "Epoch 3"


@pytest.mark.parametrize(
    "line",
    [
        '{"log":"cut off',
        '{"log": 3}',
        '{"loss": 0.5, "epoch": 1}',
        "2024-03-04 10:00:00,123 stdout F",
        "Epoch 3",
    ],
)
def test_other_lines_stay_as_they_are(line) -> None:
    assert unwrapped(line) == line


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (f"{TIME} Epoch 3", "Epoch 3"),
        ("trainer-1  | Epoch 3", "Epoch 3"),
        (f"det_trainer_1 | {TIME}   File", "  File"),
        ("| class  | gts |", "| class  | gts |"),
        ("class | gts", "class | gts"),
    ],
)
def test_what_a_platform_printed_before_a_line_is_left_out(line, text) -> None:
    assert text_of(line) == text


OLD = """ValueError                                Traceback (most recent call last)
<ipython-input-7-2b6ab1b4c7b5> in <cell line: 3>()
      1 runner = Runner.from_cfg(cfg)
----> 3 runner.train()

/usr/lib/python3.10/site-packages/x/loops.py in run_epoch(self)
    114         #
--> 115         self.run_iter(idx, batch)

ValueError: no boxes"""
NEW = """ValueError                                Traceback (most recent call last)
Cell In[7], line 3
      1 runner = Runner.from_cfg(cfg)
----> 3 runner.train()

File /usr/lib/python3.10/site-packages/x/loops.py:115, in Loop.run_epoch(self)
    114         #
--> 115         self.run_iter(idx, batch)

ValueError: no boxes"""


@pytest.mark.parametrize(("text", "function"), [(OLD, "run_epoch"), (NEW, "Loop.run_epoch")])
def test_a_traceback_of_a_notebook(text, function) -> None:
    (error,) = read("-" * 75 + "\n" + text + "\n\nIn [8]:")
    assert (error.exception, error.message) == ("ValueError", "no boxes")
    assert error.where == f"/usr/lib/python3.10/site-packages/x/loops.py:115 in {function}"
    file = "/usr/lib/python3.10/site-packages/x/loops.py"
    assert f'  File "{file}", line 115, in {function}' in error.excerpt


def test_a_chain_in_a_notebook_is_one_error() -> None:
    link = "\n\nThe above exception was the direct cause of the following exception:\n\n"
    second = OLD.replace("ValueError", "RuntimeError").replace("no boxes", "the head failed")
    (error,) = read(OLD + link + second)
    assert (error.exception, error.causes) == ("RuntimeError", ("ValueError: no boxes",))


@pytest.mark.parametrize("mark", ["0: ", " 3: ", "[rank0]: ", "2024-03-04T10:00:00Z "])
def test_a_traceback_behind_a_label(mark) -> None:
    text = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    g()\nKeyError: 3'
    (error,) = read("\n".join(mark + line for line in text.split("\n")))
    assert isinstance(error, ErrorSeen)
    assert (error.exception, error.where) == ("KeyError", "a.py:3 in f")


@pytest.mark.parametrize(
    ("line", "reported"),
    [
        ("^CTerminate batch job (Y/N)? y", True),
        ("^C终止批处理操作吗(Y/N)? y", True),
        ("forrtl: error (200): program aborting due to control-C event", True),
        ("forrtl: severe (174): SIGSEGV, segmentation fault occurred", False),
        ("Terminate batch jobs that are older: none", False),
    ],
)
def test_ctrl_c_as_windows_reports_it(line, reported) -> None:
    assert any(isinstance(event, EndReported) for event in read(line)) == reported
