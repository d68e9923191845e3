"""Documents of a run: summary, last words, dry run, events, explanations."""

from __future__ import annotations

import io
import json
import math
import os
import stat
from typing import Any

import pytest
from dualwatch.core import shell, units
from dualwatch.core.errors import DualwatchError
from dualwatch.core.json_codec import plain
from dualwatch.events import (
    AttemptEnded,
    Change,
    HeartbeatRead,
    IterationLogged,
    LogMilestone,
    RunEnded,
    RunStarted,
    Severity,
)
from dualwatch.history.run import AttemptHistory
from dualwatch.report.run import summary
from dualwatch.report.run.json_lines import EventsView
from dualwatch.report.run.plain import PlainView
from dualwatch.report.terminal import changes, closing, dryrun, explanation
from dualwatch.report.terminal.errors import render, render_fault
from dualwatch.rules.catalog import BY_CODE, CODES
from msgspec import structs

STARTED = RunStarted(
    at=0.0,
    wall=1000.0,
    config="c.py",
    script="tools/train.py",
    work_dir="w",
    required_metrics=("loss_macl",),
    required_because="flag",
    version="1",
)
ENDED = RunEnded(at=9.0, wall=1009.0, outcome="completed", exit_code=0, reason="trained to the end")


@pytest.fixture
def records(telling, change) -> list[AttemptHistory]:
    """Two attempts: one that stalled, one that trained to the end."""
    made = []
    for number, (code, signal) in enumerate([(None, "SIGKILL"), (0, None)]):
        teller = telling(PlainView(io.StringIO()))
        teller.started(
            attempt=number,
            overrides={change.key: change.after} if number else {},
            changes=(change,) if number else (),
            resumed_from="epoch_1.pth" if number else None,
        )
        for beats in (1, 2):
            teller.t += 30
            teller.tell(
                HeartbeatRead,
                rank=0,
                pid=100,
                phase="train-step",
                beats=beats,
                epoch=0,
                begun=100 * number,
                iteration=100 * number + 50 * (beats - 1),
                batch=0,
                batches=10,
                max_epochs=1,
                max_iterations=10,
            )
        metrics = {"loss": 0.5 - number / 10, "loss_macl": math.nan, "time": 0.1}
        teller.tell(IterationLogged, mode="train", epoch=1, iteration=1, total=9, metrics=metrics)
        if not number:
            teller.found("DW102", "no progress", "where")
        teller.found("DW404", "no GPU")
        findings = tuple(f.finding for f in teller.events if hasattr(f, "finding"))
        teller.tell(AttemptEnded, attempt=number, exit_code=code, signal=signal)
        made.append(
            AttemptHistory(
                snapshot=teller.snapshot,
                findings=findings,
                lost_iterations=0 if number else 50,
            )
        )
    return made


# --- summary.json ----------------------------------------------------------------------------


def built(*arguments: Any) -> dict[str, Any]:
    """The summary as it is written."""
    return plain(summary.build(*arguments))


def test_the_summary_holds_what_the_contract_promises(records) -> None:
    document = built(STARTED, ("python", "t.py"), records, ENDED)
    assert {key: document[key] for key in document if key not in ("attempts", "metrics")} == {
        "schema_version": 1,
        "outcome": "completed",
        "exit_code": 0,
        "config": "c.py",
        "script": "tools/train.py",
        "command": ["python", "t.py"],
        "started": 1000.0,
        "ended": 1009.0,
        "required_metrics": ["loss_macl"],
        "would_have": [],
    }
    first, second = document["attempts"]
    assert (
        set(first)
        == set(second)
        == {
            *("number", "started", "ended", "pid", "exit_code", "signal", "overrides"),
            *("resumed_from", "first_iteration", "last_iteration", "rescued", "lost_iterations"),
            "findings",
        }
    )
    assert (first["number"], first["exit_code"], first["signal"]) == (0, None, "SIGKILL")
    assert (first["first_iteration"], first["last_iteration"]) == (1, 50)
    assert (first["overrides"], first["resumed_from"], first["lost_iterations"]) == ({}, None, 50)
    assert (second["number"], second["exit_code"], second["signal"]) == (1, 0, None)
    assert (second["first_iteration"], second["last_iteration"]) == (101, 150)
    assert second["overrides"] == {"train_dataloader.num_workers": 0}
    assert second["resumed_from"] == "epoch_1.pth"


