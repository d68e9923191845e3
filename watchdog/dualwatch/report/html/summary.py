"""What happened in three sentences, and the figures beside them."""

from __future__ import annotations

import math
import re

from dualwatch import domains
from dualwatch.core import units
from dualwatch.core.errors import Exit
from dualwatch.events import Severity
from dualwatch.history.model import RunHistory, StallHistory
from dualwatch.report.html.timeline import silent
from dualwatch.rules.catalog import BY_CODE

_CURES = {
    "replace": "the loader was replaced in the running training",
    "wake": "its processes were woken",
    "rerun": "it was stopped and rerun",
    "give-up": "it was given up",
    "stop": "it was stopped",
    "report": "it was reported only",
}
_BY_HAND = (Exit.INTERRUPTED, Exit.TERMINATED)
_MOST_STALLS = 2


def status(chapter: RunHistory) -> tuple[str, str]:
    """A word for the outcome, and how good it is: "good", "bad", "open"."""
    if chapter.ended is not None:
        code = chapter.ended.exit_code
        how = "good" if code == 0 else "open" if code in _BY_HAND else "bad"
        return chapter.ended.outcome, how
    if chapter.alive:
        return "running", "open"
    if chapter.standing.startswith("trained to the end"):
        return "trained to the end", "good"
    return "end not known", "open"


def sentences(chapter: RunHistory) -> list[str]:
    """Three: what it was and how it ended, what went wrong, what was learnt."""
    return [_ending(chapter), _trouble(chapter), _learnt(chapter)]


def figures(chapter: RunHistory) -> list[tuple[str, str]]:
    """The numbers that are looked for first."""
    table = chapter.table
    shown = [
        ("started", units.clock(chapter.first)),
        ("took", units.span(chapter.last - chapter.first)),
        ("attempts", str(len(chapter.attempts)) if chapter.supervised else "not supervised"),
        ("trained", _reached(chapter).split(",")[0] or "no training line"),
    ]
    if chapter.supervised:
        stood = sum(silent(chapter, attempt.number) for attempt in chapter.attempts)
        stalls = f"{len(chapter.stalls)} ({units.span(stood)})" if chapter.stalls else "none"
        shown += [("stalls", stalls), ("lost iterations", _lost(chapter))]
    for name in (*domains.shown_first(), "loss"):
        if name in table.columns:
            shown.append((f"{name}, last", units.value(table.columns[name].values[-1])))
            break
    best = _best(chapter)
    if best is not None:
        name, value, where = best
        shown.append((f"{name}, best", f"{units.value(value)}{where}"))
    return shown


# --- sentences -------------------------------------------------------------------------------


def _ending(chapter: RunHistory) -> str:
    what = re.split(r"[\\/]", chapter.config_path)[-1] or chapter.label or "The training"
    took = units.span(chapter.last - chapter.first)
    reached = _reached(chapter)
    done = f" ({reached})" if reached else ""
    if not chapter.supervised:
        standing = chapter.standing or "nothing more is known of it"
        return (
            f"dualwatch did not supervise this training and knows its log only, which spans {took}"
            f"{done}: {standing}."
        )
    count = len(chapter.attempts)
    attempts = f"{count} attempts" if count != 1 else "one attempt"
    if chapter.ended is None:
        return f"{what} ran for {took} in {attempts}{done}; {chapter.standing}."
    ended = chapter.ended
    return f"{what} ran for {took} in {attempts}{done}; outcome {ended.outcome}: {ended.reason}."


def _trouble(chapter: RunHistory) -> str:
    if chapter.stalls:
        told = [_stalled(chapter, stall) for stall in chapter.stalls[:_MOST_STALLS]]
        more = len(chapter.stalls) - len(told)
        tail = f"; and {more} more" if more > 0 else ""
        return "; ".join(told)[:1].upper() + "; ".join(told)[1:] + tail + "."
    bad = [f for f in chapter.causes if f.severity >= Severity.ERROR]
    if bad:
        first = bad[0]
        return f"{first.code} {first.name} ({first.certainty}): {first.headline}."
    notes = [f for f in chapter.causes if f.severity == Severity.WARNING]
    warned = f"; warned of {', '.join(dict.fromkeys(f.code for f in notes))}" if notes else ""
    if not chapter.supervised:
        return f"Nothing wrong shows in the log{warned}; a log does not show everything."
    return f"No stall was seen, and nothing found was an error{warned}."


def _stalled(chapter: RunHistory, stall: StallHistory) -> str:
    causes = [code for code in stall.codes if not code.startswith("DW10")] or stall.codes
    named = ", ".join(f"{code} {BY_CODE[code].name}" for code in causes if code in BY_CODE)
    lead = f"attempt {stall.attempt} " if len(chapter.attempts) > 1 else "it "
    text = (
        f"{lead}stalled at {units.time_of_day(stall.since)} ({named}), "
        f"which was noticed after {units.span(stall.told - stall.since)}"
    )
    done = _CURES.get(stall.cure, "")
    if stall.cured and stall.until is not None:
        later = stall.until - stall.told
        went = f"it went on {units.span(later) if later >= 1 else 'less than a second'} later"
        return f"{text}; {done} and {went}" if done else f"{text}; {went}"
    return f"{text}; {done}" if done else text


def _learnt(chapter: RunHistory) -> str:
    table = chapter.table
    if not len(table):
        return "No training line is on record."
    said: list[str] = []
    for name in (*chapter.required, *domains.shown_first(), "loss"):
        column = table.columns.get(name)
        if column is not None and not any(text.startswith(name + " ") for text in said):
            first, last = column.values[0], column.values[-1]
            said.append(f"{name} went from {units.value(first)} to {units.value(last)}")
    missing = [name for name in chapter.required if name not in table.columns]
    if missing:
        said.append(f"the required {', '.join(missing)} is in no line")
    best = _best(chapter)
    if best is not None:
        name, value, where = best
        said.append(f"the best {name} was {units.value(value)}{where}")
    else:
        said.append(_evaluated(chapter))
    lost = _lost(chapter) if chapter.supervised and len(chapter.attempts) > 1 else ""
    if lost:
        said.append(f"lost iterations: {lost}")
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if not said[0].startswith("loss") else text + "."


def _reached(chapter: RunHistory) -> str:
    """``epoch 2 of 4, iteration 100 of 100``: the last training line."""
    table = chapter.table
    row = next((r for r in range(len(table) - 1, -1, -1) if table.training[r]), None)
    if row is None:
        return ""
    goal = chapter.config.epochs if chapter.config is not None else None
    total = f" of {table.totals[row]}" if table.totals[row] else ""
    iteration = f"iteration {table.iterations[row]}{total}"
    if not table.epochs[row]:
        return iteration
    return f"epoch {table.epochs[row]}{f' of {goal}' if goal else ''}, {iteration}"


def _evaluated(chapter: RunHistory) -> str:
    """The last evaluation of a training that has no mAP."""
    table = chapter.table
    for name, column in table.columns.items():
        if table.evaluations[column.rows[-1]] and not name.endswith("time"):
            return f"the last {name} was {units.value(column.values[-1])}"
    return "no evaluation is on record"


def _lost(chapter: RunHistory) -> str:
    known = [attempt.lost for attempt in chapter.attempts if attempt.lost is not None]
    return str(sum(known)) if known else "not known"


def _best(chapter: RunHistory) -> tuple[str, float, str] | None:
    """The best value of the metric that a detector is judged by, and where it stood."""
    table = chapter.table
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
