"""A run from its plan to its exit code: folder, lock, TensorBoard, view, supervisor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dualwatch import frameworks
from dualwatch.actions import reaper
from dualwatch.core.errors import Exit, writing
from dualwatch.core.policies import NotifyPolicy
from dualwatch.events.journal import Journal
from dualwatch.events.outcome import Outcome
from dualwatch.report.run import choose
from dualwatch.report.run.tensorboard import TensorBoardWriter
from dualwatch.report.run.view import View
from dualwatch.report.terminal import hints
from dualwatch.state.snapshot import Snapshot
from dualwatch.supervisor import run_folder, subscribers
from dualwatch.supervisor.plan import Plan
from dualwatch.supervisor.recorder import EventRecorder
from dualwatch.supervisor.subscribers import Subscribers
from dualwatch.supervisor.supervisor import Supervisor
from dualwatch.tensorboard import server as tensorboard
from dualwatch.tensorboard.status import TensorBoardMonitor

if TYPE_CHECKING:
    from dualwatch.supervisor.early_start import EarlyStart


def run(
    plan: Plan,
    notify: NotifyPolicy,
    *,
    as_json: bool,
    quiet: bool = False,
    early: EarlyStart | None = None,
) -> Exit:
    """Runs a plan to its end.

    Args:
        early: Its training, where that was started before the plan was made.
        quiet: Only findings, decisions and the result are shown.

    Raises:
        DualwatchError: The work dir cannot be used, or the training not be started.
    """
    followers = subscribers.open_subscribers(notify)
    try:
        return _run(plan, followers, early, as_json=as_json, quiet=quiet)
    finally:
        followers.close()


def _run(
    plan: Plan, followers: Subscribers, early: EarlyStart | None, *, as_json: bool, quiet: bool
) -> Exit:
    is_first = early.is_first_run if early is not None else hints.is_first_run(plan.work_dir)
    taken = early.folder if early is not None else run_folder.take(plan.work_dir)
    folder = taken.path
    server: tensorboard.TensorBoardServer | None = None
    board: TensorBoardMonitor | None = None
    recorder: EventRecorder | None = None
    try:
        with writing(folder):
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
        supervisor = Supervisor(plan, folder, recorder, board=board, early=early)
        followers.follow(supervisor)
        with reaper.adopting():
            code = supervisor.run()
    finally:
        if recorder is not None:
            recorder.close()
        if server is not None:
            server.stop()
        if early is None or early.is_supervised:
            taken.lock.release()
    if not as_json:
        ended = recorder.run.ended
        interrupted = ended is not None and ended.outcome == Outcome.INTERRUPTED
        choose.print_closing(
            recorder.run,
            folder,
            resume=resume_command(plan, sys.argv) if interrupted else (),
            resume_call=resume_call(plan, recorder.snapshot),
        )
    return code


def resume_call(plan: Plan, s: Snapshot) -> str:
    """What a script without a configuration calls to resume from what was rescued last."""
    saved = [one.path for one in s.answers if one.done and one.path and one.rank == 0]
    if not saved or s.agent is None or plan.spec.sections:
        return ""
    return frameworks.get(s.agent.framework).resume_call(Path(saved[-1]))


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