def test_findings_of_the_summary_are_whole(records) -> None:
    document = built(STARTED, (), records, ENDED)
    found = document["attempts"][0]["findings"][0]
    assert (found["code"], found["name"], found["severity"]) == (
        "DW102",
        "stalled-training",
        "error",
    )
    assert set(found) >= {"confidence", "evidence", "remedy", "attempt", "rank", "pid"}
    assert set(found["evidence"][0]) == {"text", "source", "wall"}


def test_the_last_value_of_each_metric(records) -> None:
    metrics = built(STARTED, (), records, ENDED)["metrics"]
    assert metrics == {"loss": 0.4, "loss_macl": "nan", "time": 0.1}


def test_while_the_run_goes_on_there_is_no_outcome(records) -> None:
    document = built(STARTED, (), records[:1], None)
    assert (document["outcome"], document["exit_code"], document["ended"]) == (None, None, None)
    assert built(STARTED, (), [], None)["attempts"] == []


def test_a_summary_is_strict_json_and_its_owner_s_own(records, tmp_path) -> None:
    path = tmp_path / "summary.json"
    path.write_text("an earlier one")
    document = summary.build(STARTED, (), records, ENDED)
    before = os.umask(0)
    try:
        summary.write(path, document)
    finally:
        os.umask(before)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    text = path.read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse) == plain(document)
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


# --- closing ---------------------------------------------------------------------------------


def test_the_closing_ends_with_the_result(records, tmp_path) -> None:
    shown = list(closing.lines(records, ENDED, tmp_path))
    assert shown[-1].startswith("completed")
    text = "\n".join(shown)
    for part in ("attempt 0", "SIGKILL", "1 to 50", "attempt 1", "101 to 150", "2 -> 0"):
        assert part in text
    for part in ("DW102 stalled-training", "loss_macl nan", str(tmp_path)):
        assert part in text
    assert "dualwatch explain DW102" in text
    assert "DW404" not in text, "an info is in the summary alone"


def test_the_closing_of_an_interrupted_run_ends_with_the_command_that_resumes(tmp_path) -> None:
    words = ("dualwatch", "train", "my config.py", "--resume")
    ended = RunEnded(at=0, wall=0, outcome="interrupted", exit_code=130, reason="at your request")
    *_, result, resume = closing.lines([], ended, tmp_path, resume=words)
    assert result.startswith("interrupted")
    assert resume.endswith(f"dualwatch train {shell.quote('my config.py')} --resume")


def test_the_closing_of_a_script_ends_with_the_call_that_resumes(tmp_path) -> None:
    *_, last = closing.lines([], None, tmp_path, resume_call="torch.load('rescue_iter_5.pth')")
    assert last.endswith("torch.load('rescue_iter_5.pth')")


def test_the_closing_of_a_run_that_never_began(tmp_path) -> None:
    assert next(iter(closing.lines([], None, tmp_path))) == f"files: {tmp_path}"


# --- events ----------------------------------------------------------------------------------


def test_events_are_one_json_object_a_line(telling) -> None:
    stream = io.StringIO()
    teller = telling(EventsView(stream)).started()
    teller.tell(LogMilestone, name="resumed", text="two\nlines \u2028 中文")
    teller.tell(
        IterationLogged, mode="train", epoch=1, iteration=1, total=1, metrics={"loss": math.inf}
    )
    lines = stream.getvalue().splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["kind"] for event in events] == [
        "attempt-started",
        "milestone",
        "iteration-logged",
    ]
    assert {event["schema_version"] for event in events} == {1}
    assert events[1]["text"] == "two\nlines \u2028 中文"
    assert events[2]["metrics"] == {"loss": "inf"}


def test_notes_and_time_are_no_events(telling, capsys) -> None:
    stream = io.StringIO()
    teller = telling(EventsView(stream)).wait(600)
    teller.view.note("for people")
    assert stream.getvalue() == ""
    assert capsys.readouterr() == ("", "for people\n")


# --- dry run and changes ---------------------------------------------------------------------

