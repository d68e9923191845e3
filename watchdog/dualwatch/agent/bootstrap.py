"""Sets up the agent in a Python process of the training.

``prepare`` runs at the start of every Python process of the training and imports nothing heavy. A
finder on ``sys.meta_path`` waits for the modules of the known training frameworks
(``trainers.txt``); a process that never imports one (a plain script, a spawned loader worker) pays
nothing more.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import sys

from dualwatch import protocol
from dualwatch.agent import console, files, stacks
from dualwatch.protocol import environment

_TRAINERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "trainers.txt")


def prepare() -> None:
    """Installs the import hook and lets the supervisor read the stacks of this process."""
    try:
        stacks.install_signal_handler(os.environ[protocol.ENV_ATTEMPT_DIR])
    except Exception:
        files.note_error("installing the stack signal handler")
    try:
        console.tolerate_full_disk(os.environ[protocol.ENV_ATTEMPT_DIR])
    except Exception:
        files.note_error("preparing for a full disk")
    _limit_network()
    _allow_reading_stacks()
    if hasattr(os, "register_at_fork"):
        # Yama's permission is not inherited over fork: every worker has to give it again.
        os.register_at_fork(after_in_child=_allow_reading_stacks)
    if not any(isinstance(finder, _TrainerFinder) for finder in sys.meta_path):
        try:
            sys.meta_path.insert(0, _TrainerFinder(_read_trainers()))
        except Exception:
            files.note_error("reading the list of training frameworks")


def _limit_network() -> None:
    """Sets the time limit of sockets that a remedy wants; other processes pay nothing."""
    seconds = os.environ.get(environment.NETWORK_LIMIT, "")
    if not seconds.isdigit():
        return
    import socket

    socket.setdefaulttimeout(float(seconds))


def _read_trainers() -> dict[str, str]:
    """Module of a framework -> module of its adapter."""
    with open(_TRAINERS, encoding="utf-8") as stream:
        rows = [line.split() for line in stream if not line.startswith("#")]
    return {row[0]: row[1] for row in rows if len(row) == 2}


class _TrainerFinder:
    """Wraps the loaders of the frameworks' modules; finds no module itself.

    Without a base class: ``importlib.abc`` would load half of the standard library into every
    process.

    Args:
        adapters: Module of a framework -> module of its adapter.
    """

    def __init__(self, adapters: dict[str, str]) -> None:
        self._adapters = adapters

    def find_spec(self, fullname, path=None, target=None):
        if fullname not in self._adapters:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            # Here and not above: code may look for a module without importing it.
            adapter = self._adapters.pop(fullname, None)
            if adapter is None:
                return
            try:
                importlib.import_module(adapter).install(module)
            except Exception:
                files.note_error("installing " + adapter)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _allow_reading_stacks() -> None:
    """Names the supervisor as tracer: under Yama only an ancestor may read a process otherwise."""
    supervisor = os.environ.get(protocol.ENV_SUPERVISOR, "")
    if not sys.platform.startswith("linux") or not supervisor.isdigit():
        return
    try:
        import ctypes

        pr_set_ptracer = 0x59616D61
        ctypes.CDLL(None).prctl(pr_set_ptracer, ctypes.c_ulong(int(supervisor)), 0, 0, 0)
    except Exception:
        files.note_error("allowing py-spy")
