"""The summary of a run: three sentences and the first figures."""

from __future__ import annotations

import math
import re

from dualwatch.core import units
from dualwatch.core.errors import Exit
from dualwatch.events import Action, Severity
from dualwatch.history.reported_run import ReportedRun
from dualwatch.history.timeline import StallHistory
from dualwatch.report.html.timeline import silent
from dualwatch.rules.catalog import BY_CODE

_RESPONSES = {
    Action.REPLACE: "the loader was replaced in the running training",
    Action.DROP_LOGS: "events of a logger that blocked were dropped",
    Action.END_WORKERS: "loader workers that did not end were ended",
    Action.REPLACE_POOL: "the evaluation was computed again without a pool of processes",
    Action.WAKE: "its processes were continued",
    Action.RERUN: "it was stopped and rerun",
    Action.GIVE_UP: "it was given up",
    Action.STOP: "it was stopped",
    Action.REPORT: "it was reported only",
}
_BY_HAND = (Exit.INTERRUPTED, Exit.TERMINATED)
_LOSS = "loss"
"""The total, which every framework logs by this name."""
_MOST_STALLS = 2


def status(run: ReportedRun) -> tuple[str, str]:
    """A word for the outcome, and how good it is: "good", "bad", "open"."""
    if run.ended is not None:
        code = run.ended.exit_code
        how = "good" if code == 0 else "open" if code in _BY_HAND else "bad"
        return run.ended.outcome, how
    if run.alive:
        return "running", "open"
    if run.finished:
        return "trained to the end", "good"
    return "end not known", "open"


def sentences(run: ReportedRun) -> list[str]:
    """Three: what it was and how it ended, what went wrong, how its metrics changed."""
    return [_ending(run), _trouble(run), _metrics(run)]


def figures(run: ReportedRun) -> list[tuple[str, str]]:
    """The numbers that a reader looks for first."""
    table = run.table
    shown = [
        ("started", units.clock(run.timeline.first)),
        ("took", units.span(run.timeline.last - run.timeline.first)),
        ("attempts", str(len(run.attempts)) if run.supervised else "not supervised"),
        ("trained", _reached(run).split(",")[0] or "no training line"),
    ]
    if run.supervised:
        silence = sum(silent(run, attempt.number) for attempt in run.attempts)
        count = len(run.timeline.stalls)
        stalls = f"{count} ({units.span(silence)})" if count else "none"
        shown += [("stalls", stalls), ("lost iterations", _lost(run))]
    for name in (*run.shown_first, _LOSS):
        if name in table.columns:
            shown.append((f"{name}, last", units.value(table.columns[name].values[-1])))
            break
    best = _best(run)
    if best is not None:
        name, value, where = best
        shown.append((f"{name}, best", f"{units.value(value)}{where}"))
    return shown


# --- sentences -------------------------------------------------------------------------------


def _ending(run: ReportedRun) -> str:
    what = re.split(r"[\\/]", run.config_path)[-1] or run.label or "The training"
    took = units.span(run.timeline.last - run.timeline.first)
    reached = _reached(run)
    done = f" ({reached})" if reached else ""
    if not run.supervised:
        standing = run.status or "nothing more is known of it"
        return (
            f"dualwatch did not supervise this training and knows its log only, which spans {took}"
            f"{done}: {standing}."
        )
    count = len(run.attempts)
    attempts = f"{count} attempts" if count != 1 else "one attempt"
    if run.ended is None:
        return f"{what} ran for {took} in {attempts}{done}; {run.status}."
    ended = run.ended
    return f"{what} ran for {took} in {attempts}{done}; outcome {ended.outcome}: {ended.reason}."


