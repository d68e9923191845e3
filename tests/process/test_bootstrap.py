"""bootstrap.py in a scratch checkout: everything about it that needs no network and no compiler."""

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

    def make_ready(self, python: str = "#!/bin/sh\n") -> None:
        """Puts a complete environment in place, whose Python is a script."""
        path = Path(self.module.PYTHON)
        path.parent.mkdir(parents=True)
        path.write_text(python, encoding="utf-8")
        path.chmod(0o755)
        self.module.write_stamp(complete=True)


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


@pytest.mark.parametrize("version", [(3, 8, 1), (3, 9, 20), (3, 14, 0)])
def test_unsuitable_pythons_are_named(checkout, version):
    problem = checkout.module.python_problem(version)
    assert "3.10 to 3.13" in problem
    assert "{}.{}".format(*version) in problem


@pytest.mark.parametrize("version", [(3, 10, 0), (3, 11, 7), (3, 12, 1), (3, 13, 9)])
def test_suitable_pythons_are_taken(checkout, version):
    assert checkout.module.python_problem(version) == ""


def call_as_python_39(checkout: Checkout, path: str) -> subprocess.CompletedProcess:
    code = (
        "import runpy, sys; sys.version_info = (3, 9, 18, 'final', 0); "
        "sys.argv = ['bootstrap.py', 'setup']; "
        f"runpy.run_path({checkout.program!r}, None, '__main__')"
    )
    env = checkout.environment(PATH=path)
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60
    )


def test_wrong_python_without_another_is_an_error(checkout):
    result = call_as_python_39(checkout, path="")
    assert result.returncode == 1
    assert "Python 3.10 to 3.13 is needed, this is 3.9." in result.stderr
    assert not (checkout.root / ".venv").exists()


