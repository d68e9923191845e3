"""How a program is started so that nothing that happens to our terminal reaches it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any


def options() -> dict[str, Any]:
    """Arguments of ``subprocess.Popen``: a session of its own, on Windows a console of its own.

    A process group of Windows is spared Ctrl-C only. Ctrl-Break, and the end of a window that is
    closed, reach every process of the console: so it gets another one, without a window.
    """
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
