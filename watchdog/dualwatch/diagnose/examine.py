"""Examines a target once: collects its events, folds them, applies the rules."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from msgspec import structs

from dualwatch import domains
from dualwatch.collectors.processes.trainings import Training
from dualwatch.collectors.stacks import fd_limit
from dualwatch.collectors.target import Target
from dualwatch.core import clock
from dualwatch.core.clock import Moment
from dualwatch.core.policies import CheckPolicy
from dualwatch.diagnose import locality, log_starts
from dualwatch.diagnose.locality import Locality
from dualwatch.diagnose.parallel import Collector, collect
from dualwatch.diagnose.questions import FIRST, LOCAL, LOG, OF_THIS_MACHINE, PART_OF_LOG, questions
from dualwatch.events import (
    AttemptStarted,
    ConfigRead,
    Event,
    Finding,
    LogClock,
    LogMilestone,
    NotObserved,
    Severity,
)
from dualwatch.frameworks import config_read
from dualwatch.history import sources
from dualwatch.history.run import RunHistory
from dualwatch.history.training_record import TrainingRecord
from dualwatch.logs import reader
from dualwatch.logs.kept_start import LogStart
from dualwatch.protocol import Phase
from dualwatch.rules import ranking, starts
from dualwatch.rules.deaths import exit
from dualwatch.rules.registry import judge
from dualwatch.rules.starts import EarlierStart
from dualwatch.rules.status import RunStatus, not_run, of_empty_log, run_status
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot, advance

SILENCE = 20.0
"""Seconds of silence from which a training is suspect when a user asks about it; a verdict still
needs an idle tree or stacks."""

PATIENCE = 2.0
"""Silence is this many times the longest pause: less than under supervision, since the user
suspects a stall and a log shows only its lines."""


@dataclass(slots=True)
class Examination:
    """The result.

    Attributes:
        run: The history of the run: of its journal where there is one, continued by its log and by
            what was collected now.
        recorded: The newest attempt as the journal has it; None without a journal.
        course: The lines and evaluations of the whole run.
        now: Findings of this moment, unranked.
        findings: Ranked, likeliest cause first; with those recorded of the newest attempt.
        causes: The findings without symptoms and notes.
        config: As it was loaded or read.
        locality: Whether it is of this machine.
        written: Source text of the training loader.
        earlier: The starts of its log before the newest one, oldest first.
        in_common: What the newest of them have in common, "" for nothing.
        not_observed: What could not be looked at -> why.
    """

    target: Target
    moment: Moment
    snapshot: Snapshot = field(default_factory=Snapshot)
    standing: RunStatus | None = None
    course: TrainingRecord = field(default_factory=TrainingRecord)
    now: list[Finding] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    causes: list[Finding] = field(default_factory=list)
    run: RunHistory = field(default_factory=RunHistory)
    recorded: Snapshot | None = None
    log: reader.LogRead | None = None
    nvidia_smi: str | None = None
    config: ConfigRead | None = None
    written: str | None = None
    not_observed: dict[str, str] = field(default_factory=dict)
    locality: Locality = field(default_factory=lambda: Locality(True))
    earlier: list[EarlierStart] = field(default_factory=list)
    in_common: str = ""
    took_s: float = 0.0

    @property
    def has_ended(self) -> bool:
        """Whether the journal has the end of the newest attempt."""
        return self.recorded is not None and self.recorded.ended is not None

    @property
    def read_whole(self) -> bool:
        """Whether nothing of the log was left out: else no statement covers the whole run.

        A journal that has the end of the run does not need the log.
        """
        return self.has_ended or self.not_observed.keys().isdisjoint((LOG, PART_OF_LOG))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamineOptions:
    """How thoroughly to collect, and the thresholds.

    Attributes:
        silence, patience: See ``Thresholds``; None for those of the settings.
        log_s: Seconds for the log: a million lines take about 10. Of a longer one the beginning
            and the end are read.
        only: Names of the questions that are asked; None for all of them.
        more: Further questions. Events among their answers are folded too.
    """

    silence: float | None = SILENCE
    patience: float | None = PATIENCE
    log_s: float = 120.0
    only: Collection[str] | None = None
    more: Mapping[str, Collector] = field(default_factory=dict)


def examine(
    target: Target,
    policy: CheckPolicy,
    *,
    collected: Callable[[str], None] = lambda name: None,
    options: ExamineOptions = ExamineOptions(),
) -> Examination:
    """Collects what can be known of a target and applies the rules.

    The target is not changed; stacks are read without stopping it where that is possible.

    Args:
        collected: Called with the name of each collector that is done.
        options: How thoroughly, and with which thresholds.
    """
    moment = clock.now()
    done = Examination(target=target, moment=moment)
    asked = questions(target, policy, moment, options.log_s)
    if options.only is not None:
        asked = {name: ask for name, ask in asked.items() if name in options.only}
    asked |= options.more
    few = fd_limit.are_few()
    answers: dict[str, Any] = {}
    failures: dict[str, str] = {}
    if target.training is None:
        # Whose log it is decides what else is asked.
        first = {name: asked.pop(name) for name in FIRST if name in asked}
        answers, failures = collect(first, collected, one_by_one=few)
        done.locality = _locality(target, answers)
        if not done.locality.here:
            asked = {name: ask for name, ask in asked.items() if name not in LOCAL}
            done.not_observed[OF_THIS_MACHINE] = f"not evidence: {done.locality.why}"
    more, failed = collect(asked, collected, one_by_one=few)
    answers, failures = answers | more, failures | failed
    done.not_observed.update(failures)
    _take(done, answers)
    _fold(done, answers, options)
    done.snapshot = _settled(done.run.snapshot, target, moment)
    _judge(done, policy, options)
    done.took_s = clock.now().at - moment.at
    return done


def _locality(target: Target, answers: Mapping[str, Any]) -> Locality:
    run = answers["journal"][0] if "journal" in answers else None
    log: reader.LogRead | None = answers.get(LOG)
    events = log.events if log is not None else ()
    return locality.of(target, events, run.started if run is not None else None)


def _settled(s: Snapshot, target: Target, asked: Moment) -> Snapshot:
    """The snapshot at this moment where the training runs, else at its last progress.

    Log and heartbeat were read at the start. Sampling the processes takes some seconds, which do
    not count as silence. A bare log that ends with a fatal error is that of a dead training.
    """
    if target.training is not None:
        now = clock.now()
        unheard = now.at - asked.at
        return replace(
            s,
            at=now.at,
            wall=now.wall,
            progress_at=s.progress_at + unheard,
            moved_at={rank: at + unheard for rank, at in s.moved_at.items()},
        )
    if s.ended is None and (is_alive(target) is False or exit.has_a_known_end(s)):
        s = advance(s, log_starts.gone(s))
    return replace(s, at=s.progress_at, wall=s.progress_wall)


def _take(done: Examination, answers: dict[str, Any]) -> None:
    """The answers that are no events."""
    if "journal" in answers:
        done.run, done.course = answers["journal"]
        done.recorded = done.run.snapshot
    else:
        done.run = RunHistory()
    done.log = answers.get(LOG)
    if done.log is not None and not done.log.complete:
        why = "the log is too long for the time: its beginning and its end were read"
        if done.log.path.suffix == ".gz":
            why = "it is damaged, or too long for the time: only its beginning was read"
        done.not_observed[PART_OF_LOG] = why
    if "nvidia-smi" in answers:
        done.nvidia_smi, why = answers["nvidia-smi"]
        if why:
            done.not_observed["nvidia-smi"] = why
    done.config = _config(done, answers.get("config"))
    if done.config is not None and done.written is None and done.config.path:
        done.written = config_read.written_loader(Path(done.config.path))


def _config(done: Examination, found: ConfigRead | None) -> ConfigRead | None:
    """The configuration of the newest start: of a file, or as its log has it."""
    if done.log is None:
        return found
    printed = log_starts.printed(done.log.starts[-1], done.moment)
    settled = log_starts.settled(found, printed, is_named=done.target.kind == "config")
    if printed is not None and settled is printed.event:
        done.written = printed.spec.written
    if settled is not None and _was_built(done.log.starts[-1]):
        # What its training was built from can be trained, however little of it the log has.
        ours = tuple(one for one in settled.defects if not one.prevents)
        settled = structs.replace(settled, defects=ours)
    if settled is None or done.locality.here or done.target.config is not None:
        return settled
    # Where its data would lie on this machine is no matter of a training of another one.
    return structs.replace(settled, missing={}, unpaired=(), looked_at=0)


def _was_built(start: LogStart) -> bool:
    """Whether a start shows that its training was built from its configuration."""
    names = {event.name for event in start.events if isinstance(event, LogMilestone)}
    return bool(names & {"checkpoints-announced", "run-announced"})


def _fold(done: Examination, answers: dict[str, Any], options: ExamineOptions) -> None:
    """Continues the run of the journal with newer lines of the log and with the answers."""
    target, moment, run = done.target, done.moment, done.run
    found: tuple[LogStart, ...] = ()
    rows = answers.get("scalars")
    if target.log is not None and (rows or (rows is not None and done.log is None)):
        found = log_starts.of_rows(rows or [], target.log)
    if done.log is not None and not found:
        found = done.log.starts
    if found and not run.attempts:
        found = (*answers.get("earlier runs", ()), *found)
    attempts = sources.of_log(found, moment, _started(target, moment))
    if run.attempts:
        # The supervisor may have died before the training did.
        lines = [event for attempt in attempts for event in attempt[1:]]
        events = sources.since(lines, run.attempt.newest)
    else:
        events = attempts[-1]
        course = () if target.supervised else (done.course,)
        log_starts.fold_earlier(run, found, attempts, course, moment)
        done.course.timed = not found or found[-1].clock is not LogClock.NONE
    if target.attempt_dir is not None:
        for name in ("heartbeat", "model", "weights", "learning", "non-finite", "batches"):
            events += answers.get(name, ())
    events += [
        one for one in (done.config, answers.get("gpu"), answers.get("orphans")) if one is not None
    ]
    if "host" in answers:
        sample, unseen = answers["host"]
        events += [sample, *unseen]
    events += answers.get("processes", ())
    events += [
        NotObserved(at=moment.at, wall=moment.wall, what=what, why=why)
        for what, why in done.not_observed.items()
    ]
    for name in dict.fromkeys(("checkpoint", "data sets", *options.more)):
        if name == "config":
            continue  # As it was settled above.
        answer = answers.get(name, ())
        listed = answer if isinstance(answer, list) else [answer]
        events += [one for one in listed if isinstance(one, Event)]
    for event in events:
        run.take(event)


def is_alive(target: Target) -> bool | None:
    """Whether the training's process runs; None where only a log is known, of any machine."""
    if target.training is not None:
        return True
    return False if target.supervised else None


