"""One examination: what is gathered of a target, folded and judged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

from dualwatch import domains, frameworks
from dualwatch.collectors.agent_files import heartbeat
from dualwatch.collectors.agent_files.batches import BatchFiles
from dualwatch.collectors.agent_files.models import ModelFiles
from dualwatch.collectors.gpu import nvidia_smi
from dualwatch.collectors.gpu.nvml import NvmlSampler
from dualwatch.collectors.host import sample as host
from dualwatch.collectors.processes import orphans
from dualwatch.collectors.processes.trainings import Training
from dualwatch.collectors.stacks import fd_limit
from dualwatch.collectors.target import Target
from dualwatch.core import clock
from dualwatch.core.clock import Moment
from dualwatch.core.settings import Settings
from dualwatch.diagnose import live_process
from dualwatch.diagnose.parallel import Collector, collect
from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    ConfigRead,
    Event,
    Finding,
    NotObserved,
    Severity,
)
from dualwatch.frameworks import config_read, interpreter
from dualwatch.frameworks.base import Goal
from dualwatch.history import past
from dualwatch.history.training_record import TrainingRecord
from dualwatch.logs import reader
from dualwatch.rules import ranking
from dualwatch.rules.deaths import exit
from dualwatch.rules.registry import judge
from dualwatch.rules.status import RunStatus, run_status
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot, advance, fold

LIVE_S = 8.0
"""Seconds for everything about a live training; a healthy machine needs about four."""

CONFIG_S = 30.0
"""Seconds for a configuration that the user named: loading it imports torch."""

SILENCE = 20.0
"""Seconds of silence from which a training that somebody asks about is suspect. The question is
the suspicion; idleness and stacks are still what convicts."""


PATIENCE = 2.0
"""The longest pause that was seen, so many times over, is silence. Of a training that is watched
all the time more is waited for; here somebody is worried, and a log tells its lines only."""


@dataclass(slots=True)
class Examination:
    """What was found out.

    Attributes:
        course: Of the whole run, as far as its journal or its log tell it.
        now: What is the case at this moment, unranked.
        findings: Ranked, likeliest cause first; with what the newest attempt is on record for.
        causes: Those of them that are no mere symptom or note.
        config: As it was loaded or read.
        written: Source text of the training loader.
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
    history: past.AttemptWindow = field(default_factory=past.AttemptWindow)
    log: reader.LogRead | None = None
    nvidia_smi: str | None = None
    config: ConfigRead | None = None
    written: str | None = None
    not_observed: dict[str, str] = field(default_factory=dict)
    took_s: float = 0.0


FILES = frozenset(("log", "scalars", "config"))
"""Collectors that only read what the training left: what a look back needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamineOptions:
    """How thoroughly to look, and by what to judge.

    Attributes:
        silence, patience: See ``Thresholds``; None for those of the settings.
        log_s: Seconds for the log. Of a longer one the beginning and the end are read.
        only: Names of the questions that are asked; None for all of them.
        more: Further questions. Facts among their answers become part of the story.
    """

    silence: float | None = SILENCE
    patience: float | None = PATIENCE
    log_s: float = 5.0
    only: Collection[str] | None = None
    more: Mapping[str, Collector] = field(default_factory=dict)


def examine(
    target: Target,
    settings: Settings,
    *,
    tell: Callable[[str], None] = lambda name: None,
    manner: ExamineOptions = ExamineOptions(),
) -> Examination:
    """Looks at a target from all sides at once and judges what was seen.

    The target is never changed or slowed: stacks are read without stopping it where that can be.

    Args:
        tell: Called with the name of each collector that is done.
        manner: How thoroughly, and by what it is judged.
    """
    moment = clock.now()
    done = Examination(target=target, moment=moment)
    asked = _collectors(target, settings, moment, manner.log_s)
    if manner.only is not None:
        asked = {name: ask for name, ask in asked.items() if name in manner.only}
    asked |= manner.more
    answers, failures = collect(asked, tell, one_by_one=fd_limit.are_few())
    done.not_observed.update(failures)
    _take(done, answers)
    story = _story(done, answers)
    for name in manner.more:
        answer = answers.get(name, ())
        story += [
            one for one in (answer if isinstance(answer, list) else [answer]) if _is_told(one)
        ]
    done.snapshot = _settled(fold(story), target, moment)
    _judge(done, settings, manner)
    done.took_s = clock.now().at - moment.at
    return done


def _is_told(answer: object) -> TypeGuard[Event]:
    return isinstance(answer, Event)


def _settled(s: Snapshot, target: Target, asked: Moment) -> Snapshot:
    """The snapshot at the time that counts: this moment for the living, else the last sign.

    Log and heartbeat of the living were read when the question came. The looks at their processes
    take seconds in which nobody listened, and these are no silence.
    A bare log whose last words are an error that ends trainings is that of a dead one.
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
    if s.ended is None and (is_alive(target) is False or exit.ends_with_an_error(s)):
        gone = AttemptEnded(
            at=s.progress_at, wall=s.progress_wall, attempt=0, exit_code=None, signal=None
        )
        s = advance(s, gone)
    return replace(s, at=s.progress_at, wall=s.progress_wall)


