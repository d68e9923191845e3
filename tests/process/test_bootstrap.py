"""bootstrap.py in a scratch checkout: all that needs neither network nor compiler."""

import ast
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.paths import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

posix_only = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and scripts")


class Checkout:
    """A folder with the files that bootstrap.py reads, and a cache of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = root.parent / "cache"
        root.mkdir(parents=True)
        for name in ("bootstrap.py", "constraints.txt", "pyproject.toml"):
            shutil.copy(ROOT / name, root)
        self.program = str(root / "bootstrap.py")
        spec = importlib.util.spec_from_file_location("bootstrap_under_test", self.program)
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)

    def environment(self, **more: str) -> dict[str, str]:
        dropped = ("CXX", "CUDA_VISIBLE_DEVICES", "CUDA_HOME")
        env = {name: value for name, value in os.environ.items() if name not in dropped}
        return {**env, "DUALWATCH_CACHE": str(self.cache), **more}

    def call(self, *arguments: str, **env: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, self.program, *arguments],
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
        )

    def start(self, code: str) -> subprocess.Popen:
        """Starts Python code that finds the module as `b`; its output is one stream."""
        head = (
            "import importlib.util, sys\n"
            f"spec = importlib.util.spec_from_file_location('b', {self.program!r})\n"
            "b = importlib.util.module_from_spec(spec); spec.loader.exec_module(b)\n"
        )
        return self._start("-c", head + textwrap.dedent(code))

    def start_verb(self, *arguments: str) -> subprocess.Popen:
        return self._start(self.program, *arguments)

    def _start(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-u", *arguments],
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def make_ready(self, python: str = "#!/bin/sh\n", extras: str = "") -> None:
        """Puts a complete environment in place, whose Python is a script."""
        path = Path(self.module.PYTHON)
        path.parent.mkdir(parents=True)
        path.write_text(python, encoding="utf-8")
        path.chmod(0o755)
        self.module.write_stamp(extras or self.module.EVERYTHING)


@pytest.fixture(autouse=True)
def time_limit():
    """Ends a test whose other process never answers."""
    if os.name == "nt":
        yield
        return

    def too_long(_number, _frame):
        raise TimeoutError("the test took more than a minute")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    there = Checkout(tmp_path / "checkout")
    monkeypatch.setenv("DUALWATCH_CACHE", str(there.cache))
    return there


def wait_for_line(process: subprocess.Popen, part: str) -> str:
    """Reads a process's output up to the line that contains `part`."""
    seen = []
    for line in process.stdout:
        seen.append(line)
        if part in line:
            return line
    raise AssertionError(f"{part!r} never came; the output was: {''.join(seen)}")


# ---------------------------------------------------------------- what a user sees first


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_alone_it_says_what_it_can_do_and_does_nothing(checkout, arguments):
    result = checkout.call(*arguments)
    assert result.returncode == 0
    for verb in ("demo", "test", "lint", "setup", "check-env"):
        assert re.search(rf"^  {verb} ", result.stdout, re.MULTILINE)
    assert str(checkout.cache) in result.stdout
    assert not (checkout.root / ".venv").exists()


@pytest.mark.parametrize("arguments", [["tset"], ["setup", "--fast"]])
def test_what_it_does_not_know_is_a_usage_error(checkout, arguments):
    result = checkout.call(*arguments)
    assert result.returncode == 2
    assert "demo, test, lint, setup, check-env" in result.stderr
    assert not (checkout.root / ".venv").exists()


def test_no_compiler_is_said_with_a_cure_before_anything_is_installed(checkout):
    result = checkout.call("setup", PATH="", **{"PROGRAMFILES(X86)": ""})
    assert result.returncode == 1
    assert "No C++ compiler was found" in result.stderr
    assert re.search(r"apt-get install g\+\+|xcode-select|Build Tools", result.stderr)
    assert "Traceback" not in result.stderr
    assert not (checkout.root / ".venv").exists()


def test_check_env_survives_any_console(tmp_path):
    checkout = Checkout(tmp_path / "数据 ü" / "checkout")
    result = checkout.call("check-env", PATH="", PYTHONIOENCODING="ascii")
    assert result.returncode == 1
    assert "C++ compiler  none" in result.stdout
    assert "\\u6570" in result.stdout
    assert result.stderr == ""


