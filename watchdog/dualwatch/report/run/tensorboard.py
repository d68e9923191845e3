"""dualwatch's own curves and texts in TensorBoard, beside those of the training.

Every attempt is a TensorBoard run of its own, ``dualwatch/tensorboard/attempt-N``: repeated steps
of a rerun would otherwise overwrite those before. Steps are the training's iterations, times are
real, so that a stall is a peak over one axis and a gap over the other. See
``docs/decisions/0012-own-event-files.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dualwatch.core import units
from dualwatch.core.metric_names import is_metric
from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    CommandAnswered,
    Decided,
    Event,
    Finding,
    FindingRaised,
    HeartbeatRead,
    IterationLogged,
    RunEnded,
    RunStarted,
)
from dualwatch.protocol import Phase
from dualwatch.report.bundle.markdown import inert
from dualwatch.report.run import view
from dualwatch.report.terminal import explanation
from dualwatch.report.terminal.changes import changes_table
from dualwatch.state.metric_series import done
from dualwatch.state.snapshot import Snapshot
from dualwatch.tensorboard import records
from dualwatch.tensorboard.writer import EventFileWriter

INTERVAL = 10.0
"""Seconds between two points of a curve; a longer pause gets a point of its own."""

MOST_FINDINGS = 100
MOST_STORY = 60
MOST_EVIDENCE = 6
LENGTH = 300

_IN_A_STEP = (Phase.WAITING, Phase.STEP)


class TensorBoardWriter:
    """A view that writes curves and texts to an event file.

    Args:
        folder: ``WORK_DIR/dualwatch/tensorboard``.
        unseen: Called once with what could not be written, and why.
    """

    def __init__(self, folder: Path, unseen: Callable[[str, str], None]) -> None:
        self._folder = folder
        self._unseen = unseen
        self._file: EventFileWriter | None = None
        self._attempt = 0
        self._resumes = False
        self._is_known = True
        self._has_complained = False
        self._step = 0
        self._drawn_at = 0.0
        self._pace = IterationRate()
        self._silence = (0, 0.0)
        self._once: dict[str, float] = {}
        self._story: list[str] = []
        self._findings: dict[str, int] = {}

    def event(self, event: Event, snapshot: Snapshot) -> None:
        """Writes what belongs to an event; the snapshot includes it."""
        if isinstance(event, RunStarted):
            self._resumes = event.resume
        elif isinstance(event, AttemptStarted):
            self._begin(event)
        elif self._file is None and snapshot.started is not None:
            self._begin(snapshot.started, event.wall)  # Attached in the middle of an attempt.
        if self._file is None:
            return
        self._follow(snapshot)
        if isinstance(event, HeartbeatRead) and self._pace.pulse(event):
            self._draw(snapshot)
        elif isinstance(event, IterationLogged):
            self._line(event, snapshot)
        elif isinstance(event, FindingRaised):
            self._found(event, snapshot)
        self._add_to_story(event, snapshot)

    def tick(self, snapshot: Snapshot) -> None:
        """Writes a point of every curve, every ten seconds."""
        if self._file is not None and snapshot.at - self._drawn_at >= INTERVAL:
            self._draw(snapshot)

    def note(self, text: str) -> None:
        """Ignored: notes are for a terminal."""

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()

    # --- position ----------------------------------------------------------------------------

    def _begin(self, event: AttemptStarted, wall: float | None = None) -> None:
        self.close()
        place = self._folder / f"attempt-{event.attempt}"
        self._file = EventFileWriter(place, wall or event.wall)
        self._attempt = event.attempt
        # The position of a resumed training is unknown before its loop begins.
        self._is_known = not (event.resumed_from or self._resumes or wall is not None)
        self._step, self._drawn_at, self._pace = 0, event.at, IterationRate()
        self._silence = (0, 0.0)
        self._once, self._story, self._findings = {}, [], {}

    def _follow(self, s: Snapshot) -> None:
        """Updates the step, which never decreases: TensorBoard would drop the later points."""
        pulse = s.slowest
        if s.last_iteration is not None:
            self._is_known = True
            self._step = max(self._step, s.last_iteration)
        elif pulse is not None and pulse.begun >= 0:
            self._is_known = True
            self._step = max(self._step, pulse.iteration)

    # --- curves ------------------------------------------------------------------------------

    def _line(self, event: IterationLogged, s: Snapshot) -> None:
        """Reads times that only the training's log lines contain."""
        if event.mode != "train":
            return
        found = {
            name: value
            for name in ("time", "data_time")
            for key, value in event.metrics.items()
            if is_metric(key, name)
        }
        whole = found.get("time", 0.0)
        if whole > 0:
            if "data_time" in found:
                self._once["data_time_share"] = found["data_time"] / whole
            if not s.pulses:
                self._once["iteration_time"] = whole
        self._step = max(self._step, done(event)) if not s.pulses else self._step

    def _draw(self, s: Snapshot) -> None:
        """Writes one point of every curve whose value is known."""
        self._drawn_at = s.at
        values = {"attempt": float(self._attempt), "cures_in_place": float(s.replaced)}
        values["silence_s"] = self._longest_silence(s.silence(s.at))
        values["findings"] = float(sum(self._findings.values()))
        if (pace := self._pace.taken()) is not None:
            values["iteration_time"] = pace
        values |= {**_memory(s), **_workers(s), **self._once}
        self._once = {}
        if self._is_known:
            named = {f"dualwatch/{name}": value for name, value in values.items()}
            self._write(records.scalars(s.wall, self._step, named))

    def _longest_silence(self, silence: float) -> float:
        """The longest silence at this step: TensorBoard keeps only the last point of a step."""
        step, longest = self._silence
        longest = max(0.0, silence, longest if step == self._step else 0.0)
        self._silence = (self._step, longest)
        return longest

    # --- texts -------------------------------------------------------------------------------

    def _found(self, event: FindingRaised, s: Snapshot) -> None:
        found = event.finding
        name = f"{found.code}-{found.name}"
        self._findings[name] = self._findings.get(name, 0) + 1
        if sum(self._findings.values()) <= MOST_FINDINGS:
            text = finding_text(found)
            tag = f"dualwatch/findings/{name}"
            self._write(records.text(event.wall, self._step, tag, text))
        self._draw(s)

    def _add_to_story(self, event: Event, s: Snapshot) -> None:
        """Writes the story of the attempt so far, as TensorBoard keeps the last text of a step."""
        kinds = (AttemptStarted, AttemptEnded, Decided, CommandAnswered, FindingRaised, RunEnded)
        said = view.headline(event) if isinstance(event, kinds) else None
        if said is None:
            return
        moment = inert(units.clock(event.wall))
        changes = changes_table(event.changes) if isinstance(event, Decided) else []
        where = f", iteration {self._step}" if self._is_known else ""
        row = f"- {moment}{where}: {inert(said[:LENGTH])}"
        self._story.append("\n".join([row, *(f"    - {inert(c[:LENGTH])}" for c in changes)]))
        self._story = self._story[-MOST_STORY:]
        story = "\n".join(self._story)
        self._write(records.text(event.wall, self._step, "dualwatch/story", story))
        if isinstance(event, (AttemptEnded, CommandAnswered)):
            self._draw(s)

    def _write(self, event: bytes) -> None:
        file = self._file
        assert file is not None
        file.write(event)
        if file.lost and not self._has_complained:
            self._has_complained = True
            self._unseen("dualwatch's curves in TensorBoard", f"not written: {file.lost_because}")


