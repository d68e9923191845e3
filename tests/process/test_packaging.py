"""What is given out: the wheel, the source distribution, and an environment that has no more.

The environment is empty but for the wheel and what its metadata asks for. That is copied from the
environment of the tests, files as they were installed, so that no test needs a network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from email import message_from_bytes
from importlib import metadata
from pathlib import Path

import pytest

from tests.support.paths import ROOT

# The wheel is built once where the tests stay in one process.
pytestmark = pytest.mark.xdist_group("packaging")

pytest.importorskip("setuptools", reason="the wheel is built by setuptools")

SOURCES = (
    *("pyproject.toml", "MANIFEST.in", "LICENSE"),
    *("CHANGELOG.md", "README.md", "README.zh-CN.md"),
)
BUILD = "import sys; from setuptools import build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])"
ABSENT = ("torch", "mmengine", "mmcv", "mmdet", "tensorboard", "numpy", "pytest")
LOG = """\
2026/11/23 06:20:46 - mmengine - INFO - Epoch(train)  [1][ 50/100]  lr: 1.0000e-04  eta: 0:01:00  \
time: 0.1000  data_time: 0.0100  loss: 0.5000  loss_macl: 0.4000
2026/11/23 06:20:51 - mmengine - INFO - Epoch(train)  [1][100/100]  lr: 1.0000e-04  eta: 0:00:50  \
time: 0.1000  data_time: 0.0100  loss: nan  loss_macl: 0.3000
"""
LOOP = "for step in range(3): print('step', step, 'loss', 0.5, flush=True)\n"

WORKS = (
    # words, exit code, something that it must say
    (("--help",), 0, "diagnose"),
    (("--version",), 0, "dualwatch"),
    (("explain", "DW102"), 0, "stalled-training"),
    (("explain",), 0, "DW111"),
    (("config", "show"), 0, "stall_timeout"),
    (("train", "cfg.py", "--script", "loop.py", "--work-dir", "wd", "--dry-run"), 0, "loop.py"),
    (("train", "cfg.py", "--script", "loop.py", "--work-dir", "wd", "--no-tensorboard"), 0, "wd"),
    (("diagnose", "wd", "--no-bundle"), 0, "wd"),
    (("check", "wd"), 0, "passed"),
    (("check", "run.log"), 1, "DW203"),
    (("report", "wd"), 0, "report.html"),
    (("report", "run.log", "--csv", "run.csv"), 0, "dualwatch-report.html"),
    (("diagnose", "run.log"), 1, "DW203"),
)
"""In this order: the training of a plain loop leaves the work dir that comes after it."""


def build(what: str, sources: Path, into: Path) -> Path:
    """Builds an ``sdist`` or a ``wheel`` by the backend itself, in a process of its own."""
    into.mkdir(exist_ok=True)
    command = [sys.executable, "-c", BUILD, f"build_{what}", str(into)]
    done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = into.iterdir()
    return built


def tree(into: Path) -> Path:
    """A copy of what a build needs: left-overs of earlier builds would get into the wheel."""
    into.mkdir()
    for name in filter(lambda name: (ROOT / name).exists(), SOURCES):
        shutil.copy(ROOT / name, into)
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "watchdog", into / "watchdog", ignore=unwanted)
    return into


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("given-out")


@pytest.fixture(scope="module")
def sdist(place: Path) -> Path:
    return build("sdist", tree(place / "tree"), place / "sdist")


@pytest.fixture(scope="module")
def wheel(place: Path, sdist: Path) -> Path:
    """The wheel as pip makes it of the source distribution."""
    with tarfile.open(sdist) as packed:
        if hasattr(tarfile, "data_filter"):
            packed.extractall(place / "unpacked", filter="data")
        else:
            packed.extractall(place / "unpacked")
    (sources,) = (place / "unpacked").iterdir()
    return build("wheel", sources, place / "wheel")


def contents(wheel: Path) -> dict[str, str]:
    """Name -> hash of every file, but for the list that holds the same hashes."""
    with zipfile.ZipFile(wheel) as packed:
        names = [name for name in packed.namelist() if not name.endswith("RECORD")]
        return {name: hashlib.sha256(packed.read(name)).hexdigest() for name in names}


def test_the_wheel_holds_every_file_of_both_packages_and_no_other(wheel):
    inside = {name for name in contents(wheel) if ".dist-info/" not in name}
    here = {
        path.relative_to(ROOT / "watchdog").as_posix()
        for path in (ROOT / "watchdog").rglob("*")
        if path.is_file()
        and not any(part.endswith(("cache", "cache__", ".egg-info")) for part in path.parts)
        and path.suffix != ".md"
    }
    assert inside == here
    for needed in ("py.typed", "agent/site/sitecustomize.py", "agent/mmengine/describe_config.py"):
        assert f"dualwatch/{needed}" in inside
    assert "dualmacl/__init__.py" in inside


def test_the_source_distribution_makes_the_same_wheel(place, wheel):
    straight = build("wheel", place / "tree", place / "straight")
    assert contents(straight) == contents(wheel)


def test_the_source_distribution_holds_neither_tests_nor_data(sdist):
    with tarfile.open(sdist) as packed:
        folders = {name.split("/")[1] for name in packed.getnames() if name.count("/") > 1}
    assert folders == {"watchdog"}


def asked(wheel: Path) -> list[str]:
    """What the wheel's metadata requires, line by line."""
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith("/METADATA"))
        return message_from_bytes(packed.read(name)).get_all("Requires-Dist") or []


