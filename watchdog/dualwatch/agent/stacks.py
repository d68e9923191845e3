"""Lets a process write its own stacks when the supervisor asks for them by a signal.

For the machines on which py-spy may not look into the training. ``faulthandler`` answers in C from
the signal handler itself, so it needs neither the GIL nor a thread of ours, and a main thread that
waits for a lock answers as well; its system call is taken up again (``SA_RESTART``, and PEP 475 for
those that the kernel never restarts). Harmless to a process that sleeps; the supervisor asks no
other.
"""

from __future__ import annotations

import os
import sys

from dualwatch import protocol


def install_signal_handler(folder: str) -> bool:
    """Registers the answer in this process and in all that it will fork; whether that was possible.

    A forked process inherits handler and descriptor: no code of ours runs in it.
    """
    if not sys.platform.startswith("linux"):
        return False  # Nowhere else can the supervisor see whether it may ask.
    # The C module: the Python one around it costs a millisecond for its enumerations.
    import _signal  # type: ignore[import-not-found]
    import faulthandler

    number = getattr(_signal, protocol.STACKS_SIGNAL, None)
    register = getattr(faulthandler, "register", None)
    if number is None or register is None or _signal.getsignal(number) != _signal.SIG_DFL:
        return False
    path = os.path.join(folder, protocol.STACKS_FILE)
    # Stays open for life. Closed on exec, as all that Python opens: a program that is started
    # from here has no handler either.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    options = {"file": descriptor, "all_threads": True, "chain": False}
    if sys.version_info >= (3, 14):
        options["c_stack"] = False  # Walks the C stack: too much to do in a signal handler.
    register(number, **options)
    return True
