"""Lets a process write its own stacks when the supervisor requests them by a signal.

For machines on which py-spy may not read the training. ``faulthandler`` answers in C from the
signal handler itself, so it needs neither the GIL nor a thread, and a main thread that waits for a
lock answers as well; its system call is restarted (``SA_RESTART``, and PEP 475 for those that the
kernel never restarts). Harmless to a process that sleeps; the supervisor asks no other.
"""

from __future__ import annotations

import os
import sys

from dualwatch import protocol


def install_signal_handler(folder: str) -> bool:
    """Registers the handler in this process and its future forks; whether that was possible.

    A forked process inherits handler and descriptor: no code has to run in it.
    """
    if not sys.platform.startswith("linux"):
        return False  # Elsewhere the supervisor cannot check whether it may ask.
    # The C module: the Python one around it costs a millisecond for its enumerations.
    import _signal  # type: ignore[import-not-found]
    import faulthandler

    number = getattr(_signal, protocol.STACKS_SIGNAL, None)
    register = getattr(faulthandler, "register", None)
    if number is None or register is None or _signal.getsignal(number) != _signal.SIG_DFL:
        return False
    path = os.path.join(folder, protocol.STACKS_FILE)
    # Open until the process ends. Closed on exec, as all that Python opens: a program that is
    # started from here has no handler either.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    options = {"file": descriptor, "all_threads": True, "chain": False}
    if sys.version_info >= (3, 14):
        options["c_stack"] = False  # Walks the C stack: too much to do in a signal handler.
    register(number, **options)
    return True
