"""Bytes of any encoding to lines, however they are cut in pieces."""

from __future__ import annotations

import codecs

import pytest
from dualwatch.core.text import MAX_LINE
from dualwatch.logs.encodings import PARTIAL, LineDecoder, fallback
from hypothesis import given, settings
from hypothesis import strategies as st


def lines_of(data: bytes, size: int) -> tuple[list[str], str]:
    decoder = LineDecoder()
    lines = []
    for start in range(0, len(data), size):
        lines += decoder.feed(data[start : start + size])
    return lines + decoder.close(), decoder.encoding


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_characters_and_ends_that_a_piece_cuts_in_two(size: int, encoding: str, end: str) -> None:
    data = end.join(["损失计算失败", "", "loss: 0.5", "维度"]).encode(encoding)
    assert lines_of(data, size)[0] == ["损失计算失败", "", "loss: 0.5", "维度"]


@pytest.mark.parametrize(
    ("line", "encoding"),
    [
        ("页面文件太小,无法完成操作。", "gbk"),
        ("loss 损失计算", "gbk"),
        ("Prozess wurde abgebrochen: Zugriff verweigert für Gerät", "cp1252"),
        ("échec de l'opération", "cp1252"),
    ],
)
def test_what_is_not_utf_8_is_told_by_its_characters(line: str, encoding: str) -> None:
    data = line.encode(encoding)
    assert fallback(data) == encoding
    assert lines_of(data, 99) == ([line], encoding)


def test_a_line_without_end_is_bounded() -> None:
    decoder = LineDecoder()
    for _ in range(20):
        assert decoder.feed("失".encode() * 10_000) == []
        assert len(decoder._partial) <= PARTIAL + 1
    (line, other) = decoder.feed(b"\nnext\n")
    assert len(line) == MAX_LINE
    assert line.startswith("失失")
    assert other == "next"


def test_after_a_leap_the_first_line_is_a_part_and_left_out() -> None:
    decoder = LineDecoder()
    assert decoder.feed(b"one\ntwo begins") == ["one"]
    decoder.leap()
    assert decoder.feed(b"the end of another") == []
    assert decoder.feed(b" one\nthree\n") == ["three"]
    decoder.leap()
    assert decoder.feed(b"part") + decoder.close() == []


@settings(deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=100).map(lambda text: text.encode("utf-16", "surrogatepass")),
        st.text("ab\r\n失é\x1b", max_size=100).map(lambda text: text.encode("gbk", "replace")),
        st.binary(max_size=100).map(lambda data: codecs.BOM_UTF16_BE + data),
    ),
    st.integers(1, 20),
)  # fmt: skip
def test_pieces_make_no_difference_and_nothing_raises(data: bytes, size: int) -> None:
    whole, _ = lines_of(data, 1000)
    assert lines_of(data, size)[0] == whole
    assert not any(ord(char) < 32 and char != "\t" for line in whole for char in line)
