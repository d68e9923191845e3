"""What a checklist is gone through with: gathered by an examination, or out of a journal alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from dualwatch.checks.item import RunLife
from dualwatch.core.policies import CheckPolicy
from dualwatch.diagnose import examine
from dualwatch.diagnose.examine import Examination
from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    ConfigRead,
    EvaluationLogged,
    Event,
    Finding,
    GpusSampled,
    HostSampled,
    IterationLogged,
    ModelSeen,
    NotObserved,
    TensorBoardSeen,
)
from dualwatch.history.past import EventWindow
from dualwatch.history.training_record import TrainingRecord
from dualwatch.protocol import Phase
from dualwatch.state.snapshot import Snapshot, advance, advance_lines

WANTED: tuple[type[Event], ...] = (
    AttemptStarted,
    AttemptEnded,
    IterationLogged,
    EvaluationLogged,
    ConfigRead,
    ModelSeen,
    TensorBoardSeen,
    HostSampled,
    GpusSampled,
    NotObserved,
)
"""Facts of a journal that a checklist is made of, where nothing else is looked at."""

MOST_LINES = 1000
"""Training lines that wait to be taken together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRecord:
    """What a checklist is gone through with, from wherever it was gathered.

    Attributes:
        now: What is the case at this moment.
        raised: What the newest attempt is on record for, and ``earlier`` those before it.
        has_ended: Whether the end of the newest attempt is on record.
        path: Of the configuration, or of the log where that is all there is.
    """

    s: Snapshot
    course: TrainingRecord
    life: RunLife
    finished: bool
    now: Sequence[Finding] = ()
    raised: Sequence[Finding] = ()
    earlier: Sequence[Finding] = ()
    has_ended: bool = False
    required: tuple[str, ...] = ()
    path: str = ""
    elsewhere: bool = False
    orphans_looked_for: bool = False


def record_of(done: Examination, policy: CheckPolicy) -> CheckRecord:
    """What an examination has gathered for a checklist."""
    target = done.target
    finished = done.standing is not None and done.standing.phase == Phase.FINISHED
    config = done.config
    return CheckRecord(
        s=replace(done.snapshot, tensorboard=_tensorboard(done)),
        course=done.course,
        life=_life(done, finished),
        finished=finished,
        now=done.now,
        raised=done.history.raised,
        earlier=done.history.earlier,
        has_ended=done.history.has_ended,
        required=examine.required(done, policy),
        path=config.path if config is not None else str(target.log or ""),
        elsewhere=target.kind == "log",
        orphans_looked_for=target.work_dir is not None and "orphans" not in done.not_observed,
    )


def _tensorboard(done: Examination) -> TensorBoardSeen | None:
    """The state of TensorBoard: of one that the supervisor started it knows best, also of its
    port, and afterwards whether it answered while there was something to be seen. The tags are
    those of now: a training writes the last of them when it ends."""
    now = done.snapshot.tensorboard
    kept = (f for f in reversed(done.history.events) if isinstance(f, TensorBoardSeen))
    known = next(kept, None)
    if known is None or now is None or known.answers is None:
        return now or known
    return structs.replace(
        now, url=known.url, answers=known.answers, shows_run=known.shows_run, why=known.why
    )


def _life(done: Examination, finished: bool) -> RunLife:
    if done.target.kind == "config" and done.target.training is None:
        return RunLife.PLANNED
    alive = examine.is_alive(done.target)
    if alive:
        return RunLife.ALIVE
    if finished or alive is False or done.snapshot.ended is not None:
        return RunLife.OVER
    return RunLife.UNKNOWN


class CheckRecordBuilder:
    """Gathers for a checklist out of the events of a journal, without looking at anything else."""

    def __init__(self) -> None:
        self._s = Snapshot()
        self._roll = EventWindow()
        self._lines: list[IterationLogged] = []

    def take(self, event: Event) -> None:
        """One more event, in the order of time."""
        self._roll.take(event)
        if isinstance(event, IterationLogged) and event.mode == "train":
            # Most of what there is: taken together, they cost a third.
            self._lines.append(event)
        elif isinstance(event, WANTED):
            self._catch_up()
            self._s = advance(self._s, event)
        if len(self._lines) >= MOST_LINES:
            self._catch_up()

    def _catch_up(self) -> None:
        if self._lines:
            self._s = advance_lines(self._s, self._lines)
            self._lines = []

    def record(self, alive: bool) -> CheckRecord:
        """What was gathered."""
        self._catch_up()
        roll, run = self._roll, self._roll.run
        ended = roll.run_ended
        finished = ended is not None and ended.outcome.startswith("completed")
        return CheckRecord(
            s=self._s,
            course=roll.course,
            life=RunLife.ALIVE if alive else RunLife.OVER,
            finished=finished,
            raised=roll.raised,
            earlier=roll.earlier,
            has_ended=self._s.ended is not None,
            required=run.required_metrics if run is not None else (),
            path=run.config if run is not None else "",
        )