STEP = dryrun.Step(
    step=1,
    name="no workers",
    changes=(
        Change(key="a.num_workers", before=2, after=0, why="why one"),
        Change(key="b", before=None, after=[1], why="why two"),
        Change(key="c", before=2, after=None, why="why three"),
    ),
    environment={},
)
UTF8 = dryrun.Step(step=1, name="UTF-8 output", changes=(), environment={"PYTHONUTF8": "1"})
PLAN = dryrun.DryRun(
    command=("python", "my train.py", "c.py"),
    work_dir="w",
    required_metrics=("loss_macl", "loss"),
    required_because="from flag",
    notes=("a note",),
    max_reruns=2,
    min_batch=2,
    in_place="the loader is replaced",
    ladder=[STEP],
    ladders={"stall": [STEP], "console-encoding": [UTF8]},
)


def test_a_dry_run_in_words() -> None:
    assert dryrun.text(PLAN).splitlines() == [
        f"command:   python {shell.quote('my train.py')} c.py",
        "work dir:  w",
        "required:  loss_macl, loss (from flag)",
        "note:      a note",
        "",
        "first on a stall: the loader is replaced",
        "",
        "step 1 on a stall: no workers",
        "  a.num_workers  2 -> 0  (why one)",
        "  b              not set -> [1]  (why two)",
        "  c              2 -> not set  (why three)",
        "",
        "step 1 on console-encoding: UTF-8 output",
        "  PYTHONUTF8=1",
        "",
        "No batch below 2: the model's loss needs more samples.",
        "Every rerun resumes at the same sample, or from the newest good checkpoint; at",
        "most 2 reruns in all.",
        "Nothing was started.",
    ]


def test_a_dry_run_without_a_ladder() -> None:
    nothing = structs.replace(
        PLAN, ladder=[], ladders={}, in_place=None, min_batch=1, required_metrics=()
    )
    text = dryrun.text(nothing)
    assert "required:  none" in text
    assert "a stall ends the run" in text
    assert "reruns." not in text


def test_no_changes_no_table() -> None:
    assert changes.changes_table([]) == []
    assert changes.changes_table([Change(key="k", before=False, after=0, why="w")]) == [
        "  k  False -> 0  (w)"
    ]


# --- explanations ----------------------------------------------------------------------------


def test_an_explanation_has_all_its_parts_within_80_columns() -> None:
    for code in CODES:
        text = explanation.text([code], in_full=True)
        assert max(map(len, text.splitlines())) <= 80
        flat = " ".join(text.split())
        for part in (
            code.code,
            code.name,
            code.severity.word,
            code.means,
            code.matters,
            code.remedy,
        ):
            assert part in flat


def test_the_list_of_codes_is_one_line_a_code() -> None:
    lines = explanation.text(CODES, in_full=False).splitlines()
    assert [line.split()[0] for line in lines] == list(BY_CODE)
    assert all(line.split()[-1] in {s.word for s in Severity} for line in lines)


# --- errors ----------------------------------------------------------------------------------


def test_an_error_says_what_why_and_what_to_do() -> None:
    error = DualwatchError("it fails", why="one\ntwo", do="mend it", code="DW602")
    assert render(error).splitlines() == [
        "dualwatch: it fails [DW602]",
        "  why: one",
        "       two",
        "  do:  mend it",
    ]
    assert render(DualwatchError("it fails")) == "dualwatch: it fails\n"


def test_a_fault_of_ours_comes_with_all_that_a_report_needs() -> None:
    try:
        raise ZeroDivisionError("ours")
    except ZeroDivisionError as error:
        text = render_fault(error)
    for part in (
        "internal error",
        "(version ",
        "report it",
        "ZeroDivisionError: ours",
    ):
        assert part in text


# --- words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0s"),
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (75, "1m15s"),
        (3600, "1h00m"),
        (5400, "1h30m"),
        (86400, "24h00m"),
        (200_000, "2d07h"),
    ],
)
def test_spans(seconds, text) -> None:
    assert units.span(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "?"),
        (0, "0 B"),
        (1023, "1023 B"),
        (2048, "2 KiB"),
        (3 * 2**20, "3 MiB"),
        (3 * 2**29, "1.5 GiB"),
        (2**41, "2048.0 GiB"),
    ],
)
def test_sizes(count, text) -> None:
    assert units.size(count) == text