def _trouble(run: ReportedRun) -> str:
    if run.timeline.stalls:
        stalls = [_stalled(run, stall) for stall in run.timeline.stalls[:_MOST_STALLS]]
        more = len(run.timeline.stalls) - len(stalls)
        tail = f"; and {more} more" if more > 0 else ""
        text = "; ".join(stalls)
        return text[:1].upper() + text[1:] + tail + "."
    bad = [f for f in run.causes if f.severity >= Severity.ERROR]
    if bad:
        first = bad[0]
        return f"{first.code} {first.name} ({first.certainty}): {first.headline}."
    notes = [f for f in run.causes if f.severity == Severity.WARNING]
    warned = f"; warned of {', '.join(dict.fromkeys(f.code for f in notes))}" if notes else ""
    if not run.supervised:
        return f"Nothing wrong shows in the log{warned}; a log does not show everything."
    return f"No stall was seen, and nothing found was an error{warned}."


def _stalled(run: ReportedRun, stall: StallHistory) -> str:
    causes = [code for code in stall.codes if not code.startswith("DW10")] or stall.codes
    named = ", ".join(f"{code} {BY_CODE[code].name}" for code in causes if code in BY_CODE)
    lead = f"attempt {stall.attempt} " if len(run.attempts) > 1 else "it "
    text = (
        f"{lead}stalled at {units.time_of_day(stall.since)} ({named}), "
        f"which was noticed after {units.span(stall.raised - stall.since)}"
    )
    done = _RESPONSES[stall.response] if stall.response is not None else ""
    if stall.recovered and stall.until is not None:
        later = stall.until - stall.raised
        went = f"it continued {units.span(later) if later >= 1 else 'less than a second'} later"
        return f"{text}; {done} and {went}" if done else f"{text}; {went}"
    return f"{text}; {done}" if done else text


def _metrics(run: ReportedRun) -> str:
    table = run.table
    if not len(table):
        return "No training line is on record."
    said: list[str] = []
    for name in (*run.required, *run.shown_first, _LOSS):
        column = table.columns.get(name)
        if column is not None and not any(text.startswith(name + " ") for text in said):
            first, last = column.values[0], column.values[-1]
            said.append(f"{name} went from {units.value(first)} to {units.value(last)}")
    missing = [name for name in run.required if name not in table.columns]
    if missing:
        said.append(f"the required {', '.join(missing)} is in no line")
    best = _best(run)
    if best is not None:
        name, value, where = best
        said.append(f"the best {name} was {units.value(value)}{where}")
    else:
        said.append(_evaluated(run))
    lost = _lost(run) if run.supervised and len(run.attempts) > 1 else ""
    if lost:
        said.append(f"lost iterations: {lost}")
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if not said[0].startswith("loss") else text + "."


def _reached(run: ReportedRun) -> str:
    """``epoch 2 of 4, iteration 100 of 100``: the last training line."""
    table = run.table
    row = next((r for r in range(len(table) - 1, -1, -1) if table.training[r]), None)
    if row is None:
        return ""
    goal = run.config.epochs if run.config is not None else None
    total = f" of {table.totals[row]}" if table.totals[row] else ""
    iteration = f"iteration {table.iterations[row]}{total}"
    if not table.epochs[row]:
        return iteration
    return f"epoch {table.epochs[row]}{f' of {goal}' if goal else ''}, {iteration}"


def _evaluated(run: ReportedRun) -> str:
    """The last evaluation of a training that has no mAP."""
    table = run.table
    for name, column in table.columns.items():
        if table.evaluations[column.rows[-1]] and not name.endswith("time"):
            return f"the last {name} was {units.value(column.values[-1])}"
    return "no evaluation is on record"


def _lost(run: ReportedRun) -> str:
    known = [
        attempt.lost_iterations for attempt in run.attempts if attempt.lost_iterations is not None
    ]
    return str(sum(known)) if known else "not known"


def _best(run: ReportedRun) -> tuple[str, float, str] | None:
    """The best value of the main evaluation metric, and its epoch."""
    table = run.table
    for name, column in table.columns.items():
        if not name.rsplit("/", 1)[-1].endswith("mAP"):
            continue
        pairs = [
            (value, row)
            for row, value in zip(column.rows, column.values, strict=True)
            if math.isfinite(value)
        ]
        if pairs:
            value, row = max(pairs)
            where = f" in epoch {table.epochs[row]}" if table.epochs[row] else ""
            return name, value, where
    return None
