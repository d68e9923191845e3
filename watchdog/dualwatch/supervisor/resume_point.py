"""Where the next attempt of a run resumes: the newest whole checkpoint that this run wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dualwatch import frameworks
from dualwatch.core import clock
from dualwatch.events import NotObserved
from dualwatch.frameworks.base import Checkpoint, Framework
from dualwatch.rules import verdict
from dualwatch.state.snapshot import Snapshot
from dualwatch.supervisor.recorder import EventRecorder


@dataclass(slots=True)
class ResumePoint:
    """Keeps the newest checkpoint of a run that can be resumed from."""

    recorder: EventRecorder
    work_dir: Path
    framework: Framework
    _newest: Checkpoint | None = None
    _rejected: list[str] = field(default_factory=list)
    _unloadable: set[Path] = field(default_factory=set)

    def look(self, since: float) -> None:
        """Searches the work dir, once an attempt: whole files are read for it.

        Args:
            since: Wall time; older checkpoints may belong to another run.
        """
        self._newest, self._rejected = self._followed().newest_checkpoint(
            self._runner_work_dir(), since=since, without=self._unloadable
        )

    def path(self) -> Path | None:
        """The newest whole checkpoint, else the one that the last attempt resumed from."""
        moment = clock.now()
        for text in self._rejected:
            what = f"checkpoint {text}"
            self.recorder.record(
                NotObserved(at=moment.at, wall=moment.wall, what=what, why="not trusted")
            )
        if self._newest is not None:
            return self._newest.path
        last = self._resumed_from()
        return last if last is not None and last not in self._unloadable else None

    def reject_resumed(self, since: float) -> None:
        """Excludes the checkpoint that the last attempt could not load."""
        failed = self._resumed_from() or self._followed().last_checkpoint(self._runner_work_dir())
        if failed is not None:
            self._unloadable.add(failed)
        self.look(since)

    def lost_iterations(self) -> int:
        """Iterations of the present attempt that no checkpoint holds."""
        s, found = self.recorder.snapshot, self._newest
        if verdict.has_finished(s):
            return 0
        if found is None:
            return verdict.lost_iterations(s, saved=None, by_epoch=False)
        return verdict.lost_iterations(s, saved=found.number, by_epoch=found.by_epoch)

    def _resumed_from(self) -> Path | None:
        s: Snapshot = self.recorder.snapshot
        resumed = s.started.resumed_from if s.started is not None else None
        return Path(resumed) if resumed else None

    def _followed(self) -> Framework:
        """The framework that the agent met: a command need not show it."""
        agent = self.recorder.snapshot.agent
        met = frameworks.get(agent.framework) if agent is not None else frameworks.PLAIN
        return self.framework if met is frameworks.PLAIN else met

    def _runner_work_dir(self) -> Path:
        """The work dir of the training itself, which a user's script may choose."""
        agent = self.recorder.snapshot.agent
        return Path(agent.work_dir) if agent is not None else self.work_dir
