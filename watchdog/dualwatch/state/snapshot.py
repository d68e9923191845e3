"""The snapshot: everything known of an attempt, folded from events.

``advance(snapshot, event)`` is pure, so a night can be replayed from its journal, and a verdict can
be tested with a list of events instead of a process and a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from msgspec import structs

from dualwatch.events import (
    AgentReported,
    AttemptEnded,
    AttemptStarted,
    BatchSeen,
    BuildLocksSeen,
    CheckpointSeen,
    CommandAnswered,
    ConfigRead,
    ConsoleGrew,
    DataSeen,
    Decided,
    DeviceAssertSeen,
    EndReported,
    ErrorSeen,
    EvaluationLogged,
    Event,
    FileLocksSeen,
    FindingRaised,
    GoalAnnounced,
    GpusSampled,
    HeartbeatRead,
    HostSampled,
    IterationLogged,
    KeysReported,
    LearningSeen,
    LinesScreened,
    LogMilestone,
    ModelSeen,
    NonFiniteSeen,
    NotObserved,
    ObserverPaused,
    OrphansSeen,
    ProcessesSampled,
    ProgressShown,
    Severity,
    StacksCaptured,
    StepSkipped,
    StopKind,
    SurroundingsSeen,
    TensorBoardSeen,
    TrainingStopped,
    TransfersSeen,
    WeightsLoaded,
)
from dualwatch.protocol import AgentCommand, Phase
from dualwatch.state import cpu_use, metric_series
from dualwatch.state.activity import measure
from dualwatch.state.attempt import Snapshot, running_ranks
from dualwatch.state.last_words import NO_WORDS, saving_to
from dualwatch.state.pauses import AFTER_MILESTONE
from dualwatch.state.pauses import Gaps as Gaps
from dualwatch.state.repeated_errors import noted
from dualwatch.state.reported_keys import reported

__all__ = ["KEPT_ERRORS", "STALLS", "Gaps", "Snapshot", "advance", "advance_lines", "fold"]

KEPT_ERRORS = 20
STALLS = ("DW101", "DW102", "DW103", "DW105")

BUSY_GPU = 5
"""Percent of a device's time."""


def fold(events: Iterable[Event], start: Snapshot | None = None) -> Snapshot:
    """Folds events into a snapshot."""
    snapshot = start or Snapshot()
    for event in events:
        snapshot = advance(snapshot, event)
    return snapshot


def advance(snapshot: Snapshot, event: Event) -> Snapshot:
    """The snapshot after one more event."""
    step = _STEPS.get(type(event))
    after = step(snapshot, event) if step is not None else snapshot
    return replace(after, at=event.at, wall=event.wall)


_UNSEEN: dict[str, Any] = dict.fromkeys(
    ("stacks", "file_locks", "build_locks", "transfers", "awaited"), ()
)
"""What was seen of a pause is of no more use when it is over."""


def _moved(s: Snapshot, event: Event, at: float, **changes: Any) -> Snapshot:
    """Progress: records the pause that ended, and drops the captures made during it.

    The pause of a stall that was recovered does not count as a healthy one.
    """
    if at <= s.progress_at:
        return replace(s, **changes)
    gaps = s.gaps
    if not s.stall_reported:
        gap = at - s.progress_at
        gaps = {**s.gaps, s.place: s.gaps.get(s.place, Gaps()).with_gap(gap)}
    # A rescue checkpoint of a training that is being stopped is no recovery.
    stalled = s.stall_reported and s.stopped is not None
    changes = {**_UNSEEN, "stall_reported": stalled, **changes}
    return replace(s, progress_at=at, progress_wall=event.wall, gaps=gaps, **changes)


def advance_lines(s: Snapshot, lines: Sequence[IterationLogged]) -> Snapshot:
    """The snapshot after some training lines, as ``advance`` gives it line by line."""
    number, metrics = s.train_lines, s.metrics
    for line in lines:
        number += 1
        metrics = metric_series.trained(metrics, line, number, s.results.saved)
    newest = lines[-1]
    changes: dict[str, Any] = {}
    if not s.pulses:
        first = s.first_iteration
        changes["first_iteration"] = first if first is not None else metric_series.done(lines[0])
        changes["last_iteration"] = metric_series.done(newest)
    return replace(
        s,
        at=newest.at,
        wall=newest.wall,
        train_lines=number,
        last_train=newest,
        metrics=metrics,
        logged_phase=Phase.WAITING,
        last_words=NO_WORDS,
        closed=None,
        saves=s.saves.passed(),
        validations=s.validations.passed(),
        **changes,
    )