class IterationRate:
    """Seconds per iteration, from the heartbeat of one rank; validation does not count."""

    def __init__(self) -> None:
        self._rank: int | None = None
        self._mark: tuple[int, float] | None = None
        self._spent = 0.0
        self._done = 0

    def pulse(self, event: HeartbeatRead) -> bool:
        """Adds a pulse; returns whether a long pause has just ended, which needs a point."""
        self._rank = event.rank if self._rank is None else self._rank
        if event.rank != self._rank:
            return False
        if event.phase not in _IN_A_STEP:
            self._mark = None
            return False
        mark, self._mark = self._mark, (event.iteration, event.at)
        if mark is None:
            return False
        if event.iteration <= mark[0]:
            self._mark = mark
            return False
        self._spent += event.at - mark[1]
        self._done += event.iteration - mark[0]
        return event.at - mark[1] > INTERVAL

    def taken(self) -> float | None:
        """Seconds per iteration since the last call; None where there was none."""
        spent, count = self._spent, self._done
        self._spent, self._done = 0.0, 0
        return spent / count if count else None


def finding_text(found: Finding) -> str:
    """A finding in Markdown; quoted text is escaped."""
    said = f"**{found.code} {found.name}** ({found.severity.word}, {found.certainty})"
    rows = [said, "", inert(found.headline[:LENGTH]), ""]
    for evidence in found.evidence[1 : 1 + MOST_EVIDENCE]:
        when = f", {units.clock(evidence.wall)}" if evidence.wall is not None else ""
        source = inert(f"{evidence.source[:80]}{when}")
        rows.append(f"- {inert(evidence.text[:LENGTH])} *({source})*")
    rows += ["", f"What to do: {inert(found.remedy[: 2 * LENGTH])}", ""]
    page = explanation.address(found.code)
    more = f"[{found.code}]({page}) and " if page else ""
    rows.append(f"More: {more}`dualwatch explain {found.code}`")
    return "\n".join(rows)


def _memory(s: Snapshot) -> dict[str, float]:
    values: dict[str, float] = {}
    if s.gpus is not None:
        for gpu in s.gpus.gpus:
            if gpu.tree is not None:
                values[f"gpu_memory_gib/{gpu.index}"] = gpu.tree / units.GIB
    host = s.host
    if host is not None and host.memory_total is not None and host.memory_available is not None:
        values["host_memory_gib"] = (host.memory_total - host.memory_available) / units.GIB
    if host is not None and host.shm_total is not None and host.shm_free is not None:
        values["shared_memory_gib"] = (host.shm_total - host.shm_free) / units.GIB
    return values


def _workers(s: Snapshot) -> dict[str, float]:
    """CPU of all loader workers in percent of a core; empty without workers."""
    if s.activity is None:
        return {}
    known = [
        s.activity.by_pid[pid]
        for pid, process in s.process.items()
        if process.role == "worker" and pid in s.activity.by_pid
    ]
    return {"workers_cpu": 100.0 * sum(known)} if known else {}
