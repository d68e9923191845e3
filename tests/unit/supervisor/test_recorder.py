"""What is told once, what is told again, and what a lost terminal or a full disk may not stop."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dualwatch.core.clock import Moment
from dualwatch.events import Event, FindingRaised
from dualwatch.events.journal import Journal, read
from dualwatch.protocol import Phase
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot
from dualwatch.supervisor.recorder import EventRecorder


@dataclass
class Listener:
    """A view that keeps what it is shown, or fails to."""

    fails: type[Exception] | None = None
    events: list[Event] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def event(self, event: Event, snapshot: Snapshot) -> None:
        if self.fails is not None:
            raise self.fails("the terminal went away")
        self.events.append(event)

    def tick(self, snapshot: Snapshot) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)

    def close(self) -> None: ...


@pytest.fixture
def recorder(tmp_path) -> EventRecorder:
    return EventRecorder(Journal(tmp_path / "journal.jsonl"), Listener())


def tell(recorder: EventRecorder, story) -> list[str]:
    """Hands the story's events on, and returns the codes that are new at its end."""
    for event in story.events:
        recorder.record(event)
    story.events.clear()
    recorder.reach(Moment(story.t, 0.0))
    return [finding.code for finding in recorder.judge(Thresholds())]


def test_a_stall_that_goes_on_is_told_once(recorder, story) -> None:
    assert tell(recorder, story.trains().stops_in(Phase.STEP).silent(300)) == ["DW102"]
    assert tell(recorder, story.silent(100)) == []
    assert [f.code for f in recorder.findings] == ["DW102"]


def test_a_second_stall_of_the_same_attempt_is_news(recorder, story) -> None:
    assert tell(recorder, story.trains().silent(300)) == ["DW102"]
    assert tell(recorder, story.pulse(Phase.STEP)) == []
    assert tell(recorder, story.silent(1600)) == ["DW102"]


def test_ranks_that_came_to_stand_at_one_moment_stall_one_by_one(recorder, story) -> None:
    story.trains().pulse(Phase.WAITING, rank=0).pulse(Phase.WAITING, rank=1)
    assert tell(recorder, story.silent(300)) == ["DW102"]
    # The first one is cured, and trains to its end; the other one has not moved since.
    story.pulse(Phase.WAITING, rank=0).pulse(Phase.FINISHED, rank=0)
    assert tell(recorder, story.silent(300)) == ["DW102"]
    assert tell(recorder, story.silent(100)) == []


def test_slow_that_becomes_stalled_is_news(recorder, story) -> None:
    assert tell(recorder, story.trains().stops_in(Phase.STEP).silent(300, busy=True)) == ["DW104"]
    assert tell(recorder, story.silent(300)) == ["DW102"]


def test_the_next_attempt_begins_with_a_clean_sheet(recorder, story) -> None:
    assert tell(recorder, story.trains().silent(300)) == ["DW102"]
    story.iteration = 0
    assert tell(recorder, story.ended().started(attempt=1).trains()) == []
    assert recorder.findings == []
    assert tell(recorder, story.silent(300)) == ["DW102"]


def test_findings_stand_in_the_journal_beside_what_they_rest_on(recorder, story) -> None:
    tell(recorder, story.trains().silent(300))
    written = list(read(recorder.journal.path))
    (raised,) = [event for event in written if isinstance(event, FindingRaised)]
    assert raised.finding == recorder.findings[0]
    assert len(written) > 60


@pytest.mark.parametrize("fault", [BrokenPipeError, OSError, ValueError])
def test_a_terminal_that_went_away_stops_nothing(tmp_path, story, fault) -> None:
    recorder = EventRecorder(Journal(tmp_path / "journal.jsonl"), Listener(fails=fault))
    assert tell(recorder, story.trains().silent(300)) == ["DW102"]
    assert len(list(read(tmp_path / "journal.jsonl"))) > 60


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.skipif(sys.platform == "win32", reason="this system has no /dev/full")
def test_a_full_disk_is_said_once_and_stops_nothing(story) -> None:
    listener = Listener()
    recorder = EventRecorder(Journal(Path("/dev/full")), listener)
    assert tell(recorder, story.trains().silent(300)) == ["DW102"]
    assert len(listener.notes) == 1
    assert "No space left" in listener.notes[0]
    assert recorder.journal.lost == len(listener.events)


# --- who else is told ------------------------------------------------------------------------


def test_sinks_are_shown_what_the_view_is(recorder, story) -> None:
    sink = Listener()
    recorder.sinks = (sink,)
    tell(recorder, story.trains().stops_in(Phase.STEP).silent(300))
    recorder.note("a word")
    assert sink.events == recorder.view.events
    assert sink.notes == ["a word"]


@pytest.mark.parametrize("fails", [OSError, RuntimeError, KeyError])
def test_a_sink_that_fails_is_left_out_and_told_once(recorder, story, fails) -> None:
    broken, other = Listener(fails), Listener()
    recorder.sinks = (broken, other)
    assert tell(recorder, story.trains().stops_in(Phase.STEP).silent(300)) == ["DW102"]
    assert recorder.sinks == (other,)
    unseen = [
        event for event in read(recorder.journal.path) if type(event).__name__ == "NotObserved"
    ]
    assert [event.what for event in unseen] == ["Listener of the run"]
    assert "the terminal went away" in unseen[0].why
    assert len([note for note in recorder.view.notes if "Listener" in note]) == 1
    # The others miss nothing.
    assert other.events == recorder.view.events


def test_a_sink_goes_on_when_the_terminal_is_gone(recorder, story) -> None:
    recorder.view.fails = OSError
    recorder.sinks = (sink := Listener(),)
    tell(recorder, story.trains())
    assert sink.events


def test_closing_closes_all_whatever_fails(recorder) -> None:
    closed = []

    class Closing(Listener):
        def close(self) -> None:
            closed.append(self)
            raise OSError("gone")

    recorder.view = Closing()
    recorder.sinks = (Closing(), Closing())
    recorder.close()
    assert len(closed) == 3
    assert recorder.journal._stream.closed
