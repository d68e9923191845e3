"""Text in the columns of a terminal."""

from __future__ import annotations

from dualwatch.report.terminal.wrapping import folded


def test_a_line_that_fits_stays_as_it_is():
    assert folded("  train_dataloader.batch_size   4 -> 2", 80) == [
        "  train_dataloader.batch_size   4 -> 2"
    ]


def test_a_long_line_goes_on_below_and_deeper():
    line = "  DW111 loader-deadlock (error): 2 of 3 loader workers wait for a lock inside"
    first, second = folded(line, 60)
    assert first.startswith("  DW111")
    assert len(first) <= 60
    assert second.startswith("    ")
    assert (first + " " + second.strip()).split() == line.split()


def test_a_path_stays_whole():
    path = "/data/" + "very-long-folder/" * 8
    rows = folded(f"files: {path}", 60)
    assert path in [row.strip() for row in rows]