def _attempt_started(s: Snapshot, event: AttemptStarted) -> Snapshot:
    # A new attempt starts from nothing: state of the last one would be judged again.
    return Snapshot(started=event, progress_at=event.at, progress_wall=event.wall, busy_at=event.at)


def _pulse(s: Snapshot, event: HeartbeatRead) -> Snapshot:
    before = s.pulses.get(event.rank)
    pulses = {**s.pulses, event.rank: event}
    if before is not None and before.beats == event.beats and before.pid == event.pid:
        return replace(s, pulses=pulses)
    moved_at = {**s.moved_at, event.rank: event.at}
    changes: dict[str, Any] = {"pulses": pulses, "moved_at": moved_at}
    if 0 <= event.begun < event.iteration:
        changes["first_iteration"] = event.begun + 1
        changes["last_iteration"] = event.iteration
    after = _moved(s, event, min(moved_at[rank] for rank in running_ranks(pulses)), **changes)
    # The samples that one rank waited for are not those of the next.
    return after if _is_same_rank(s.slowest, after.slowest) else replace(after, awaited=())


def _is_same_rank(one: HeartbeatRead | None, other: HeartbeatRead | None) -> bool:
    return one is None or other is None or one.rank == other.rank


def _console(s: Snapshot, event: ConsoleGrew) -> Snapshot:
    changes: dict[str, Any] = {"console_lines": event.lines, "last_line": event.last_line}
    # Once the loop runs, only the heartbeat counts: a worker that keeps printing is no progress.
    if s.pulses and s.last_iteration is not None:
        return replace(s, **changes)
    return _moved(s, event, event.at, **changes)


def _iteration(s: Snapshot, event: IterationLogged) -> Snapshot:
    if event.mode == "test":
        return replace(s, logged_phase=Phase.VAL_STEP, last_test=event)
    if event.mode != "train":
        return replace(s, logged_phase=Phase.VAL_STEP)
    return advance_lines(s, (event,))


def _shown(s: Snapshot, event: ProgressShown) -> Snapshot:
    """A bar counts as a training line where nothing else reports the training."""
    after = replace(s, shown=event)
    if s.pulses:
        return after
    line = event.line
    if line is not None:
        is_all = s.last_train is None or s.last_train.bar
        return advance_lines(after, (line,)) if is_all else after
    if event.mode:
        after = replace(after, logged_phase=Phase.VAL_STEP)
    if event.mode == "val" and event.total and event.done >= event.total and s.last_train:
        came = after.validations.with_one(s.last_train.epoch, None)
        after = replace(after, validations=came)
    return after


def _evaluation(s: Snapshot, event: EvaluationLogged) -> Snapshot:
    metrics = metric_series.evaluated(s.metrics, event)
    results = s.results.after_validation(event)
    if event.mode == "test":
        changes: dict[str, Any] = {"last_test": event}
    else:
        after = s.last_train.iteration if s.last_train is not None else None
        reached = after if event.epoch is None else None
        changes = {
            "last_evaluation": event,
            "validations": s.validations.with_one(event.epoch, reached),
        }
    return replace(s, metrics=metrics, results=results, logged_phase=Phase.WAITING, **changes)


def _screened(s: Snapshot, event: LinesScreened) -> Snapshot:
    """Lines that were not parsed: they count, and no pause is learned from them."""
    number = s.train_lines + event.lines
    return replace(
        _unwatched(s, event.seconds),
        train_lines=number,
        metrics=metric_series.screened(s.metrics, event, number),
        last_words=NO_WORDS,
        closed=None,
        saves=s.saves.passed(),
        validations=s.validations.passed(),
    )


