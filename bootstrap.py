#!/usr/bin/env python3
"""Sets this checkout up and runs it: `python3 bootstrap.py` says what it can do.

Only the standard library, in one file, readable by Python 3.7, so that an interpreter that is too
old can still say so. What is installed is written elsewhere: the dependencies in pyproject.toml,
the tested versions in constraints.txt.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

HELP = """\
usage: python3 bootstrap.py VERB [arguments]

  demo [--healthy] [...]  set up, then train a small detector that deadlocks on purpose, under
                          dualwatch's care; --healthy: without the fault;
                          further arguments go to `dualwatch train`
  test [...]              set up, then run the tests; arguments go to pytest
  lint                    set up, then check format, style, types and import directions
  setup                   set up only: .venv with the versions of constraints.txt
  check-env               say what this machine has and lacks for it; changes nothing

The first set-up compiles mmcv: 5 to 30 minutes, once. Later calls reuse it and need no network.

environment:
  DUALWATCH_CACHE         folder that keeps the compiled mmcv (now: {cache})
  DUALWATCH_DEVICE        cpu or cuda; default: cuda where there is an NVIDIA GPU and nvcc
  DUALWATCH_TORCH_INDEX   URL of a package index with other builds of torch (CPU only, another CUDA)
  MAX_JOBS                compilers at a time (default: one per core, 2 GB of memory each)
"""

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "dualwatch-bootstrap.json"
LOG = VENV / "dualwatch-bootstrap.log"
WINDOWS = os.name == "nt"

RECIPE = 1  # raise it when the steps below change, so that older environments are brought up to date
PYTHONS = ((3, 11), (3, 12), (3, 10), (3, 13))  # in order of preference
DISK_GB = {"cpu": 5, "cuda": 16}
DATA = "data/synthetic-llvip"
DEMO = "configs/demo/dualmacl_tiny_synthetic_2e_deadlock.py"
DEMO_HEALTHY = "configs/demo/dualmacl_tiny_synthetic_2e.py"

LINTERS = (
    ("format", ["-m", "ruff", "format", "--check", "."]),
    ("style", ["-m", "ruff", "check", "."]),
    ("types", ["-m", "mypy"]),
    ("import directions", ["-c", "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"]),
)

# What a failed step's log may say, and what that means. First match wins.
HINTS = (
    (r"No space left on device|Errno 28|There is not enough space", "The disk is full: free some space (TMPDIR names another folder for the build), then call again."),
    (r"Killed signal terminated|virtual memory exhausted|out of memory", "Memory ran out while compiling: call again with MAX_JOBS=1."),
    (r"Python\.h: No such file", "Python's headers are missing: see `bootstrap.py check-env`."),
    (r"detected CUDA version .* mismatches", "nvcc and torch are of different CUDA versions: DUALWATCH_TORCH_INDEX can name an index with a torch for your CUDA; DUALWATCH_DEVICE=cpu does without the GPU."),
    (r"Microsoft Visual C\+\+ .* is required|Unable to find a compatible Visual Studio", "Install \"Build Tools for Visual Studio\" with \"Desktop development with C++\"."),
    (r"CERTIFICATE_VERIFY_FAILED|SSLError", "The package index's certificate was refused: PIP_CERT can name your organisation's certificates."),
    (r"NewConnectionError|NameResolutionError|Temporary failure in name resolution|ConnectTimeout|ReadTimeout|Network is unreachable|Max retries", "The package index was not reached: the first set-up needs the network (or pip's own settings: PIP_INDEX_URL, PIP_PROXY)."),
    (r"No matching distribution found", "Your package index offers no such version for this Python and platform."),
)  # fmt: skip


class Problem(Exception):
    """An expected failure: `what` went wrong and `how` to cure it, in words for the user."""

    def __init__(self, what: str, how: str = "", code: int = 1) -> None:
        super().__init__(what)
        self.what, self.how, self.code = what, how, code


# ---------------------------------------------------------------- saying


def say(text: str = "") -> None:
    """Writes a line of progress."""
    print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Returns seconds as `42s` or `4m10s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


class Ticker:
    """Shows that a step is alive: one redrawn line on a terminal, else a line every 30 s."""

    def __init__(self, label: str) -> None:
        self.label, self.started, self.last = label, time.monotonic(), time.monotonic()
        self.live = sys.stderr.isatty()

    def show(self, news: str) -> None:
        now = time.monotonic()
        text = f"  {self.label}: {news or 'working, ' + duration(now - self.started)}"
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write("\r" + text[:width].ljust(width))
            sys.stderr.flush()
        elif now - self.last >= 30:
            self.last = now
            say(text)

    def end(self, outcome: str = "") -> None:
        if self.live:
            sys.stderr.write("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")
        took = duration(time.monotonic() - self.started)
        say(f"  {self.label:<44}{outcome or took:>8}")


def compiled(log: str) -> tuple[int, int] | None:
    """Returns how many files of how many ninja has compiled, as its last `[23/77]` in a log says."""
    counts = re.findall(r"^\s*\[(\d+)/(\d+)\] ", log, re.MULTILINE)
    return (int(counts[-1][0]), int(counts[-1][1])) if counts else None


def build_progress(log: str, elapsed: float) -> str:
    """Returns the progress line of a build from its log and the seconds that it has run."""
    count = compiled(log)
    if not count:
        return f"preparing, {duration(elapsed)}"
    done, total = count
    left = elapsed / done * (total - done)
    about = f"about {round(left / 60)}m left" if left >= 90 else f"about {int(left)}s left"
    if done == total:
        about = "linking"
    return f"compiled {done} of {total} files, {duration(elapsed)}, {about}"


# ---------------------------------------------------------------- looking


def read(path: Path) -> str:
    """Returns a text file's content, or nothing where there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def pinned(name: str) -> str:
    """Returns the version that constraints.txt pins for a package."""
    found = re.search(rf"^{re.escape(name)}==([^\s;]+)", read(ROOT / "constraints.txt"), re.M)
    if not found:
        raise Problem(f"constraints.txt pins no version of {name}.", "Restore it: git checkout constraints.txt")
    return found.group(1)


