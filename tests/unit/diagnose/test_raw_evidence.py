"""What of a log goes into a bundle: all of it, or its beginning and its newest lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from dualwatch.diagnose import raw_evidence
from dualwatch.report.bundle import bundle

LINE = "line of a log with a number {:08d}\n"


def text_of(path: Path, size: int) -> str:
    count = size // len(LINE.format(0))
    text = "".join(map(LINE.format, range(count)))
    path.write_text(text, encoding="utf-8", newline="\n")
    return text


def test_a_file_that_fits_is_whole(tmp_path) -> None:
    text = text_of(tmp_path / "a.log", 10_000)
    assert raw_evidence._read(tmp_path / "a.log") == (text, 0)


def test_of_a_large_one_the_beginning_and_the_newest(tmp_path) -> None:
    text = text_of(tmp_path / "a.log", bundle.LARGEST + (3 << 20))
    read, left_out = raw_evidence._read(tmp_path / "a.log")
    head, newest = read.split(bundle.mark(left_out))
    assert text.startswith(head)
    assert text.endswith(newest)
    assert len(head) + left_out + len(newest) == len(text)
    assert bundle.LARGEST - 2000 < len(read) <= bundle.LARGEST


def test_what_cannot_be_read_raises(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        raw_evidence._read(tmp_path / "none")