def _milestone(s: Snapshot, event: LogMilestone) -> Snapshot:
    changes: dict[str, Any] = {"milestones": s.milestones | {event.name}}
    if event.name == "checkpoint-saving":
        changes["saves"] = s.saves.with_one(event.epochs, event.iterations)
    elif event.name == "resumed":
        changes["resumed"] = event
    elif event.name in ("run-over", "stopped-early"):
        changes["closed"] = event
    changes["results"] = s.results.after_milestone(event, s.train_lines)
    phase = AFTER_MILESTONE.get(event.name, s.logged_phase)
    changes["last_words"] = s.last_words.after_milestone(event)
    changes["saving_to"] = saving_to(event) or s.saving_to
    return replace(s, logged_phase=phase, **changes)


def _error(s: Snapshot, event: ErrorSeen) -> Snapshot:
    repeats = noted(s.repeats, event, lines=s.train_lines, phase=s.phase)
    return replace(s, errors=(*s.errors, event)[-KEPT_ERRORS:], repeats=repeats)


def _last_word(s: Snapshot, event: EndReported | DeviceAssertSeen) -> Snapshot:
    return replace(s, last_words=s.last_words.with_report(event))


def _processes(s: Snapshot, event: ProcessesSampled) -> Snapshot:
    where = s.trained_so_far
    if where is not None:
        s = replace(s, memory=s.memory.with_processes(event, where))
    if s.processes is not None and event.at <= s.processes.at:
        return replace(s, processes=event)  # Two samples at one moment measure nothing.
    activity = measure(s.processes, event, s.activity)
    if activity is None:
        return replace(s, processes=event)  # The first after a pause: nothing to compare with.
    busy_at = event.at if activity.busy else s.busy_at
    use = cpu_use.used(event, activity) if where is not None else None
    if use is not None:
        s = replace(s, cpu_uses=(*s.cpu_uses, use)[-cpu_use.KEPT :])
    return replace(s, processes=event, activity=activity, busy_at=busy_at)


def _stacks(s: Snapshot, event: StacksCaptured) -> Snapshot:
    """The looks of the stall timeout are compared with each other, and not with earlier ones.

    What was read at last is not unobserved any more.
    """
    kept = s.stacks if event.early else tuple(one for one in s.stacks if not one.early)
    read = {f"stacks of pid {stack.pid}" for stack in event.stacks}
    unread = {what: why for what, why in s.not_observed.items() if what not in read}
    return replace(s, stacks=(*kept, event), not_observed=unread)


def _build_locks(s: Snapshot, event: BuildLocksSeen) -> Snapshot:
    """Another training that builds what this one waits for works for it."""
    works = any(pid not in s.process for lock in event.locks for pid in lock.holders)
    return replace(s, build_locks=event.locks, busy_at=event.at if works else s.busy_at)


def _transfers(s: Snapshot, event: TransfersSeen) -> Snapshot:
    """Data that comes is activity, at the time at which it came."""
    sizes = {one.file: one.size or 0 for one in s.transfers if one.file}
    busy = s.busy_at
    for one in event.transfers:
        if one.quiet is not None:
            busy = max(busy, event.at - one.quiet)
        if one.file in sizes and (one.size or 0) > sizes[one.file]:
            busy = event.at
    return replace(s, transfers=event.transfers, busy_at=busy)


def _gpus(s: Snapshot, event: GpusSampled) -> Snapshot:
    """A running GPU kernel is activity, also while the main process sleeps until it is done.

    Only on a GPU that holds memory of this training.
    """
    where = s.trained_so_far
    if where is not None:
        s = replace(s, memory=s.memory.with_gpus(event, where))
    ours = any((gpu.tree or 0) > 0 and (gpu.utilisation or 0) > BUSY_GPU for gpu in event.gpus)
    return replace(s, gpus=event, busy_at=event.at if ours else s.busy_at)


def _host(s: Snapshot, event: HostSampled) -> Snapshot:
    """The kernel log is read less often than the rest: its last lines are kept."""
    if not event.kernel and s.host is not None:
        event = structs.replace(event, kernel=s.host.kernel)
    return replace(s, host=event, host_before=s.host_before or event)


def _answered(s: Snapshot, event: CommandAnswered) -> Snapshot:
    awaited = event.awaited if event.order == AgentCommand.TELL else s.awaited
    return replace(s, answers=(*s.answers, event), awaited=awaited)


