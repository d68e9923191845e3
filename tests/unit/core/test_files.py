"""Whole files, one lock, and calls with a time limit."""

from __future__ import annotations

import os
import threading

import psutil
import pytest
from dualwatch.actions.lock import Lock
from dualwatch.core.deadline import TimedCall
from dualwatch.core.errors import DualwatchError
from dualwatch.core.files import write_atomically
from dualwatch.core.proc import stat_fields
from dualwatch.core.text import name_words


def test_a_file_is_replaced_as_a_whole_and_is_private(tmp_path) -> None:
    path = tmp_path / "summary.json"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_atomically(tmp_path / "taken", b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["taken"]


def test_the_holder_of_a_lock_is_named_and_may_release_it(tmp_path) -> None:
    first = Lock(tmp_path)
    with pytest.raises(DualwatchError) as caught:
        Lock(tmp_path)
    assert str(os.getpid()) in caught.value.why
    first.release()
    Lock(tmp_path).release()


def test_a_call_gives_its_answer_or_its_error() -> None:
    call = TimedCall("test")
    assert call(lambda: 7, 10.0) == 7
    with pytest.raises(ZeroDivisionError):
        call(lambda: 1 / 0, 10.0)
    assert not call.is_stuck


def test_a_late_call_blocks_further_ones_until_it_returns() -> None:
    call, end = TimedCall("test"), threading.Event()
    with pytest.raises(TimeoutError):
        call(end.wait, 0.05)
    assert call.is_stuck
    with pytest.raises(TimeoutError):
        call(lambda: 7, 10.0)
    end.set()
    while call.is_stuck:
        pass
    assert call(lambda: 7, 10.0) == 7


@pytest.mark.skipif(not psutil.LINUX, reason="/proc is Linux's")
def test_the_parent_of_a_process() -> None:
    assert int(stat_fields(os.getpid())[1]) == os.getppid()
    with pytest.raises(OSError, match="No such file"):
        stat_fields(2**22 + 1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("LoadRGBPair", ["load", "rgb", "pair"]),
        ("loss_macl2", ["loss", "macl"]),
        ("MACLHead", ["macl", "head"]),
        ("", []),
    ],
)
def test_the_words_of_a_name(name, words) -> None:
    assert name_words(name) == words


@pytest.mark.skipif(os.name != "nt", reason="only Windows refuses to rename over an open file")
def test_a_file_that_is_open_elsewhere_for_a_moment_is_replaced(tmp_path) -> None:
    path = tmp_path / "summary.json"
    path.write_bytes(b"old")
    reader = path.open("rb")
    refused = threading.Event()

    def read_on() -> None:
        # The new file is complete beside the old one: the rename is what remains.
        while not any(one.suffix == ".tmp" for one in tmp_path.iterdir()):
            pass
        refused.set()
        reader.close()

    reading = threading.Thread(target=read_on)
    reading.start()
    write_atomically(path, b"new")
    reading.join()
    assert refused.is_set()
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(os.name != "nt", reason="only Windows refuses to rename over an open file")
def test_a_file_that_stays_open_elsewhere_is_named(tmp_path) -> None:
    path = tmp_path / "summary.json"
    path.write_bytes(b"old")
    with path.open("rb"), pytest.raises(PermissionError, match="open in another program") as caught:
        write_atomically(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