def needs(lines: Iterable[str]) -> set[str]:
    """The distributions of such lines, and what these ask for in turn, without extras."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    waiting = [Requirement(line) for line in lines]
    while waiting:
        wanted = waiting.pop()
        applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if applies and wanted.name not in found:
            found.add(wanted.name)
            more = metadata.distribution(wanted.name).requires or ()
            waiting += [Requirement(line) for line in more]
    return found


def lay(name: str, site: Path) -> None:
    """Copies an installed distribution into another environment's site-packages."""
    found = metadata.distribution(name)
    for file in found.files or ():
        source = Path(str(found.locate_file(file)))
        if source.is_file() and "__pycache__" not in source.parts:
            goal = Path(os.path.normpath(site / str(file)))  # programs lie beside: ../../../bin
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, goal)


@pytest.fixture(scope="module")
def environment(place: Path, wheel: Path) -> Path:
    """The Python of an environment that holds the wheel and what it asks for."""
    pytest.importorskip("packaging", reason="markers of requirements are read by packaging")
    home = place / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    for name in sorted(needs(asked(wheel))):
        lay(name, site)
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    install = [*pip, "install", "--no-deps", "--no-index", "--quiet", str(wheel)]
    subprocess.run(install, check=True, env=undisturbed())
    return python


def undisturbed() -> dict[str, str]:
    """The variables without those that name other packages and settings."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("DUALWATCH_", "PYTHON"))}


def test_everyday_commands_work_where_nothing_else_is_installed(environment, tmp_path):
    (tmp_path / "run.log").write_text(LOG)
    (tmp_path / "loop.py").write_text(LOOP)
    (tmp_path / "cfg.py").write_text("model = dict(type='Other')\n")
    clean = undisturbed()
    absent = f"import importlib.util as u; print([n for n in {ABSENT!r} if u.find_spec(n)])"
    ask = [str(environment), "-c", absent]
    assert subprocess.run(ask, capture_output=True, text=True, env=clean).stdout.strip() == "[]"
    for words, code, said in WORKS:
        done = subprocess.run(
            [str(environment.with_name("dualwatch")), *words],
            cwd=tmp_path,
            env={**clean, "VIRTUAL_ENV": str(environment.parent.parent)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, said in done.stdout + done.stderr) == (code, True), (words, done)
