"""Polls the collectors of one attempt, each at its own interval."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from dualwatch import frameworks, protocol
from dualwatch.actions.adopted import AttachedTraining
from dualwatch.actions.launch import Launched
from dualwatch.actions.terminate import Identity, identities
from dualwatch.collectors.agent_files.batches import BatchFiles
from dualwatch.collectors.agent_files.heartbeat import HeartbeatFiles
from dualwatch.collectors.agent_files.learning import LearningFiles
from dualwatch.collectors.agent_files.metrics import MetricsFile
from dualwatch.collectors.agent_files.models import ModelFiles
from dualwatch.collectors.agent_files.non_finite import NonFiniteFiles
from dualwatch.collectors.agent_files.replies import AgentReplies
from dualwatch.collectors.agent_files.weights import WeightsFiles
from dualwatch.collectors.agent_files.workers import WorkersFiles
from dualwatch.collectors.gpu.nvml import NvmlSampler
from dualwatch.collectors.host import sample as host
from dualwatch.collectors.processes import orphans, thread_waits, waits
from dualwatch.collectors.processes.roles import LAUNCHER
from dualwatch.collectors.processes.tree import ProcessTree
from dualwatch.collectors.stacks import capture
from dualwatch.core.clock import Moment
from dualwatch.events import (
    AgentReported,
    ConsoleGrew,
    Event,
    NotObserved,
    ProcessesSampled,
    StacksCaptured,
)
from dualwatch.history.sources import recorded_attempts
from dualwatch.logs.console import ConsoleParser
from dualwatch.logs.tail import Tail
from dualwatch.state.snapshot import Snapshot
from dualwatch.tensorboard.status import TensorBoardMonitor

PROCESS_INTERVAL = 5.0
GPU_INTERVAL = 5.0
HOST_INTERVAL = 30.0
LAST_LINE_LENGTH = 200
CLOCKS = 5.0
"""Seconds that the times of files and of processes may differ."""

_OF_ITS_OWN = ("open_files_limit", "shm_total", "shm_free", "cpu_quota")


class Monitor:
    """The collectors of one attempt.

    Args:
        attempt_dir: Folder of the attempt.
        training: The launched process.
        gpus: Shared by all attempts, since the driver is asked once.
        process_interval: Seconds between two samples of the tree while all is well.
        console: Where the training prints or logs, where that is not the attempt's own console.
        known: The snapshot of an earlier supervisor of this attempt.
        board: TensorBoard beside all attempts, None where it is not wanted.
    """

    def __init__(
        self,
        attempt_dir: Path,
        training: Launched | AttachedTraining,
        gpus: NvmlSampler,
        *,
        process_interval: float,
        console: Path | None = None,
        known: Snapshot | None = None,
        board: TensorBoardMonitor | None = None,
    ) -> None:
        self._dir = attempt_dir
        self._tail = Tail(console or attempt_dir / "console.log")
        self._parser = ConsoleParser(frameworks.line_formats())
        self._heartbeats = HeartbeatFiles(attempt_dir)
        self._batches = BatchFiles(attempt_dir)
        self._models = ModelFiles(attempt_dir)
        self._learning = LearningFiles(attempt_dir)
        self._weights = WeightsFiles(attempt_dir)
        self._non_finite = NonFiniteFiles(attempt_dir)
        self._metrics = MetricsFile(attempt_dir, from_end=known is not None)
        self._workers = WorkersFiles(attempt_dir, from_end=known is not None)
        self._answers = AgentReplies(attempt_dir, known.answers if known is not None else ())
        self._tree = ProcessTree(training.pid, training.create_time, training.marker)
        self._gpus = gpus
        self._board = board
        if board is not None:
            board.begin(attempt_dir.parent.parent, training.create_time - CLOCKS)
        self._process_interval = process_interval
        self._lines = 0
        self._lines_known = known.console_lines if known is not None else 0
        self._next_processes = 0.0
        self._next_gpus = 0.0
        self._next_host = 0.0
        self._root = training.pid
        self._limits: dict[str, Any] = {}
        self._reported: set[str] = set()
        self._last_beats: dict[int, tuple[int, int]] = {}
        self._unseen: set[tuple[str, str]] = set()
        self._captured: StacksCaptured | None = None
        self._pids: set[int] = {training.pid}
        self._known: set[Identity] = {(training.pid, training.create_time)}

    def news_from_inside(self, moment: Moment) -> list[Event]:
        """Heartbeats and answers alone, for a caller that waits for one."""
        return self._beats(moment)

    def poll(self, moment: Moment, *, suspicious: bool) -> list[Event]:
        """Events since the last poll; the tree is sampled more often when suspicious."""
        events: list[Event] = [*self._beats(moment), *self._reports(moment)]
        events += self._console(self._tail.poll(), moment)
        if moment.at >= self._next_processes:
            interval = self._process_interval / (2.5 if suspicious else 1)
            self._next_processes = moment.at + interval
            events += self._try("processes", lambda: [self.processes(moment)], moment)
            events += self._try("waits", lambda: self._waits(moment, suspicious), moment)
        if moment.at >= self._next_gpus:
            self._next_gpus = moment.at + GPU_INTERVAL
            events += self._once([self._gpus.sample(self._pids, *moment)])
        if moment.at >= self._next_host:
            is_first = self._next_host == 0.0
            self._next_host = moment.at + HOST_INTERVAL
            events += self._try("host", lambda: self._host(moment, kernel=is_first), moment)
            if is_first:
                events += self._try("orphans", lambda: self._orphans(moment), moment)
        if self._board is not None:
            events += self._once(self._board.poll(moment))
        return events

    def rest(self, moment: Moment) -> list[Event]:
        """Last events of a training that has ended: heartbeats, the console's last lines."""
        events: list[Event] = [*self._beats(moment), *self._reports(moment)]
        while lines := self._tail.poll():
            events += self._console(lines, moment)
        events += self._console(self._tail.flush(), moment)
        events += self._parser.close(*moment)
        if self._board is not None:
            events += self._once(self._board.rest(moment))
        # The kernel's log may contain the cause of the death.
        return [*events, *self._try("host", lambda: self._host(moment, kernel=True), moment)]

    def processes(self, moment: Moment) -> ProcessesSampled:
        """A sample of the tree."""
        sample = self._tree.sample(*moment)
        self._pids = {process.pid for process in sample.processes}
        self._known |= identities(sample.processes)
        return sample

    def stacks(self, moment: Moment, *, early: bool = False) -> list[Event]:
        """Stacks of the whole tree, with a fresh sample beside them.

        Args:
            early: In search of a proof, long before the stall timeout.
        """
        return self._try("stacks", lambda: self._stacks(moment, early), moment)

    def _stacks(self, moment: Moment, early: bool) -> list[Event]:
        sample = self.processes(moment)
        pids = [p.pid for p in sample.processes if p.status != "zombie" and p.role != LAUNCHER]
        captured, unseen = capture.capture(
            pids,
            self._dir / "stacks",
            at=moment.at,
            wall=moment.wall,
            inside=self._dir,
        )
        events: list[Event] = [sample, *self._once(unseen)]
        self._captured = captured
        events += waits.look(sample, captured, at=moment.at, wall=moment.wall)
        events += [] if early else self._host(moment, kernel=True)
        if captured is None:
            return events
        read = {f"stacks of pid {stack.pid}" for stack in captured.stacks}
        self._unseen = {(what, why) for what, why in self._unseen if what not in read}
        return [*events, replace(captured, waits=thread_waits.look(pids), early=early)]

    def _waits(self, moment: Moment, suspicious: bool) -> list[Event]:
        """What the captured processes wait for outside of the tree, read again."""
        if not suspicious:
            self._captured = None  # They moved on since.
        if self._captured is None:
            return []
        return waits.outside(self._captured, at=moment.at, wall=moment.wall)

    def everyone(self, moment: Moment) -> set[Identity]:
        """Identities of all processes of the attempt, orphans by their marker."""
        self.processes(moment)
        return self._known | set(self._tree.sweep())

    def _beats(self, moment: Moment) -> list[Event]:
        """Heartbeats that changed; one that did not is silence, and the journal needs none."""
        changed: list[Event] = []
        for pulse in self._heartbeats.poll(*moment):
            if self._last_beats.get(pulse.rank) != (pulse.pid, pulse.beats):
                self._last_beats[pulse.rank] = (pulse.pid, pulse.beats)
                changed.append(pulse)
        changed += [*self._models.poll(*moment), *self._batches.poll(*moment)]
        changed += [*self._weights.poll(*moment), *self._learning.poll(*moment)]
        changed += [*self._non_finite.poll(*moment), *self._metrics.poll(*moment)]
        changed += self._answers.poll(*moment)
        return [*changed, *self._workers.poll(*moment)]

    def _host(self, moment: Moment, *, kernel: bool) -> list[Event]:
        """The machine, with the limits of the training's own process.

        A training may raise the limits that it inherits, or run in another container.
        """
        place = self._dir.parent.parent
        seen, unseen = host.sample(place, None, at=moment.at, wall=moment.wall, kernel=kernel)
        theirs, _ = host.sample(place, self._root, at=moment.at, wall=moment.wall)
        if theirs.open_files_limit is not None:
            self._limits = {name: getattr(theirs, name) for name in _OF_ITS_OWN}
        return [replace(seen, **self._limits), *self._once(unseen)]

    def _orphans(self, moment: Moment) -> list[Event]:
        """Processes that earlier attempts in this work dir left alive."""
        place = self._dir.parent.parent
        found = orphans.find(
            place,
            self._pids,
            at=moment.at,
            wall=moment.wall,
            recorded=recorded_attempts,
        )
        return [found] if found is not None else []

    def _console(self, lines: list[str], moment: Moment) -> list[Event]:
        if not lines:
            return self._parser.flush(*moment)  # The rest of an unfinished record does not come.
        self._lines += len(lines)
        # Lines that an earlier supervisor has recorded are skipped.
        lines = lines[max(0, len(lines) - max(0, self._lines - self._lines_known)) :]
        if not lines:
            return []
        last = next((line for line in reversed(lines) if line.strip()), "")
        events: list[Event] = [
            event for line in lines for event in self._parser.feed(line, *moment)
        ]
        shown = last.strip()[:LAST_LINE_LENGTH]
        grown = ConsoleGrew(at=moment.at, wall=moment.wall, lines=self._lines, last_line=shown)
        return [*events, grown]

    def _reports(self, moment: Moment) -> list[Event]:
        """Reports of the inside agents that are new."""
        events: list[Event] = []
        for path in self._dir.glob(protocol.agent_file("*")):
            if path.name in self._reported:
                continue
            self._reported.add(path.name)
            data = msgspec.json.decode(path.read_bytes(), type=protocol.AgentDocument)
            report = AgentReported(at=moment.at, wall=moment.wall, **data)
            events.append(report)
            if self._board is not None and report.rank == 0:
                self._board.moved(Path(report.work_dir))
        error = self._dir / "agent-error.txt"
        if error.name not in self._reported and error.exists():
            self._reported.add(error.name)
            text = error.read_text(encoding="utf-8", errors="replace").strip()
            why = text.splitlines()[-1] if text else "it could not write why: is the disk full?"
            events.append(NotObserved(at=moment.at, wall=moment.wall, what="inside agent", why=why))
        return events

    def _try(self, what: str, look: Callable[[], list[Event]], moment: Moment) -> list[Event]:
        """The events of one collector; its failure is recorded and does not end the supervision."""
        try:
            return look()
        except Exception as error:
            why = f"looking at it failed: {type(error).__name__}: {error}"
            return self._once([NotObserved(at=moment.at, wall=moment.wall, what=what, why=why)])

    def _once(self, events: list[Any]) -> list[Any]:
        """Drops what was reported before as not observed: it would fill the journal."""
        fresh = []
        for event in events:
            if isinstance(event, NotObserved):
                if (event.what, event.why) in self._unseen:
                    continue
                self._unseen.add((event.what, event.why))
            fresh.append(event)
        return fresh
