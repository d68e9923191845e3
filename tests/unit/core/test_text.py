"""Bytes of a line to safe text."""

from __future__ import annotations

import locale

import pytest
from dualwatch.core.text import MAX_LINE, bound, clean, decode, decode_line, strip_control
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("plain text", "plain text"),
        ("with\ta tab", "with\ta tab"),
        ("\x1b[4m\x1b[97mINFO\x1b[0m", "INFO"),
        ("\x1b]0;a title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[2K\x1b[1A 10%|█", " 10%|█"),
        ("a\x00b\x08c\x7fd\x9be", "abcde"),
        ("evil \u202etxt.exe", "evil txt.exe"),
        ("页面文件太小", "页面文件太小"),
        ("\x1b", ""),
    ],
)
def test_control_sequences_go_and_text_stays(dirty: str, expected: str) -> None:
    assert strip_control(dirty) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("损失".encode(), "损失"),
        ("损失".encode("gbk"), "损失"),
        (b"ok \xff\xfe\xff", None),
        ("损失".encode()[:-1], "损"),
        (b"", ""),
    ],
)
def test_decoding_falls_back(data, expected, monkeypatch) -> None:
    monkeypatch.setattr(locale, "getpreferredencoding", lambda setlocale: "utf-8")
    text = decode(data)
    assert expected is None or text == expected


def test_a_cut_shows_and_a_short_line_is_left_alone() -> None:
    assert bound("abc", 3) == "abc"
    assert bound("abcdefgh", 6) == "ab ..."
    assert len(clean("x" * 10 * MAX_LINE)) == MAX_LINE
    assert len(decode_line("失".encode() * MAX_LINE)) == MAX_LINE


@given(st.binary(max_size=200))
def test_never_raises_and_leaves_nothing_that_a_terminal_obeys(data: bytes) -> None:
    text = decode_line(data)
    assert not any(ord(char) < 32 and char != "\t" for char in text)
    assert "\x1b" not in text
    text.encode("utf-8")


def test_the_machines_own_code_page_comes_before_others(monkeypatch) -> None:
    monkeypatch.setattr(locale, "getpreferredencoding", lambda setlocale: "cp1252")
    assert decode("naïve".encode("cp1252")) == "naïve"
    assert decode("损失".encode()) == "损失"