def _collectors(
    target: Target, settings: Settings, moment: Moment, log_s: float
) -> dict[str, Collector]:
    training, work_dir = target.training, target.work_dir
    at, wall = moment
    pid = training.pid if training is not None else None
    tree = live_process.pids(training, moment) if training is not None else set()
    asked: dict[str, Collector] = {
        "nvidia-smi": Collector(lambda: nvidia_smi.read(timeout=5.0), 6.0),
        "host": Collector(
            lambda: host.sample(work_dir or Path.cwd(), pid, at=at, wall=wall, kernel=True), LIVE_S
        ),
        "gpu": Collector(lambda: NvmlSampler().sample(tree, at, wall), LIVE_S),
    }
    if training is not None:
        asked["processes"] = Collector(lambda: live_process.look(training), LIVE_S + 1)
    if target.log is not None:
        log = target.log
        limit = log_s + LIVE_S - 5.0
        asked["log"] = Collector(
            lambda: reader.read_log(log, frameworks.line_formats(), deadline=log_s), limit
        )
        if target.scalars == log:
            asked["scalars"] = Collector(lambda: past.of_scalars(log), LIVE_S)
    if target.attempt_dir is not None:
        attempt = target.attempt_dir
        journal = attempt.parent / "journal.jsonl"
        asked["journal"] = Collector(lambda: past.of_journal(journal, moment), LIVE_S)
        asked["heartbeat"] = Collector(lambda: heartbeat.read(attempt, at, wall), LIVE_S)
        asked["model"] = Collector(lambda: ModelFiles(attempt).poll(at, wall), LIVE_S)
        asked["batches"] = Collector(lambda: BatchFiles(attempt).poll(at, wall), LIVE_S)
    if target.config is not None:
        named = target.config
        python = interpreter.training_python(settings.python)
        asked["config"] = Collector(
            lambda: config_read.load(python, named, Path.cwd(), CONFIG_S).event, CONFIG_S + 2
        )
    elif work_dir is not None:
        cwd = training.cwd if training is not None else None
        asked["config"] = Collector(lambda: _found(work_dir, cwd, moment), LIVE_S)
    if work_dir is not None:
        asked["orphans"] = Collector(lambda: orphans.find(work_dir, tree, at=at, wall=wall), LIVE_S)
    return asked


def _found(work_dir: Path, cwd: Path | None, moment: Moment) -> ConfigRead | None:
    path = config_read.find(work_dir)
    if path is None:
        return None
    return config_read.read(path, **moment._asdict(), folder=cwd).event