def cache_dir() -> Path:
    """Returns the folder, outside the checkout, that keeps compiled wheels."""
    env = os.environ.get
    if env("DUALWATCH_CACHE"):
        return Path(env("DUALWATCH_CACHE", "")).expanduser().absolute()
    if WINDOWS:
        return Path(env("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "dualwatch"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "dualwatch"
    return Path(env("XDG_CACHE_HOME") or Path.home() / ".cache") / "dualwatch"


def device() -> str:
    """Returns `cuda` where a GPU can be used and compiled for, else `cpu`."""
    wish = os.environ.get("DUALWATCH_DEVICE", "")
    if wish not in ("", "cpu", "cuda"):
        raise Problem(f"DUALWATCH_DEVICE is {wish!r}.", "It can be cpu or cuda.", 2)
    return wish or ("cuda" if has_gpu() and nvcc() else "cpu")


def has_gpu() -> bool:
    """Tells whether an NVIDIA driver is here; nothing is asked of it."""
    return bool(shutil.which("nvidia-smi")) or os.path.exists("/dev/nvidiactl")


def nvcc() -> str | None:
    """Returns CUDA's compiler, looked for where torch looks for it."""
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH") or "/usr/local/cuda"
    return shutil.which("nvcc") or shutil.which("nvcc", path=os.path.join(home, "bin"))


def compiler() -> str | None:
    """Returns the C++ compiler that a build would use."""
    if not WINDOWS:
        asked = os.environ.get("CXX", "").split()
        return next(filter(None, map(shutil.which, [*asked[-1:], "c++", "g++", "clang++"])), None)
    if shutil.which("cl"):
        return shutil.which("cl")
    installer = os.environ.get("ProgramFiles(x86)", r"C:\Program Files (x86)")
    vswhere = os.path.join(installer, "Microsoft Visual Studio", "Installer", "vswhere.exe")
    need = "Microsoft.VisualStudio.Component.VC.Tools.x86.x64"
    command = [vswhere, "-latest", "-products", "*", "-requires", need, "-property", "installationPath"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, stdout=subprocess.PIPE, timeout=30).stdout.decode(errors="replace").strip()
    return None


def compiler_problem() -> Problem | None:
    """Returns what a build of mmcv lacks: the compiler or Python's headers."""
    version = "{}.{}".format(*sys.version_info[:2])
    if not compiler():
        how = "Debian/Ubuntu: apt-get install g++; Fedora: dnf install gcc-c++; macOS: xcode-select --install"
        if WINDOWS:
            how = 'Install "Build Tools for Visual Studio" with "Desktop development with C++".'
        return Problem("No C++ compiler was found, and mmcv must be compiled.", how)
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not header.exists():
        how = f"Debian/Ubuntu: apt-get install python{version}-dev; Fedora: dnf install python3-devel"
        return Problem(f"Python's headers are missing ({header}), and mmcv must be compiled.", how)
    return None


def disk_problem() -> Problem | None:
    """Returns which of the folders to be written has too little space."""
    need = DISK_GB[device()]
    for folder in (ROOT, cache_dir(), Path(tempfile.gettempdir())):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(str(there)).free / 1e9
        wanted = need if folder == ROOT else 1
        if free < wanted:
            return Problem(f"Too little disk space: {free:.1f} GB free at {there}, {wanted} GB needed.", "Free some space, or put the checkout elsewhere.")
    return None


def venv_problem() -> Problem | None:
    """Returns why this Python can make no virtual environment (Debian packs that apart)."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        version = "{}.{}".format(*sys.version_info[:2])
        how = f"Debian/Ubuntu: apt-get install python{version}-venv"
        return Problem(f"This Python cannot make virtual environments ({error}).", how)
    return None


def kept_wheels(torch: str) -> list[Path]:
    """Returns the mmcv wheels in the cache that were built for a torch version and this Python."""
    return sorted(cache_dir().glob(wheel_key(torch, "*") + "/*.whl"))


def wheel_key(torch: str, where: str) -> str:
    """Returns the cache folder of an mmcv wheel: all that a compiled extension depends on.

    Args:
        torch: torch's full version with its local part, as `2.13.0+cpu`.
        where: what it was compiled for: `cpu`, or `cuda-` and the GPU's compute capability.
    """
    tag = "cp{}{}".format(*sys.version_info[:2])
    return f"mmcv-{pinned('mmcv')}-torch-{torch}-{tag}-{sysconfig.get_platform()}-{where}"


def python_message(version: tuple, others: list) -> str:
    """Returns what to say to a Python of this version, given other (suitable) commands found."""
    if tuple(version[:2]) in PYTHONS:
        return ""
    found = "Need Python 3.10 to 3.13, found {}.{}".format(*version[:2])
    return found + (f"; going on with {others[0]}." if others else ".")


def suitable_pythons() -> list[str]:
    """Returns commands on PATH that start a Python that the project supports, preferred first."""
    found = []
    for major, minor in PYTHONS:
        path = shutil.which(f"python{major}.{minor}")
        # Version managers leave commands on PATH that only say "not active": try it.
        if path and subprocess.run([path, "-c", "import ensurepip"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
            found.append(path)
    return found


def use_suitable_python() -> None:
    """Starts this program anew under a Python that fits, if the present one does not."""
    if not python_message(sys.version_info, []):
        return
    others = suitable_pythons()
    message = python_message(sys.version_info, others)
    if not others:
        raise Problem(message, "Install one of them, then: python3.11 bootstrap.py " + " ".join(sys.argv[1:]))
    say("bootstrap: " + message)
    sys.exit(subprocess.call([others[0], str(Path(__file__).resolve()), *sys.argv[1:]]))


# ---------------------------------------------------------------- running


def venv_python() -> str:
    """Returns the environment's Python."""
    return str(VENV / ("Scripts/python.exe" if WINDOWS else "bin/python"))


def environment(**more: str) -> dict[str, str]:
    """Returns the environment variables for programs of the virtual environment."""
    env = {**os.environ, "VIRTUAL_ENV": str(VENV), **more}
    env["PATH"] = os.path.dirname(venv_python()) + os.pathsep + env.get("PATH", "")
    env.pop("PYTHONHOME", None)
    if device() == "cpu" and has_gpu():
        env["CUDA_VISIBLE_DEVICES"] = "-1"  # mmcv has no GPU operators here: keep the training off it
    return env


def stop(child: subprocess.Popen) -> None:
    """Ends a child and all that it started: an orphaned pip would go on writing into .venv."""
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            if WINDOWS:
                subprocess.call(["taskkill", "/F", "/T", "/PID", str(child.pid)], stdout=subprocess.DEVNULL)
            else:
                os.killpg(child.pid, number)
            child.wait(timeout=5)


def logged(label: str, command: list, log: Path, lock: int, progress=None, env=None) -> tuple[int, str]:
    """Runs one step with its output in a log file, and shows that it lives.

    The step inherits the lock: should this program be killed, the lock is held until the step ends.

    Returns:
        The exit code, and what the step wrote.
    """
    ticker = Ticker(label)
    with open(log, "ab") as sink:
        sink.write(f"\n$ {' '.join(command)}\n".encode())
        sink.flush()
        start = sink.tell()
        more = {"creationflags": 0x200} if WINDOWS else {"start_new_session": True, "pass_fds": [lock]}
        child = subprocess.Popen(command, cwd=str(ROOT), env=env or environment(), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, **more)
        try:
            while child.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(timeout=1)
                    break
                elapsed = time.monotonic() - ticker.started
                ticker.show(progress(read(log), elapsed) if progress else "")
        except BaseException:
            stop(child)
            raise
    with open(log, "rb") as written:
        written.seek(start)
        text = written.read().decode("utf-8", "replace")
    ticker.end("" if child.returncode == 0 else "failed")
    return child.returncode, text


def failure(label: str, text: str, log: Path) -> Problem:
    """Makes a failed step's log into words: the lines that tell, and what they mean."""
    lines = [line.strip()[:300] for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|fatal|No space|Killed", line, re.I)]
    hint = next((words for pattern, words in HINTS if re.search(pattern, text)), "")
    quoted = "\n".join(f"    {line}" for line in (telling or lines)[-6:])
    return Problem(f"This step failed: {label}. Its last words:\n{quoted}\n  The whole log: {log}", hint)


def must(label: str, command: list, lock: int, **more) -> str:
    """Runs a step that has to succeed."""
    log = more.pop("log", LOG)
    code, text = logged(label, command, log, lock, **more)
    if code:
        raise failure(label, text, log)
    return text


def pip(*arguments: str) -> list[str]:
    """Returns a pip command of the environment; `install` keeps to the tested versions."""
    kept = ["-c", str(ROOT / "constraints.txt")] if arguments[0] == "install" else []
    return [venv_python(), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments, *kept]


@contextlib.contextmanager
def locked(path: Path, what: str):
    """Holds a lock file: of two calls at once, the second waits. The system frees it at any death."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        ticker, told = Ticker("waiting"), False
        while True:
            try:
                if WINDOWS:
                    import msvcrt

                    file.seek(0)
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    import fcntl

                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not told:
                    say(f"  {what} is being set up by another bootstrap.py: waiting for it (lock: {path})")
                told = True
                ticker.show("")
                time.sleep(0.2)
        yield file.fileno()


# ---------------------------------------------------------------- setting up


def fingerprint() -> str:
    """Returns a hash of all that decides what .venv holds; another one means: set up again."""
    # Of pyproject.toml only what is installed counts, not the settings of linters.
    tables = re.split(r"^(?=\[)", read(ROOT / "pyproject.toml"), flags=re.M)
    wanted = [table for table in tables if re.match(r"\[(project|build-system|tool\.setuptools)", table)]
    parts = [str(RECIPE), read(ROOT / "constraints.txt"), "".join(wanted), *identity()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def identity() -> list[str]:
    """Returns what cannot be changed in place: another value needs a fresh environment."""
    return ["{}.{}".format(*sys.version_info[:2]), str(ROOT), device()]


def stamp() -> dict:
    """Returns what the last set-up wrote: `state` is `ready` only if it came to its end."""
    try:
        content = json.loads(read(STAMP))
        return content if isinstance(content, dict) else {}
    except ValueError:
        return {}


def write_stamp(state: str) -> None:
    """Writes the stamp in one piece."""
    content = {"state": state, "fingerprint": fingerprint(), "identity": identity()}
    beside = STAMP.with_suffix(".new")
    beside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(str(beside), str(STAMP))


def is_ready() -> bool:
    """Tells whether .venv is complete and up to date."""
    now = stamp()
    return now.get("state") == "ready" and now.get("fingerprint") == fingerprint() and os.path.exists(venv_python())


def discard_broken() -> None:
    """Removes a half-built or unsuitable .venv of ours; refuses to touch anybody else's."""
    now = stamp()
    if now.get("state") == "ready" and now.get("identity") == identity() and os.path.exists(venv_python()):
        return  # complete: brought up to date in place
    if VENV.exists() and any(VENV.iterdir()):
        if not now:
            raise Problem(f"{VENV} is there, and bootstrap.py did not make it.", "Move it away, then call again.")
        say("  an unfinished or outdated environment is there: starting afresh")
        # Renamed first, so that an interrupted removal leaves nothing that looks like an environment.
        os.replace(str(VENV), str(ROOT / f".venv-discarded-{os.getpid()}"))
    for rest in ROOT.glob(".venv-discarded-*"):
        shutil.rmtree(str(rest), ignore_errors=True)
    VENV.mkdir(exist_ok=True)


def setup() -> None:
    """Brings .venv into being or up to date; returns at once if nothing changed."""
    if is_ready():
        return
    with locked(ROOT / ".bootstrap.lock", "this checkout") as lock:
        if is_ready():
            return
        started = time.monotonic()
        needs_build = not kept_wheels(pinned("torch") + "*")
        checks = (venv_problem(), disk_problem(), needs_build and compiler_problem())
        for problem in filter(None, checks):
            raise problem
        discard_broken()
        write_stamp("building")
        version = "{}.{}.{}".format(*sys.version_info[:3])
        say(f"bootstrap: setting up {VENV} (Python {version}, {device()})")
        if needs_build:
            say("  mmcv will be compiled: 5 to 30 minutes, only this once")
        if has_gpu() and not nvcc():
            say("  a GPU is here, but no CUDA compiler (nvcc): set up for the CPU; see check-env")
        if not os.path.exists(venv_python()):
            must("environment", [sys.executable, "-m", "venv", str(VENV)], lock)
        must("build tools", pip("install", "pip", "setuptools", "wheel", "ninja", "numpy"), lock)
        install_torch(lock)
        wheel = mmcv_wheel(lock)
        must("mmcv", pip("install", "--force-reinstall", "--no-deps", str(wheel)), lock)
        project = ["--no-build-isolation", "-e", ".[train,dev]"]
        must("mmdet and the rest", pip("install", *project), lock)
        mend_opencv(lock)
        must("trying it out", [venv_python(), "-c", "import mmcv.ops, mmdet.apis, mmdet.models, dualwatch"], lock)
        write_stamp("ready")
        say(f"bootstrap: ready after {duration(time.monotonic() - started)}")


def install_torch(lock: int) -> None:
    """Installs torch, on Linux without a GPU from a CPU build where the package index has one."""
    version, index = pinned("torch"), os.environ.get("DUALWATCH_TORCH_INDEX")
    more = ["--extra-index-url", index] if index else []
    if device() == "cpu" and sys.platform == "linux":
        label = f"torch {version}+cpu"
        code, text = logged(label, pip("install", f"torch=={version}+cpu", *more), LOG, lock)
        if code == 0:
            return
        if "No matching distribution" not in text:
            raise failure(label, text, LOG)
        say("  your package index has no CPU build of torch: taking the plain one, which downloads several")
        say("  GB of CUDA; DUALWATCH_TORCH_INDEX can name an index that has CPU builds")
    must(f"torch {version}", pip("install", f"torch=={version}", *more), lock)


def mmcv_wheel(lock: int) -> Path:
    """Returns mmcv's wheel for the environment's torch: the kept one, else compiled from source."""
    ask = "import torch; c = torch.cuda.is_available() and torch.cuda.get_device_capability();"
    ask += "print('torch', torch.__version__, 'cuda-%d%d' % c if c else 'cpu')"
    torch, where = must("looking at torch", [venv_python(), "-c", ask], lock).split("torch ")[-1].split()
    if device() == "cuda" and where == "cpu":
        raise Problem(f"torch {torch} sees no GPU.", "DUALWATCH_TORCH_INDEX can name an index with CUDA builds; DUALWATCH_DEVICE=cpu does without.")
    keep = cache_dir() / wheel_key(torch, where)
    with locked(keep / "lock", "mmcv"):
        for wheel in keep.glob("*.whl"):
            say(f"  mmcv: taking the wheel compiled earlier, {wheel}")
            return wheel
        problem = compiler_problem()
        if problem:
            raise problem
        return build_mmcv(keep, where, lock)


def build_mmcv(keep: Path, where: str, lock: int) -> Path:
    """Compiles mmcv with its operators and keeps the wheel."""
    for rest in keep.glob("building-*"):
        shutil.rmtree(str(rest), ignore_errors=True)
    aside, log = keep / f"building-{os.getpid()}", keep / "build.log"
    aside.mkdir()
    log.write_bytes(b"")
    env = environment(MMCV_WITH_OPS="1", FORCE_CUDA="0" if where == "cpu" else "1")
    env.setdefault("MAX_JOBS", str(jobs()))
    if not WINDOWS:
        # Without debug symbols a file takes half the time, and the result is a fifth of the size.
        env["CFLAGS"] = (env.get("CFLAGS", "") + " -g0").strip()
        env.setdefault("CXX", compiler() or "c++")
    # pip's own cache is left out: it would give back a wheel that was compiled for another torch.
    command = pip("wheel", "-v", "--no-cache-dir", "--no-binary", "mmcv", "--no-deps", "--no-build-isolation", "-w", str(aside), "mmcv==" + pinned("mmcv"))
    must("mmcv", command, lock, log=log, progress=build_progress, env=env)
    built = next(aside.glob("*.whl"))
    wheel = keep / built.name
    os.replace(str(built), str(wheel))
    aside.rmdir()
    return wheel


def jobs() -> int:
    """Returns how many compilers to run: one a core, as far as memory reaches (2 GB each)."""
    cores = os.cpu_count() or 1
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return cores
    return max(1, min(cores, int(memory / 2e9)))


def mend_opencv(lock: int) -> None:
    """Puts opencv's headless build in the place of the full one where its graphics are missing."""
    if logged("opencv", [venv_python(), "-c", "import cv2"], LOG, lock)[0] == 0:
        return
    # Both fill the same folder: the full one must go first.
    must("opencv: removing the build that needs libGL", pip("uninstall", "-y", "opencv-python"), lock)
    headless = "opencv-python-headless==" + pinned("opencv-python-headless")
    must("opencv: headless build", pip("install", "--force-reinstall", "--no-deps", headless), lock)


# ---------------------------------------------------------------- verbs


def run(arguments: list[str]) -> int:
    """Runs the environment's Python on this terminal and returns its exit code.

    Ctrl-C reaches the child by itself, which ends in its own time; only a signal that was sent to
    this process alone is passed on.
    """
    child = subprocess.Popen([venv_python(), *arguments], cwd=str(ROOT), env=environment())

    def pass_on(number, _frame):
        if number != signal.SIGINT or not in_foreground():
            with contextlib.suppress(OSError):
                child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 128 - code if code < 0 else code


def in_foreground() -> bool:
    """Tells whether the terminal's Ctrl-C goes to this process and its children alike."""
    if WINDOWS:
        return True
    try:
        with open("/dev/tty", "rb", buffering=0) as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def demo(arguments: list[str]) -> int:
    """Makes the data and shows dualwatch on a training that deadlocks (or, healthy, does not)."""
    healthy = "--healthy" in arguments
    arguments = [word for word in arguments if word != "--healthy"]
    setup()
    code = run(["-m", "dualmacl.synthetic", DATA, "--seed", "0"])
    if code:
        return code
    command = ["train", DEMO_HEALTHY if healthy else DEMO, "--work-dir", "work_dirs/healthy" if healthy else "work_dirs/demo"]
    if not healthy:
        command += ["--stall-timeout", "20s"]
    say("\nbootstrap: dualwatch " + " ".join(command + arguments))
    code = run(["-m", "dualwatch", *command, *arguments])
    activate = r".venv\Scripts\activate" if WINDOWS else ". .venv/bin/activate"
    say(f"""
bootstrap: the demo ended with exit code {code}. Its files: {command[3]}/ (data: {DATA}/)
To go on by hand:
  {activate}
  dualwatch report {command[3]}
  dualwatch train {DEMO if healthy else DEMO_HEALTHY} --work-dir work_dirs/{"demo" if healthy else "healthy"}""")
    return code


def test(arguments: list[str]) -> int:
    """Runs the tests."""
    setup()
    return run(["-m", "pytest", *arguments])


def lint(_arguments: list[str]) -> int:
    """Runs the linters one by one; the first that complains ends it."""
    setup()
    for name, arguments in LINTERS:
        say(f"lint: {name}")
        code = run(arguments)
        if code:
            say(f"lint: {name} failed")
            return code
    return 0


def only_setup(_arguments: list[str]) -> int:
    """Sets up and says where."""
    setup()
    say(f"bootstrap: {VENV} is ready.")
    return 0


def check_env(_arguments: list[str]) -> int:
    """Lists what the set-up needs of this machine and whether it is there."""
    free = shutil.disk_usage(str(ROOT)).free / 1e9
    wheels = kept_wheels(pinned("torch") + "*")
    gpu = "NVIDIA driver found" if has_gpu() else "none found"
    problems = [problem for problem in (venv_problem(), disk_problem(), compiler_problem()) if problem]
    rows = [
        ("Python", "{}.{}.{}".format(*sys.version_info[:3]) + f" ({sys.executable})"),
        ("C++ compiler", compiler() or "missing"),
        ("GPU", f"{gpu}; CUDA compiler: {nvcc() or 'none'}; set-up is for: {device()}"),
        ("disk", f"{free:.0f} GB free, {DISK_GB[device()]} GB needed once"),
        ("compiled mmcv", str(wheels[0]) if wheels else f"none yet in {cache_dir()}"),
        (".venv", "ready" if is_ready() else "to be set up"),
    ]
    for name, value in rows:
        print(f"{name:<14} {value}")
    for problem in problems:
        print(f"\n{problem.what}\n  {problem.how}")
    return 1 if problems and not is_ready() else 0


VERBS = {"demo": demo, "test": test, "lint": lint, "setup": only_setup, "check-env": check_env}


def main(arguments: list[str]) -> int:
    """Runs a verb and returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # no console's encoding may stop us
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print(HELP.format(cache=cache_dir()), end="")
        return 0
    if arguments[0] not in VERBS:
        say(f"bootstrap: no verb {arguments[0]!r}; there are: {', '.join(VERBS)}")
        return 2
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _frame: sys.exit(128 + number))
    try:
        use_suitable_python()
        return VERBS[arguments[0]](arguments[1:])
    except Problem as problem:
        say(f"bootstrap: {problem.what}" + (f"\n  {problem.how}" if problem.how else ""))
        return problem.code
    except OSError as error:
        say(f"bootstrap: {error}\n  Check that the disk has space and that the folder may be written.")
        return 1
    except KeyboardInterrupt:
        say("\nbootstrap: interrupted; the next call takes care of what is unfinished.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
