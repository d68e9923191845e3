#!/usr/bin/env python3
"""Sets this checkout up and runs it; without arguments it says what it can do.

One file of standard library, which even Python 3.7 can read, so that an interpreter that is too old
can say so. What gets installed is written elsewhere: dependencies in pyproject.toml, the tested
versions in constraints.txt.
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

  demo [...]   set up, then train a small detector that deadlocks on purpose, under dualwatch's
               care; --healthy: without the fault; other arguments go to `dualwatch train`
  test [...]   set up, then run the tests; arguments go to pytest
  lint         set up, then check format, style, types and import directions
  setup        set up only: .venv with the versions of constraints.txt
  check-env    say what this machine has and lacks for that; changes nothing

The first set-up compiles mmcv: 5 to 30 minutes, once. Later calls reuse it and need no network.

environment:
  DUALWATCH_CACHE        folder that keeps the compiled mmcv (now: {cache})
  DUALWATCH_TORCH_INDEX  URL of a package index with other builds of torch (CPU only, another CUDA)
  MAX_JOBS               compilers at a time; default: one a core, as far as memory reaches
  CUDA_VISIBLE_DEVICES   -1: do without the GPU; else it is used if CUDA's nvcc is there to compile
"""

RECIPE = (
    "1"  # raised when the steps below change, so that older environments are brought up to date
)
PYTHONS = ((3, 11), (3, 12), (3, 10), (3, 13))  # in order of preference
DISK_GB = {"cpu": 4, "cuda": 16}
DEMO = "configs/demo/dualmacl_tiny_synthetic_2e_deadlock.py"
HEALTHY = "configs/demo/dualmacl_tiny_synthetic_2e.py"
LINTERS = {
    "format": ["-m", "ruff", "format", "--check", "."],
    "style": ["-m", "ruff", "check", "."],
    "types": ["-m", "mypy"],
    "import directions": ["-c", "from importlinter.cli import lint_imports_command as go; go()"],
}

GET_COMPILER = {
    "linux": "Debian/Ubuntu: apt-get install g++. Fedora: dnf install gcc-c++.",
    "darwin": "xcode-select --install",
    "win32": 'Install "Build Tools for Visual Studio" with "Desktop development with C++".',
}
# What a failed step's log may say, and what to do about it; the first match wins.
HINTS = {
    "No space left|Errno 28|not enough space": "The disk is full. TMPDIR names another folder for "
    "temporary files, DUALWATCH_CACHE another one for the compiled mmcv.",
    "Killed signal|out of memory|memory exhausted": "Memory ran out: call again with MAX_JOBS=1.",
    "CUDA version .* mismatches": "DUALWATCH_TORCH_INDEX can name an index that has torch for your "
    "CUDA; CUDA_VISIBLE_DEVICES=-1 does without the GPU.",
    r"Visual C\+\+|Visual Studio": GET_COMPILER["win32"],
    "CERTIFICATE_VERIFY_FAILED": "PIP_CERT can name your organisation's certificates.",
    "NewConnectionError|NameResolution|name resolution|Timeout|unreachable|Max retries": "The "
    "package index was not reached. The first set-up needs the network, and pip your proxy.",
    "is invalid|BadZip|mmcv._ext": "If the kept mmcv is damaged or of another system: delete "
    "its folder (check-env names it), then call again.",
    "No matching distribution": "Your package index has no such version for this Python.",
}

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "dualwatch-bootstrap.json"
LOG = VENV / "dualwatch-bootstrap.log"
WINDOWS = os.name == "nt"
PYTHON = str(VENV / ("Scripts/python.exe" if WINDOWS else "bin/python"))


class Problem(Exception):
    """An expected failure: what went wrong, and how to cure it."""

    def __init__(self, what: str, how: str = "") -> None:
        super().__init__(what + (f"\n  {how}" if how else ""))


# ------------------------------------------------------------------ talking


def say(text: str) -> None:
    """Writes a line of progress."""
    print(text, file=sys.stderr, flush=True)


