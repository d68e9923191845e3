"""Takes up a training that runs already: of a supervisor that is gone, or of somebody else."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from dualwatch import domains, frameworks
from dualwatch.actions import launch, reaper
from dualwatch.actions.adopted import AttachedTraining
from dualwatch.actions.lock import Lock
from dualwatch.collectors import target as targets
from dualwatch.collectors.processes.trainings import Training, command_values
from dualwatch.collectors.target import Target
from dualwatch.core import clock
from dualwatch.core.errors import DualwatchError, Exit, writing
from dualwatch.core.settings import Settings
from dualwatch.events import AttemptStarted, ObserverPaused, journal
from dualwatch.events.journal import Journal
from dualwatch.frameworks.base import TrainingSpec
from dualwatch.history import replay
from dualwatch.report.run import choose
from dualwatch.report.run.tensorboard import TensorBoardWriter
from dualwatch.report.run.view import View
from dualwatch.supervisor import subscribers
from dualwatch.supervisor.plan import Plan, milestones, policy, prepare_folder
from dualwatch.supervisor.recorder import EventRecorder
from dualwatch.supervisor.run import archive
from dualwatch.supervisor.subscribers import Subscribers
from dualwatch.supervisor.supervisor import AttachedRun, Supervisor, beginning
from dualwatch.tensorboard.status import TensorBoardMonitor


def attach(named: str | None, settings: Settings, *, as_json: bool, quiet: bool = False) -> Exit:
    """Watches a training until it ends.

    Args:
        named: A pid, a work dir, or None for the newest training under ``./work_dirs``.
        quiet: Only findings, decisions and the result are shown.

    Raises:
        DualwatchError: There is nothing to attach to, or it may not be looked at.
    """
    target = _target(named)
    followers = subscribers.open_subscribers(settings)
    try:
        return _attach(target, settings, followers, as_json=as_json, quiet=quiet)
    finally:
        followers.close()


def _attach(
    target: Target, settings: Settings, followers: Subscribers, *, as_json: bool, quiet: bool
) -> Exit:
    training = target.training
    assert training is not None
    if target.attempt_dir is not None and _belongs_to_us(target):
        folder = target.attempt_dir.parent
    else:
        folder = prepare_folder(target.work_dir or Path(tempfile.mkdtemp(prefix="dualwatch-")))
    lock = Lock(folder)
    supervisor: Supervisor | None = None
    view: View | None = None
    try:
        view = choose.view_of(f"pid {training.pid}", as_json=as_json, quiet=quiet)
        for note in followers.notes:
            view.note(note)
        if target.attempt_dir is not None and _belongs_to_us(target):
            supervisor = _attach_own_run(target, training, folder, settings, view)
        else:
            supervisor = _attach_external(target, training, folder, settings, view)
        if supervisor.settings.tensorboard:
            _look_at_curves(supervisor, is_placed=target.work_dir is not None)
        followers.follow(supervisor)
        with reaper.adopting():
            code = supervisor.run()
    finally:
        if supervisor is not None:
            supervisor.recorder.close()
        elif view is not None:
            view.close()
        lock.release()
    if not as_json:
        choose.print_closing(supervisor.records, supervisor.ended, folder)
    return code


def _look_at_curves(supervisor: Supervisor, *, is_placed: bool) -> None:
    """TensorBoard is not started for a training that runs; its event files are read and joined."""
    recorder = supervisor.recorder
    curves = TensorBoardWriter(supervisor.folder / "tensorboard", recorder.unseen)
    recorder.sinks = (*recorder.sinks, curves)
    if is_placed:
        supervisor.board = TensorBoardMonitor()


# --- whom ----------------------------------------------------------------------------------------


def _target(named: str | None) -> Target:
    """The living training that was named."""
    if named is not None and named.isdigit():
        found = targets.of_pid(int(named))
    else:
        found = targets.resolve(Path(named) if named is not None else None)
    training = found.training
    if training is None:
        raise DualwatchError(
            f"there is no living training in {named or 'work_dirs'}",
            why="it has ended, or it runs on another machine or in another container",
            do=f"dualwatch diagnose {named or ''}".strip() + " tells why a training ended",
            exit_code=Exit.NOT_OBSERVED,
        )
    if not training.command:
        raise DualwatchError(
            f"process {training.pid} may not be looked at",
            why="the system does not show its command line: it belongs to another user",
            do=f"run dualwatch as that user: sudo dualwatch attach {training.pid}",
            exit_code=Exit.NOT_OBSERVED,
        )
    return found


def _belongs_to_us(target: Target) -> bool:
    """Whether dualwatch started it and kept a journal of it."""
    training = target.training
    return training is not None and training.attempt_dir is not None and target.supervised


def _adopted(training: Training) -> AttachedTraining:
    return AttachedTraining(
        pid=training.pid, create_time=training.create_time, marker=training.marker
    )


# --- a run of ours -------------------------------------------------------------------------------


def _attach_own_run(
    target: Target, training: Training, folder: Path, settings: Settings, view: View
) -> Supervisor:
    """Goes on where the supervisor that is gone left off, in the same journal."""
    path = folder / "journal.jsonl"
    run = replay.replay_journal(journal.read(path), folder / "summary.json")
    begun = run.snapshot.started
    if run.started is None or begun is None or not run.started.command:
        raise DualwatchError(
            f"the journal of {folder.parent} does not tell how its training was started",
            why="it is damaged, or of an earlier version of dualwatch",
            do=f"dualwatch attach {training.pid} watches the process alone",
            exit_code=Exit.NOT_OBSERVED,
        )
    settings = settings.over(run.started.settings)
    recorder = EventRecorder(Journal(path), view, run.snapshot, [*run.findings])
    spec = TrainingSpec(framework=run.started.framework)
    if run.started.sections:
        framework = frameworks.get(run.started.framework)
        spec = (framework if framework.name else frameworks.default()).spec(run.started.sections)
    plan = Plan(
        config=Path(run.started.config),
        script=Path(run.started.script),
        python=run.started.python,
        work_dir=Path(run.started.work_dir),
        command=run.started.command,
        required=run.started.required_metrics,
        required_because=run.started.required_because,
        policy=policy(settings, spec),
        spec=spec,
        milestones=milestones(settings, Path(run.started.config), run.started.required_metrics),
        resume=run.started.resume,
    )
    if training.cwd is not None and settings.on_stall == "rerun":
        os.chdir(training.cwd)  # Its command line is relative to where it was given.
    reruns = f", after {len(run.tried)} reruns" if run.tried else ""
    view.note(f"attached to attempt {begun.attempt} of {folder.parent}: pid {training.pid}{reruns}")
    _note_stall_action(view, settings)
    moment = clock.now()
    # Nobody looked for that long, so that it proves nothing.
    gone = max(0.0, moment.at - run.snapshot.at)
    recorder.record(ObserverPaused(at=moment.at, wall=moment.wall, seconds=gone))
    adoption = AttachedRun(
        number=begun.attempt,
        training=_adopted(training),
        started=run.started,
        tried=tuple(run.tried),
        step=run.step,
    )
    return Supervisor(
        plan,
        settings,
        folder,
        recorder,
        environment=_environment(training.pid),
        records=[*run.records],
        adoption=adoption,
    )


# --- a stranger ----------------------------------------------------------------------------------


def _attach_external(
    target: Target, training: Training, folder: Path, settings: Settings, view: View
) -> Supervisor:
    """A training that never knew dualwatch: its log, its processes, and what they show."""
    with writing(folder):
        archive(folder)
    config = dict(command_values(training.command, training.cwd)).get("config")
    spec = _spec(config, training, view)
    words = spec.model_words
    required, because = domains.required_metrics(
        settings.require, settings.origin("require"), words
    )
    plan = Plan(
        config=config or Path(training.command[-1]),
        script=Path(training.command[1] if len(training.command) > 1 else training.command[0]),
        python=training.command[0],
        work_dir=folder.parent,
        command=training.command,
        required=required,
        required_because=because,
        policy=policy(settings, spec),
        spec=spec,
        milestones=milestones(settings, config, (*words, *required)) if config is not None else (),
    )
    if settings.on_stall == "rerun":
        _prepare_to_rerun(plan, training, view)
    where = target.log or "no log was found: its processes alone"
    view.note(f"attached to pid {training.pid}: {where}")
    _note_stall_action(view, settings)
    with writing(folder):
        (folder / "attempt-0").mkdir(mode=0o700)
        journal = Journal(folder / "journal.jsonl")
    recorder = EventRecorder(journal, view)
    started = beginning(plan, settings)
    recorder.record(started)
    moment = clock.now()
    recorder.record(
        AttemptStarted(
            at=moment.at,
            wall=moment.wall,
            attempt=0,
            pid=training.pid,
            create_time=training.create_time,
            command=training.command,
            overrides={},
            log=target.log.name if target.log is not None else "console.log",
        )
    )
    adoption = AttachedRun(
        number=0, training=_adopted(training), started=started, console=target.log
    )
    return Supervisor(
        plan,
        settings,
        folder,
        recorder,
        environment=_environment(training.pid),
        adoption=adoption,
    )


def _spec(config: Path | None, training: Training, view: View) -> TrainingSpec:
    """Its configuration, loaded as it loads it; an empty one where that cannot be."""
    if config is None or not config.is_file():
        return TrainingSpec()
    script = Path(training.command[1]) if len(training.command) > 1 else Path()
    folder = ((training.cwd or Path()) / script).parent
    framework = frameworks.of_config(config) or frameworks.default()
    try:
        return framework.load(training.command[0], config, (), folder)
    except DualwatchError as error:
        view.note(f"note: {error.what}: what it requires and how it could be rerun is not known")
        return TrainingSpec()


def _prepare_to_rerun(plan: Plan, training: Training, view: View) -> None:
    """Shows what a rerun would be, before anything is done."""
    if training.cwd is None:
        raise DualwatchError(
            "this training cannot be rerun",
            why="the folder in which it was started may not be looked at",
            do="attach with --on-stall report or stop",
        )
    os.chdir(training.cwd)
    view.note(f"a stall is rerun with: {' '.join(plan.command)}")
    view.note(f"  in {training.cwd}, from the newest good checkpoint of {plan.work_dir}")


def _environment(pid: int) -> dict[str, str]:
    """What the training inherited, without what was ours of an earlier attempt."""
    import psutil

    try:
        found = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        found = dict(os.environ)
    return launch.inherited(found)


def _note_stall_action(view: View, settings: Settings) -> None:
    view.note(f"a stall is answered by: {settings.on_stall}; Ctrl-C ends the watching alone")
