"""Starts a training before its configuration is loaded, where nothing speaks against it.

Loading a configuration takes about a second, and so does importing the supervisor. The training
imports for longer than both before it does anything, so it is started first. Its configuration is
read as text before that: what would be refused by it is not started. What loading it shows to be
wrong ends the training again, and everything is left as it was.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from dualwatch.actions.signals import handled
from dualwatch.collectors.host import storage
from dualwatch.core.errors import DualwatchError, Exit
from dualwatch.frameworks.interpreter import training_python
from dualwatch.report.terminal import hints
from dualwatch.supervisor import run_folder, starting, training_command
from dualwatch.supervisor.run_folder import RunFolder
from dualwatch.supervisor.starting import StartedTraining

if TYPE_CHECKING:
    from dualwatch.core.settings import Settings
    from dualwatch.frameworks.base import LaunchOptions
    from dualwatch.supervisor.plan import Plan


PATIENCE_S = 1.0
"""Seconds in which the storage of the data must respond, or the plan is made first."""


@dataclass(slots=True)
class EarlyStart:
    """A training that runs while its plan is made.

    Attributes:
        is_first_run: Whether no run of this folder was there before.
        is_supervised: A supervisor observes it, and ends it where it must.
    """

    folder: RunFolder
    training: StartedTraining
    is_first_run: bool
    is_supervised: bool = False

    def fits(self, plan: Plan) -> bool:
        """Whether it is the training that was planned."""
        return self.folder.path.parent == plan.work_dir and self.training.command == plan.command

    def take_back(self) -> None:
        """Ends it, and leaves its work dir as it was."""
        from dualwatch.actions import terminate
        from dualwatch.collectors.processes.tree import ProcessTree

        process = self.training.process
        tree = ProcessTree(process.pid, process.create_time, process.marker)
        found = {(process.pid, process.create_time), *tree.sweep()}
        terminate.stop(found, grace=0.0, look=lambda: set(tree.sweep()), job=process.job)
        process.wait(2.0)
        shutil.rmtree(self.folder.path / "attempt-0", ignore_errors=True)
        self.folder.undo()


@contextlib.contextmanager
def started(options: LaunchOptions, settings: Settings) -> Iterator[EarlyStart | None]:
    """Starts a training before its plan is made; None where it has to wait for that.

    An error, Ctrl-C or SIGTERM before a supervisor observes it ends the training again.
    """
    with handled((signal.SIGTERM,), _leave):
        try:
            early = _start(options, settings)
        except DualwatchError:
            early = None  # The plan, or the start that follows it, meets the same.
        try:
            yield early
        except BaseException:
            if early is not None and not early.is_supervised:
                early.take_back()
            raise


def _leave(number: int, frame: FrameType | None) -> None:
    """Makes SIGTERM an exception, as Ctrl-C is one."""
    sys.exit(int(Exit.TERMINATED))


def _start(options: LaunchOptions, settings: Settings) -> EarlyStart | None:
    work_dir = _certain_work_dir(options)
    if work_dir is None:
        return None
    found = training_command.entry(options)
    python = training_python(settings.python)
    command = found.framework.command(options, found.script, python)
    is_first = hints.is_first_run(work_dir)
    folder = run_folder.take(work_dir)
    try:
        training = starting.start(
            folder.path / "attempt-0", command, dict(os.environ), rescue=settings.rescue
        )
    except BaseException:
        shutil.rmtree(folder.path / "attempt-0", ignore_errors=True)
        folder.undo()
        raise
    return EarlyStart(folder, training, is_first)


def _certain_work_dir(options: LaunchOptions) -> Path | None:
    """The work dir of a training that nothing speaks against; None where that is not known.

    Raises:
        DualwatchError: The script that the user named does not exist.
    """
    found = training_command.entry(options)
    if found.is_script:
        idle = options.cfg_options or options.resume or options.amp
        return None if idle else training_command.work_dir(options, "")
    config = options.config
    if not config.is_file() or not found.framework.takes(config):
        return None
    spec = found.framework.read(config)
    if spec.error or not any(spec.of("train")):
        return None
    # The text does not have what the options change: whatever they name is looked at.
    given = [option.partition("=")[2].strip("'\"") for option in options.cfg_options]
    named = [*found.framework.named_paths(spec), *filter(None, given)]
    if storage.stuck(storage.look(named, PATIENCE_S)):
        return None
    if found.framework.data_paths(spec, (Path(),)).missing:
        return None
    is_known = not spec.not_followed and not any("work_dir" in one for one in options.cfg_options)
    if options.work_dir is None and not is_known:
        return None
    return training_command.work_dir(options, spec.work_dir)
