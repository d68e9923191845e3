"""What is read from the lines of a source file."""

from __future__ import annotations

import ast
import textwrap

import pytest
from dualwatch.collectors.stacks import source_lines
from dualwatch.events import SourceLine


def lines(text: str):
    return source_lines.parse(ast.parse(textwrap.dedent(text)))


CODE = """
class Data:
    def __getitem__(self, index):
        self.lock.acquire()
        with self.lock:
            pass
        with open("x") as f, self.locks[0]:
            f.read()
        self.lock.acquire(False)
        self.lock.acquire(blocking=False)
        (self
            .lock
            .acquire())
        key = lambda: self.other.acquire()
        return index
"""


@pytest.mark.parametrize(
    ("line", "calls", "enters"),
    [
        (4, ("self.lock.acquire",), ()),
        (5, (), ("self.lock",)),
        (7, ("open",), ("?",)),
        (8, ("f.read",), ()),
        (13, ("self.lock.acquire",), ()),
    ],
)
def test_what_a_line_calls_and_enters(line, calls, enters) -> None:
    assert lines(CODE)[("__getitem__", line)] == SourceLine(calls=calls, enters=enters)


@pytest.mark.parametrize("line", [3, 6, 9, 10, 14, 15])
def test_lines_that_wait_for_nothing(line) -> None:
    assert ("__getitem__", line) not in lines(CODE)


def test_a_line_belongs_to_its_function() -> None:
    assert ("<lambda>", 14) in lines(CODE)
    assert ("<module>", 1) in lines("f()")
