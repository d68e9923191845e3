"""The Python interpreter of a training."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def training_python(named: str | None) -> str:
    """The interpreter of the training: named, else the active environment's, else our own."""
    if named:
        return named
    folder = "Scripts" if sys.platform == "win32" else "bin"
    name = "python.exe" if sys.platform == "win32" else "python"
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        prefix = os.environ.get(variable)
        if not prefix or os.path.realpath(prefix) == os.path.realpath(sys.prefix):
            continue
        places = [Path(prefix, folder, name), Path(prefix, name)]
        found = next((place for place in places if place.is_file()), None)
        if found is not None:
            return str(found)
    return sys.executable
