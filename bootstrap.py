#!/usr/bin/env python3
"""Sets up this checkout and runs it. Without arguments it prints its verbs.

One file of standard library that Python 3.7 can still parse, so that an unsuitable interpreter gets
a clear error. Dependencies are in pyproject.toml, the tested versions in constraints.txt.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

HELP = """\
usage: python3 bootstrap.py VERB [arguments]

  demo [...]        set up, then train a small detector that deadlocks on purpose, supervised by
                    dualwatch; --healthy: without the fault; other arguments go to `dualwatch train`
  test [TIER ...]   set up, then run the tests: unit, strangers, process, training, corpus;
                    other arguments go to pytest
  lint              set up, then check format, style, types and import directions
  setup             set up only: .venv with the versions of constraints.txt
  check-env         list what this machine has and lacks; changes nothing

The first set-up compiles mmcv: 2 to 15 minutes, once. Later calls reuse it and need no network.

environment:
  DUALWATCH_CACHE        folder that keeps the compiled mmcv (now: {cache})
  DUALWATCH_TORCH_INDEX  URL of a package index with other builds of torch (CPU only, another CUDA)
  MAX_JOBS               compilers at a time; default: one per core, as far as memory allows
  CUDA_VISIBLE_DEVICES   -1: do not use the GPU; otherwise it is used where CUDA's nvcc is found
"""
STEP_FAILED = """\
The last lines above name the cause. Common ones:
    no network or no such version: pip's own variables (PIP_INDEX_URL, PIP_PROXY, PIP_CERT) apply
    disk full: TMPDIR and DUALWATCH_CACHE name other folders; out of memory: MAX_JOBS=1
    mismatch with CUDA: CUDA_VISIBLE_DEVICES=-1, or DUALWATCH_TORCH_INDEX for another build of torch
    Python.h or venv missing: apt-get install python3-dev python3-venv; dnf install python3-devel"""
NO_COMPILER = """\
No C++ compiler was found, and mmcv must be compiled.
  Debian/Ubuntu: apt-get install g++. Fedora: dnf install gcc-c++. macOS: xcode-select --install.
  Windows: install "Build Tools for Visual Studio" with "Desktop development with C++"."""
RECIPE = "2"  # raise it when the steps of setup() change: older environments are then renewed
TIERS = ["unit", "strangers", "process", "training", "corpus"]
TRAIN, EVERYTHING = "train", "train,dev,docs"  # extras of pyproject.toml; the demo needs the first
TRIAL = "import torch as t, mmcv.ops, mmdet.apis; mmcv.ops.nms(t.rand(9, 4), t.rand(9), 0.5)"
DISK_GB = {"cpu": 4, "cuda": 16}
HEALTHY = "configs/demo/dualmacl_tiny_synthetic_2e.py --work-dir work_dirs/healthy"
DEMO = HEALTHY.replace("2e.py", "2e_deadlock.py --stall-timeout 20s").replace("/healthy", "/demo")
LINTERS = ("ruff format --check .", "ruff check .", "mypy", "lint-imports")
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "dualwatch-bootstrap.txt"
PINS = dict(re.findall(r"^(\S+?)==([^\s;]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
WINDOWS = os.name == "nt"
PYTHON = str(VENV / ("Scripts/python.exe" if WINDOWS else "bin/python"))


class Problem(Exception):
    """An expected failure: what happened, and on further lines what to do."""


def say(text: str) -> None:
    """Prints a line of progress."""
    print(text, file=sys.stderr, flush=True)


def cache_dir() -> Path:
    """Returns the folder, outside of the checkout, that keeps compiled wheels."""
    base = os.environ.get("LOCALAPPDATA" if WINDOWS else "XDG_CACHE_HOME") or "~/.cache"
    place = os.environ.get("DUALWATCH_CACHE") or os.path.join(base, "dualwatch")
    return Path(os.path.abspath(os.path.expanduser(place)))


def kept_wheels() -> list[Path]:
    """Returns the compiled wheels that may fit; torch's local part and the device decide later."""
    fits = f"mmcv-{PINS['mmcv']}-torch-{PINS['torch']}*-cp%d%d-*/*.whl" % sys.version_info[:2]
    return sorted(cache_dir().glob(fits))