# ---------------------------------------------------------------- which Python


def test_an_old_python_can_read_the_file():
    ast.parse((ROOT / "bootstrap.py").read_text(encoding="utf-8"), feature_version=(3, 7))


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 14, 0)])
def test_an_unsuitable_python_is_an_error(checkout, version):
    code = (
        f"import runpy, sys; sys.version_info = {version}; sys.argv = ['bootstrap.py', 'setup']; "
        f"runpy.run_path({checkout.program!r}, None, '__main__')"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=checkout.environment(), capture_output=True, text=True)
    assert result.returncode == 1
    assert "3.10 to 3.13" in result.stderr
    assert "{}.{}".format(*version) in result.stderr
    assert not (checkout.root / ".venv").exists()


# ---------------------------------------------------------------- when .venv is trusted


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def test_a_ready_environment_needs_neither_network_nor_compiler(checkout):
    checkout.make_ready()
    result = checkout.call("setup", PATH="")
    assert (result.returncode, result.stderr) == (0, "")


def reloaded(checkout: Checkout):
    """The module as it is after an edit of the checkout's files."""
    spec = importlib.util.spec_from_file_location("bootstrap_reloaded", checkout.program)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "before", "after", "valid"),
    [
        ("constraints.txt", "torch==2", "torch==3", False),
        ("pyproject.toml", '"rich>=', '"poor>=', False),
        ("pyproject.toml", "line-length = 100", "line-length = 90", True),
    ],
)
def test_what_is_installed_invalidates_and_its_return_heals(checkout, name, before, after, valid):
    checkout.make_ready()
    edit(checkout.root / name, before, after)
    assert bool(reloaded(checkout).installed_extras()) is valid
    edit(checkout.root / name, after, before)
    assert reloaded(checkout).installed_extras()


def test_a_moved_checkout_invalidates(checkout, tmp_path):
    checkout.make_ready()
    moved = Checkout(tmp_path / "new" / "checkout")
    shutil.copytree(checkout.root / ".venv", moved.root / ".venv")
    assert not moved.module.installed_extras()


@pytest.mark.parametrize("damage", ["incomplete", "garbled", "no python"])
def test_a_half_built_environment_is_never_trusted(checkout, damage):
    checkout.make_ready()
    module = checkout.module
    if damage == "incomplete":
        module.write_stamp("")
    elif damage == "garbled":
        module.STAMP.write_text("12", encoding="utf-8")
    else:
        Path(module.PYTHON).unlink()
    assert not module.installed_extras()


def test_the_demos_environment_is_completed_for_the_tests(checkout):
    checkout.make_ready(extras=checkout.module.TRAIN)
    assert checkout.module.setup(checkout.module.TRAIN) == 0
    checkout.module.problems = lambda: ["would be completed"]
    with pytest.raises(checkout.module.Problem, match="would be completed"):
        checkout.module.setup()


def test_an_environment_that_is_not_ours_is_left_alone(checkout):
    mine = checkout.root / ".venv" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("precious", encoding="utf-8")
    checkout.module.problems = list
    with pytest.raises(checkout.module.Problem, match="not made by bootstrap"):
        checkout.module.setup()
    assert mine.read_text(encoding="utf-8") == "precious"


# ---------------------------------------------------------------- compiling mmcv


def keep_wheel(checkout: Checkout, torch: str) -> Path:
    python = "cp{}{}".format(*sys.version_info)
    name = f"mmcv-{checkout.module.PINS['mmcv']}-torch-{torch}-{python}-linux-cpu"
    wheel = checkout.cache / name / "mmcv-0-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    wheel.touch()
    return wheel


def test_only_wheels_for_the_pinned_torch_spare_the_compiler(checkout):
    torch = checkout.module.PINS["torch"]
    keep_wheel(checkout, "1.0.0+cpu")
    assert "No C++ compiler was found" in checkout.call("check-env", PATH="").stdout
    keep_wheel(checkout, torch + "+cpu")
    assert "No C++ compiler was found" not in checkout.call("check-env", PATH="").stdout


