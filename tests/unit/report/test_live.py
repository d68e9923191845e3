"""The live view: drawn at 80 columns, on any console."""

from __future__ import annotations

import io
import re

import pytest
from dualwatch.events import (
    CommandAnswered,
    EvaluationLogged,
    GpuSample,
    GpusSampled,
    HeartbeatRead,
    IterationLogged,
    NotObserved,
    ProcessesSampled,
    ProcessSample,
    RunStarted,
)
from dualwatch.report.run.live import LiveView

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(autouse=True)
def _terminal(monkeypatch) -> None:
    """Rich takes any stream for a terminal of 80 columns."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "40")
    monkeypatch.delenv("NO_COLOR", raising=False)


def a_run(teller):
    """A training in its second epoch, with a finding."""
    begin(teller).started()
    teller.tell(
        HeartbeatRead,
        rank=0,
        pid=100,
        phase="train-step",
        beats=9,
        epoch=1,
        begun=0,
        iteration=250,
        batch=50,
        batches=200,
        max_epochs=12,
        max_iterations=2400,
    )
    teller.tell(
        IterationLogged,
        mode="train",
        epoch=2,
        iteration=50,
        total=200,
        metrics={"loss": 0.9, "loss_macl": 0.41, "lr": 0.1},
        eta_s=754.0,
    )
    teller.tell(
        EvaluationLogged, mode="val", epoch=1, iteration=9, total=9, metrics={"coco/bbox_mAP": 0.6}
    )
    for cpu in (1.0, 2.0):
        teller.t += 1
        main = ProcessSample(
            pid=100,
            create_time=1.0,
            ppid=1,
            role="main",
            status="running",
            cpu_s=cpu,
            io_bytes=1,
            rss=3 * 2**30,
            threads=1,
            wchan="",
            command="python",
        )
        teller.tell(ProcessesSampled, processes=(main,))
    gpu = GpuSample(index=0, name="GPU", used=2**30, total=24 * 2**30, tree=None, utilisation=None)
    teller.tell(GpusSampled, gpus=(gpu,))
    return teller.found("DW102", "no progress for 300 s, limit 300 s, and so on " * 4)


def drawn(telling, stream, wait: float = 30.0, tell=a_run) -> str:
    """What stands on the terminal after one drawing."""
    teller = telling(LiveView("my_config.py", stream))
    try:
        tell(teller)
        teller.wait(wait)
        stream.flush()
        raw = stream.buffer.getvalue() if hasattr(stream, "buffer") else stream.getvalue()
    finally:
        teller.view.close()
    return raw.decode(stream.encoding) if isinstance(raw, bytes) else raw


def wrapper(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252", "gbk"])
def test_every_row_is_drawn_within_80_columns(telling, encoding) -> None:
    text = ESCAPES.sub("", drawn(telling, wrapper(encoding)))
    table = text[text.index("dualwatch  my_config.py") :]
    for part in (
        "attempt 0, train-step, no progress for 32s",
        "epoch 2 of 12, iteration 50 of 200, ETA 0:12:34",
        "loss_macl 0.41",
        "loss 0.9",
        "val epoch 1: coco/bbox_mAP 0.6",
        "1, 0 loader workers, CPU 100 %, memory 3.0 GiB",
        "0: 1.0 GiB of 24.0 GiB (training ?)",
        "DW102",
        "stalled-training: no progress",
    ):
        assert part in table, table
    assert max(len(line) for line in table.splitlines()) <= 80
    assert text.isascii() == (encoding != "utf-8")


def begin(teller):
    return teller.tell(
        RunStarted,
        config="my_config.py",
        script="train.py",
        work_dir="work_dirs/my_config",
        required_metrics=("loss_macl",),
        required_because="--require",
        version="1",
    )


def test_required_metrics_are_marked(telling) -> None:
    assert "→ loss_macl" in drawn(telling, wrapper("utf-8"))
    assert "> loss_macl" in drawn(telling, wrapper("ascii"))


def test_an_empty_run_is_drawn_and_nothing_unknown_is_zero(telling) -> None:
    def nothing(teller):
        return teller.started()

    text = ESCAPES.sub("", drawn(telling, wrapper("utf-8"), tell=nothing))
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert rows["processes"].split()[1:] == ["?"]
    assert rows["GPU"].split()[2:] == ["?"]


def test_a_gpu_that_cannot_be_seen_says_why(telling) -> None:
    def unseen(teller):
        return teller.started().tell(NotObserved, what="gpu", why="no driver")

    assert "not observed: no driver" in drawn(telling, wrapper("utf-8"), tell=unseen)


def test_findings_of_the_last_attempt_leave_the_table(telling) -> None:
    def two(teller):
        a_run(teller)
        return teller.started(attempt=1)

    text = ESCAPES.sub("", drawn(telling, wrapper("utf-8"), tell=two))
    table = text[text.index("dualwatch  my_config.py") :]
    assert "attempt 1" in table
    assert "DW102" not in table


def test_a_mild_finding_is_printed_once_and_takes_no_row(telling) -> None:
    def mild(teller):
        return teller.started().found("DW404", "GPU memory is not observed")

    text = ESCAPES.sub("", drawn(telling, wrapper("utf-8"), tell=mild))
    above, _, table = text.rpartition("dualwatch  my_config.py")
    assert "DW404 gpu-not-observable" in above
    assert "DW404" not in table


def test_it_draws_at_most_once_a_second(telling) -> None:
    stream = wrapper("utf-8")
    teller = telling(LiveView("c.py", stream))
    teller.started().wait(1)
    drawings = stream.buffer.getvalue().count(b"dualwatch  c.py")
    for _ in range(9):
        teller.wait(0.1)
    assert stream.buffer.getvalue().count(b"dualwatch  c.py") == drawings
    teller.wait(0.2)
    assert stream.buffer.getvalue().count(b"dualwatch  c.py") == drawings + 1
    teller.view.close()


def test_no_colour_where_none_is_wanted(telling, monkeypatch) -> None:
    colours = re.compile(r"\x1b\[[0-9;]*3[1-7]m")
    assert colours.search(drawn(telling, wrapper("utf-8"), wait=90))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours.search(drawn(telling, wrapper("utf-8"), wait=90))


def test_a_long_line_is_broken_between_words_and_beside_the_time(telling) -> None:
    stream = io.StringIO()
    view = LiveView("x.py", stream)
    text = "train_dataloader: num_workers=2, persistent_workers=True, images in pairs, 中文路径 too"
    telling(view).started().found("DW601", text)
    view.close()
    plain = [ESCAPES.sub("", line).rstrip("\r ") for line in stream.getvalue().splitlines()]
    lines = [line.replace("\r", "") for line in plain if line.strip()]
    begun = next(n for n, line in enumerate(lines) if "DW601" in line)
    told = lines[begun : begun + 2]
    assert all(len(line) <= 80 for line in told)
    assert told[1].startswith(" " * 9)
    assert not told[1].startswith(" " * 10)
    assert "persistent_workers=True" in " ".join(told)


def test_what_a_replaced_loader_resolved_is_no_longer_red(telling) -> None:
    stream = io.StringIO()
    view = LiveView("x.py", stream)
    teller = telling(view).started().found("DW111", "2 of 2 workers wait for a lock")
    teller.wait(5)
    assert "loader-deadlock: 2 of 2 workers" in _table(stream)
    answer = {"rank": 0, "number": 1, "order": "replace", "done": True, "iteration": 7}
    teller.tell(CommandAnswered, **answer).wait(5)
    assert "loader-deadlock: resolved" in _table(stream)
    teller.found("DW111", "again").wait(5)
    assert "loader-deadlock: again" in _table(stream)
    view.close()


def _table(stream: io.StringIO) -> str:
    """What was drawn last."""
    return ESCAPES.sub("", stream.getvalue()).rsplit("phase", 1)[-1]