def _raised(s: Snapshot, event: FindingRaised) -> Snapshot:
    found = event.finding
    is_stall = found.code in STALLS and found.severity >= Severity.ERROR
    raised = (*s.raised, found.code)
    return replace(s, raised=raised, stall_reported=s.stall_reported or is_stall)


def _decided(s: Snapshot, event: Decided) -> Snapshot:
    """A decision that ends a training, in journals that do not record the stop itself."""
    if s.ended is not None or event.action not in ("stop", "give-up", "rerun"):
        return s
    stopped = TrainingStopped(
        at=event.at,
        wall=event.wall,
        why=StopKind.STALLED if event.cause.startswith("DW1") else StopKind.UNWANTED,
        reason=event.reason,
        cause=event.cause,
        action=event.action,
    )
    return replace(s, stopped=stopped)


def _paused(s: Snapshot, event: ObserverPaused) -> Snapshot:
    """dualwatch itself did not run (a laptop's sleep, SIGSTOP): that time does not count."""
    # The next sample must not be measured against one from before the pause, nor the next look. And
    # who is taken up after a stop was not stopped: dualwatch itself ended in the middle of it.
    kept = tuple(one for one in s.stacks if not one.early)
    return replace(_unwatched(s, event.seconds), processes=None, stacks=kept, stopped=None)


def _unwatched(s: Snapshot, seconds: float) -> Snapshot:
    return replace(
        s,
        progress_at=s.progress_at + seconds,
        busy_at=s.busy_at + seconds,
        moved_at={rank: at + seconds for rank, at in s.moved_at.items()},
    )


_STEPS: dict[type[Event], Callable[[Snapshot, Any], Snapshot]] = {
    AttemptStarted: _attempt_started,
    AttemptEnded: lambda s, event: replace(s, ended=event),
    AgentReported: lambda s, event: replace(s, agent=event) if event.rank == 0 else s,
    HeartbeatRead: _pulse,
    ConsoleGrew: _console,
    IterationLogged: _iteration,
    EvaluationLogged: _evaluation,
    ProgressShown: _shown,
    ProcessesSampled: _processes,
    BuildLocksSeen: _build_locks,
    TransfersSeen: _transfers,
    FileLocksSeen: lambda s, event: replace(s, file_locks=event.locks),
    StacksCaptured: _stacks,
    GpusSampled: _gpus,
    NotObserved: lambda s, event: replace(s, not_observed={**s.not_observed, event.what: event}),
    ErrorSeen: _error,
    BatchSeen: lambda s, event: replace(s, batches={**s.batches, event.rank: event}),
    ConfigRead: lambda s, event: replace(s, config=event),
    GoalAnnounced: lambda s, event: replace(s, announced=event, logged_phase=Phase.WAITING),
    DataSeen: lambda s, event: replace(s, data=event),
    CheckpointSeen: lambda s, event: replace(s, checkpoint=event),
    SurroundingsSeen: lambda s, event: replace(s, surroundings=event),
    ModelSeen: lambda s, event: replace(s, model=event) if event.rank == 0 else s,
    WeightsLoaded: lambda s, event: replace(s, weights=event) if event.rank == 0 else s,
    LearningSeen: lambda s, event: replace(s, learning=event) if event.rank == 0 else s,
    KeysReported: lambda s, event: replace(s, keys=reported(s.keys, event)),
    NonFiniteSeen: lambda s, event: replace(s, non_finite={**s.non_finite, event.rank: event}),
    TensorBoardSeen: lambda s, event: replace(s, tensorboard=event),
    HostSampled: _host,
    LogMilestone: _milestone,
    LinesScreened: _screened,
    StepSkipped: lambda s, event: replace(s, skipped=s.skipped.with_one(event, s.train_lines)),
    EndReported: _last_word,
    DeviceAssertSeen: _last_word,
    CommandAnswered: _answered,
    OrphansSeen: lambda s, event: replace(s, orphans=event),
    FindingRaised: _raised,
    ObserverPaused: _paused,
    Decided: _decided,
    TrainingStopped: lambda s, event: replace(s, stopped=event),
}
