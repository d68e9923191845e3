"""Continues a run of dualwatch whose supervisor is gone, in the same journal."""

from __future__ import annotations

import os
from pathlib import Path

from dualwatch import frameworks
from dualwatch.actions import launch
from dualwatch.actions.adopted import AttachedTraining
from dualwatch.collectors.processes.trainings import Training
from dualwatch.core import clock
from dualwatch.core.errors import DualwatchError, Exit
from dualwatch.core.settings import Settings
from dualwatch.core.units import counted
from dualwatch.events import ObserverPaused, RunStarted
from dualwatch.events.journal import Journal
from dualwatch.history import sources
from dualwatch.report.run.view import View
from dualwatch.supervisor.plan import Plan, milestones, policies
from dualwatch.supervisor.recorder import EventRecorder
from dualwatch.supervisor.supervisor import AttachedRun, Supervisor


def supervisor(training: Training, folder: Path, settings: Settings, view: View) -> Supervisor:
    """The supervisor of a run that its journal describes.

    Raises:
        DualwatchError: The journal does not contain how the training was started.
    """
    run = sources.recorded_run(folder)
    started, attempt = run.started, run.snapshot.started
    if started is None or attempt is None or not started.command:
        raise DualwatchError(
            f"the journal of {folder.parent} does not contain how its training was started",
            why="it is damaged, or of an earlier version of dualwatch",
            do=f"dualwatch attach {training.pid} watches the process alone",
            exit_code=Exit.NOT_OBSERVED,
        )
    run.ended = None  # An earlier attach may have ended while the training continued.
    settings = settings.over(started.settings)
    recorder = EventRecorder(Journal(folder / "journal.jsonl"), view, run)
    if training.cwd is not None and settings.on_stall == "rerun":
        os.chdir(training.cwd)  # Its command line is relative to where it was given.
    reruns = f", after {counted(len(run.tried), 'rerun')}" if run.tried else ""
    view.note(
        f"attached to attempt {attempt.attempt} of {folder.parent}: pid {training.pid}{reruns}"
    )
    note_stall_action(view, settings)
    moment = clock.now()
    # Nothing was observed for that long, so that it proves nothing.
    gone = max(0.0, moment.at - run.snapshot.at)
    recorder.record(ObserverPaused(at=moment.at, wall=moment.wall, seconds=gone))
    return Supervisor(
        _plan(started, settings),
        folder,
        recorder,
        environment=environment_of(training.pid),
        attached=AttachedRun(number=attempt.attempt, training=attached(training)),
    )


def _plan(started: RunStarted, settings: Settings) -> Plan:
    config, required = Path(started.config), started.required_metrics
    spec = frameworks.of_run(started.framework, started.sections)
    return Plan(
        config=config,
        script=Path(started.script),
        python=started.python,
        work_dir=Path(started.work_dir),
        command=started.command,
        required=required,
        required_because=started.required_because,
        spec=spec,
        milestones=milestones(settings.check_policy(), config, required),
        **policies(settings, spec),
        resume=started.resume,
    )


# --- of any running training ----------------------------------------------------------------------


def attached(training: Training) -> AttachedTraining:
    """The process as the supervisor handles it."""
    return AttachedTraining(
        pid=training.pid, create_time=training.create_time, marker=training.marker
    )


def environment_of(pid: int) -> dict[str, str]:
    """What a process inherited, without the variables that dualwatch sets for an attempt."""
    import psutil

    try:
        found = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        found = dict(os.environ)
    return launch.inherited(found)


def note_stall_action(view: View, settings: Settings) -> None:
    """Shows what a stall leads to."""
    view.note(f"action on a stall: {settings.on_stall}; Ctrl-C detaches, the training continues")
