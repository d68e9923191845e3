"""Following a file that grows, splits characters, rotates and shrinks."""

from __future__ import annotations

import locale
import os
from pathlib import Path

import pytest
from dualwatch.logs import tail as tail_module
from dualwatch.logs.tail import Tail
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "console.log"


def append(path: Path, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


def test_a_file_that_does_not_exist_yet_is_no_error(log: Path) -> None:
    tail = Tail(log)
    assert tail.poll() == []
    append(log, b"first\n")
    assert tail.poll() == ["first"]
    assert tail.take_notices() == []


def test_only_whole_lines_come_and_flush_gives_the_rest(log: Path) -> None:
    tail = Tail(log)
    append(log, b"one\ntw")
    assert tail.poll() == ["one"]
    assert tail.poll() == []
    append(log, b"o\nthree")
    assert tail.poll() == ["two"]
    assert tail.flush() == ["three"]
    assert tail.flush() == []


def test_a_character_split_by_a_write_is_whole(log: Path) -> None:
    tail = Tail(log)
    data = "损失 ✓\n".encode()
    lines: list[str] = []
    for byte in data:
        append(log, bytes([byte]))
        lines += tail.poll()
    assert lines == ["损失 ✓"]


def test_carriage_returns_end_lines_and_crlf_is_one_end(log: Path) -> None:
    tail = Tail(log)
    append(log, b"10%\r20%\r30%\r\nnext\r")
    assert tail.poll() == ["10%", "20%", "30%", "next"]
    append(log, b"\nlast\n")
    assert tail.poll() == ["last"]


def test_lines_come_clean(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale, "getpreferredencoding", lambda setlocale: "utf-8")
    append(log, b"\x1b[31mred\x1b[0m\x00\n" + "页面文件太小".encode("gbk") + b"\n")
    assert Tail(log).poll() == ["red", "页面文件太小"]


def test_a_poll_reads_a_bounded_piece(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "POLL_BYTES", 8)
    append(log, b"abc\ndef\nghi\n")
    tail = Tail(log)
    assert (tail.poll(), tail.behind) == (["abc", "def"], True)
    assert (tail.poll(), tail.behind) == (["ghi"], False)


def test_a_line_without_end_stays_bounded(log: Path) -> None:
    tail = Tail(log)
    for _ in range(20):
        append(log, b"x" * 10_000)
        assert tail.poll() == []
    append(log, b"\nshort\n")
    long, short = tail.poll()
    assert long.endswith(" ...")
    assert len(long) == tail_module.MAX_LINE
    assert short == "short"


def test_truncation_is_noticed(log: Path) -> None:
    tail = Tail(log)
    append(log, b"old line\nhalf")
    tail.poll()
    log.write_bytes(b"new\n")
    assert tail.poll() == ["half", "new"]
    assert [notice.split()[0] for notice in tail.take_notices()] == ["truncated"]
    assert tail.take_notices() == []


def test_rotation_is_noticed(log: Path) -> None:
    tail = Tail(log)
    append(log, b"old\n")
    tail.poll()
    os.rename(log, log.with_suffix(".1"))
    append(log, b"a longer new file\n")
    assert tail.poll() == ["a longer new file"]
    assert [notice.split()[0] for notice in tail.take_notices()] == ["replaced"]


def test_from_the_end(log: Path) -> None:
    append(log, b"past\n")
    tail = Tail(log, from_end=True)
    assert tail.poll() == []
    append(log, b"present\n")
    assert tail.poll() == ["present"]


def test_a_path_that_cannot_be_read_is_noticed_once(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    assert tail.poll() == []
    assert tail.poll() == []
    assert len(tail.take_notices()) == 1


@given(st.lists(st.binary(max_size=12), max_size=12))
def test_any_split_of_the_writes_gives_the_same_lines(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("split")
    log, whole = folder / "a", folder / "b"
    tail = Tail(log)
    lines: list[str] = []
    for piece in pieces:
        append(log, piece)
        lines += tail.poll()
    append(whole, b"".join(pieces))
    at_once = Tail(whole)
    assert lines + tail.flush() == at_once.poll() + at_once.flush()
