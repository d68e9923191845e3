"""What is told once, what is told again, and what a lost terminal or a full disk may not stop."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dualwatch.core.clock import Moment
from dualwatch.events import Fact, FindingRaised
from dualwatch.events.journal import Journal, read
from dualwatch.protocol import Phase
from dualwatch.rules.thresholds import Limits
from dualwatch.state.snapshot import Snapshot
from dualwatch.supervisor.recorder import Chronicle


@dataclass
class Listener:
    """A view that keeps what it is shown, or fails to."""

    fails: type[Exception] | None = None
    facts: list[Fact] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fact(self, fact: Fact, snapshot: Snapshot) -> None:
        if self.fails is not None:
            raise self.fails("the terminal went away")
        self.facts.append(fact)

    def tick(self, snapshot: Snapshot) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)

    def close(self) -> None: ...


@pytest.fixture
def chronicle(tmp_path) -> Chronicle:
    return Chronicle(Journal(tmp_path / "journal.jsonl"), Listener())


def tell(chronicle: Chronicle, story) -> list[str]:
    """Hands the story's facts on, and returns the codes that are new at its end."""
    for fact in story.facts:
        chronicle.tell(fact)
    story.facts.clear()
    chronicle.reach(Moment(story.t, 0.0))
    return [finding.code for finding in chronicle.judge(Limits())]


def test_a_stall_that_goes_on_is_told_once(chronicle, story) -> None:
    assert tell(chronicle, story.trains().stops_in(Phase.STEP).silent(300)) == ["DW102"]
    assert tell(chronicle, story.silent(100)) == []
    assert [f.code for f in chronicle.findings] == ["DW102"]


def test_a_second_stall_of_the_same_attempt_is_news(chronicle, story) -> None:
    assert tell(chronicle, story.trains().silent(300)) == ["DW102"]
    assert tell(chronicle, story.pulse(Phase.STEP)) == []
    assert tell(chronicle, story.silent(1600)) == ["DW102"]


def test_ranks_that_came_to_stand_at_one_moment_stall_one_by_one(chronicle, story) -> None:
    story.trains().pulse(Phase.WAITING, rank=0).pulse(Phase.WAITING, rank=1)
    assert tell(chronicle, story.silent(300)) == ["DW102"]
    # The first one is cured, and trains to its end; the other one has not moved since.
    story.pulse(Phase.WAITING, rank=0).pulse(Phase.FINISHED, rank=0)
    assert tell(chronicle, story.silent(300)) == ["DW102"]
    assert tell(chronicle, story.silent(100)) == []


def test_slow_that_becomes_stalled_is_news(chronicle, story) -> None:
    assert tell(chronicle, story.trains().stops_in(Phase.STEP).silent(300, busy=True)) == ["DW104"]
    assert tell(chronicle, story.silent(300)) == ["DW102"]


def test_the_next_attempt_begins_with_a_clean_sheet(chronicle, story) -> None:
    assert tell(chronicle, story.trains().silent(300)) == ["DW102"]
    story.iteration = 0
    assert tell(chronicle, story.ended().started(attempt=1).trains()) == []
    assert chronicle.findings == []
    assert tell(chronicle, story.silent(300)) == ["DW102"]


def test_findings_stand_in_the_journal_beside_what_they_rest_on(chronicle, story) -> None:
    tell(chronicle, story.trains().silent(300))
    written = list(read(chronicle.journal.path))
    (raised,) = [fact for fact in written if isinstance(fact, FindingRaised)]
    assert raised.finding == chronicle.findings[0]
    assert len(written) > 60


@pytest.mark.parametrize("fault", [BrokenPipeError, OSError, ValueError])
def test_a_terminal_that_went_away_stops_nothing(tmp_path, story, fault) -> None:
    chronicle = Chronicle(Journal(tmp_path / "journal.jsonl"), Listener(fails=fault))
    assert tell(chronicle, story.trains().silent(300)) == ["DW102"]
    assert len(list(read(tmp_path / "journal.jsonl"))) > 60


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.skipif(sys.platform == "win32", reason="/dev/full is POSIX")
def test_a_full_disk_is_said_once_and_stops_nothing(story) -> None:
    listener = Listener()
    chronicle = Chronicle(Journal(Path("/dev/full")), listener)
    assert tell(chronicle, story.trains().silent(300)) == ["DW102"]
    assert len(listener.notes) == 1
    assert "No space left" in listener.notes[0]
    assert chronicle.journal.lost == len(listener.facts)


# --- who else is told ------------------------------------------------------------------------


def test_sinks_are_shown_what_the_view_is(chronicle, story) -> None:
    sink = Listener()
    chronicle.sinks = (sink,)
    tell(chronicle, story.trains().stops_in(Phase.STEP).silent(300))
    chronicle.note("a word")
    assert sink.facts == chronicle.view.facts
    assert sink.notes == ["a word"]


@pytest.mark.parametrize("fails", [OSError, RuntimeError, KeyError])
def test_a_sink_that_fails_is_left_out_and_told_once(chronicle, story, fails) -> None:
    broken, other = Listener(fails), Listener()
    chronicle.sinks = (broken, other)
    assert tell(chronicle, story.trains().stops_in(Phase.STEP).silent(300)) == ["DW102"]
    assert chronicle.sinks == (other,)
    unseen = [fact for fact in read(chronicle.journal.path) if type(fact).__name__ == "NotObserved"]
    assert [fact.what for fact in unseen] == ["Listener of the run"]
    assert "the terminal went away" in unseen[0].why
    assert len([note for note in chronicle.view.notes if "Listener" in note]) == 1
    # The others miss nothing.
    assert other.facts == chronicle.view.facts


def test_a_sink_goes_on_when_the_terminal_is_gone(chronicle, story) -> None:
    chronicle.view.fails = OSError
    chronicle.sinks = (sink := Listener(),)
    tell(chronicle, story.trains())
    assert sink.facts


def test_closing_closes_all_whatever_fails(chronicle) -> None:
    closed = []

    class Closing(Listener):
        def close(self) -> None:
            closed.append(self)
            raise OSError("gone")

    chronicle.view = Closing()
    chronicle.sinks = (Closing(), Closing())
    chronicle.close()
    assert len(closed) == 3
    assert chronicle.journal._stream.closed
