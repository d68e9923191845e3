"""A run from its plan to its exit code: folder, lock, TensorBoard, view, supervisor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dualwatch.actions import reaper
from dualwatch.actions.lock import Lock
from dualwatch.collectors.processes.live_attempt import living_attempt
from dualwatch.core import shell, units
from dualwatch.core.errors import DualwatchError, Exit, writing
from dualwatch.core.files import replace
from dualwatch.core.policies import NotifyPolicy
from dualwatch.events.journal import Journal
from dualwatch.events.outcome import Outcome
from dualwatch.history.sources import newest_attempt
from dualwatch.report.run import choose
from dualwatch.report.run.tensorboard import TensorBoardWriter
from dualwatch.report.run.view import View
from dualwatch.report.terminal import hints
from dualwatch.supervisor import subscribers
from dualwatch.supervisor.plan import Plan, prepare_folder
from dualwatch.supervisor.recorder import EventRecorder
from dualwatch.supervisor.subscribers import Subscribers
from dualwatch.supervisor.supervisor import Supervisor
from dualwatch.tensorboard import server as tensorboard
from dualwatch.tensorboard.status import TensorBoardMonitor

_PER_RUN = ("journal.jsonl", "summary.json", "tensorboard.log", "tensorboard")


def run(plan: Plan, notify: NotifyPolicy, *, as_json: bool, quiet: bool = False) -> Exit:
    """Runs a plan to its end.

    Args:
        quiet: Only findings, decisions and the result are shown.

    Raises:
        DualwatchError: The work dir cannot be used, or the training not be started.
    """
    followers = subscribers.open_subscribers(notify)
    try:
        return _run(plan, followers, as_json=as_json, quiet=quiet)
    finally:
        followers.close()


def _run(plan: Plan, followers: Subscribers, *, as_json: bool, quiet: bool) -> Exit:
    is_first = hints.is_first_run(plan.work_dir)
    folder = prepare_folder(plan.work_dir)
    lock = Lock(folder)
    server: tensorboard.TensorBoardServer | None = None
    board: TensorBoardMonitor | None = None
    recorder: EventRecorder | None = None
    try:
        _refuse_beside(folder)
        with writing(folder):
            archive(folder)
            journal = Journal(folder / "journal.jsonl")
        view = choose.view_of(plan.config.name, as_json=as_json, quiet=quiet)
        recorder = EventRecorder(journal, view)
        _greet(plan, followers, view)
        if is_first and hints.are_welcome(as_json=as_json, quiet=quiet):
            for line in hints.first_run():
                view.note(line)
        if plan.tensorboard_port is not None:
            server, board = _start_tensorboard(plan, plan.tensorboard_port, folder, view)
            curves = TensorBoardWriter(folder / "tensorboard", recorder.unseen)
            recorder.sinks = (*recorder.sinks, curves)
        supervisor = Supervisor(plan, folder, recorder, board=board)
        followers.follow(supervisor)
        with reaper.adopting():
            code = supervisor.run()
    finally:
        if recorder is not None:
            recorder.close()
        if server is not None:
            server.stop()
        lock.release()
    if not as_json:
        ended = recorder.run.ended
        interrupted = ended is not None and ended.outcome == Outcome.INTERRUPTED
        choose.print_closing(
            recorder.run, folder, resume=resume_command(plan, sys.argv) if interrupted else ()
        )
    return code


def resume_command(plan: Plan, argv: Sequence[str]) -> list[str]:
    """The words of the command that resumes a run: the words of the user with ``--resume``.

    None for a script without a configuration, which alone knows how it resumes.
    """
    if plan.spec.framework and not plan.spec.sections:
        return []
    words = list(argv[argv.index("train") :]) if "train" in argv else []
    if not words:
        words = ["train", str(plan.config), "--work-dir", str(plan.work_dir)]
    if not plan.resume:
        end = words.index("--") if "--" in words else len(words)
        words.insert(end, "--resume")
    return ["dualwatch", *words]


def _refuse_beside(folder: Path) -> None:
    """Refuses to start beside a training that still runs in this work dir.

    Raises:
        DualwatchError: One runs.
    """
    newest = newest_attempt(folder)
    living = living_attempt(folder, newest.started) if newest.ended is None else None
    if living is None:
        return
    since = units.clock(living.create_time)
    raise DualwatchError(
        "a training is still running in this work dir, and its dualwatch is gone",
        why=f"pid {living.pid}, attempt {living.attempt}, running since {since}: "
        f"{' '.join(living.command)}",
        do=f"`dualwatch attach {folder.parent}` takes it up; or end it with "
        f"`{shell.end([living.pid])}`; or choose another --work-dir",
        exit_code=Exit.USAGE,
    )


def archive(folder: Path) -> None:
    """Moves an earlier run of the same work dir aside; nothing is deleted."""
    earlier = [folder / name for name in _PER_RUN] + sorted(folder.glob("attempt-*"))
    earlier = [path for path in earlier if path.exists()]
    if not earlier:
        return
    stamp = units.stamp(min(p.stat().st_mtime for p in earlier))
    place = folder / "earlier" / stamp
    number = 1
    while place.exists():
        number += 1
        place = place.with_name(f"{stamp}-{number}")
    place.mkdir(mode=0o700, parents=True)
    for path in earlier:
        replace(path, place / path.name)


def _greet(plan: Plan, followers: Subscribers, view: View) -> None:
    metrics = ", ".join(plan.required) or "none"
    view.note(f"work dir: {plan.work_dir}")
    view.note(f"required metrics: {metrics} ({plan.required_because})")
    for note in plan.notes:
        view.note(f"note: {note}")
    for note in followers.notes:
        view.note(note)


def _start_tensorboard(
    plan: Plan, port: int, folder: Path, view: View
) -> tuple[tensorboard.TensorBoardServer | None, TensorBoardMonitor]:
    """Starts TensorBoard where it is installed, and its monitor."""
    log = folder / "tensorboard.log"
    if not tensorboard.is_installed(plan.python):
        view.note("TensorBoard is not started: the training's Python has none")
        view.note(f"hint: {plan.python} -m pip install tensorboard; or --no-tensorboard")
        return None, TensorBoardMonitor(why="No module named tensorboard in the training's Python")
    server = tensorboard.start(plan.python, plan.work_dir, port, log)
    if isinstance(server, str):
        view.note(f"TensorBoard is not started: {server}")
        return None, TensorBoardMonitor(why=server)
    taken = f" (port {server.asked} is taken)" if server.port != server.asked else ""
    view.note(f"TensorBoard: {server.url}{taken}")
    return server, TensorBoardMonitor(server.port, ended=server.process.poll, log=log)