def has_gpu() -> bool:
    """Returns whether an NVIDIA driver is installed."""
    return bool(shutil.which("nvidia-smi")) or os.path.exists("/dev/nvidiactl")


def device() -> str:
    """Returns `cuda` where a GPU can be used and compiled for, else `cpu`."""
    cuda = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH") or "/usr/local/cuda"
    nvcc = shutil.which("nvcc") or shutil.which("nvcc", path=os.path.join(cuda, "bin"))
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return "cuda" if has_gpu() and nvcc and not hidden else "cpu"


def compiler() -> str:
    """Returns the C++ compiler that a build would use, or ""."""
    names = [*os.environ.get("CXX", "").split()[-1:], "c++", "g++", "clang++"]
    if WINDOWS:  # setuptools finds Visual Studio by its installer's tool
        folder = os.environ.get("PROGRAMFILES(X86)", r"C:\Program Files (x86)")
        names = ["cl", folder + r"\Microsoft Visual Studio\Installer\vswhere.exe"]
    return next(filter(None, map(shutil.which, names)), "")


def problems() -> list[str]:
    """Returns what is missing for a set-up: disk space, or a compiler where no mmcv is kept."""
    found = []
    if not (kept_wheels() or compiler()):
        found.append(NO_COMPILER)
    for folder, need in {cache_dir(): 1, ROOT: DISK_GB[device()]}.items():
        there = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(str(there)).free / 1e9
        if free < need:
            what = f"Not enough disk space: {there} has {free:.1f} GB free, {need} GB are needed.\n"
            found.append(what + "  Free some; DUALWATCH_CACHE can name another folder for mmcv.")
    return found


def environment(**more: str) -> dict[str, str]:
    """Returns the variables for programs of the virtual environment."""
    path = os.path.dirname(PYTHON) + os.pathsep + os.environ.get("PATH", "")
    env = {**os.environ, "VIRTUAL_ENV": str(VENV), "PATH": path, **more}
    env.pop("PYTHONHOME", None)
    if device() == "cpu" and has_gpu():
        env["CUDA_VISIBLE_DEVICES"] = "-1"  # mmcv is compiled without its GPU half
    return env


def step(label: str, command: list, lock: int) -> str:
    """Runs one step of a set-up and returns its standard output."""
    say(f"bootstrap: {label}")
    started = time.monotonic()
    # A step inherits the lock: if this program is killed, the lock is held until the step ends.
    apart = {} if WINDOWS else {"start_new_session": True, "pass_fds": [lock]}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "env": environment()}
    child = subprocess.Popen(command, cwd=str(ROOT), text=True, **streams, **apart)
    try:
        output = child.communicate()[0].strip()
    except BaseException:  # an orphaned pip would keep writing into .venv
        with contextlib.suppress(OSError):
            child.kill() if WINDOWS else os.killpg(child.pid, signal.SIGKILL)
        raise
    if child.returncode:
        raise Problem(f"this step failed: {label}\n  {STEP_FAILED}")
    say(f"bootstrap: {label}: {time.monotonic() - started:.0f}s")
    return output


def pip_install(*arguments: str) -> list[str]:
    """Returns a command that installs into the environment, with the tested versions."""
    options = ["--disable-pip-version-check", "--no-input", "install", "--quiet"]
    # Python compiles modules on their first import: doing it now for all takes a minute more.
    options += ["--no-compile", "-c", str(ROOT / "constraints.txt")]
    return [PYTHON, "-m", "pip", *options, *arguments]


