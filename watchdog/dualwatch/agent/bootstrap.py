"""Meets mmengine's Runner: applies the orders, and follows its phases.

``prepare`` runs at the start of every Python process of the training. It imports nothing heavy: a
finder on ``sys.meta_path`` waits for ``mmengine.runner.runner``, and a process that never imports
it (a plain script, a spawned loader worker) pays nothing.
"""

from __future__ import annotations

import functools
import importlib.machinery
import os
import sys

from dualwatch import protocol
from dualwatch.agent import console, files, stacks

RUNNER_MODULE = "mmengine.runner.runner"


def prepare() -> None:
    """Sets the import hook and lets the supervisor read our stacks."""
    try:
        stacks.install_signal_handler(os.environ[protocol.ENV_ATTEMPT_DIR])
    except Exception:
        files.note_error("preparing to show the stacks")
    try:
        console.tolerate_full_disk(os.environ[protocol.ENV_ATTEMPT_DIR])
    except Exception:
        files.note_error("preparing for a full disk")
    _allow_reading_stacks()
    if hasattr(os, "register_at_fork"):
        # A permission of Yama is not inherited over fork: the workers must give it as well.
        os.register_at_fork(after_in_child=_allow_reading_stacks)
    if not any(isinstance(finder, _RunnerFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _RunnerFinder())


class _RunnerFinder:
    """Finds nothing itself; wraps the loader of the one module that we wait for.

    Without a base class: ``importlib.abc`` would load half of the standard library into every
    process.
    """

    def find_spec(self, fullname, path=None, target=None):
        if fullname != RUNNER_MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            try:
                _patch(module.Runner)
            except Exception:
                files.note_error("patching the Runner")

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _patch(runner_class) -> None:
    """Wraps ``Runner.__init__``: every way to a Runner goes through it."""
    original = runner_class.__init__

    @functools.wraps(original)
    def __init__(self, *args, **kwargs):
        follower = None
        if not _is_loader_worker():
            try:
                args, kwargs, follower = _before_build(original, self, args, kwargs)
            except Exception:
                files.note_error("applying the orders")
        original(self, *args, **kwargs)
        if follower is not None:
            try:
                follower.runner_built(self)
            except Exception:
                files.note_error("following the Runner")

    runner_class.__init__ = __init__


def _before_build(original, runner, args, kwargs):
    import inspect

    from dualwatch.agent import heartbeat
    from dualwatch.agent.mmengine import overrides, phases, resume
    from dualwatch.agent.torch import batch_outline

    folder = os.environ[protocol.ENV_ATTEMPT_DIR]
    rank = protocol.rank_from_environment(dict(os.environ))
    heart = heartbeat.HeartbeatWriter(folder, rank)
    heart.beat(protocol.Phase.BUILDING)
    follower = phases.PhaseTracker(heart, batch_outline.BatchRecorder(folder, rank), folder)

    # Positional arguments get their names, so that every order finds its place.
    bound = inspect.signature(original).bind(runner, *args, **kwargs)
    named = dict(bound.arguments)
    named.pop("self", None)
    wanted = overrides.read(folder)
    applied, refused = overrides.apply(wanted.overrides, named)
    resume.allow_safe_classes()
    follower.stretch = wanted.stretch
    if wanted.rescue:
        follower.rescue_from_now_on(named)
    report: protocol.AgentDocument = {
        "pid": os.getpid(),
        "rank": rank,
        "applied": applied,
        "refused": refused,
        "work_dir": os.path.abspath(str(named.get("work_dir", "."))),
        "versions": _versions(),
    }
    path = os.path.join(folder, protocol.agent_file(rank))
    try:
        files.put(path, report, default=str)
    except OSError:
        files.note_error("reporting")  # A full disk: the orders are in force all the same.
    return (), named, follower


def _is_loader_worker() -> bool:
    data = sys.modules.get("torch.utils.data")
    return data is not None and data.get_worker_info() is not None


def _versions() -> dict[str, str]:
    versions = {"python": sys.version.split()[0]}
    for name in ("torch", "mmengine", "mmcv", "mmdet"):
        module = sys.modules.get(name)
        if module is not None:
            versions[name] = str(getattr(module, "__version__", "unknown"))
    return versions


def _allow_reading_stacks() -> None:
    """Under Yama only an ancestor may read a process; py-spy is our cousin: name its parent."""
    supervisor = os.environ.get(protocol.ENV_SUPERVISOR, "")
    if not sys.platform.startswith("linux") or not supervisor.isdigit():
        return
    try:
        import ctypes

        pr_set_ptracer = 0x59616D61
        ctypes.CDLL(None).prctl(pr_set_ptracer, ctypes.c_ulong(int(supervisor)), 0, 0, 0)
    except Exception:
        files.note_error("allowing py-spy")
