"""Supervises a running training that dualwatch did not start: its log and its processes."""

from __future__ import annotations

import os
from pathlib import Path

from dualwatch import domains, frameworks
from dualwatch.collectors.processes.trainings import Training, command_values
from dualwatch.collectors.target import Target
from dualwatch.core import clock
from dualwatch.core.errors import DualwatchError, writing
from dualwatch.core.settings import Settings
from dualwatch.events import AttemptStarted
from dualwatch.events.journal import Journal
from dualwatch.frameworks.base import TrainingSpec
from dualwatch.report.run.view import View
from dualwatch.supervisor.attach_own_run import attached, environment_of, note_stall_action
from dualwatch.supervisor.plan import Plan, milestones, policies
from dualwatch.supervisor.recorder import EventRecorder
from dualwatch.supervisor.run_folder import archive
from dualwatch.supervisor.supervisor import AttachedRun, Supervisor, run_started


def supervisor(
    target: Target, training: Training, folder: Path, settings: Settings, view: View
) -> Supervisor:
    """The supervisor of a training with a journal of its own.

    Raises:
        DualwatchError: The journal cannot be written, or a rerun is asked for and impossible.
    """
    with writing(folder):
        archive(folder)
    plan = _plan(training, folder, settings, view)
    if settings.on_stall == "rerun":
        _prepare_to_rerun(plan, training, view)
    where = target.log or "no log was found: its processes alone"
    view.note(f"attached to pid {training.pid}: {where}")
    note_stall_action(view, settings)
    with writing(folder):
        (folder / "attempt-0").mkdir(mode=0o700)
        journal = Journal(folder / "journal.jsonl")
    recorder = EventRecorder(journal, view)
    recorder.record(run_started(plan))
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
    return Supervisor(
        plan,
        folder,
        recorder,
        environment=environment_of(training.pid),
        attached=AttachedRun(number=0, training=attached(training), console=target.log),
    )


def _plan(training: Training, folder: Path, settings: Settings, view: View) -> Plan:
    command = training.command
    config = dict(command_values(command, training.cwd)).get("config")
    script = Path(command[1] if len(command) > 1 else command[0])
    spec = _spec(config, training, view)
    words = spec.model_words
    check = settings.check_policy()
    required, because = domains.required_metrics(check.required, check.required_from, words)
    return Plan(
        config=config or Path(command[-1]),
        script=script,
        python=command[0],
        work_dir=folder.parent,
        command=command,
        required=required,
        required_because=because,
        spec=spec,
        milestones=milestones(check, config, (*words, *required)) if config is not None else (),
        **policies(settings, spec),
    )


def _spec(config: Path | None, training: Training, view: View) -> TrainingSpec:
    """Its configuration, loaded as the training loads it; an empty one where that fails."""
    if config is None or not config.is_file():
        return TrainingSpec()
    script = Path(training.command[1]) if len(training.command) > 1 else Path()
    folder = ((training.cwd or Path()) / script).parent
    framework = frameworks.of_config(config) or frameworks.default()
    try:
        return framework.load(training.command[0], config, (), folder)
    except DualwatchError as error:
        view.note(f"note: {error.what}: its required metrics and possible reruns are not known")
        return TrainingSpec()


def _prepare_to_rerun(plan: Plan, training: Training, view: View) -> None:
    """Shows what a rerun would be, before anything is done."""
    if training.cwd is None:
        raise DualwatchError(
            "this training cannot be rerun",
            why=f"permission denied reading the current folder of process {training.pid}",
            do="attach with --on-stall report or stop",
        )
    os.chdir(training.cwd)
    view.note(f"a rerun would be: {' '.join(plan.command)}")
    view.note(f"  in {training.cwd}, from the newest good checkpoint of {plan.work_dir}")
