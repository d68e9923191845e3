"""From a target to what the user gets: the findings, the document and the bundle."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dualwatch.collectors import target as targets
from dualwatch.core import units
from dualwatch.core.errors import Exit
from dualwatch.core.settings import Settings
from dualwatch.diagnose import document, environment, examine, raw_evidence
from dualwatch.diagnose.examine import Examination
from dualwatch.events import Severity
from dualwatch.report.bundle import bundle as bundles
from dualwatch.report.bundle.redaction import Redactor
from dualwatch.report.terminal import console

WIDEST = 120
"""Columns: longer lines are not read, however wide the terminal is."""


@dataclass(slots=True)
class DiagnoseOptions:
    """What ``diagnose`` hands over.

    Attributes:
        bundle: The bundle that was written, None where none was wanted or could be.
        notes: What the user should know beside the findings.
    """

    document: dict[str, Any]
    code: Exit
    bundle: bundles.Bundle | None = None
    notes: list[str] = field(default_factory=list)


def diagnose(
    path: Path | None, pid: int | None, settings: Settings, *, output: Path | None, redact: bool
) -> DiagnoseOptions:
    """Examines a target.

    Args:
        output: Folder for the bundle, None for none.

    Raises:
        DualwatchError: The target does not exist, or there is nothing to look at.
    """
    target = targets.resolve(path, pid)
    with progress() as tell:
        done = examine.examine(target, settings, tell=tell)
    environ = environment.of_training(done)
    story = document.build(done, environment.bearing_on_hangs(environ))
    delivery = DiagnoseOptions(document=story, code=_code(done))
    if output is not None:
        redactor = _redactor(environ) if redact else None
        _bundle(delivery, done, output, redactor)
    return delivery


def show(delivery: DiagnoseOptions) -> None:
    """Prints it for people: results to stdout, hints to stderr."""
    from dualwatch.report.terminal import diagnosis

    out = console.make()
    for line in diagnosis.lines(
        delivery.document,
        width=min(out.width, WIDEST),
        color=out.is_terminal and not out.no_color,
        fancy=console.holds_unicode(sys.stdout),
        bundle=delivery.bundle,
    ):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
    for note in delivery.notes:
        sys.stderr.write(console.plain_text(note) + "\n")


def _code(done: Examination) -> Exit:
    if any(cause.severity >= Severity.ERROR for cause in done.causes):
        return Exit.WRONG
    assert done.standing is not None
    # Unknown is not well: a log that just ends tells neither a crash nor a hang, and a process that
    # may not be looked into may stand anywhere.
    blind = done.target.training is not None and not done.snapshot.stacks
    return Exit.OK if done.standing.decided and not blind else Exit.NOT_OBSERVED


def _bundle(
    delivery: DiagnoseOptions, done: Examination, output: Path, redactor: Redactor | None
) -> None:
    files = raw_evidence.gather(done)
    stamp = units.stamp(done.moment.wall)
    try:
        delivery.bundle = bundles.write(
            output / f"dualwatch-{stamp}",
            delivery.document,
            files,
            redactor,
            stamp=done.moment.wall,
        )
    except OSError as error:
        place = error.filename or output
        delivery.notes.append(
            f"no bundle was written: {place}: {error.strerror}; name another folder with --output"
        )


def _redactor(environ: dict[str, str]) -> Redactor:
    """Knows this machine, and the secrets in our environment and in the training's."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = ""  # A container's user need not have a name.
    return Redactor.of_machine(
        {**os.environ, **environ}, user, str(Path.home()), socket.gethostname()
    )


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """One line on a terminal that says what has been looked at; nothing anywhere else."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda name: None
        return
    width = max(20, shutil.get_terminal_size().columns - 1)
    over = threading.Event()

    def tell(name: str) -> None:
        if not over.is_set():
            sys.stderr.write("\r" + f"looked at {name} ..."[:width].ljust(width))
            sys.stderr.flush()

    try:
        yield tell
    finally:
        over.set()
        sys.stderr.write("\r" + " " * width + "\r")
        sys.stderr.flush()
