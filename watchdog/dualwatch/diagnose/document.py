"""An examination as one JSON-able document: what ``diagnose --json`` prints and bundles hold."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from dualwatch import __version__, frameworks
from dualwatch.core.json_codec import plain
from dualwatch.diagnose.examine import Examination, is_alive
from dualwatch.events import Finding, Frame, ProcessSample
from dualwatch.events.journal import SCHEMA_VERSION

FRAMES = 12
"""Frames of a stack in the document; the bundle's raw files hold all of them."""


def build(done: Examination, environ: Mapping[str, str]) -> dict[str, Any]:
    """The document.

    Args:
        environ: Variables of the training's environment that bear on hangs.
    """
    target, s, standing = done.target, done.snapshot, done.standing
    assert standing is not None
    line = s.last_train
    tail = list(done.log.tail) if done.log is not None else []
    return {
        "schema_version": SCHEMA_VERSION,
        "target": {
            "kind": target.kind,
            "path": _text(target.path),
            "pid": target.training.pid if target.training is not None else None,
            "work_dir": _text(target.work_dir),
            "alive": is_alive(target),
            "supervised": target.supervised,
        },
        "phase": standing.phase,
        "standing": {
            "sentence": standing.sentence,
            "decided": standing.decided,
            "mode": line.mode if line is not None else None,
            "epoch": line.epoch if line is not None else None,
            "iteration": line.iteration if line is not None else None,
            "total": line.total if line is not None else None,
            "last_progress": s.progress_wall or None,
            "silence_s": s.silence(s.at) if target.training is not None else None,
            "last_line": next((text for text in reversed(tail) if text.strip()), s.last_line),
        },
        "causes": _findings(done, done.causes),
        "findings": _findings(done, done.findings),
        "log_path": _text(target.log),
        "log_tail": tail,
        "nvidia_smi": done.nvidia_smi,
        "gpus": plain(s.gpus.gpus) if s.gpus is not None else [],
        "processes": _processes(done),
        "config": _config(done),
        "host": _host(done),
        "environment": _environment(done, environ),
        "not_observed": [
            {"what": what, "why": why} for what, why in sorted(done.not_observed.items())
        ],
        "generated": done.moment.wall,
        "took_s": round(done.took_s, 2),
    }


def _findings(done: Examination, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """A training that dualwatch did not start has no attempts."""
    listed: list[dict[str, Any]] = plain(list(findings))
    return listed if done.target.supervised else [{**one, "attempt": None} for one in listed]


def _processes(done: Examination) -> list[dict[str, Any]]:
    s = done.snapshot
    if s.processes is None or done.target.training is None:
        return []
    stacks = _main_threads(done)
    return [
        _process(process, done, stacks.get(process.pid, ())) for process in s.processes.processes
    ]


def _process(
    process: ProcessSample, done: Examination, frames: tuple[Frame, ...]
) -> dict[str, Any]:
    activity = done.snapshot.activity
    cpu = activity.by_pid.get(process.pid) if activity is not None else None
    io = activity.io_by_pid.get(process.pid) if activity is not None else None
    kept = ("pid", "ppid", "role", "status", "wchan", "threads", "open_files", "rss", "command")
    return {
        **{name: getattr(process, name) for name in kept},
        "cpu": round(cpu, 3) if cpu is not None else None,
        "io": round(io) if io is not None else None,
        "stack": [f"{f.function} ({f.file}:{f.line})" for f in frames[:FRAMES]],
    }


def _main_threads(done: Examination) -> dict[int, tuple[Frame, ...]]:
    """pid -> frames of its main thread, of the newest capture."""
    found: dict[int, tuple[Frame, ...]] = {}
    if done.snapshot.stacks:
        for stack in done.snapshot.stacks[-1].stacks:
            if stack.pid not in found or "MainThread" in stack.thread:
                found[stack.pid] = stack.frames
    return found


def _config(done: Examination) -> dict[str, Any]:
    config = done.config
    loaded = config.training_loader if config is not None else None
    return {
        "path": config.path if config is not None else None,
        "how": config.how if config is not None else None,
        frameworks.LOADER_KEY: {"loaded": loaded, "written": done.written},
    }


def _host(done: Examination) -> dict[str, Any] | None:
    host = done.snapshot.host
    if host is None:
        return None
    fields: dict[str, Any] = plain(host)
    return {name: value for name, value in fields.items() if name not in ("at", "wall")}


def _environment(done: Examination, environ: Mapping[str, str]) -> dict[str, Any]:
    agent = done.snapshot.agent
    return {
        "dualwatch": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "versions": dict(agent.versions) if agent is not None else {},
        "variables": dict(environ),
    }


def _text(path: os.PathLike[str] | None) -> str | None:
    return os.fspath(path) if path is not None else None
