"""The benchmarks run and print their tables; how fast anything is, is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from dualwatch import frameworks
from dualwatch.events import EvaluationLogged, IterationLogged
from dualwatch.frameworks.mmengine.logs.scalars import ScalarsParser
from dualwatch.logs.console import ConsoleParser

from tests.support.paths import ROOT

if sys.platform == "win32":
    pytest.skip("the benchmarks count with wait4, which Windows lacks", allow_module_level=True)


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def run(name: str, *words: str) -> str:
    """Runs a benchmark as its README says, and returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def first_cells(text: str) -> list[str]:
    """The first column of the tables, headers and rulers left out."""
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    return [
        cell
        for cell, following in zip(rows, [*rows[1:], ""], strict=True)
        if cell.strip("-") and following.strip("-")
    ] + ([rows[-1]] if rows else [])


def test_start_up_compares_with_torchrun_and_bare_python():
    pytest.importorskip("typer")
    text = run("start_up", "--runs", "1")

    assert first_cells(text) == ["dualwatch --help", "torchrun --help", "python -c pass"]
    assert "runs of each, in turn: 1" in text
    assert "exit code" not in text


def test_pairs_are_made_and_looked_through():
    pytest.importorskip("typer")
    text = run("check_pairs", "--runs", "1", "--pairs", "30", "--warm")

    assert first_cells(text) == ["check --all-pairs", "pairs alone", "images alone"]
    assert "30 pairs; 1 runs, warm" in text


def test_parsing_compares_with_the_reader_of_mmdet():
    from benchmarks import parsing

    text = run("parsing", "--runs", "1", "--rows", "300")

    expected = list(parsing.READERS)
    if parsing.mmdet_analyzer() is None:
        expected.remove(parsing.MMDET)
    assert first_cells(text) == expected
    assert "300 rows of scalars.json" in text
    assert "lines of console.log" in text


def test_overhead_tells_the_cost_of_a_heartbeat(tmp_path: Path):
    from benchmarks import overhead

    (beats,) = overhead.measure_beats(str(tmp_path), number=10, repeats=1)

    assert beats.beat > 0
    assert beats.iteration == beats.followed - beats.bare
    assert sorted(path.name for path in tmp_path.iterdir()) == ["batch-0.json", "heartbeat-0.bin"]


def test_overhead_tells_the_cost_of_a_guarded_batch(tmp_path: Path):
    pytest.importorskip("torch")
    from benchmarks import overhead

    ((bare, guarded),) = overhead.measure_batches(str(tmp_path), number=10, repeats=1)

    assert bare > 0
    assert guarded > 0


def test_overhead_reads_the_times_that_the_training_logged(tmp_path: Path):
    from benchmarks import overhead

    folder = tmp_path / "20261123_120000" / "vis_data"
    folder.mkdir(parents=True)
    rows = [{"iter": 25, "time": 0.5}, {"coco/bbox_mAP": 0.1, "step": 1}, {"iter": 50, "time": 0.4}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "scalars.json").write_text(text, encoding="utf-8")

    assert overhead._logged_times(tmp_path) == [0.5, 0.4]


