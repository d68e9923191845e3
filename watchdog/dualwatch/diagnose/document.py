"""Builds the document of an examination: what ``diagnose --json`` prints and bundles contain."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence

from msgspec import structs

from dualwatch import __version__, frameworks
from dualwatch.diagnose.examine import Examination, is_alive, is_planned
from dualwatch.events import (
    ErrorSeen,
    Evidence,
    Finding,
    Frame,
    LogClock,
    ProcessSample,
    ProgressShown,
)
from dualwatch.report.diagnosis import (
    Config,
    Diagnosis,
    Environment,
    Host,
    Loader,
    NotSeen,
    Process,
    Status,
    Target,
)
from dualwatch.rules import finished
from dualwatch.rules.starts import EarlierStart

_LOGGERS_OWN = re.compile(r"\d{8}_\d{6}\.log(?:\.json)?|scalars\.json")
"""Names that the loggers of frameworks give to their own files."""

FRAMES = 12
"""Frames of a stack in the document; the bundle's raw files hold all of them."""

"""The loader whose settings are in the document, by its published name."""


def build(done: Examination, environ: Mapping[str, str]) -> Diagnosis:
    """The document.

    Args:
        environ: Variables of the training's environment that bear on hangs.
    """
    target, s, agent = done.target, done.snapshot, done.snapshot.agent
    assert done.standing is not None
    return Diagnosis(
        target=Target(
            kind=target.kind,
            path=_text(target.path),
            pid=target.training.pid if target.training is not None else None,
            work_dir=_text(target.work_dir),
            alive=is_alive(target),
            console=_is_console(done),
            supervised=target.supervised,
        ),
        phase=done.standing.phase,
        status=_status(done),
        causes=_findings(done, done.causes),
        findings=_findings(done, done.findings),
        earlier=_earlier(done),
        in_common=done.in_common,
        log_path=_text(target.log),
        log_tail=list(done.log.tail) if done.log is not None else [],
        nvidia_smi=done.nvidia_smi,
        gpus=list(s.gpus.gpus) if s.gpus is not None else [],
        processes=_processes(done),
        config=_config(done),
        host=_host(done),
        environment=Environment(
            dualwatch=__version__,
            python=sys.version.split()[0],
            platform=platform.platform(),
            versions=dict(agent.versions) if agent is not None else {},
            variables=dict(environ),
        ),
        not_observed=[
            NotSeen(what=what, why=why) for what, why in sorted(done.not_observed.items())
        ],
        generated=done.moment.wall,
        took_s=round(done.took_s, 2),
    )


def _is_console(done: Examination) -> bool | None:
    """Whether the log shows what was printed: a logger's own file has no bar and no traceback."""
    log = done.log
    if log is None:
        return None
    if _LOGGERS_OWN.fullmatch(log.path.name) is None:
        return True
    printed = (
        isinstance(e, ProgressShown) or (isinstance(e, ErrorSeen) and e.where) for e in log.events
    )
    return any(printed)


def _status(done: Examination) -> Status:
    s = done.snapshot
    line = s.last_test if finished.is_test(s) else s.last_train
    tail = done.log.tail if done.log is not None else ()
    assert done.standing is not None
    return Status(
        sentence=done.standing.sentence,
        decided=done.standing.decided,
        mode=line.mode if line is not None else None,
        epoch=line.epoch if line is not None else None,
        iteration=line.iteration if line is not None else None,
        total=line.total if line is not None else None,
        last_progress=(s.progress_wall or None) if _is_dated(done) else None,
        silence_s=s.silence(s.at) if done.target.training is not None else None,
        last_line=next((text for text in reversed(tail) if text.strip()), s.last_line),
    )


def _findings(done: Examination, findings: Sequence[Finding]) -> list[Finding]:
    """A training that dualwatch did not start has no attempts, and a log no process."""
    if done.target.supervised:
        return list(findings)
    return [
        structs.replace(
            one, attempt=None, pid=one.pid or None, evidence=_evidence(done, one.evidence)
        )
        for one in findings
    ]


def _evidence(done: Examination, evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """A log without times, or without a year, dates nothing that it holds."""
    if _is_dated(done):
        return evidence
    return tuple(structs.replace(one, wall=None) for one in evidence)


def _earlier(done: Examination) -> list[EarlierStart]:
    if _is_dated(done):
        return list(done.earlier)
    return [structs.replace(one, begun=None, last=None) for one in done.earlier]


def _is_dated(done: Examination) -> bool:
    """Whether the times of what was seen are known, with their year."""
    started = done.snapshot.started
    is_live = done.target.training is not None
    planned = is_planned(done.target)
    return not planned and (is_live or started is None or started.clock is LogClock.FULL)


def _processes(done: Examination) -> list[Process]:
    s = done.snapshot
    if s.processes is None or done.target.training is None:
        return []
    stacks = _main_threads(done)
    return [
        _process(process, done, stacks.get(process.pid, ())) for process in s.processes.processes
    ]


def _process(process: ProcessSample, done: Examination, frames: tuple[Frame, ...]) -> Process:
    activity = done.snapshot.activity
    cpu = activity.by_pid.get(process.pid) if activity is not None else None
    io = activity.io_by_pid.get(process.pid) if activity is not None else None
    return Process(
        pid=process.pid,
        ppid=process.ppid,
        role=process.role,
        status=process.status,
        wchan=process.wchan,
        threads=process.threads,
        open_files=process.open_files,
        rss=process.rss,
        command=process.command,
        cpu=round(cpu, 3) if cpu is not None else None,
        io=round(io) if io is not None else None,
        stack=[f"{f.function} ({f.file}:{f.line})" for f in frames[:FRAMES]],
    )


def _main_threads(done: Examination) -> dict[int, tuple[Frame, ...]]:
    """pid -> frames of its main thread, of the newest capture."""
    found: dict[int, tuple[Frame, ...]] = {}
    if done.snapshot.stacks:
        for stack in done.snapshot.stacks[-1].stacks:
            if stack.pid not in found or "MainThread" in stack.thread:
                found[stack.pid] = stack.frames
    return found


def _config(done: Examination) -> Config:
    config = done.config
    return Config(
        path=config.path if config is not None else None,
        how=config.how if config is not None else None,
        loader_name=frameworks.LOADER_KEY,
        loader=Loader(
            loaded=config.training_loader if config is not None else None,
            written=done.written,
        ),
    )


def _host(done: Examination) -> Host | None:
    host = done.snapshot.host
    if host is None:
        return None
    return Host(**{name: getattr(host, name) for name in Host.__struct_fields__})


def _text(path: os.PathLike[str] | None) -> str | None:
    return os.fspath(path) if path is not None else None