@contextlib.contextmanager
def locked(path: Path):
    """Holds a lock file; a second caller waits. The system frees it however the holder ends."""
    with open(str(path), "ab") as file:
        for tries in itertools.count():
            try:
                if WINDOWS:
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not tries:
                    say(f"bootstrap: waiting for another bootstrap.py (lock: {path})")
                time.sleep(0.2)
        yield file.fileno()


def fingerprint() -> str:
    """Returns a hash of all that decides what .venv holds; settings of tools are left out."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    tables = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
    tables = [text for text in tables if re.match(r"\[(project|build-system|tool.setup)", text)]
    parts = [RECIPE, device(), sys.version, str(ROOT), *map(str, PINS.items()), *tables]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def installed_extras() -> str:
    """Returns the extras that .venv holds; "" if it is missing, incomplete or out of date."""
    with contextlib.suppress(OSError, ValueError):
        made_for, extras = STAMP.read_text(encoding="utf-8").split()
        return extras if made_for == fingerprint() and os.path.exists(PYTHON) else ""
    return ""


def write_stamp(extras: str) -> None:
    """Records what .venv holds; "" while it is incomplete."""
    STAMP.write_text(f"{fingerprint()} {extras}", encoding="utf-8")


def setup(extras: str = EVERYTHING) -> int:
    """Creates or completes .venv and returns 0; at once if there is nothing to do."""
    if installed_extras() in (extras, EVERYTHING):
        return 0
    with locked(ROOT / ".bootstrap.lock") as lock:
        there = installed_extras()
        if there in (extras, EVERYTHING):
            return 0
        for problem in problems():
            raise Problem(problem)
        started = time.monotonic()
        if not there:
            if VENV.exists() and not list(VENV.glob(STAMP.stem + ".*")):
                how = "Move it away, or delete it, and call again."
                raise Problem(f"{VENV} was not made by bootstrap.py.\n  {how}")
            step("new environment", [sys.executable, "-m", "venv", "--clear", str(VENV)], lock)
            write_stamp("")
            step("tools", pip_install("pip", "setuptools", "wheel", "ninja", "numpy"), lock)
            install_torch(lock)
            find = [PYTHON, "tools/mmcv_wheel.py", str(cache_dir()), device()]
            wheel = step("mmcv, compiled unless kept", find, lock)
            step("mmcv, installed", pip_install("--no-deps", wheel), lock)
        write_stamp("")  # what was there may be incomplete from now on
        step(extras, pip_install("--no-build-isolation", "-e", f".[{extras}]"), lock)
        if subprocess.call([PYTHON, "-c", "import cv2"], stderr=subprocess.DEVNULL):
            # It needs libGL, which servers may lack. Both fill one folder: the full one goes first.
            subprocess.call([PYTHON, "-m", "pip", "uninstall", "-qy", "opencv-python"])
            step("opencv", pip_install("--no-deps", "opencv-python-headless"), lock)
        step("trial", [PYTHON, "-c", TRIAL], lock)
        write_stamp(extras)
        say(f"bootstrap: ready after {time.monotonic() - started:.0f}s")
    return 0


def install_torch(lock: int) -> None:
    """Installs torch; without a GPU a CPU build, where the package index has one."""
    index = os.environ.get("DUALWATCH_TORCH_INDEX")
    install = pip_install(*(["--extra-index-url", index] if index else []))
    torch = "torch==" + PINS["torch"]
    if device() == "cpu" and sys.platform == "linux":
        with contextlib.suppress(Problem):
            return step(torch + "+cpu", [*install, torch + "+cpu"], lock)
        say("bootstrap: no CPU build of torch there; the other brings several GB of CUDA along")
    step(torch, [*install, torch], lock)


def run(*arguments: str) -> int:
    """Runs a program of the environment on this terminal and returns its exit code."""
    child = subprocess.Popen(arguments, cwd=str(ROOT), env=environment())
    # Ctrl-C on a terminal reaches the child directly; a signal to this process alone is passed on.
    shared = signal.SIGINT if WINDOWS or os.isatty(0) else None
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _frame: None if n == shared else child.send_signal(n))
    code = child.wait()
    return 128 - code if code < 0 else code


def demo(*arguments: str) -> int:
    """Shows dualwatch on a small training that deadlocks (with --healthy: that does not)."""
    setup(TRAIN)
    code = run(PYTHON, "-m", "dualmacl.synthetic", "data/synthetic-llvip", "--seed", "0", "--force")
    if code:
        return code
    train, other = (HEALTHY, DEMO) if "--healthy" in arguments else (DEMO, HEALTHY)
    words = ["dualwatch", "train", *train.split(), *(w for w in arguments if w != "--healthy")]
    folder = train.split()[-1]
    say("\nbootstrap: " + " ".join(words))
    code = run(PYTHON, "-m", *words)
    say(f"\nbootstrap: exit code {code}; its files are in {folder}. What to try next:")
    say("  " + (r".venv\Scripts\activate" if WINDOWS else ". .venv/bin/activate"))
    say(f"  dualwatch check {folder}\n  dualwatch report {folder}\n  dualwatch train {other}")
    return code


def test(*arguments: str) -> int:
    """Runs the tests, the long tiers first; without arguments for pytest several at a time."""
    setup()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # Each process would compile torch anew.
    tiers = [f"tests/{tier}" for tier in reversed(TIERS) if tier in arguments]
    more = [word for word in arguments if word not in TIERS]
    side_by_side = ["-n", str((os.cpu_count() or 1) + 1), "--dist", "loadgroup", "--durations=40"]
    return run(PYTHON, "-m", "pytest", *([] if more else side_by_side), *tiers, *more)


def lint() -> int:
    """Runs the linters up to the first that complains."""
    setup()
    for command in LINTERS:
        say(f"lint: {command}")
        name, *arguments = command.split()
        code = run(shutil.which(name, path=os.path.dirname(PYTHON)), *arguments)
        if code:
            return code
    return 0


def check_env() -> int:
    """Lists what a set-up needs and whether this machine has it."""
    print("Python       ", sys.version.split()[0], "at", sys.executable)
    print("C++ compiler ", compiler() or "none")
    print("NVIDIA GPU   ", "found" if has_gpu() else "none", f"(set-up is for: {device()})")
    print("disk         ", f"{shutil.disk_usage(str(ROOT)).free / 1e9:.0f} GB free")
    print("compiled mmcv", *(kept_wheels() or ["not yet in", cache_dir()]))
    print(".venv        ", installed_extras() or "to be set up")
    found = [] if installed_extras() == EVERYTHING else problems()
    print("\n".join(found))
    return 1 if found else 0


VERBS = {"demo": demo, "test": test, "lint": lint, "setup": setup, "check-env": check_env}


def main(arguments: list[str]) -> int:
    """Runs a verb and returns the exit code: 1 for a failed set-up, else the verb's own."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # whatever the console's encoding
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print(HELP.format(cache=cache_dir()), end="")
        return 0
    verb = VERBS.get(arguments[0])
    if not verb or (verb in (lint, setup, check_env) and arguments[1:]):
        say(f"bootstrap: unknown: {' '.join(arguments)!r}; the verbs: {', '.join(VERBS)}")
        return 2
    for name in {"SIGTERM", "SIGHUP"} & set(dir(signal)):
        signal.signal(getattr(signal, name), lambda number, _frame: sys.exit(128 + number))
    # torch's own threads mostly wait for each other where other work uses the same cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        if not (3, 10) <= sys.version_info[:2] <= (3, 13):
            how = "Install one, then call it by its name: python3.11 bootstrap.py ..."
            found = "{}.{}".format(*sys.version_info[:2])
            raise Problem(f"Python 3.10 to 3.13 is needed, this is {found}.\n  {how}")
        return verb(*arguments[1:])
    except (Problem, OSError) as error:
        say(f"bootstrap: {error}")
        return 1
    except KeyboardInterrupt:
        say("\nbootstrap: interrupted. The next call completes what is unfinished.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