def _take(done: Examination, answers: dict[str, Any]) -> None:
    """The answers that are no events."""
    done.history = answers.get("journal") or past.AttemptWindow()
    done.log = answers.get("log")
    if done.log is not None and not done.log.complete:
        why = "the log is too long for the time: its beginning and its end were read"
        done.not_observed["middle of the log"] = why
    if "nvidia-smi" in answers:
        done.nvidia_smi, why = answers["nvidia-smi"]
        if why:
            done.not_observed["nvidia-smi"] = why
    done.config = answers.get("config") or _from_log(done)
    if done.config is not None and done.written is None and done.config.path:
        done.written = config_read.written_loader(Path(done.config.path))


def _from_log(done: Examination) -> ConfigRead | None:
    """The configuration that the training printed into its log."""
    if done.log is None:
        return None
    found = config_read.of_log(done.log.head, str(done.log.path), **done.moment._asdict())
    if found is None:
        return None
    done.written = found.spec.written
    return found.event


def _story(done: Examination, answers: dict[str, Any]) -> list[Event]:
    """All events in the order of their time, as if we had been there from the start."""
    target, moment = done.target, done.moment
    told = answers.get("scalars") or (done.log.events if done.log is not None else ())
    begun = done.log.first_wall if done.log is not None and not answers.get("scalars") else None
    logged = past.of_log(told, moment, _started(target, moment), begun)
    done.course = done.history.course
    if done.history.events:
        events = list(done.history.events)
        # Whoever kept the journal may have died before the training did.
        fresh = past.since(logged[1:], max(event.wall for event in events))
        events += fresh
    else:
        events = fresh = logged
        done.course.timed = not answers.get("scalars")
    for event in fresh:
        done.course.take(event)
    if target.attempt_dir is not None:
        for name in ("heartbeat", "model", "batches"):
            events += answers.get(name, ())
    for name in ("config", "gpu", "orphans"):
        answer = done.config if name == "config" else answers.get(name)
        events += [answer] if answer is not None else []
    if "host" in answers:
        sample, unseen = answers["host"]
        events += [sample, *unseen]
    events += answers.get("processes", ())
    events += [
        NotObserved(at=moment.at, wall=moment.wall, what=what, why=why)
        for what, why in done.not_observed.items()
    ]
    return events


def is_alive(target: Target) -> bool | None:
    """Whether the training's process runs; None where only a log is known, of any machine."""
    if target.training is not None:
        return True
    return False if target.supervised else None


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


def _judge(done: Examination, settings: Settings, manner: ExamineOptions) -> None:
    target, s = done.target, done.snapshot
    limits = Thresholds(
        stall_timeout=min(settings.stall_timeout, manner.silence or settings.stall_timeout),
        busy_timeout=settings.busy_timeout,
        required=required(done, settings),
    )
    if manner.patience is not None:
        limits = replace(limits, patience=manner.patience)
    now = done.now = judge(s, limits)
    # A supervised run was judged while it lived, when more could be seen than now.
    known = {finding.code for finding in now}
    then = [f for f in done.history.raised if f.code not in known and _still_counts(f, done)]
    done.findings = ranking.rank([*now, *then])
    done.causes = ranking.causes([*now, *then])
    done.standing = run_status(s, alive=is_alive(target), goal=_goal(done))
    done.not_observed |= {what: event.why for what, event in s.not_observed.items()}


def _still_counts(finding: Finding, done: Examination) -> bool:
    """A stall that passed is history; what the training died of is not."""
    is_stall = finding.code.startswith("DW1")
    return not is_stall or done.history.has_ended or finding.severity <= Severity.INFO


def required(done: Examination, settings: Settings) -> tuple[str, ...]:
    """Metrics that must be trained: as the run was started, else by settings and configuration."""
    if done.history.run is not None:
        return done.history.run.required_metrics
    words = done.config.model_words if done.config is not None else ()
    return domains.required_metrics(settings.require, settings.origin("require"), words)[0]


def _goal(done: Examination) -> Goal:
    if done.config is None:
        return Goal()
    return Goal(done.config.epochs, done.config.iterations)
