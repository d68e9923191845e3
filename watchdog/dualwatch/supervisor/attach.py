"""``attach``: supervises a training that already runs, started by dualwatch or not."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from dualwatch.actions import reaper
from dualwatch.actions.lock import Lock
from dualwatch.collectors import target as targets
from dualwatch.collectors.target import Target
from dualwatch.core.errors import DualwatchError, Exit
from dualwatch.core.settings import Settings
from dualwatch.report.run import choose
from dualwatch.report.run.tensorboard import TensorBoardWriter
from dualwatch.report.run.view import View
from dualwatch.supervisor import attach_external, attach_own_run, run_folder, subscribers
from dualwatch.supervisor.subscribers import Subscribers
from dualwatch.supervisor.supervisor import Supervisor
from dualwatch.tensorboard.status import TensorBoardMonitor


def attach(named: str | None, settings: Settings, *, as_json: bool, quiet: bool = False) -> Exit:
    """Supervises a training until it ends.

    Args:
        named: A pid, a work dir, or None for the newest training under ``./work_dirs``.
        quiet: Only findings, decisions and the result are shown.

    Raises:
        DualwatchError: No such training runs, or permission to read its process is denied.
    """
    target = _target(named)
    followers = subscribers.open_subscribers(settings.notify_policy())
    try:
        return _attach(target, settings, followers, as_json=as_json, quiet=quiet)
    finally:
        followers.close()


def _attach(
    target: Target, settings: Settings, followers: Subscribers, *, as_json: bool, quiet: bool
) -> Exit:
    training = target.training
    assert training is not None
    is_own = target.attempt_dir is not None and training.attempt_dir is not None
    if is_own and target.attempt_dir is not None:
        folder = target.attempt_dir.parent
    else:
        folder = run_folder.prepare(target.work_dir or Path(tempfile.mkdtemp(prefix="dualwatch-")))
    lock = Lock(folder)
    supervisor: Supervisor | None = None
    view: View | None = None
    try:
        view = choose.view_of(f"pid {training.pid}", as_json=as_json, quiet=quiet)
        for note in followers.notes:
            view.note(note)
        if is_own:
            supervisor = attach_own_run.supervisor(training, folder, settings, view)
        else:
            supervisor = attach_external.supervisor(target, training, folder, settings, view)
        if supervisor.plan.tensorboard_port is not None:
            _read_curves(supervisor, has_work_dir=target.work_dir is not None)
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
        run = supervisor.recorder.run
        continues = run.snapshot.ended is None
        again = ("dualwatch", "attach", str(folder.parent)) if continues else ()
        choose.print_closing(run, folder, resume=again)
    return code


def _read_curves(supervisor: Supervisor, *, has_work_dir: bool) -> None:
    """Reads and writes event files, without starting a TensorBoard server."""
    recorder = supervisor.recorder
    curves = TensorBoardWriter(supervisor.folder / "tensorboard", recorder.unseen)
    recorder.sinks = (*recorder.sinks, curves)
    if has_work_dir:
        supervisor.board = TensorBoardMonitor()


def _target(named: str | None) -> Target:
    """The running training that was named."""
    if named is not None and named.isdigit():
        found = targets.of_pid(int(named))
    else:
        found = targets.resolve(Path(named) if named is not None else None)
    training = found.training
    if training is None:
        raise DualwatchError(
            f"no training is running in {named or 'work_dirs'}",
            why="it has ended, or it runs on another machine or in another container",
            do=f"dualwatch diagnose {named or ''}".strip() + " shows why a training ended",
            exit_code=Exit.NOT_OBSERVED,
        )
    if not training.command:
        raise DualwatchError(
            f"permission denied reading process {training.pid}",
            why="the system does not show its command line: it belongs to another user",
            do=f"run `dualwatch attach {training.pid}` as that user or as "
            + ("administrator" if sys.platform == "win32" else "root"),
            exit_code=Exit.NOT_OBSERVED,
        )
    return found
