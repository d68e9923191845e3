"""The table: what spreadsheets and pandas read back."""

from __future__ import annotations

import csv
import io
import math

import pytest
from dualwatch.history.reported_run import ReportedRun
from dualwatch.report.terminal import csv as sheet


def written(*runs) -> bytes:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8-sig", newline="")
    sheet.write(stream, runs)
    stream.flush()
    return stream.buffer.getvalue()


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_a_row_for_each_line_and_each_evaluation(three_attempts):
    run = ReportedRun().fold(three_attempts.events)
    run.label = "中文"

    data = written(run)

    assert data.startswith(b"\xef\xbb\xbf")
    read = rows(data)
    assert len(read) == len(run.table) == 19
    assert list(read[0])[:8] == list(sheet.FIXED)
    assert {row["run"] for row in read} == {"中文"}
    assert [row["attempt"] for row in read if row["kind"] == "evaluation"] == ["0", "2"]
    assert [row["pascal_voc/mAP"] for row in read if row["kind"] == "evaluation"] == [
        "0.54",
        "0.57",
    ]
    first = read[0]
    assert (first["epoch"], first["iteration"], first["total"]) == ("1", "2", "10")
    assert (float(first["loss_macl"]), first["pascal_voc/mAP"]) == (0.48, "")


def test_what_is_no_number_comes_back_as_such(script):
    s = script().start().launch(0).train(1, 1, loss=float("nan")).train(1, 2, loss=float("-inf"))

    first, second = rows(written(ReportedRun().fold(s.events)))

    assert math.isnan(float(first["loss"]))
    assert float(second["loss"]) == -math.inf


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@SUM(A1)", "\t=1", "\x1b[0m=1+1"])
def test_no_cell_is_a_formula(script, name):
    s = script().start().launch(0).train(1, 1, **{name: -1.5})
    run = ReportedRun().fold(s.events)
    run.label = name

    data = written(run)

    (row,) = rows(data)
    texts = [cell for cell in (*row, row["run"]) if cell]
    assert not any(text.startswith(("=", "+", "-", "@", "\t")) for text in texts)
    assert "-1.5" in row.values()


def test_a_metric_of_our_own_name_is_told_apart(script):
    s = script().start().launch(0).train(1, 1, kind=7.0)

    (row,) = rows(written(ReportedRun().fold(s.events)))

    assert (row["kind"], row["metric kind"]) == ("line", "7.0")
