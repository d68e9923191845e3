"""The sieve gives the events that the journal holds: all of a kind, or the heaviest of a while."""

from __future__ import annotations

from pathlib import Path

import pytest
from dualwatch.core.json_codec import plain
from dualwatch.events import (
    ConsoleGrew,
    Event,
    Evidence,
    Finding,
    FindingRaised,
    HeartbeatRead,
    HostSampled,
    IterationLogged,
    Severity,
    journal,
)
from dualwatch.events.sampling import Sampling, sample


def host(wall: float, available: int) -> HostSampled:
    return HostSampled(at=wall, wall=wall, memory_total=100, memory_available=available)


def line(wall: float) -> IterationLogged:
    metrics = {"loss": float("nan"), "lr": 0.1}
    return IterationLogged(
        at=wall, wall=wall, mode="train", epoch=1, iteration=1, total=9, metrics=metrics
    )


def finding(wall: float) -> FindingRaised:
    found = Finding(
        code="DW102",
        name="stalled-training",
        severity=Severity.ERROR,
        confidence=1.0,
        evidence=(Evidence(text="silence 中", source="heartbeat"),),
        remedy="",
    )
    return FindingRaised(at=wall, wall=wall, finding=found)


def pulse(wall: float, phase: str) -> HeartbeatRead:
    numbers = dict.fromkeys(
        ("beats", "epoch", "begun", "iteration", "batch", "batches", "max_epochs"), 0
    )
    return HeartbeatRead(
        at=wall, wall=wall, rank=0, pid=1, phase=phase, max_iterations=0, **numbers
    )


def write(path: Path, events: list[Event]) -> Path:
    kept = journal.Journal(path)
    for event in events:
        kept.append(event)
    kept.close()
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    events = [
        event for wall in range(50) for event in (host(wall, 90), line(wall), pulse(wall, "x"))
    ]
    return write(tmp_path / "journal.jsonl", [*events, finding(50.0)])


def test_unthinned_it_gives_what_the_journal_gives(path: Path):
    kinds = (HostSampled, IterationLogged, HeartbeatRead, FindingRaised)

    sifted = [plain(event) for event in sample(path, dict.fromkeys(kinds))]

    assert sifted == [plain(event) for event in journal.read(path)]
    assert len(sifted) == 151


def test_kinds_that_are_not_wanted_are_left_out(path: Path):
    seen = list(sample(path, {FindingRaised: None, ConsoleGrew: None}))

    assert seen == [finding(50.0)]


def test_damage_costs_the_damaged_lines_only(path: Path):
    whole = path.read_bytes().splitlines(keepends=True)
    noise = [b"\n", b'{"kind": "finding-rai\n', b'{"kind": "host-sampled", "at": }\n', b"[1]\n"]
    noise += [b'{"kind": "unheard-of", "at": 1, "wall": 1}\n', b"\xff\xfe\n", b'{"kind": 7}\n']
    cut = b'{"kind": "iteration-logged", "at": 1.0, "wall": 1.0, "mo'
    path.write_bytes(b"".join([*whole[:10], *noise, *whole[10:], cut]))
    kinds = dict.fromkeys((HostSampled, IterationLogged, HeartbeatRead, FindingRaised))

    sifted = [plain(event) for event in sample(path, kinds)]

    assert sifted == [plain(event) for event in journal.read(path)]
    assert len(sifted) == 151


def test_a_line_of_another_writer_is_read_as_well(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"wall": 2, "at": 1, "kind":"host-sampled","memory_total":5}\n')

    (seen,) = sample(path, {HostSampled: None})

    assert (seen.wall, seen.memory_total) == (2, 5)


def test_a_spike_stays(tmp_path: Path):
    events = [host(wall, 3 if wall == 57 else 90) for wall in range(1000)]
    path = write(tmp_path / "journal.jsonl", events)
    thin = Sampling(spacing=100.0, weight=lambda event: -event.memory_available)

    seen = list(sample(path, {HostSampled: thin}))

    assert len(seen) <= 11
    assert events[57] in seen
    assert [event.wall for event in seen] == sorted(event.wall for event in seen)


def test_a_landmark_has_the_newest_before_it(tmp_path: Path):
    events: list[Event] = [host(wall, 90) for wall in range(1000)]
    path = write(tmp_path / "journal.jsonl", [*events[:500], finding(499.5), *events[500:]])
    thin = Sampling(spacing=1e6, newest=2)

    wanted = {HostSampled: thin, FindingRaised: None}
    seen = list(sample(path, wanted, landmarks=(FindingRaised,)))

    assert [event.wall for event in seen] == [0.0, 498.0, 499.0, 499.5, 998.0, 999.0]


def test_a_change_of_key_is_given(tmp_path: Path):
    events = [pulse(wall, "saving" if 40 <= wall < 43 else "step") for wall in range(100)]
    path = write(tmp_path / "journal.jsonl", events)
    thin = Sampling(spacing=1e6, key=lambda event: event.phase)

    seen = [(event.wall, event.phase) for event in sample(path, {HeartbeatRead: thin})]

    assert seen == [(0, "step"), (40, "saving"), (43, "step"), (99, "step")]


def test_the_span_of_a_journal(path: Path, tmp_path: Path):
    empty = tmp_path / "empty.jsonl"
    empty.touch()

    assert journal.span(path) == 50.0
    assert journal.span(empty) == 0.0
