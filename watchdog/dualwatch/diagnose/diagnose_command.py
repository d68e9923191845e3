"""``diagnose``: from a target to the findings, the document and the bundle."""

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

from dualwatch.collectors import target as targets
from dualwatch.core import units
from dualwatch.core.errors import Exit
from dualwatch.core.policies import CheckPolicy
from dualwatch.diagnose import document, environment, examine, raw_evidence
from dualwatch.diagnose.examine import Examination
from dualwatch.report.bundle import bundle as bundles
from dualwatch.report.bundle.redaction import Redactor
from dualwatch.report.diagnosis import Diagnosis
from dualwatch.report.terminal import console

WIDEST = 120
"""Columns: longer lines are not read, however wide the terminal is."""


@dataclass(slots=True)
class DiagnoseResult:
    """What ``diagnose`` hands over.

    Attributes:
        bundle: The file that was written, None where none was wanted or could be.
        notes: What the user should know beside the findings.
    """

    document: Diagnosis
    code: Exit
    bundle: Path | None = None
    notes: list[str] = field(default_factory=list)


def diagnose(
    path: Path | None,
    pid: int | None,
    policy: CheckPolicy,
    *,
    output: Path | None,
    bundle: bool,
    redact: bool,
) -> DiagnoseResult:
    """Examines a target.

    Args:
        output: Folder for the bundle; by default the run's own ``dualwatch/`` where there is one,
            else the current folder.
        bundle: Whether to write one.

    Raises:
        DualwatchError: The target does not exist, or there is nothing to look at.
    """
    target = targets.resolve(path, pid)
    with progress() as tell:
        done = examine.examine(target, policy, collected=tell)
    environ = environment.of_training(done)
    ours = environment.bearing_on_hangs(environ) if done.locality.here else {}
    made = document.build(done, ours)
    result = DiagnoseResult(document=made, code=_code(done))
    if bundle:
        redactor = _redactor(environ) if redact else None
        _bundle(result, done, output, redactor)
    return result


def show(result: DiagnoseResult) -> None:
    """Prints it for people: results to stdout, hints to stderr."""
    from dualwatch.report.terminal import diagnosis

    out = console.make()
    for line in diagnosis.lines(
        result.document,
        width=min(out.width, WIDEST),
        color=out.is_terminal and not out.no_color,
        fancy=console.holds_unicode(sys.stdout),
        bundle=result.bundle,
    ):
        console.write_out(line + "\n")
    for note in result.notes:
        sys.stderr.write(console.plain_text(note) + "\n")


def _code(done: Examination) -> Exit:
    if done.causes:
        return Exit.WRONG
    assert done.standing is not None
    # Unknown is not well: a log that just ends tells neither a crash nor a hang, a process that may
    # not be looked into may stand anywhere, and what was not read may hold a NaN.
    blind = done.target.training is not None and not done.snapshot.stacks
    known = done.standing.decided and done.read_whole and not blind
    return Exit.OK if known else Exit.NOT_OBSERVED


def _bundle(
    result: DiagnoseResult, done: Examination, output: Path | None, redactor: Redactor | None
) -> None:
    files, left_out = raw_evidence.gather(done)
    stamp = done.moment.wall
    name = f"diagnosis-{units.stamp(stamp)}.zip"
    own = done.target.attempt_dir.parent if done.target.attempt_dir is not None else None
    # The run may be another user's: then its folder is not ours to write to.
    places = [output] if output is not None else [own, Path()] if own is not None else [Path()]
    for place in places:
        try:
            result.bundle = bundles.write(
                place / name, result.document, files, redactor, stamp=stamp, left_out=left_out
            )
            return
        except OSError as error:
            why = f"{error.filename or place}: {error.strerror}"
    result.notes.append(f"no bundle was written: {why}; name another folder with --output")


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