def span(seconds: float) -> str:
    """Returns a duration as `42s` or `4m10s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


class Ticker:
    """Shows that a step is alive: one redrawn line on a terminal, else a dated one every 30 s."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self.started = self.told = time.monotonic()

    def elapsed(self) -> float:
        """Returns the seconds since the step began."""
        return time.monotonic() - self.started

    def show(self, news: str) -> None:
        """Shows how far the step is."""
        if self.live:
            self.redraw(f"  {self.label}: {news}")
        elif time.monotonic() - self.told >= 30:
            self.told = time.monotonic()
            say(f"  {time.strftime('%Y-%m-%d %H:%M:%S')} {self.label}: {news}")

    def redraw(self, text: str) -> None:
        """Writes over the terminal's present line."""
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write("\r" + text[:width].ljust(width) + "\r")
        sys.stderr.flush()

    def end(self, outcome: str) -> None:
        """Closes the step with its line."""
        if self.live:
            self.redraw("")
        say(f"  {self.label:<40} {outcome or span(self.elapsed()):>8}")


def build_progress(log: str, elapsed: float) -> str:
    """Returns how far a build is, from ninja's last `[23/77]` in its log and its seconds so far."""
    counts = re.findall(r"^\s*\[(\d+)/(\d+)\] ", log, re.MULTILINE)
    if not counts:
        return f"preparing, {span(elapsed)}"
    done, total = map(int, counts[-1])
    left = elapsed / done * (total - done)
    about = f", about {left / 60:.0f}m left" if left >= 90 else f", about {left:.0f}s left"
    if done < 6 or done == total:  # too early to tell, or linking
        about = ""
    return f"compiled {done} of {total} files, {span(elapsed)}{about}"


def failure(label: str, text: str, log: Path) -> Problem:
    """Makes a failed step's output into words: the lines that tell, and what to do."""
    lines = [line.strip()[:200] for line in text.splitlines() if line.strip()]
    sign = r"(?i)^(?!warning: retrying).*(error|fatal|no space|killed)"
    telling = [line for line in lines if re.search(sign, line)]
    # The first complaint is the cause more often than the last; a long log has both apart.
    chosen = [*telling[:3], *telling[3:][-3:]] or lines[-6:]
    quoted = "".join(f"\n    {line}" for line in chosen)
    hint = next((words for sign, words in HINTS.items() if re.search(sign, text)), "")
    return Problem(f"This step failed: {label}. Its log ({log}) says:{quoted}", hint)


# ------------------------------------------------------------------ looking


def read(path: Path) -> str:
    """Returns a text file's content, or nothing if it cannot be read."""
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""


def pinned(name: str) -> str:
    """Returns the version that constraints.txt pins for a package."""
    found = re.search(rf"^{name}==([^\s;]+)", read(ROOT / "constraints.txt"), re.MULTILINE)
    if not found:
        raise Problem(
            f"constraints.txt has no line {name}==VERSION.", "git restore constraints.txt"
        )
    return found.group(1)


def cache_dir() -> Path:
    """Returns the folder, outside the checkout, that keeps compiled wheels."""
    place = os.environ.get("DUALWATCH_CACHE")
    if not place:
        variable, usual = (
            ("LOCALAPPDATA", "~/AppData/Local") if WINDOWS else ("XDG_CACHE_HOME", "~/.cache")
        )
        place = os.path.join(os.environ.get(variable) or usual, "dualwatch")
    return Path(os.path.abspath(os.path.expanduser(place)))


def has_gpu() -> bool:
    """Tells whether an NVIDIA driver is here; it is not asked anything."""
    return bool(shutil.which("nvidia-smi")) or os.path.exists("/dev/nvidiactl")


def device() -> str:
    """Returns `cuda` where a GPU can be used and compiled for, else `cpu`."""
    cuda = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH") or "/usr/local/cuda"
    nvcc = shutil.which("nvcc") or shutil.which("nvcc", path=os.path.join(cuda, "bin"))
    refused = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return "cuda" if has_gpu() and nvcc and not refused else "cpu"


def compiler() -> str:
    """Returns the C++ compiler that a build would use, or nothing."""
    names = [*os.environ.get("CXX", "").split()[-1:], "c++", "g++", "clang++"]
    if WINDOWS:
        # Visual Studio is found by its installer's tool, as setuptools does.
        folder = os.environ.get("PROGRAMFILES(X86)", r"C:\Program Files (x86)")
        names = ["cl", folder + r"\Microsoft Visual Studio\Installer\vswhere.exe"]
    return next(filter(None, map(shutil.which, names)), "")


