"""The agent is imported by the Python of the training, which may be as old as 3.8."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import WATCHDOG

IMPORT_ALL = """
import importlib, os, pkgutil, sys, types
package = types.ModuleType("dualwatch")
package.__path__ = [os.path.join(sys.argv[1], "dualwatch")]
sys.modules["dualwatch"] = package
import dualwatch.agent
for module in pkgutil.walk_packages(dualwatch.agent.__path__, "dualwatch.agent."):
    importlib.import_module(module.name)
print(len([name for name in sys.modules if name.startswith("dualwatch.agent.")]))
"""


def python(version: str) -> str | None:
    """A Python of that version that runs, also one of pyenv's that is not on the path."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [
        shutil.which(f"python{version}"),
        *sorted(root.glob(f"versions/{version}.*/bin/python")),
    ]
    for path in filter(None, found):
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(path)
    return None


@pytest.mark.parametrize("version", ["3.8", "3.9"])
def test_every_module_is_imported_without_a_package_of_ours(version: str, tmp_path: Path) -> None:
    oldest = python(version)
    if oldest is None:
        pytest.skip(f"no Python {version} on this machine")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [oldest, "-c", IMPORT_ALL, str(WATCHDOG)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
