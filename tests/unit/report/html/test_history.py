"""The fold from events to a run: attempts, phases, stalls and their cures, curves, memory."""

from __future__ import annotations

import math
from array import array

from dualwatch.events import EvaluationLogged, IterationLogged, LogMilestone
from dualwatch.history.curves import MetricCurves, Stretch, thinned
from dualwatch.history.metrics_table import EPOCHS, ITERATIONS
from dualwatch.history.reported_run import ReportedRun
from dualwatch.report.html import summary
from dualwatch.report.html.config_diff import differences, flat


def test_attempts_and_stalls_are_told_with_their_cures(three_attempts):
    run = ReportedRun().fold(three_attempts.events)

    ends = [(a.number, a.ended.exit_code, a.ended.signal) for a in run.attempts]
    assert ends == [(0, -15, "SIGTERM"), (1, None, "SIGKILL"), (2, 0, None)]
    told = [(s.attempt, s.codes, s.response, s.recovered) for s in run.timeline.stalls]
    assert told == [
        (0, ["DW111", "DW102"], "replace", True),
        (0, ["DW111", "DW102"], "rerun", False),
        (1, ["DW112", "DW102"], "rerun", False),
    ]
    assert all(s.raised - s.since >= 300 for s in run.timeline.stalls)
    assert all(s.until is not None and s.until >= s.raised for s in run.timeline.stalls)
    assert run.attempts[0].snapshot.replaced == 1
    assert [a.stretch for a in run.attempts] == [1, 1, 2]
    assert [cause.code for cause in run.causes] == ["DW111", "DW112"]


def test_the_tree_at_a_stall_is_the_newest_before_it(three_attempts):
    (first, *_) = ReportedRun().fold(three_attempts.events).timeline.stalls

    assert first.processes is not None
    assert first.processes.wall <= first.raised
    assert [p.role for p in first.processes.processes] == ["main", "worker"]
    assert first.activity is not None
    assert first.stacks is not None
    assert first.stacks.stacks[0].frames[0].sample == 17


def test_phases_follow_each_other_without_a_gap(three_attempts):
    run = ReportedRun().fold(three_attempts.events)

    for number in (0, 1, 2):
        spans = [span for span in run.timeline.spans if span.attempt == number]
        assert [one.end for one in spans[:-1]] == [one.start for one in spans[1:]]
    assert {span.what for span in run.timeline.spans} == {"starting", "training", "validation"}


def test_a_log_alone_has_one_attempt_and_its_phases():
    events = [
        LogMilestone(at=0, wall=10.0, name="hooks-listed", text="Hooks"),
        IterationLogged(
            at=0, wall=20.0, mode="train", epoch=1, iteration=5, total=5, metrics={"loss": 1.0}
        ),
        EvaluationLogged(
            at=0, wall=30.0, mode="val", epoch=1, iteration=1, total=1, metrics={"mAP": 0.5}
        ),
    ]

    run = ReportedRun().fold(events)

    assert [(a.number, a.started) for a in run.attempts] == [(0, None)]
    assert [span.what for span in run.timeline.spans] == ["starting", "training"]
    assert list(run.table.columns) == ["loss", "mAP"]


def test_a_rerun_with_half_the_batch_stands_where_the_samples_stand(three_attempts):
    table = ReportedRun().fold(three_attempts.events).table

    places = table.places(EPOCHS)

    last = [place for place, number in zip(places, table.attempts, strict=True) if number == 2]
    assert (min(last), max(last)) == (1.1, 2.0)


def test_a_loop_that_counts_iterations_is_placed_by_them(script):
    s = script().start().launch(0)
    for iteration in (50, 100):
        s.add(
            IterationLogged,
            mode="train",
            epoch=None,
            iteration=iteration,
            total=1000,
            metrics={"loss": 1.0},
        )
    table = ReportedRun().fold(s.events).table

    assert table.axis() == ITERATIONS
    assert list(table.places(ITERATIONS)) == [50.0, 100.0]


def test_what_is_no_number_is_kept_apart(script):
    s = script().start().launch(0)
    for iteration, value in enumerate((1.0, math.nan, 3.0, math.inf), start=1):
        s.train(1, iteration, loss_macl=value)
    table = ReportedRun().fold(s.events).table

    made = MetricCurves(table, table.places(EPOCHS)).curve("loss_macl", training=True)

    assert (made.count, made.first, made.last) == (4, 1.0, 3.0)
    assert made.broken == [0.2, 0.4]
    assert [list(one.ys) for one in made.stretches] == [[1.0, 3.0]]


def test_a_long_curve_keeps_its_spikes_and_its_ends():
    xs = array("d", range(100_000))
    ys = array("d", [0.5] * 100_000)
    ys[77_777], ys[3] = 9.0, -4.0

    short = thinned(Stretch(0, xs, ys), 100)

    assert len(short.xs) <= 202
    assert (max(short.ys), min(short.ys)) == (9.0, -4.0)
    assert (short.xs[0], short.xs[-1]) == (0, 99_999)


def test_three_sentences_say_what_happened(three_attempts):
    ending, trouble, learnt = summary.sentences(ReportedRun().fold(three_attempts.events))

    assert ending.startswith("macl.py ran for ")
    assert "3 attempts" in ending
    assert "completed" in ending
    assert "DW111 loader-deadlock" in trouble
    assert "the loader was replaced in the running training" in trouble
    assert "and 1 more" in trouble
    assert "loss_macl went from 0.48 to 0.2" in learnt
    assert "the best pascal_voc/mAP was 0.57 in epoch 2" in learnt


def test_nothing_known_is_said_and_not_invented():
    run = ReportedRun(label="empty")

    ending, trouble, learnt = summary.sentences(run)

    assert "empty ran for 0s" in ending
    assert trouble == "No stall was seen, and nothing found was an error."
    assert learnt == "No training line is on record."
    assert dict(summary.figures(run))["trained"] == "no training line"


def test_configurations_are_compared_key_by_key():
    one = ReportedRun(label="one", sections={"a": {"b": 1, "c": [1, 2]}, "d": [{"e": 1}]})
    two = ReportedRun(label="two", sections={"a": {"b": 2, "c": [1, 2]}, "d": [{"e": 1}, {"e": 3}]})
    none = ReportedRun(label="none")

    found = differences([one, two, none])

    assert found == [
        ("a.b", ("1", "2", "not known")),
        ("d.1.e", ("not set", "3", "not known")),
    ]
    assert flat({"a": {"b": [1, 2]}, "c": {}}) == {"a.b": [1, 2], "c": {}}