def load_mmcv_wheel():
    pytest.importorskip("torch")
    path = ROOT / "tools" / "mmcv_wheel.py"
    spec = importlib.util.spec_from_file_location("mmcv_wheel", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_cache_finds_the_wheel_that_was_compiled(checkout):
    kept = checkout.cache / load_mmcv_wheel().key(checkout.module.PINS["mmcv"], "cpu")
    kept.mkdir(parents=True)
    (kept / "mmcv.whl").touch()
    assert checkout.module.kept_wheels() == [kept / "mmcv.whl"]


# A compiler that lists what it was asked, and makes the file after -o.
COMPILER = """#!/bin/sh
echo "$*" >> "{log}"
case "$*" in *"{refused}"*) exit 1 ;; esac
while [ "$1" != -o ]; do [ $# -gt 0 ] || exit 0; shift; done
echo made > "$2"
"""


@posix_only
@pytest.mark.parametrize("refused", ["nothing", "-x c++-header", "-include"])
def test_torchs_headers_are_precompiled_once_with_the_flags_of_the_build(
    tmp_path, monkeypatch, refused
):
    folder = tmp_path / "a folder"
    folder.mkdir()
    log, compiler = tmp_path / "log", tmp_path / "g++"
    compiler.write_text(COMPILER.format(log=log, refused=refused))
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    env = load_mmcv_wheel().build_environment(folder, cuda=False)
    for name in ("a", "b"):
        flags = f"-MMD -MF {name}.d -fPIC -c -c {name}.cpp -o {name}.o -DNAME=_ext"
        subprocess.run([env["CXX"], *flags.split()], env=env, check=True, cwd=tmp_path)
        assert (tmp_path / f"{name}.o").exists()
    asked = log.read_text().splitlines()
    header = folder / "torch.h"
    assert asked[0] == f"-fPIC -DNAME=_ext -w -x c++-header {header} -o {header}.new"
    used = [line for line in asked if "-include" in line]
    plain = [line for line in asked[1:] if "-include" not in line]
    assert (len(used), len(plain)) == {"nothing": (2, 0), "-include": (2, 2)}.get(refused, (0, 2))


def test_a_failing_step_is_named_with_common_causes(checkout):
    command = [sys.executable, "-c", "import sys; sys.exit('error: the flux is empty')"]
    with pytest.raises(checkout.module.Problem, match="flux") as caught:
        checkout.module.step("flux", command, os.open(os.devnull, os.O_RDONLY))
    assert "DUALWATCH_CACHE" in str(caught.value)


# ---------------------------------------------------------------- two at once, and sudden ends


def test_a_second_call_waits_for_the_first_and_takes_what_it_made(checkout):
    holder = checkout.start("""
        with b.locked(b.ROOT / ".bootstrap.lock"):
            print("held", flush=True)
            sys.stdin.readline()
    """)
    wait_for_line(holder, "held")
    keep_wheel(checkout, checkout.module.PINS["torch"])
    with checkout.start_verb("setup") as second:
        line = wait_for_line(second, "another bootstrap.py")
        assert ".bootstrap.lock" in line
        checkout.make_ready()
        holder.communicate("\n", timeout=60)
        rest, _ = second.communicate(timeout=60)
    assert (second.returncode, rest) == (0, "")


@posix_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_step_takes_all_its_processes_along(checkout, tmp_path, number):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # The step starts a process of its own; both hold the FIFO open until they end.
    started = checkout.start(f"""
        import os, signal
        signal.signal(signal.SIGTERM, lambda n, _: sys.exit(128 + n))
        # Ignored where the tests themselves were started in the background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        inner = "f = open({str(fifo)!r}, 'w'); f.write('up'); f.flush(); "
        inner += "import signal; signal.pause()"
        outer = f"import subprocess, sys; subprocess.call([sys.executable, '-c', {{inner!r}}])"
        b.VENV.mkdir()
        b.step("long", [sys.executable, "-c", outer], os.open("/dev/null", os.O_RDONLY))
    """)
    with open(fifo) as reader:
        assert reader.read(2) == "up"
        started.send_signal(number)
        assert reader.read() == ""  # end of file: no writer is left
    started.communicate(timeout=60)
    assert started.returncode != 0


@posix_only
def test_a_killed_bootstrap_leaves_the_lock_to_its_running_step(checkout, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    killed = checkout.start(f"""
        step = "open({str(fifo)!r}, 'w').write('up'); open({str(fifo)!r}).read()"
        b.VENV.mkdir()
        with b.locked(b.ROOT / ".bootstrap.lock") as lock:
            b.step("long", [sys.executable, "-c", step], lock)
    """)
    assert fifo.read_text() == "up"
    killed.kill()
    killed.wait(timeout=60)
    keep_wheel(checkout, checkout.module.PINS["torch"])
    shutil.rmtree(checkout.root / ".venv")
    with checkout.start_verb("setup") as second:
        wait_for_line(second, "another bootstrap.py")
        checkout.make_ready()
        fifo.write_text("end")
        second.communicate(timeout=60)
    assert second.returncode == 0


# ---------------------------------------------------------------- verbs

RECORDER = """#!/bin/sh
echo "$@"
case "$2" in dualwatch | pytest) exit 3 ;; esac
"""


@posix_only
def test_demo_makes_data_then_trains_and_returns_its_code(checkout):
    checkout.make_ready(RECORDER)
    result = checkout.call("demo", "--max-reruns", "1")
    data, train = result.stdout.splitlines()
    assert data.startswith("-m dualmacl.synthetic data/synthetic-llvip ")
    assert train == (
        "-m dualwatch train configs/demo/dualmacl_tiny_synthetic_2e_deadlock.py"
        " --stall-timeout 20s --work-dir work_dirs/demo --max-reruns 1"
    )
    assert result.returncode == 3
    assert ". .venv/bin/activate" in result.stderr
    assert "dualmacl_tiny_synthetic_2e.py --work-dir work_dirs/healthy" in result.stderr


@posix_only
def test_the_healthy_demo_has_no_fault(checkout):
    checkout.make_ready(RECORDER)
    train = checkout.call("demo", "--healthy").stdout.splitlines()[1]
    expected = "train configs/demo/dualmacl_tiny_synthetic_2e.py --work-dir work_dirs/healthy"
    assert train == f"-m dualwatch {expected}"


@posix_only
def test_test_hands_its_arguments_to_pytest(checkout):
    checkout.make_ready(RECORDER)
    result = checkout.call("test", "tests/unit/rules", "-k", "stall")
    assert result.stdout == "-m pytest tests/unit/rules -k stall\n"
    assert result.returncode == 3


@posix_only
def test_test_runs_the_tiers_that_are_named(checkout):
    checkout.make_ready(RECORDER)
    words = checkout.call("test", "unit", "process").stdout.split()
    assert words[:3] == ["-m", "pytest", "-n"]
    assert words[-2:] == ["tests/process", "tests/unit"]


@posix_only
def test_lint_stops_at_the_first_complaint_and_names_it(checkout):
    checkout.make_ready(RECORDER)
    for name, code in (("ruff", 0), ("mypy", 3)):
        linter = Path(checkout.module.PYTHON).with_name(name)
        linter.write_text(f"#!/bin/sh\necho {name} $1\nexit {code}\n")
        linter.chmod(0o755)
    result = checkout.call("lint")
    assert result.stdout.splitlines() == ["ruff format", "ruff check", "mypy"]
    assert result.stderr.splitlines()[-1] == "lint: mypy"
    assert result.returncode == 3


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_verb_ends_in_its_own_time_when_interrupted(checkout, number):
    checkout.make_ready(f"""#!{sys.executable}
import signal, sys
def end(*_):
    print("stopping in order", flush=True)
    sys.exit(130)
signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
signal.pause()
""")
    with checkout.start_verb("test") as verb:
        wait_for_line(verb, "up")
        verb.send_signal(number)
        wait_for_line(verb, "stopping in order")
        verb.wait(timeout=60)
    assert verb.returncode == 130


# ---------------------------------------------------------------- the pins


def test_every_declared_dependency_is_pinned_within_its_range():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *(line for extra in extras.values() for line in extra)]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    for wanted in map(Requirement, declared):
        if wanted.name == project["name"]:
            continue
        fitting = [pin for pin in pins if pin.name.lower() == wanted.name.lower()]
        assert fitting, f"constraints.txt has no pin for {wanted}"
        for pin in fitting:
            version = str(pin.specifier).removeprefix("==")
            assert wanted.specifier.contains(version), f"{pin} is outside of {wanted}"
