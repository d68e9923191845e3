"""The table of processes as Windows hands it out, made by hand."""

from __future__ import annotations

import struct

from dualwatch.core.windows_threads import Thread, parse, reason_of_first


def entry(pid: int, threads: list[tuple[int, int, int]], *, last: bool = False) -> bytes:
    size = 0x100 + 80 * len(threads)
    head = bytearray(0x100)
    struct.pack_into("<II", head, 0, 0 if last else size, len(threads))
    struct.pack_into("<Q", head, 0x50, pid)
    rows = [
        struct.pack("<16xQI12xQQiiIII4x", 9000 - number, 0, pid, number, 8, 8, 1, state, reason)
        for number, state, reason in threads
    ]
    return bytes(head) + b"".join(rows)


TABLE = entry(4, [(8, 2, 0)]) + entry(700, [(704, 5, 5), (708, 5, 6)], last=True)


def test_the_threads_of_one_process() -> None:
    assert parse(TABLE, 700) == (Thread(704, 5, 5, 8296), Thread(708, 5, 6, 8292))


def test_an_unknown_process_and_a_table_that_breaks_off_have_none() -> None:
    assert parse(TABLE, 9) == ()
    assert parse(TABLE[:-1], 700) == ()
    assert parse(b"", 700) == ()


def test_the_first_thread_is_the_oldest() -> None:
    assert reason_of_first(parse(TABLE, 700)) == 6
    assert reason_of_first([Thread(8, 2, 6)]) is None  # It runs.
    assert reason_of_first(()) is None
