"""Real processes that outlived their parents, under an init of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from dualwatch import protocol
from dualwatch.collectors.processes import lineage, orphans
from dualwatch.events import AttemptEnded, AttemptStarted, Event, ProcessSample
from dualwatch.events.journal import Journal
from dualwatch.history.sources import recorded_attempts
from msgspec.structs import replace

from tests.support.paths import WATCHDOG

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, adopts orphans")

# Adopts the orphans of what it starts, as `systemd --user` does. It becomes `cat`, which keeps
# that duty and whose echo tells that the change is made; with "stay" it remains a Python.
REAPER = """
import ctypes, json, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
session, stay, cwd, environ, *command = sys.argv[1:]
environ = {**os.environ, **json.loads(environ)}
own = session == "own"
subprocess.Popen([sys.executable, *command], start_new_session=own, cwd=cwd, env=environ)
if not stay:
    os.execvp("cat", ["cat"])
for line in sys.stdin:
    print(line, end="", flush=True)
"""

# What the trainings below share: they print "main worker" once the worker stands in its loop.
COMMON = """
import os, signal, sys
def loop(torchlike=True):
    if torchlike:
        for name in ("SIGBUS", "SIGSEGV", "SIGFPE", "SIGTERM"):
            signal.signal(getattr(signal, name), lambda *_: os._exit(1))
    while True:
        signal.pause()
def fork(torchlike=True):
    ready, told = os.pipe()
    worker = os.fork()
    if worker == 0:
        for name in ("SIGBUS", "SIGSEGV", "SIGFPE", "SIGTERM"):
            if torchlike:
                signal.signal(getattr(signal, name), lambda *_: os._exit(1))
        os.write(told, b"x")
        loop(torchlike)
    os.read(ready, 1)
    return worker
"""

FORKING = COMMON + "print(os.getpid(), fork(), flush=True)\nloop(False)\n"
FORKING_NO_WORKER = COMMON + "print(os.getpid(), fork(torchlike=False), flush=True)\nloop(False)\n"
LOGGING = COMMON + (
    "log = open(os.environ['LOG'], 'a')\nprint(os.getpid(), fork(), flush=True)\nloop(False)\n"
)
# A training that puts itself into the background: forked, reparented, and the main one.
DAEMON = COMMON + (
    "if os.fork():\n"
    "    loop(False)\n"
    "worker = fork()\n"
    "print(os.getppid(), os.getpid(), flush=True)\n"
    "loop()\n"
)
# A training as `nohup` leaves it: its parent is gone, and it was started as a program.
STARTING = COMMON + (
    "import subprocess\n"
    "if sys.argv[-1] != 'again':\n"
    "    subprocess.Popen([sys.executable, *sys.argv, 'again'])\n"
    "    loop(False)\n"
    "for name in ('SIGBUS', 'SIGSEGV', 'SIGFPE', 'SIGTERM'):\n"
    "    signal.signal(getattr(signal, name), lambda *_: os._exit(1))\n"
    "print(os.getppid(), os.getpid(), flush=True)\n"
    "loop()\n"
)
SPAWNING = (
    "import multiprocessing\n"
    + COMMON
    + (
        "def work(pipe):\n"
        "    for name in ('SIGBUS', 'SIGSEGV', 'SIGFPE', 'SIGTERM'):\n"
        "        signal.signal(getattr(signal, name), lambda *_: os._exit(1))\n"
        "    pipe.send(os.getpid())\n"
        "    loop()\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('spawn')\n"
        "    here, there = context.Pipe()\n"
        "    context.Process(target=work, args=(there,), daemon=True).start()\n"
        "    print(os.getpid(), here.recv(), flush=True)\n"
        "    loop(False)\n"
    )
)
TORCH = """
import os, signal, sys
from torch.utils.data import DataLoader, Dataset
class Stuck(Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, index):
        with open(sys.argv[2], "w") as fifo:
            fifo.write(str(os.getpid()))
        while True:
            signal.pause()