def is_planned(target: Target) -> bool:
    """Whether it is a configuration that was not run."""
    return target.kind == "config" and target.training is None and target.log is None


def _started(target: Target, moment: Moment) -> AttemptStarted:
    training: Training | None = target.training
    wall = training.create_time if training is not None else moment.wall
    return AttemptStarted(
        at=moment.at - (moment.wall - wall),
        wall=wall,
        attempt=0,
        pid=training.pid if training is not None else 0,
        create_time=wall,
        command=training.command if training is not None else (),
        overrides={},
        log=target.log.name if target.log is not None else "console.log",
    )


def _judge(done: Examination, policy: CheckPolicy, options: ExamineOptions) -> None:
    target, s = done.target, done.snapshot
    limits = Thresholds(
        stall_timeout=min(
            policy.stall.stall_timeout, options.silence or policy.stall.stall_timeout
        ),
        busy_timeout=policy.stall.busy_timeout,
        required=required(done, policy),
    )
    if options.patience is not None:
        limits = replace(limits, patience=options.patience)
    now = done.now = judge(s, limits)
    # The rules ran while the run was supervised, when more could be observed than now.
    known = {finding.code for finding in now}
    then = [f for f in done.run.attempt.findings if f.code not in known and _still_counts(f, done)]
    done.standing = run_status(s, alive=is_alive(target))
    done.findings = ranking.rank([*now, *then])
    is_over = done.standing.phase == Phase.FINISHED and not is_planned(target)
    done.causes = ranking.causes([*now, *then], finished=is_over)
    if is_planned(target):
        tried = s.config is not None and s.config.how == "loaded" and bool(s.config.built)
        done.standing = not_run(tried=tried)
    elif is_alive(target) is None and done.log is not None and not any(done.log.tail):
        done.standing = of_empty_log()
    if not target.supervised:
        done.earlier = log_starts.earlier(done.run, limits)
    if done.earlier:
        done.in_common = starts.in_common(done.earlier, done.standing)
        parts = (done.standing.sentence, f"before it, {done.earlier[-1].sentence}", done.in_common)
        done.standing = replace(done.standing, sentence="; ".join(filter(None, parts)))


def _still_counts(finding: Finding, done: Examination) -> bool:
    """A stall that is over does not count, unless the training ended with it."""
    if not finding.code.startswith("DW1") or finding.severity <= Severity.INFO:
        return True
    ended_in_it = done.recorded is not None and done.recorded.stall_reported
    return done.has_ended and (ended_in_it or finding.severity < Severity.ERROR)


def required(done: Examination, policy: CheckPolicy) -> tuple[str, ...]:
    """Metrics that must be trained: as the run was started, else by settings and configuration."""
    if done.run.started is not None:
        return done.run.started.required_metrics
    words = done.config.model_words if done.config is not None else ()
    return domains.required_metrics(policy.required, policy.required_from, words)[0]
