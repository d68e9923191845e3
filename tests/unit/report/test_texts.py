"""What people read of a run, as files under ``__snapshots__/``.

After a change of wording: ``pytest tests/unit/report/test_texts.py --snapshot-update``, and read
the diff. No other test asserts sentences.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from dualwatch.events import (
    AttemptEnded,
    CommandAnswered,
    Decided,
    HeartbeatRead,
    IterationLogged,
    NotObserved,
    RunEnded,
    RunStarted,
)
from dualwatch.history.run import AttemptHistory
from dualwatch.protocol import AgentCommand, Phase
from dualwatch.report.run.live import LiveView
from dualwatch.report.run.plain import PlainView
from dualwatch.report.run.quiet import QuietView
from dualwatch.report.terminal import closing
from dualwatch.report.terminal.wrapping import folded

syrupy = pytest.importorskip("syrupy.extensions.single_file")

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Text(syrupy.SingleFileSnapshotExtension):
    """A snapshot in a text file of its own."""

    _write_mode = syrupy.WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def text(snapshot):
    return snapshot.use_extension(Text)


@pytest.fixture(autouse=True)
def _terminal(monkeypatch, utc) -> None:
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "LINES": "60"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    # A console of Windows without escape sequences is one column narrower to Rich.
    monkeypatch.setattr("rich.console.detect_legacy_windows", lambda: False)


def on_any_system(shown: str) -> str:
    """A text with the separators of paths that the snapshots have."""
    return shown.replace("work_dirs\\my_config", "work_dirs/my_config").replace(
        "my_config\\dualwatch", "my_config/dualwatch"
    )


def stalled(teller, change):
    """A loader deadlocks and is replaced; the second stall is answered by a rerun."""
    teller.tell(
        RunStarted,
        config="configs/my_config.py",
        script="tools/train.py",
        work_dir="work_dirs/my_config",
        required_metrics=("loss_macl",),
        required_because="--require",
        version="1",
    )
    teller.started().tell(NotObserved, what="gpu", why="no NVIDIA driver")
    teller.found("DW404", "GPU memory is not observed: no NVIDIA driver")
    teller.tell(
        HeartbeatRead,
        rank=0,
        pid=100,
        phase=Phase.WAITING,
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
    teller.t += 300
    workers = [f"worker {pid}: PairDataset.__getitem__ (pairs.py:88)" for pid in (101, 102, 103)]
    teller.found("DW111", "3 of 3 loader workers wait for a lock inside the dataset", *workers)
    teller.found("DW102", "no training iteration for 300 s, limit 300 s", "phase: waiting")
    reason = "DW111 loader-deadlock: the loader is replaced in the running training"
    teller.tell(Decided, action="replace", reason=reason)
    answer = {"rank": 0, "number": 1, "done": True, "iteration": 250}
    return teller.tell(CommandAnswered, order=AgentCommand.REPLACE, **answer)


def rerun(teller, change):
    long = "main process: " + " < ".join(f"frame_{n} (module_{n}.py:{n})" for n in range(9))
    teller.wait(300).found("DW102", "no training iteration for 300 s, limit 300 s", long)
    teller.tell(Decided, action="rerun", reason="DW102: batch 4 -> 2", changes=(change,))
    teller.tell(AttemptEnded, attempt=0, exit_code=None, signal="SIGTERM")
    teller.started(attempt=1, resumed_from="rescue_iter_250.pth")
    teller.tell(AttemptEnded, attempt=1, exit_code=0, signal=None)
    return teller.tell(RunEnded, outcome="completed", exit_code=0, reason="trained to the end")


@pytest.mark.parametrize("view", [PlainView, QuietView])
def test_without_a_terminal(telling, change, text, view) -> None:
    stream = io.StringIO()
    rerun(stalled(telling(view(stream)), change), change)
    assert on_any_system(stream.getvalue()) == text


@pytest.mark.parametrize(("columns", "encoding"), [(80, "utf-8"), (120, "utf-8"), (80, "ascii")])
def test_on_a_terminal(telling, change, text, monkeypatch, columns, encoding) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    teller = stalled(telling(LiveView("my_config.py", stream)), change).wait(60)
    shown = ESCAPES.sub("", stream.buffer.getvalue().decode(encoding)).replace("\r", "")
    teller.view.close()
    lines = on_any_system(shown).splitlines()
    assert "\n".join(line.rstrip() for line in lines) + "\n" == text


def test_the_closing(telling, change, text) -> None:
    teller = stalled(telling(PlainView(io.StringIO())), change)
    findings = tuple(e.finding for e in teller.events if hasattr(e, "finding"))
    teller.tell(AttemptEnded, attempt=0, exit_code=None, signal="SIGINT")
    record = AttemptHistory(snapshot=teller.snapshot, findings=findings)
    reason = "stopped at your request"
    ended = RunEnded(at=0, wall=0, outcome="interrupted", exit_code=130, reason=reason)
    words = ("dualwatch", "train", "configs/my_config.py", "--resume")
    lines = closing.lines([record], ended, Path("work_dirs/my_config/dualwatch"), resume=words)
    shown = "".join(row + "\n" for line in lines for row in folded(line, 80))
    assert on_any_system(shown) == text
