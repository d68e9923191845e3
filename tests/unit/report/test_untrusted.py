"""Text from outside is data: no view hands a control character or markup to a terminal."""

from __future__ import annotations

import io

import pytest
from dualwatch.core.errors import DualwatchError
from dualwatch.events import (
    AttemptEnded,
    Change,
    Decided,
    EvaluationLogged,
    IterationLogged,
    NotObserved,
    RunEnded,
)
from dualwatch.events.journal import event_of
from dualwatch.history.run import AttemptHistory
from dualwatch.report.run.json_lines import EventsView
from dualwatch.report.run.live import LiveView
from dualwatch.report.run.plain import PlainView
from dualwatch.report.terminal import closing, dryrun
from dualwatch.report.terminal.console import plain_text
from dualwatch.report.terminal.errors import render
from hypothesis import given
from hypothesis import strategies as st


def metrics(text: str) -> dict[str, float]:
    return {f"loss {text}": 1.0, f"mAP {text}": 0.5}


# Every way in which text from outside comes to a view.
TELLINGS = {
    "finding": lambda t, x: t.started().found("DW606", x, x),
    "resumed from": lambda t, x: t.started(attempt=1, resumed_from=x),
    "signal": lambda t, x: t.started().tell(AttemptEnded, attempt=0, exit_code=None, signal=x),
    "decision": lambda t, x: t.started().tell(Decided, action="stop", reason=x),
    "change": lambda t, x: t.started().tell(
        Decided, action="rerun", reason="", changes=(Change(key=x, before=x, after=[x], why=x),)
    ),
    "training line": lambda t, x: t.started().tell(
        IterationLogged, mode="train", epoch=1, iteration=1, total=1, metrics=metrics(x)
    ),
    "evaluation": lambda t, x: t.started().tell(
        EvaluationLogged, mode="val", epoch=1, iteration=1, total=1, metrics=metrics(x)
    ),
    "end": lambda t, x: t.started().tell(RunEnded, outcome="failed", exit_code=5, reason=x),
    "not observed": lambda t, x: t.started().tell(NotObserved, what="gpu", why=x),
}
NAMES = list(TELLINGS)


@pytest.mark.parametrize("name", NAMES)
def test_the_plain_view(telling, hostile, is_tame, name) -> None:
    stream = io.StringIO()
    TELLINGS[name](telling(PlainView(stream)), hostile)
    assert is_tame(stream.getvalue())


@pytest.mark.parametrize("name", NAMES)
def test_the_live_view(telling, hostile, name, monkeypatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    teller = telling(LiveView("c.py", stream))
    TELLINGS[name](teller, hostile).wait(5)
    teller.view.close()
    # Rich draws with escape sequences of its own: those of the text are looked for.
    written = stream.getvalue()
    for sign in ("\x1b]0;", "\x9b", "\x00", "\u202e"):
        assert sign not in written, repr(sign)


def test_markup_is_shown_as_it_is(telling) -> None:
    for view, stream in ((PlainView, io.StringIO()), (LiveView, io.StringIO())):
        shown = view(stream) if view is PlainView else view("[bold]c[/bold].py", stream)
        telling(shown).started().found("DW606", "[bold]not bold[/bold] [/] :smile:")
        shown.note("[red]note[/red]")
        shown.close()
        written = " ".join(stream.getvalue().split())  # Long lines are broken between words.
        assert "[bold]not bold[/bold] [/] :smile:" in written
        assert "[red]note[/red]" in written


@pytest.mark.parametrize("view", [PlainView, LiveView])
def test_notes(hostile, is_tame, view) -> None:
    stream = io.StringIO()
    shown = view(stream) if view is PlainView else view("c.py", stream)
    shown.note(hostile)
    shown.close()
    assert is_tame(stream.getvalue())


@pytest.mark.parametrize("name", TELLINGS)
def test_events_are_ascii_and_lossless(telling, hostile, name) -> None:
    stream = io.StringIO()
    teller = TELLINGS[name](telling(EventsView(stream)), hostile)
    text = stream.getvalue()
    assert text.isascii()
    assert all(character.isprintable() or character == "\n" for character in text)
    assert [event_of(line.encode()) for line in text.splitlines()] == teller.events


def test_errors(hostile, is_tame) -> None:
    text = render(DualwatchError(hostile, why=hostile, do=hostile, code="DW602"))
    assert is_tame(text)
    assert "[bold]x[/bold]" in text


def test_a_dry_run(hostile, is_tame) -> None:
    changes = (Change(key=hostile, before=hostile, after=0, why=hostile),)
    step = dryrun.Step(step=1, name=hostile, changes=changes, environment={"A": hostile})
    plan = dryrun.DryRun(
        command=("python", hostile),
        work_dir=hostile,
        required_metrics=(hostile,),
        required_because=hostile,
        notes=(hostile,),
        max_reruns=3,
        min_batch=1,
        ladder=[step],
        ladders={"stall": [step]},
    )
    assert is_tame(dryrun.text(plan))


def test_the_last_words_with_hostile_metrics(telling, hostile, is_tame, tmp_path) -> None:
    teller = telling(PlainView(io.StringIO())).started()
    teller.tell(
        IterationLogged,
        mode="train",
        epoch=1,
        iteration=1,
        total=1,
        metrics={f"{hostile}/loss": 1.0},
    )
    record = AttemptHistory(snapshot=teller.snapshot)
    assert is_tame("\n".join(closing.lines([record], None, tmp_path)))


@given(st.text())
def test_plain_text_holds_nothing_but_text(text) -> None:
    tame = plain_text(text)
    assert len(tame) == len(text)
    assert all(character.isprintable() or character == "\t" for character in tame)


@pytest.mark.parametrize("text", ["plain", "mit Umlaut ä", "中文 ✓ →", "a\tb", "[bold]", ""])
def test_plain_text_leaves_text_alone(text) -> None:
    assert plain_text(text) == text