def build_problems() -> list[Problem]:
    """Returns what the compilation of mmcv lacks."""
    problems, header = [], Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not compiler():
        how = GET_COMPILER.get(sys.platform, GET_COMPILER["linux"])
        problems.append(Problem("No C++ compiler was found, and mmcv must be compiled.", how))
    if not header.exists():
        how = "Debian/Ubuntu: apt-get install python3-dev. Fedora: dnf install python3-devel."
        problems.append(Problem(f"Python's headers are missing ({header}).", how))
    return problems


def general_problems() -> list[Problem]:
    """Returns what every set-up lacks: the venv module, which Debian packs apart, or disk space."""
    problems = []
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        how = "Debian/Ubuntu: apt-get install python3-venv"
        problems.append(Problem(f"Python cannot make virtual environments ({error}).", how))
    needs = {cache_dir(): 0.5, Path(tempfile.gettempdir()): 1, ROOT: DISK_GB[device()]}
    for folder, need in needs.items():
        there = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(str(there)).free / 1e9
        if free < need:
            what = f"The disk is too full: {there} has {free:.1f} GB free, {need} GB are needed."
            problems.append(
                Problem(what, "Free some; DUALWATCH_CACHE and TMPDIR name other folders.")
            )
    return problems


def refuse(problems: list[Problem]) -> None:
    """Raises all the problems at once, if there are any."""
    if problems:
        raise Problem("\nbootstrap: ".join(map(str, problems)))


def wheel_key(torch: str, where: str) -> str:
    """Returns the cache folder of an mmcv wheel: it names all that a compiled extension depends on.

    Args:
        torch: Full version of torch with its local part, as in `2.13.0+cpu`.
        where: `cpu`, or `cuda` with the GPU's compute capability.
    """
    python = "cp{}{}".format(*sys.version_info[:2])
    return f"mmcv-{pinned('mmcv')}-torch-{torch}-{python}-{sysconfig.get_platform()}-{where}"


def kept_wheels() -> list[Path]:
    """Returns the wheels in the cache that may fit; torch's local part decides later."""
    return sorted(cache_dir().glob(wheel_key(pinned("torch") + "*", "*") + "/*.whl"))


# ------------------------------------------------------------------ running


def environment(**more: str) -> dict[str, str]:
    """Returns the variables for programs of the virtual environment."""
    path = os.path.dirname(PYTHON) + os.pathsep + os.environ.get("PATH", "")
    env = {**os.environ, "VIRTUAL_ENV": str(VENV), "PATH": path, **more}
    env.pop("PYTHONHOME", None)
    if device() == "cpu" and has_gpu():
        env["CUDA_VISIBLE_DEVICES"] = "-1"  # mmcv is compiled without its GPU half: keep off it
    return env


def step(
    label: str, command: list, lock: int, log: Path = LOG, env=None, may_fail=False
) -> str | None:
    """Runs one step with its output in a log file, and shows that it lives.

    The step shares the lock: if this program is killed, the lock stays until the step has ended.

    Returns:
        What the step wrote, or None if it failed and may.
    """
    ticker = Ticker(label)
    with open(log, "ab") as sink:
        sink.write(f"\n$ {' '.join(command)}\n".encode())
        sink.flush()
        start = sink.tell()
        apart = {} if WINDOWS else {"start_new_session": True, "pass_fds": [lock]}
        env, quiet = env or environment(), subprocess.DEVNULL
        child = subprocess.Popen(
            command, cwd=str(ROOT), env=env, stdin=quiet, stdout=sink, stderr=sink, **apart
        )
        try:
            while child.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(timeout=1)
                elapsed = ticker.elapsed()
                ticker.show(span(elapsed) if log == LOG else build_progress(read(log), elapsed))
        except BaseException:
            stop(child)
            raise
    ticker.end("" if child.returncode == 0 else "not here" if may_fail else "failed")
    with open(log, "rb") as written:
        written.seek(start)
        text = written.read().decode("utf-8", "replace")
    if child.returncode and not may_fail:
        raise failure(label, text, log)
    return None if child.returncode else text


def stop(child: subprocess.Popen) -> None:
    """Ends a step and all that it started: an orphaned pip would go on writing into .venv."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        if WINDOWS:
            subprocess.call(["taskkill", "/F", "/T", "/PID", str(child.pid)])
            return
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(timeout=5)
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)


def pip(*arguments: str) -> list[str]:
    """Returns a pip command of the environment that keeps to the tested versions."""
    kept = ["-c", str(ROOT / "constraints.txt")] if arguments[0] in ("install", "wheel") else []
    return [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments, *kept]


@contextlib.contextmanager
def locked(path: Path, what: str):
    """Holds a lock file; a second caller waits. The system frees it however the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ticker = None
    with open(path, "ab") as file:
        while True:
            try:
                if WINDOWS:
                    import msvcrt

                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    import fcntl

                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not ticker:
                    say(f"  another bootstrap.py sets up {what}; waiting for it (lock: {path})")
                ticker = ticker or Ticker("waiting")
                ticker.show(span(ticker.elapsed()))
                time.sleep(0.2)
        yield file.fileno()


