"""What a checklist is evaluated on: the result of an examination, or a journal alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from dualwatch.checks.item import RunLife
from dualwatch.core.policies import CheckPolicy
from dualwatch.diagnose import examine
from dualwatch.diagnose.examine import Examination
from dualwatch.events import Finding, TensorBoardSeen
from dualwatch.events.outcome import FINISHED
from dualwatch.history.run import RunHistory
from dualwatch.history.training_record import TrainingRecord
from dualwatch.protocol import Phase
from dualwatch.state.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRecord:
    """What a checklist is evaluated on.

    Attributes:
        now: Findings of this moment.
        raised: Recorded findings of the newest attempt; ``earlier`` those of the ones before it.
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
    elsewhere_why: str = ""
    orphans_looked_for: bool = False


def record_of(done: Examination, policy: CheckPolicy) -> CheckRecord:
    """What an examination has for a checklist."""
    target = done.target
    finished = done.standing is not None and done.standing.phase == Phase.FINISHED
    config, started = done.config, done.run.started
    path = config.path if config is not None else str(target.log or "")
    return CheckRecord(
        s=replace(done.snapshot, tensorboard=_tensorboard(done)),
        course=done.course,
        life=_life(done, finished),
        finished=finished,
        now=done.now,
        raised=done.run.attempt.findings,
        earlier=done.run.earlier_findings,
        has_ended=done.has_ended,
        required=examine.required(done, policy),
        # `train` chose its profile by this name; the copy in the work dir may have another one.
        path=started.config if started is not None else path,
        elsewhere=not done.locality.here,
        elsewhere_why=done.locality.why,
        orphans_looked_for=target.work_dir is not None and "orphans" not in done.not_observed,
    )


def _tensorboard(done: Examination) -> TensorBoardSeen | None:
    """The state of TensorBoard now, with what the supervisor recorded of its own server.

    The supervisor knows its port and whether it answered; the tags are those of now.
    """
    now = done.snapshot.tensorboard
    known = done.recorded.tensorboard if done.recorded is not None else None
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


def record_of_run(run: RunHistory, course: TrainingRecord, *, alive: bool) -> CheckRecord:
    """What a journal alone has for a checklist."""
    started, ended = run.started, run.ended
    return CheckRecord(
        s=run.snapshot,
        course=course,
        life=RunLife.ALIVE if alive else RunLife.OVER,
        finished=ended is not None and ended.outcome in FINISHED,
        raised=run.attempt.findings,
        earlier=run.earlier_findings,
        has_ended=run.snapshot.ended is not None,
        required=started.required_metrics if started is not None else (),
        path=started.config if started is not None else "",
    )