if __name__ == "__main__":
    print(os.getpid(), 0, flush=True)
    for _ in DataLoader(Stuck(), num_workers=1, multiprocessing_context=sys.argv[1]):
        pass
"""


@dataclass
class Training:
    """A started training; ``worker`` outlives ``main`` once that is killed."""

    main: int
    worker: int
    reaper: subprocess.Popen[str]

    def kill_main(self) -> None:
        """Kills the main process and waits until its children have another parent."""
        children = psutil.Process(self.main).children()
        os.kill(self.main, signal.SIGKILL)
        for child in children:
            deadline = time.monotonic() + 60
            with contextlib.suppress(psutil.NoSuchProcess):
                while child.ppid() == self.main:
                    assert time.monotonic() < deadline


Start = Callable[..., Training]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a training's script below a reaper of its own; nothing of it is left behind."""
    reapers: list[subprocess.Popen[str]] = []
    started: list[psutil.Process] = []

    def begin(
        code: str,
        *arguments: str,
        session: str = "own",
        stay: str = "",
        cwd: Path = tmp_path,
        environ: Mapping[str, str] | None = None,
    ) -> Training:
        script = tmp_path / "train.py"
        script.write_text(code, encoding="utf-8")
        reaper = subprocess.Popen(
            [sys.executable, "-c", REAPER, session, stay, str(cwd), json.dumps(environ or {}),
             str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        reapers.append(reaper)
        assert reaper.stdin is not None
        assert reaper.stdout is not None
        main, worker = (int(word) for word in reaper.stdout.readline().split())
        for pid in filter(None, (main, worker)):
            started.append(psutil.Process(pid))
            started.extend(started[-1].children(recursive=True))
        reaper.stdin.write("adopting\n")
        reaper.stdin.flush()
        assert reaper.stdout.readline() == "adopting\n"
        return Training(main, worker, reaper)

    yield begin
    for process in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()  # by pid and create time: never another's
    for reaper in reapers:  # the last one, for what it adopted goes to init to be reaped
        reaper.kill()
        reaper.communicate()


def look(work_dir: Path | None = None, tree: tuple[int, ...] = ()) -> dict[int, ProcessSample]:
    seen = orphans.find(work_dir, tree, at=1.0, wall=2.0, recorded=recorded_attempts)
    return {} if seen is None else {process.pid: process for process in seen.processes}


# --- without a marker ----------------------------------------------------------------------


def test_a_forked_worker_whose_main_was_killed(start: Start) -> None:
    training = start(FORKING)
    assert training.worker not in look()
    training.kill_main()
    found = look()[training.worker]
    assert found.role == "worker"
    assert found.ppid == training.reaper.pid
    assert found.command.endswith("train.py")
    assert training.main not in look()
    # Twin: what belongs to the training that is watched now is none.
    assert training.worker not in look(tree=(training.worker,))


def test_a_spawned_worker_whose_main_was_killed(start: Start) -> None:
    training = start(SPAWNING)
    assert training.worker not in look()
    training.kill_main()
    assert look()[training.worker].role == "worker"


def test_a_copy_that_is_no_loader_worker_is_left_alone(start: Start) -> None:
    training = start(FORKING_NO_WORKER)
    training.kill_main()
    assert lineage.is_copy(training.worker)
    assert training.worker not in look()


def test_a_training_left_by_its_shell_is_no_orphan(start: Start) -> None:
    training = start(STARTING)
    training.kill_main()
    # Alike in all but one thing: the kernel knows that it was started as a program.
    assert lineage.is_loader_worker(training.worker)
    assert not lineage.is_copy(training.worker)
    assert training.worker not in look()


def test_a_training_in_the_background_and_its_worker_are_no_orphans(start: Start) -> None:
    training = start(DAEMON)
    training.kill_main()
    (worker,) = psutil.Process(training.worker).children()
    assert lineage.is_copy(training.worker)
    found = look()
    assert training.worker not in found
    assert worker.pid not in found


def test_a_new_parent_in_the_same_session_proves_nothing(start: Start) -> None:
    # It could as well be the parent that started it, under another name.
    training = start(FORKING, session="shared")
    training.kill_main()
    assert training.worker not in look()


def test_a_python_may_adopt_copies_but_may_have_spawned(start: Start) -> None:
    copy = start(FORKING, stay="stay")
    copy.kill_main()
    assert copy.worker in look()
    spawned = start(SPAWNING, stay="stay")
    spawned.kill_main()
    assert spawned.worker not in look()


def test_the_init_of_this_machine() -> None:
    init = psutil.Process(1).cmdline()
    if not init or "python" in init[0]:
        pytest.skip("init is a Python, or not to be seen")
    main = subprocess.Popen(
        [sys.executable, "-c", FORKING], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert main.stdout is not None
    worker = psutil.Process(int(main.stdout.readline().split()[1]))
    try:
        main.kill()
        main.wait()
        if worker.ppid() != 1:
            pytest.skip("somebody else adopts orphans here")
        assert worker.pid in look()
    finally:
        worker.kill()
        main.stdout.close()


def test_the_work_dir_of_a_command_line(start: Start, tmp_path: Path) -> None:
    training = start(FORKING, "configs/macl_cfg.py", "--work-dir", "runs/one")
    training.kill_main()
    assert training.worker in look(tmp_path / "runs/one")
    assert training.worker not in look(tmp_path / "runs/two")
    assert training.worker not in look(tmp_path / "runs")
    assert training.worker in look(None)


def test_the_work_dir_that_a_configuration_is_given_by_default(
    start: Start, tmp_path: Path
) -> None:
    training = start(FORKING, "configs/macl_cfg.py")
    training.kill_main()
    assert training.worker in look(tmp_path / "work_dirs" / "macl_cfg")
    assert training.worker not in look(tmp_path / "work_dirs" / "macl")


def test_the_work_dir_of_an_open_log(start: Start, tmp_path: Path) -> None:
    work_dir = tmp_path / "elsewhere"
    work_dir.mkdir()
    link = tmp_path / "link"
    link.symlink_to(work_dir)
    training = start(LOGGING, environ={"LOG": str(work_dir / "20261124_030211.log")})
    training.kill_main()
    assert training.worker in look(work_dir)
    assert training.worker in look(link)
    assert training.worker not in look(tmp_path / "else")


def test_the_work_dir_of_a_spawned_worker_is_below_its_folder(start: Start, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    training = start(SPAWNING, cwd=project)
    training.kill_main()
    assert training.worker in look(project / "work_dirs" / "a")
    assert training.worker not in look(tmp_path / "project-2" / "work_dirs" / "a")
    # The root of all folders says nothing.
    training = start(SPAWNING, cwd=Path("/"))
    training.kill_main()
    assert training.worker not in look(project / "work_dirs" / "a")


def test_another_users_are_not_looked_at(start: Start, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may look as somebody else")
    training = start(FORKING)
    training.kill_main()
    code = (
        "import os, sys, psutil\n"
        "from dualwatch.collectors.processes import orphans\n"
        "orphans.find(None, (), at=1, wall=2)\n"  # imports all, while it can be read
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "seen = orphans.find(None, (), at=1, wall=2)\n"
        "print([] if seen is None else [one.pid for one in seen.processes])"
    )
    watchdog = str(WATCHDOG)
    looker = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": watchdog},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert looker.returncode == 0, looker.stderr
    assert str(training.worker) not in looker.stdout
    assert training.worker in look()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_worker_of_torch_itself(start: Start, tmp_path: Path, method: str) -> None:
    pytest.importorskip("torch")
    fifo = tmp_path / "hello"
    os.mkfifo(fifo)
    training = start(TORCH, method, str(fifo))
    worker = psutil.Process(int(fifo.read_text()))
    try:
        assert worker.pid not in look()
        training.kill_main()
        # A fork server stays its workers' parent, and has lost its own.
        assert look()[worker.pid].role == "worker"
    finally:
        worker.kill()


# --- of a supervised attempt ---------------------------------------------------------------


def write(journal: Path, *events: Event) -> None:
    journal.parent.mkdir(parents=True, exist_ok=True)
    book = Journal(journal)
    for event in events:
        book.append(event)
    book.close()


def began(pid: int, attempt: int = 1, *, before: float = 0.0) -> AttemptStarted:
    """An attempt of a process; ``before``: seconds that it began before that one did."""
    created = psutil.Process(pid).create_time() - before
    return AttemptStarted(
        at=1.0,
        wall=2.0,
        attempt=attempt,
        pid=pid if before == 0.0 else pid + 1_000_000_000,
        create_time=created,
        command=("python", "train.py"),
        overrides={},
    )


def over(attempt: int = 1) -> AttemptEnded:
    return AttemptEnded(at=3.0, wall=4.0, attempt=attempt, exit_code=None, signal="SIGKILL")


def marks(work_dir: Path, attempt: int = 1, marker: str = "one") -> dict[str, str]:
    return {
        protocol.ENV_ATTEMPT_DIR: str(work_dir / "dualwatch" / f"attempt-{attempt}"),
        protocol.ENV_MARKER: marker,
    }


def beat(folder: Path, pid: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    record = bytearray(protocol.RECORD_SIZE)
    protocol.write_record(record, 0, (pid, *[0] * 10, 0.0))
    (folder / "heartbeat-0.bin").write_bytes(record)


def test_the_rest_of_an_attempt_is_known_by_its_marker(start: Start, tmp_path: Path) -> None:
    work_dir = tmp_path / "run"
    # No loader worker, and under any parent: the environment tells.
    training = start(FORKING_NO_WORKER, session="shared", environ=marks(work_dir))
    write(work_dir / "dualwatch/journal.jsonl", began(training.main))
    assert training.worker not in look(work_dir)
    training.kill_main()
    assert look(work_dir)[training.worker].role == "worker"
    assert training.worker in look(None)
    assert training.worker not in look(tmp_path / "other")
    assert training.worker not in look(work_dir, (training.worker,))
    link = tmp_path / "link"
    link.symlink_to(work_dir)
    assert training.worker in look(link)


def test_an_attempt_that_no_journal_tells_of_is_left_alone(start: Start, tmp_path: Path) -> None:
    training = start(FORKING, environ=marks(tmp_path))
    training.kill_main()
    assert training.worker not in look(tmp_path)
    journal = tmp_path / "dualwatch/journal.jsonl"
    write(journal, began(training.worker, attempt=2, before=60.0))
    assert training.worker not in look(tmp_path)
    write(journal, began(training.worker, attempt=1, before=60.0))
    assert training.worker in look(tmp_path)


def test_a_damaged_journal_still_tells(start: Start, tmp_path: Path) -> None:
    training = start(FORKING, environ=marks(tmp_path))
    journal = tmp_path / "dualwatch/journal.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(
        b'\xff\xfe\n{"kind": "attempt-started", "attempt": 1\n'
        b'{"kind": "attempt-started"}\n{"kind": "attempt-ended", "attempt": 9, "at": 1}\n'
    )
    write(journal, began(training.main))
    training.kill_main()
    assert training.worker in look(tmp_path)


def test_a_training_that_lost_its_launcher_goes_on(start: Start, tmp_path: Path) -> None:
    # As under torchrun, whose agent was killed: the rank trains, or waits, but is no orphan.
    training = start(FORKING, environ=marks(tmp_path))
    journal = tmp_path / "dualwatch/journal.jsonl"
    write(journal, began(training.main))
    beat(tmp_path / "dualwatch/attempt-1", training.worker)
    training.kill_main()
    assert training.worker not in look(tmp_path)
    # Twin: the supervisor ended the attempt, and the rank was left.
    write(journal, over())
    assert training.worker in look(tmp_path)


def test_a_later_run_in_the_same_folder(start: Start, tmp_path: Path) -> None:
    place = tmp_path / "dualwatch"
    old = start(FORKING, environ=marks(tmp_path, marker="old"))
    new = start(FORKING, environ=marks(tmp_path, marker="new"))
    write(place / "earlier/20261124_030211/journal.jsonl", began(old.main, before=60.0))
    write(place / "journal.jsonl", began(new.main))
    old.kill_main()
    found = look(tmp_path)
    assert old.worker in found
    assert not {new.main, new.worker} & found.keys()


def test_an_earlier_run_that_still_trains_is_no_orphan(start: Start, tmp_path: Path) -> None:
    # Its supervisor died, and another run was begun in its place.
    place = tmp_path / "dualwatch"
    old = start(FORKING, environ=marks(tmp_path, marker="old"))
    new = start(FORKING, environ=marks(tmp_path, marker="new"))
    write(place / "earlier/20261124_030211/journal.jsonl", began(old.main))
    write(place / "journal.jsonl", began(new.main))
    assert not {old.main, old.worker, new.main, new.worker} & look(tmp_path).keys()


def test_of_an_earlier_run_its_own_heartbeats_count(start: Start, tmp_path: Path) -> None:
    place = tmp_path / "dualwatch"
    old = start(FORKING, environ=marks(tmp_path, marker="old"))
    new = start(FORKING, environ=marks(tmp_path, marker="new"))
    earlier = place / "earlier/20261124_030211"
    write(earlier / "journal.jsonl", began(old.main, before=60.0))
    # The later run began a minute after all of the earlier one: it cannot be the old worker's.
    write(place / "journal.jsonl", replace(began(new.main), create_time=time.time() + 60))
    beat(place / "attempt-1", new.main)
    beat(earlier / "attempt-1", old.worker)
    old.kill_main()
    assert old.worker not in look(tmp_path)
    # Twin: the earlier run's rank was another process, which is gone.
    beat(earlier / "attempt-1", old.main)
    assert old.worker in look(tmp_path)


def test_a_spawned_worker_and_its_tracker_are_told_apart(start: Start, tmp_path: Path) -> None:
    training = start(SPAWNING, environ=marks(tmp_path))
    write(tmp_path / "dualwatch/journal.jsonl", began(training.main))
    training.kill_main()
    found = look(tmp_path)
    assert found[training.worker].role == "worker"
    # The tracker leaves with the last process that holds its pipe: the worker does.
    assert sorted(process.role for process in found.values()) == ["tracker", "worker"]


def test_we_ourselves_and_those_above_us_are_none(start: Start, tmp_path: Path) -> None:
    # Asked from a child of a training that is over by its journal: it names neither.
    code = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from dualwatch.collectors.processes import orphans\n"
        "from dualwatch.history.sources import recorded_attempts\n"
        "if os.fork() == 0:\n"
        "    place = Path(os.environ['WORK_DIR'])\n"
        "    seen = orphans.find(place, (), at=1, wall=2, recorded=recorded_attempts)\n"
        "    print(os.getppid(), len(seen.processes) if seen else 0, flush=True)\n"
        "signal.pause()\n"
    )
    watchdog = str(WATCHDOG)
    environ = {**marks(tmp_path), "WORK_DIR": str(tmp_path), "PYTHONPATH": watchdog}
    write(tmp_path / "dualwatch/journal.jsonl", began(os.getpid()), over())
    asked = start(code, environ=environ)
    assert asked.worker == 0
    # Twin: for us it is the rest of an attempt that ended.
    assert asked.main in look(tmp_path)


# --- lineage -------------------------------------------------------------------------------


def test_who_is_a_copy_and_who_a_loader_worker(start: Start) -> None:
    training = start(FORKING)
    assert (lineage.is_copy(training.main), lineage.is_copy(training.worker)) == (False, True)
    assert not lineage.is_loader_worker(training.main)
    assert lineage.is_loader_worker(training.worker)
    gone = 2_000_000_000
    assert not lineage.is_copy(gone)
    assert not lineage.is_loader_worker(gone)