# ------------------------------------------------------------------ setting up


def identity() -> list[str]:
    """Returns what an environment cannot change: with another value it is made afresh."""
    return ["{}.{}".format(*sys.version_info[:2]), str(ROOT), device()]


def fingerprint() -> str:
    """Returns a hash of all that decides what .venv holds."""
    # Of pyproject.toml only what is installed counts, not the settings of tools.
    tables = re.split(r"^(?=\[)", read(ROOT / "pyproject.toml"), flags=re.MULTILINE)
    tables = [text for text in tables if re.match(r"\[(project|build-system|tool.setup)", text)]
    parts = [RECIPE, read(ROOT / "constraints.txt"), *tables, *identity()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def stamp() -> dict:
    """Returns what the last set-up wrote down, `complete` or not; empty if .venv is not ours."""
    with contextlib.suppress(ValueError):
        return dict(json.loads(read(STAMP)))
    return {}


def write_stamp(complete: bool) -> None:
    """Writes the stamp, in one piece."""
    beside = STAMP.with_suffix(".new")
    content = {"complete": complete, "fingerprint": fingerprint(), "identity": identity()}
    beside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(str(beside), str(STAMP))


def is_ready() -> bool:
    """Tells whether .venv is complete and up to date."""
    there = stamp()
    fits = there.get("complete") and there.get("fingerprint") == fingerprint()
    return bool(fits) and os.path.exists(PYTHON)


def make_room() -> None:
    """Removes a half-built or unsuitable .venv of ours; nobody else's is ever touched."""
    there = stamp()
    usable = there.get("complete") and there.get("identity") == identity()
    if VENV.exists() and any(VENV.iterdir()) and not (usable and os.path.exists(PYTHON)):
        if not there:
            raise Problem(f"{VENV} was not made by bootstrap.py.", "Move it away and call again.")
        say("  .venv is unfinished, or was made for something else: making it afresh")
        # Renamed first: an interrupted removal must leave nothing that looks like an environment.
        os.replace(str(VENV), str(ROOT / f".venv-discarded-{os.getpid()}"))
    for rest in ROOT.glob(".venv-discarded-*"):
        shutil.rmtree(str(rest), ignore_errors=True)
    VENV.mkdir(exist_ok=True)


def setup() -> None:
    """Brings .venv into being or up to date; returns at once if there is nothing to do."""
    if is_ready():
        return
    with locked(ROOT / ".bootstrap.lock", "this checkout") as lock:
        if is_ready():
            return
        total = Ticker("")
        refuse(general_problems() + ([] if kept_wheels() else build_problems()))
        make_room()
        write_stamp(complete=False)
        version = "{}.{}.{}".format(*sys.version_info[:3])
        say(f"bootstrap: setting up {VENV} for Python {version}, {device()}")
        if has_gpu() and device() == "cpu":
            say("  The GPU stays unused: CUDA_VISIBLE_DEVICES hides it, or CUDA's nvcc is missing.")
        if not os.path.exists(PYTHON):
            step("environment", [sys.executable, "-m", "venv", str(VENV)], lock)
        step("tools", pip("install", "pip", "setuptools", "wheel", "ninja", "numpy"), lock)
        install_torch(lock)
        step("mmcv", pip("install", "--force-reinstall", "--no-deps", mmcv_wheel(lock)), lock)
        project = ["--no-build-isolation", "-e", ".[train,dev,docs]"]
        step("mmdet and the rest", pip("install", *project), lock)
        if step("opencv", [PYTHON, "-c", "import cv2"], lock, may_fail=True) is None:
            # It needs libGL, which servers may lack. Both fill one folder: the full one goes first.
            step("opencv, removed", pip("uninstall", "-y", "opencv-python"), lock)
            headless = "opencv-python-headless==" + pinned("opencv-python-headless")
            step(headless, pip("install", "--force-reinstall", "--no-deps", headless), lock)
        step("trial", [PYTHON, "-c", "import mmcv.ops, mmdet.apis, mmdet.models, dualwatch"], lock)
        write_stamp(complete=True)
        say(f"bootstrap: ready after {span(total.elapsed())}")


def install_torch(lock: int) -> None:
    """Installs torch; without a GPU from a CPU build, where the package index has one."""
    version, index = pinned("torch"), os.environ.get("DUALWATCH_TORCH_INDEX")
    more = ["--extra-index-url", index] if index else []
    if device() == "cpu" and sys.platform == "linux":
        cpu = f"torch=={version}+cpu"
        if step(cpu, pip("install", cpu, *more), lock, may_fail=True) is not None:
            return
        say("  No CPU build of torch was to be had: the plain one brings several GB of CUDA along.")
        say("  DUALWATCH_TORCH_INDEX can name a package index that has CPU builds.")
    step(f"torch=={version}", pip("install", f"torch=={version}", *more), lock)


def mmcv_wheel(lock: int) -> str:
    """Returns mmcv's wheel for the torch that is installed: the kept one, or compiled now."""
    ask = "import torch; c = torch.cuda.is_available() and torch.cuda.get_device_capability(); "
    ask += "print('found', torch.__version__, 'cuda%d.%d' % c if c else 'cpu')"
    torch, where = step("torch, tried", [PYTHON, "-c", ask], lock).split("found ")[-1].split()
    if not where.startswith(device()):
        how = "DUALWATCH_TORCH_INDEX can name an index of CUDA builds; or CUDA_VISIBLE_DEVICES=-1."
        raise Problem(f"torch {torch} does not see the GPU.", how)
    keep = cache_dir() / wheel_key(torch, where)
    with locked(keep / "lock", "mmcv"):
        for wheel in keep.glob("*.whl"):
            say(f"  mmcv was compiled before: {wheel}")
            return str(wheel)
        refuse(build_problems())
        for rest in keep.glob("building-*"):
            shutil.rmtree(str(rest), ignore_errors=True)
        aside = keep / f"building-{os.getpid()}"
        compile_mmcv(aside, keep / "build.log", where, lock)
        for built in aside.glob("*.whl"):
            os.replace(str(built), str(keep / built.name))
        aside.rmdir()
        return str(next(keep.glob("*.whl")))


def compile_mmcv(into: Path, log: Path, where: str, lock: int) -> None:
    """Compiles mmcv with its operators into a wheel."""
    into.mkdir()
    log.write_bytes(b"")
    env = environment(MMCV_WITH_OPS="1", FORCE_CUDA="0" if where == "cpu" else "1")
    cores = memory = os.cpu_count() or 1
    with contextlib.suppress(AttributeError, ValueError, OSError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2_000_000_000
    env.setdefault("MAX_JOBS", str(max(1, min(cores, memory))))  # a compiler takes up to 2 GB
    if not WINDOWS:
        # Without debug symbols a file takes half the time and the result a fraction of the space.
        env["CFLAGS"] = (env.get("CFLAGS", "") + " -g0").strip()
        env.setdefault("CXX", compiler())
    # pip's own cache is left out: it would hand out a wheel compiled for another torch.
    how = ["--no-cache-dir", "--no-deps", "--no-build-isolation", "--no-binary", "mmcv"]
    say(f"  mmcv is being compiled, {env['MAX_JOBS']} files at a time; log: {log}")
    package = "mmcv==" + pinned("mmcv")
    step("mmcv", pip("wheel", "-v", *how, "-w", str(into), package), lock, log, env)


# ------------------------------------------------------------------ verbs


def run(*arguments: str) -> int:
    """Runs the environment's Python on this terminal and returns its exit code.

    Ctrl-C reaches the child by itself, and it ends in its own time; a signal that was sent to this
    process alone is passed on.
    """
    child = subprocess.Popen([PYTHON, *arguments], cwd=str(ROOT), env=environment())

    def pass_on(number: int, _frame: object) -> None:
        if number == signal.SIGTERM or not (WINDOWS or os.isatty(0)):
            child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    code = child.wait()
    for number, handler in before.items():
        signal.signal(number, handler)
    return 128 - code if code < 0 else code


def demo(*arguments: str) -> int:
    """Shows dualwatch on a small training that deadlocks (or, healthy, does not)."""
    setup()
    # Where other work wants the same cores, torch's own threads mostly wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    code = run("-m", "dualmacl.synthetic", "data/synthetic-llvip", "--seed", "0", "--force")
    if code:
        return code
    demos = [
        ["dualwatch", "train", DEMO, "--stall-timeout", "20s", "--work-dir", "work_dirs/demo"],
        ["dualwatch", "train", HEALTHY, "--work-dir", "work_dirs/healthy"],
    ]
    if "--healthy" in arguments:
        demos.reverse()
    now, other = demos
    more = [word for word in arguments if word != "--healthy"]
    say("\nbootstrap: " + " ".join([*now, *more]))
    code = run("-m", *now, *more)
    say(f"\nbootstrap: that was exit code {code}; its files are in {now[-1]}. To go on:")
    say("  " + (r".venv\Scripts\activate" if WINDOWS else ". .venv/bin/activate"))
    say(f"  dualwatch check {now[-1]}\n  dualwatch report {now[-1]}\n  dualwatch explain DW111")
    say("  " + " ".join(other))
    return code


def test(*arguments: str) -> int:
    """Runs the tests, several files side by side: most of their time is waiting for trainings."""
    setup()
    together = min(4, os.cpu_count() or 1)
    by_file = ("-n", str(together), "--dist", "loadfile") if not arguments else ()
    return run("-m", "pytest", *by_file, *arguments)


def lint() -> int:
    """Runs the linters; the first that complains is named and ends it."""
    setup()
    for name, arguments in LINTERS.items():
        say(f"lint: {name}")
        code = run(*arguments)
        if code:
            say(f"lint: {name} FAILED")
            return code
    return 0


def only_setup() -> int:
    """Sets up and says where."""
    setup()
    say(f"bootstrap: {VENV} is ready")
    return 0


def check_env() -> int:
    """Lists what a set-up needs and whether this machine has it."""
    print("Python       ", sys.version.split()[0], "at", sys.executable)
    print("C++ compiler ", compiler() or "none")
    print("NVIDIA GPU   ", "found" if has_gpu() else "none", f"(set-up is for: {device()})")
    print("disk         ", f"{shutil.disk_usage(str(ROOT)).free / 1e9:.0f} GB free")
    print("compiled mmcv", *(kept_wheels() or ["not yet in", cache_dir()]))
    print(".venv        ", "ready" if is_ready() else "to be set up")
    problems = general_problems() + ([] if kept_wheels() else build_problems())
    for problem in [] if is_ready() else problems:
        print(f"\n{problem}")
    return 1 if problems and not is_ready() else 0


VERBS = {"demo": demo, "test": test, "lint": lint, "setup": only_setup, "check-env": check_env}


def python_problem(version: tuple) -> str:
    """Returns what is wrong with a version of Python, or nothing."""
    found = "{}.{}".format(*version[:2])
    return "" if version[:2] in PYTHONS else f"Python 3.10 to 3.13 is needed, this is {found}"


def other_python() -> str:
    """Returns the best suitable Python on PATH, or nothing."""
    for name in ("python{}.{}".format(*version) for version in PYTHONS):
        path, quiet = shutil.which(name), subprocess.DEVNULL
        # Version managers leave commands on PATH that only say "not active": it must answer.
        if path and not subprocess.call(
            [path, "-c", "import ensurepip, venv"], stdout=quiet, stderr=quiet
        ):
            return path
    return ""


def main(arguments: list[str]) -> int:
    """Runs a verb and returns the exit code: 1 for a failed set-up, else the verb's own."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # no console's encoding may stop us
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print(HELP.format(cache=cache_dir()), end="")
        return 0
    verb = VERBS.get(arguments[0])
    if not verb or (verb in (lint, only_setup, check_env) and arguments[1:]):
        say(f"bootstrap: cannot do {' '.join(arguments)!r}; the verbs: {', '.join(VERBS)}")
        return 2
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _frame: sys.exit(128 + number))
    try:
        wrong = python_problem(sys.version_info)
        if wrong:
            other = other_python()
            if not other:
                raise Problem(wrong + ".", "Install one, then: python3.11 bootstrap.py ...")
            say(f"bootstrap: {wrong}; going on with {other}")
            command = [other, os.path.abspath(__file__), *arguments]
            return subprocess.call(command) if WINDOWS else os.execv(other, command)
        return verb(*arguments[1:])
    except (Problem, OSError) as error:
        say(f"bootstrap: {error}")
        return 1
    except KeyboardInterrupt:
        say("\nbootstrap: interrupted. The next call makes good what is unfinished.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