@posix_only
def test_wrong_python_hands_over_to_a_suitable_one(checkout, tmp_path):
    # As version managers do: a command that is there and refuses must not be chosen.
    refuses = "#!/bin/sh\nexit 127\n"
    works = '#!/bin/sh\ntest "$1" = -c || { echo "ran: $@"; exit 5; }\n'
    for name, script in (("python3.11", refuses), ("python3.12", works)):
        (tmp_path / name).write_text(script, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    result = call_as_python_39(checkout, path=f"{tmp_path}:/bin:/usr/bin")
    assert f"going on with {tmp_path / 'python3.12'}" in result.stderr
    assert result.stdout == f"ran: {checkout.program} setup\n"
    assert result.returncode == 5


# ---------------------------------------------------------------- when .venv is trusted


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def test_a_ready_environment_needs_neither_network_nor_compiler(checkout):
    checkout.make_ready()
    result = checkout.call("setup", PATH="")
    assert result.returncode == 0
    assert "is ready" in result.stderr


def test_a_changed_pin_invalidates_and_its_return_heals(checkout):
    checkout.make_ready()
    assert checkout.module.is_ready()
    edit(checkout.root / "constraints.txt", "torch==2", "torch==3")
    assert not checkout.module.is_ready()
    edit(checkout.root / "constraints.txt", "torch==3", "torch==2")
    assert checkout.module.is_ready()


def test_a_changed_dependency_invalidates_but_a_linter_setting_does_not(checkout):
    checkout.make_ready()
    edit(checkout.root / "pyproject.toml", "line-length = 100", "line-length = 90")
    assert checkout.module.is_ready()
    edit(checkout.root / "pyproject.toml", '"rich>=', '"poor>=')
    assert not checkout.module.is_ready()


def test_a_moved_checkout_invalidates(checkout, tmp_path):
    checkout.make_ready()
    shutil.move(str(checkout.root), str(tmp_path / "elsewhere" / "checkout"))
    (tmp_path / "new").mkdir()
    moved = Checkout(tmp_path / "new" / "checkout")
    shutil.copytree(tmp_path / "elsewhere" / "checkout" / ".venv", moved.root / ".venv")
    assert not moved.module.is_ready()


@pytest.mark.parametrize("damage", ["unfinished", "garbled", "no python"])
def test_a_half_built_environment_is_never_trusted(checkout, damage):
    checkout.make_ready()
    module = checkout.module
    if damage == "unfinished":
        module.write_stamp(complete=False)
    elif damage == "garbled":
        module.STAMP.write_text('{"complete": tr', encoding="utf-8")
    else:
        Path(module.PYTHON).unlink()
    assert not module.is_ready()


def test_our_unfinished_environment_is_made_afresh(checkout):
    checkout.make_ready()
    checkout.module.write_stamp(complete=False)
    (checkout.root / ".venv-discarded-1").mkdir()  # of a removal that was interrupted
    checkout.module.make_room()
    assert list(checkout.module.VENV.iterdir()) == []
    assert list(checkout.root.glob(".venv-discarded-*")) == []


def test_a_complete_environment_is_brought_up_to_date_in_place(checkout):
    checkout.make_ready()
    edit(checkout.root / "constraints.txt", "rich==", "rich==1")
    checkout.module.make_room()
    assert Path(checkout.module.PYTHON).exists()


def test_an_environment_that_is_not_ours_is_left_alone(checkout):
    mine = checkout.root / ".venv" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("precious", encoding="utf-8")
    with pytest.raises(checkout.module.Problem, match="not made by bootstrap"):
        checkout.module.make_room()
    assert mine.read_text(encoding="utf-8") == "precious"


# ---------------------------------------------------------------- the kept wheel


def keep_wheel(checkout: Checkout, torch: str, where: str = "cpu") -> Path:
    wheel = checkout.cache / checkout.module.wheel_key(torch, where) / "mmcv-0-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    wheel.touch()
    return wheel


def test_a_wheel_is_kept_for_one_torch_build_and_device(checkout):
    key = checkout.module.wheel_key
    keys = {key("2.13.0+cpu", "cpu"), key("2.13.0", "cpu"), key("2.13.0+cu130", "cuda9.0")}
    keys |= {key("2.13.0+cu130", "cuda8.6")}
    edit(checkout.root / "constraints.txt", "mmcv==2.1.0", "mmcv==2.1.1")
    keys |= {key("2.13.0+cpu", "cpu")}
    assert len(keys) == 5
    assert all("cp{}{}".format(*sys.version_info) in key for key in keys)


def test_only_wheels_for_the_pinned_torch_are_found(checkout):
    torch = checkout.module.pinned("torch")
    assert checkout.module.kept_wheels() == []
    keep_wheel(checkout, "1.0.0+cpu")
    assert checkout.module.kept_wheels() == []
    wheel = keep_wheel(checkout, torch + "+cpu")
    assert checkout.module.kept_wheels() == [wheel]


def test_with_a_kept_wheel_no_compiler_is_asked_for(checkout):
    keep_wheel(checkout, checkout.module.pinned("torch") + "+cpu")
    result = checkout.call("check-env", PATH="")
    assert "C++ compiler  none" in result.stdout
    assert "No C++ compiler was found" not in result.stdout


# ---------------------------------------------------------------- progress and failures

# As pip shows them (`pip wheel -v` indents what the build says); the commands are cut.
NINJA = """\
  Allowing ninja to set a default number of workers... (overridable by setting MAX_JOBS=N)
  [1/77] c++ -MMD -MF /tmp/mmcv/build/temp/active_rotated_filter.o.d -pthread -Wsign-compare
  /tmp/mmcv/ops/csrc/pytorch/pybind.cpp:12:5: warning: unused [2/3] variable
  [23/77] c++ -MMD -MF /tmp/mmcv/build/temp/focal_loss.o.d -pthread -Wsign-compare
"""


@pytest.mark.parametrize(
    ("log", "elapsed", "expected"),
    [
        ("", 7, "preparing, 7s"),
        ("  Preparing metadata (pyproject.toml)\n", 61, "preparing, 1m01s"),
        (NINJA, 250, "compiled 23 of 77 files, 4m10s, about 10m left"),
        (NINJA.replace("[23/", "[70/"), 250, "compiled 70 of 77 files, 4m10s, about 25s left"),
        (NINJA.replace("[23/", "[77/"), 250, "compiled 77 of 77 files, 4m10s"),
        (NINJA.replace("[23/", "[5/"), 30, "compiled 5 of 77 files, 30s"),
    ],
)
def test_build_progress(checkout, log, elapsed, expected):
    assert checkout.module.build_progress(log, elapsed) == expected


@pytest.mark.parametrize(
    ("log", "quoted", "advice"),
    [
        ("ok\nc++: fatal error: Killed signal terminated program cc1plus", "cc1plus", "MAX_JOBS=1"),
        ("OSError: [Errno 28] No space left on device", "Errno 28", "disk is full"),
        ("WARNING: Retrying: NewConnectionError('x')\nERROR: none", "ERROR: none", "the network"),
        ("ERROR: No matching distribution found for torch==9", "torch==9", "no such version"),
        ("one\ntwo\n", "two", ""),
    ],
)
def test_a_failure_quotes_the_telling_lines_and_says_what_to_do(checkout, log, quoted, advice):
    message = str(checkout.module.failure("torch", log, Path("the.log")))
    assert "torch" in message
    assert "the.log" in message
    assert quoted in message
    assert advice in message


def test_a_failing_step_is_named_with_its_own_words_only(checkout):
    log = checkout.root / "some.log"
    log.write_text("an error of an earlier step\n", encoding="utf-8")
    command = [sys.executable, "-c", "import sys; sys.exit('error: the flux is empty')"]
    with pytest.raises(checkout.module.Problem) as caught:
        checkout.module.step("flux", command, os.open(log, os.O_RDONLY), log)
    assert "This step failed: flux" in str(caught.value)
    assert "the flux is empty" in str(caught.value)
    assert "earlier" not in str(caught.value)


# ---------------------------------------------------------------- two at once, and sudden ends


def test_a_second_call_waits_for_the_first_and_takes_what_it_made(checkout):
    holder = checkout.start("""
        with b.locked(b.ROOT / ".bootstrap.lock", "this checkout"):
            print("held", flush=True)
            sys.stdin.readline()
    """)
    wait_for_line(holder, "held")
    keep_wheel(checkout, checkout.module.pinned("torch"))
    with checkout.start_verb("setup") as second:
        line = wait_for_line(second, "another bootstrap.py")
        assert ".bootstrap.lock" in line
        checkout.make_ready()
        holder.communicate("\n", timeout=60)
        rest, _ = second.communicate(timeout=60)
    assert second.returncode == 0
    assert "is ready" in rest
    assert "setting up" not in rest


@posix_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_step_takes_all_its_processes_along(checkout, tmp_path, number):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # The step starts a process of its own; both hold the FIFO open until they end.
    started = checkout.start(f"""
        import os, signal
        signal.signal(signal.SIGTERM, lambda n, _: sys.exit(128 + n))
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
        with b.locked(b.ROOT / ".bootstrap.lock", "this checkout") as lock:
            b.step("long", [sys.executable, "-c", step], lock)
    """)
    assert fifo.read_text() == "up"
    killed.kill()
    killed.communicate(timeout=60)
    keep_wheel(checkout, checkout.module.pinned("torch"))
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
case "$2" in dualwatch | pytest | mypy) exit 3 ;; esac
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
    assert result.stdout == "-m pytest tests/judge -k stall\n"
    assert result.returncode == 3


@posix_only
def test_lint_stops_at_the_first_complaint_and_names_it(checkout):
    checkout.make_ready(RECORDER)
    result = checkout.call("lint")
    assert result.stdout.splitlines()[-1] == "-m mypy"
    assert "lint: types FAILED" in result.stderr
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
    declared = [*project["dependencies"], *extras["train"], *extras["dev"], *extras["docs"]]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    for wanted in map(Requirement, declared):
        fitting = [pin for pin in pins if pin.name.lower() == wanted.name.lower()]
        assert fitting, f"constraints.txt has no pin for {wanted}"
        for pin in fitting:
            version = str(pin.specifier).removeprefix("==")
            assert wanted.specifier.contains(version), f"{pin} is outside of {wanted}"