def test_footprint_watches_a_process_until_its_end():
    pytest.importorskip("psutil")
    from benchmarks import footprint

    words = [sys.executable, "-c", "data = bytearray(30_000_000); input()"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
        seen = footprint.watch(process, settle=1000.0)
    finally:
        process.kill()
        process.wait()

    assert seen.code == 0
    assert seen.wall > 0
    assert seen.share != seen.share, "it ended before anything counted"


def test_footprint_shows_how_a_failed_run_ended():
    pytest.importorskip("psutil")
    from benchmarks import footprint

    ours = [footprint.Footprint(rss=30e6, uss=20e6, share=0.002, wall=60.0, code=0)]
    failed = [footprint.Footprint(rss=60e6, uss=40e6, share=0.02, wall=5.0, code=1)]

    name, rss, _, share, _, ratio = footprint._row("agent", failed, ours)

    assert (name, rss, share, ratio) == ("agent (exit code 1)", "60.0 MB", "2.00 %", "2.00")


def test_a_commands_cost_is_counted_in_full():
    from benchmarks import measure

    cost = measure.run([sys.executable, "-c", "data = b'x' * 80_000_000; raise SystemExit(3)"])

    assert cost.code == 3
    assert cost.peak > 80e6
    assert cost.cpu > 0
    assert cost.wall > 0


def test_a_commands_peak_is_not_that_of_the_process_that_measures():
    from benchmarks import measure

    ballast = b"x" * 200_000_000
    cost = measure.run([sys.executable, "-S", "-c", "pass"])

    assert len(ballast) > cost.peak


def test_ones_own_peak_grows_with_what_one_holds():
    from benchmarks import measure

    before = measure.own_peak()
    ballast = b"x" * int(before + 50_000_000)

    assert measure.own_peak() > before
    assert ballast


def test_measures_take_turns():
    from benchmarks import measure

    order: list[str] = []
    results = measure.alternate(2, [lambda: order.append("a"), lambda: order.append("b")])

    assert order == ["a", "b", "a", "b"]
    assert results == [[None, None], [None, None]]


def test_ratios_are_taken_within_a_turn():
    from benchmarks import measure

    # The machine becomes ten times slower: the medians of both would tell another story.
    ratio = measure.ratios([1.0, 10.0, 12.0], [2.0, 20.0, 20.0])

    assert ratio.median == 0.5
    assert (ratio.low, ratio.high) == (0.5, 0.55)
    assert measure.show(ratio) == "0.50 (0.50 .. 0.55)"


def test_one_run_has_no_spread():
    from benchmarks import measure

    assert measure.show(measure.spread([0.25]), 2, " s") == "0.25 s"
    assert measure.show(measure.ratios([1.0], [0.0])) == "nan"


def test_tables_are_aligned_markdown():
    from benchmarks import measure

    text = measure.table(["what", "s"], [["a", "1.0"], ["long name", "2"]])

    assert text.splitlines() == [
        "| what      | s   |",
        "| --------- | --- |",
        "| a         | 1.0 |",
        "| long name | 2   |",
    ]


@pytest.mark.parametrize("words", [["--runs", "0"], ["--runs", "many"]])
def test_runs_must_be_a_count(words: list[str], capsys: pytest.CaptureFixture[str]):
    from benchmarks import measure

    with pytest.raises(SystemExit):
        measure.arguments("doc", runs=3).parse_args(words)
    assert "--runs" in capsys.readouterr().err


def test_generated_console_is_what_mmengine_prints():
    from benchmarks import parsing

    lines = list(parsing.console_lines(5000))
    parser = ConsoleParser(frameworks.line_formats())
    events = [event for line in lines for event in parser.feed(line, 0.0, 0.0)]

    assert len(lines) == 5000
    kinds = {type(event).__name__ for event in events}
    assert kinds == {"IterationLogged", "EvaluationLogged", "Milestone", "ErrorSeen"}
    first = next(event for event in events if isinstance(event, IterationLogged))
    assert first.total == parsing.EPOCH
    assert set(parsing.LOSSES) < set(first.metrics)


def test_generated_scalars_are_what_mmengine_writes():
    from benchmarks import parsing

    parser = ScalarsParser()
    events = [parser.feed(row, 0.0, 0.0) for row in parsing.scalar_rows(100)]

    assert None not in events
    assert {type(event) for event in events} == {IterationLogged, EvaluationLogged}


def test_all_readers_see_the_same_run(tmp_path: Path):
    from benchmarks import parsing

    lines = parsing._write(tmp_path / parsing.LOG, parsing.log_of_run(500))
    assert parsing._write(tmp_path / parsing.ROWS, parsing.scalar_rows(500)) == 500

    assert parsing.read_scalars(tmp_path) == parsing.read_json(tmp_path) == 500
    assert parsing.read_lines(tmp_path) == lines > 500
    # A log this short is told from its first line to its last.
    assert parsing.read_whole(tmp_path) == parsing.read_console(tmp_path) > 500
    assert parsing.read_all(tmp_path) > 500
    if parsing.mmdet_analyzer() is not None:
        # mmdet leaves out what follows a key with a slash: the step of a validation row.
        validations = 500 // 41
        assert parsing.read_mmdet(tmp_path) == parsing.read_all(tmp_path) - validations


def test_a_recovery_is_timed_by_what_was_learnt():
    from benchmarks import recovery
    from tests.training.recovery.accounting import Consumed

    def line(position: int, process: str, wall: float) -> Consumed:
        return Consumed(
            mode="train",
            epoch=0,
            iteration=0,
            position=position,
            samples=(position,),
            rate=0.1,
            process=process,
            wall=wall,
        )

    lines = [line(n, "a", 10.0 + n) for n in range(3)] + [line(n, "b", 20.0 + n) for n in (1, 2, 3)]
    seen = recovery._recovery(lines, launched=7.0, verdict=15.0, left=2)

    assert (seen.cold, seen.back, seen.regained) == (3.0, 6.0, 8.0)
    assert (seen.lost, seen.left) == (2, 2)


def test_bars_of_a_recovery_tell_what_was_missed():
    from benchmarks import recovery

    quick = recovery.Recovery(cold=10.0, back=0.5, regained=0.5, lost=0, left=0)
    slow = recovery.Recovery(cold=10.0, back=13.0, regained=13.0, lost=1, left=0)

    kept = recovery.bars({recovery.IN_PLACE: [quick], recovery.RERUN: [slow]})

    assert [good for _, good in kept] == [True, True, False, False]


def test_a_healthy_training_is_left_alone_and_told():
    pytest.importorskip("mmengine")
    text = run("healthy", "--minutes", "0.05")

    assert "findings above info" in first_cells(text)
    assert "**no**" not in text


def test_report_is_timed_beside_reading_the_whole_journal():
    pytest.importorskip("jinja2")
    text = run("report", "--runs", "1", "--megabytes", "0.3")

    assert first_cells(text) == ["journal.read", "thinned events", "dualwatch report"]
    assert "0 MB, " in text
    assert "(failed)" not in text


def test_the_generated_journal_has_a_stall_a_rerun_and_an_end(tmp_path: Path):
    from dualwatch.events.journal import read
    from dualwatch.history.reported_run import ReportedRun

    from benchmarks import report

    path = tmp_path / "journal.jsonl"
    count = report.write(path, 3_000_000)

    events = list(read(path))
    assert len(events) == count
    run = ReportedRun().fold(events)
    assert [stall.cured for stall in run.timeline.stalls] == [True, False]
    assert len(run.attempts) == 2
    assert run.ended is not None
