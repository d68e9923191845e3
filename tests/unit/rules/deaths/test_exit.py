"""Why a training died: its console, the machine and the kernel as witnesses."""

from __future__ import annotations

import pytest
from dualwatch.events import Circumstance, ConfigRead, ErrorSeen, HostSampled, NotObserved, Severity
from dualwatch.protocol import Phase
from dualwatch.rules.deaths.exit import has_a_known_end
from msgspec import structs

MIB = 1024**2
GIB = 1024**3
WORKER = 101
KILLED = f"DataLoader worker (pid {WORKER}) is killed by signal: Killed. "
OOM = "Out of memory: Killed process {} (python) total-vm:9kB, anon-rss:8kB"


def error(story, exception: str, message: str = "", **more):
    more.setdefault("where", "train.py:7 in step")
    return story.tell(ErrorSeen, exception=exception, message=message, **more)


def texts(finding) -> str:
    return "\n".join(e.text for e in finding.evidence)


# --- killed for memory -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"kernel": (OOM.format(WORKER),)}),
        ({}, {"kernel": (f"oom-kill:constraint=CONSTRAINT_MEMCG,task=python,pid={WORKER},uid=0",)}),
        ({}, {"kernel": (f"oom_reaper: reaped process {WORKER} (python), now anon-rss:0kB",)}),
        ({"cgroup_oom_kills": 0}, {"cgroup_oom_kills": 1}),
        ({"container": "docker"}, {"container": "docker", "kernel": (OOM.format(987654),)}),
    ],
    ids=["log", "summary", "reaper", "counter", "another number in a container"],
)
def test_a_killed_worker_of_which_the_kernel_says_why(story, before, after) -> None:
    story.trains(5).tell(HostSampled, **before)
    error(story, "RuntimeError", KILLED).tell(HostSampled, **after)
    cause, symptom = story.ended(exit_code=1).judged()
    assert (cause.code, symptom.code) == ("DW501", "DW301")
    assert any(e.source in ("kernel", "cgroup") for e in cause.evidence)
    assert cause.confidence >= 0.6


@pytest.mark.parametrize(
    "host",
    [
        {"kernel": (OOM.format(555),)},
        {"kernel": (f"something else about process {WORKER}",)},
        {"cgroup_oom_kills": 3},
        {},
    ],
    ids=["a neighbour", "no kill", "kills of before", "nothing"],
)
def test_a_killed_worker_of_which_the_kernel_says_nothing(story, host) -> None:
    story.trains(5).tell(HostSampled, **host)
    error(story, "RuntimeError", KILLED).tell(HostSampled, **host)
    (found,) = story.ended(exit_code=1).judged()
    assert found.code == "DW301"
    assert "names no process of this training" in texts(found)


@pytest.mark.parametrize("number", [WORKER, 987654], ids=["our number", "another number"])
def test_a_counter_that_stands_still_acquits_whatever_the_machines_log_says(story, number) -> None:
    story.trains(5).tell(HostSampled, container="docker", cgroup_oom_kills=2)
    error(story, "RuntimeError", KILLED)
    log = (OOM.format(number),)
    story.tell(HostSampled, container="docker", cgroup_oom_kills=2, kernel=log)
    assert story.ended(exit_code=1).codes() == ["DW301"]


def test_a_kernel_that_could_not_be_asked_is_said(story) -> None:
    story.trains(5).tell(NotObserved, what="kernel log", why="not permitted")
    error(story, "RuntimeError", KILLED)
    (found,) = story.ended(exit_code=1).judged()
    assert "could not be read: not permitted" in texts(found)


def test_a_worker_that_left_no_word_was_killed_if_the_kernel_says_so(story) -> None:
    story.trains(5).tell(HostSampled)
    error(story, "RuntimeError", f"DataLoader worker (pid(s) 55, {WORKER}) exited unexpectedly")
    story.tell(HostSampled, kernel=(OOM.format(55),))
    assert story.ended(exit_code=1).codes() == ["DW501", "DW301"]


@pytest.mark.parametrize(
    ("exit_code", "signal"), [(-9, "SIGKILL"), (137, None)], ids=["signal", "as a shell tells it"]
)
def test_a_main_process_that_was_killed_without_a_word(story, exit_code, signal) -> None:
    story.trains(5).prints(5).tell(HostSampled, memory_total=64 * GIB, memory_available=GIB)
    twin = story.snapshot
    story.ended(exit_code=exit_code, signal=signal)
    (found,) = story.judged()
    assert (found.code, found.confidence) == ("DW609", 0.6)
    assert "1.0 GiB available of 64.0 GiB" in texts(found)
    assert twin.ended is None
    story.events.insert(-1, HostSampled(at=story.t, wall=9.0, kernel=(OOM.format(100),)))
    (found,) = story.judged()
    assert found.code == "DW501"
    assert found.headline == OOM.format(100)


def test_a_rank_that_was_killed_under_torchrun(story) -> None:
    told = ("  exitcode  : -9 (pid: 4711)", "  traceback : Signal 9 (SIGKILL) received by PID 4711")
    story.trains(5).tell(HostSampled)
    error(story, "torch.distributed.elastic.ChildFailedError", "train.py FAILED", excerpt=told)
    story.ended(exit_code=1)
    (found,) = story.judged()
    assert (found.code, found.confidence) == ("DW609", 0.6)
    story.events.insert(-1, HostSampled(at=story.t, wall=9.0, kernel=(OOM.format(4711),)))
    assert story.codes() == ["DW501"]


@pytest.mark.parametrize(("second", "code"), [(30.0, "DW501"), (90_000.0, "DW609")])
def test_a_kernel_line_counts_for_its_own_time_only(story, second, code) -> None:
    """A pid comes again: after a boot, or after some days."""
    story.trains(5).ended(exit_code=-9, signal="SIGKILL")
    wall = story.snapshot.wall
    line = f"[{second:12.6f}] {OOM.format(100).partition('] ')[2] or OOM.format(100)}"
    host = HostSampled(at=story.t, wall=wall, kernel=(line,), booted=wall - 30)
    story.events.insert(-1, host)
    assert story.codes() == [code]


def test_other_signals_are_no_want_of_memory(story) -> None:
    story.trains(5).tell(HostSampled, kernel=(OOM.format(100),))
    assert story.ended(exit_code=-11, signal="SIGSEGV").codes() == ["DW606"]


# --- the machine beside the console -----------------------------------------------------------


def test_shared_memory_is_told_with_its_size(story) -> None:
    story.trains(5).tell(HostSampled, shm_total=64 * MIB, shm_free=0)
    error(story, "RuntimeError", KILLED.replace("Killed", "Bus error"))
    (found,) = story.ended(exit_code=1).judged()
    assert found.code == "DW302"
    assert "64 MiB" in texts(found)


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ({"shm_total": 64 * MIB, "shm_free": 0}, "DW302"),
        ({"shm_total": 64 * MIB, "shm_free": 0, "disk_total": 9 * GIB, "disk_free": 0}, "DW502"),
        ({"shm_total": 9 * GIB, "shm_free": 9 * GIB}, "DW502"),
        ({}, "DW502"),
    ],
    ids=["only shm", "both", "shm is free", "unknown"],
)
def test_no_space_without_a_path_is_where_there_is_none(story, host, code) -> None:
    story.trains(5).tell(HostSampled, **host)
    error(story, "OSError", "[Errno 28] No space left on device")
    assert story.ended(exit_code=1).codes() == [code]


def test_open_files_are_told_with_their_limit(story) -> None:
    story.trains(5).tell(HostSampled, open_files_limit=1024).sample(open_files=1020)
    error(story, "OSError", "[Errno 24] Too many open files")
    (found,) = story.ended(exit_code=1).judged()
    assert found.code == "DW303"
    assert "limit: 1024 open files" in texts(found)
    assert "main 100: 1020" in texts(found)


def test_the_limit_of_whoever_is_left_is_not_that_of_the_dead(story) -> None:
    story.trains(5).sample(open_files=1020)
    error(story, "OSError", "[Errno 24] Too many open files").wait(1)
    story.tell(HostSampled, open_files_limit=20000)
    assert "20000" not in texts(story.ended(exit_code=1).judged()[0])


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("/x/torch/utils/data/dataloader.py:1505 in _next_data", "DW305"),
        ("/x/torch/utils/data/dataloader.py:725 in __next__", "DW606"),
        ("train.py:7 in step", "DW606"),
    ],
)
def test_a_traceback_that_breaks_off_while_a_batch_is_read_is_of_a_worker(
    story, where, code
) -> None:
    error(story.trains(5), "", where=where)
    (found,) = story.ended(exit_code=1).judged()
    assert (found.code, found.confidence) == (code, 0.6)
    assert where in found.headline


def test_what_a_worker_printed_itself_is_the_cause_of_its_end(story) -> None:
    story.trains(5)
    error(story, "OSError", "[Errno 24] Too many open files")
    error(story, "RuntimeError", f"DataLoader worker (pid(s) {WORKER}) exited unexpectedly")
    assert story.ended(exit_code=1).codes() == ["DW303", "DW305"]


def test_an_error_beside_one_of_no_known_kind_is_not_its_cause(story) -> None:
    story.trains(5)
    error(story, "OSError", "[Errno 24] Too many open files")
    error(story, "ValueError", "bad")
    assert story.ended(exit_code=1).codes() == ["DW606"]


def test_the_first_rank_that_failed_tells_more_than_its_peers(story) -> None:
    story.trains(5)
    error(story, "torch.OutOfMemoryError", "CUDA out of memory")
    error(story, "RuntimeError", "[gloo/pair.cc:534] Connection closed by peer [127.0.0.1]:9")
    error(story, "RuntimeError", "[c10d/gloo/pair.cc:553] Timed out waiting 1800000ms for recv")
    assert story.ended(exit_code=1).codes() == ["DW401"]


def test_of_ranks_that_only_tell_of_each_other_the_first_knew_most(story) -> None:
    story.trains(5)
    error(story, "RuntimeError", "[c10d/gloo/pair.cc:553] Timed out waiting 3000ms for recv")
    error(story, "RuntimeError", "[gloo/pair.cc:534] Connection closed by peer [127.0.0.1]:9")
    assert story.ended(exit_code=1).codes() == ["DW118"]


def test_workers_that_could_not_be_started_explain_that_they_are_gone(story) -> None:
    story.trains(5)
    error(story, "RuntimeError", "An attempt ... finished its bootstrapping phase.")
    error(story, "RuntimeError", f"DataLoader worker (pid(s) {WORKER}) exited unexpectedly")
    assert story.ended(exit_code=1).codes() == ["DW304", "DW305"]


def test_stacks_of_a_process_that_has_ended_are_no_refusal(story) -> None:
    story.started()
    story.tell(NotObserved, what="stacks of pid 5", why="it is gone", gone=True)
    assert story.codes() == []
    story.tell(NotObserved, what="stacks of pid 6", why="Permission denied")
    assert story.codes() == ["DW504"]


def test_stacks_that_were_read_at_the_next_look_are_observed(story, frame) -> None:
    story.started().sample()
    story.tell(NotObserved, what="stacks of pid 100", why="no access to memory location")
    story.tell(NotObserved, what="stacks of pid 101", why="no access to memory location")
    story.captured(frame("spin"))
    (found,) = story.judged()
    assert found.code == "DW504"
    assert [one.text.partition(":")[0] for one in found.evidence] == ["stacks of pid 101"]


def test_on_windows_nothing_of_linux_is_advised(story) -> None:
    story.started().sample(each={100: {"command": r"C:\Python\python.exe train.py"}})
    story.tell(NotObserved, what="stacks of pid 100", why="no access to memory location")
    (found,) = story.judged()
    assert found.circumstance is Circumstance.NOT_HELD


# --- caught, or not seen how -----------------------------------------------------------------


@pytest.mark.parametrize("how", ["line", "heartbeat"])
def test_an_error_after_which_it_trained_on_did_not_end_it(story, how) -> None:
    story.trains(5)
    error(story, "OSError", "[Errno 24] Too many open files").wait(3)
    if how == "line":
        story.line(loss=1.0)
    else:
        story.trains(5)
    (found,) = story.ended(exit_code=1).judged()
    assert found.code == "DW606"
    assert "Too many open files" not in texts(found)


def test_a_peer_that_gets_on_for_a_moment_makes_no_error_a_caught_one(story) -> None:
    story.pulse(Phase.STEP).pulse(Phase.STEP, rank=1)
    error(story, "ValueError", "bad").wait(5).pulse(Phase.STEP, rank=1)
    assert "ValueError" in texts(story.ended(exit_code=1).judged()[0])


def test_a_console_that_has_a_known_end_tells_of_a_death_nobody_saw(story) -> None:
    story.line(loss=1.0).wait(1)
    error(story, "RuntimeError", "CUDA out of memory. Tried")
    (found,) = story.ended(exit_code=None).judged()
    assert (found.code, found.confidence, found.severity) == ("DW401", 0.9, Severity.CRITICAL)


@pytest.mark.parametrize(
    "told",
    [
        {"exception": "ValueError", "message": "bad"},
        {"exception": "", "message": "MACL loss failed: shapes differ"},
    ],
)
def test_a_line_that_names_an_error_is_no_death_nobody_saw(story, told) -> None:
    for _ in range(20):
        story.line(loss=1.0)
    story.tell(ErrorSeen, **told).ended(exit_code=None)
    assert story.codes() == []


def test_whether_a_bare_log_has_a_known_end(story) -> None:
    assert not has_a_known_end(story.line(loss=1.0).wait(1).snapshot)
    story.tell(ErrorSeen, exception="ValueError", message="bad")
    assert not has_a_known_end(story.snapshot)
    assert has_a_known_end(error(story, "ValueError", "bad").snapshot)
    assert not has_a_known_end(story.wait(1).line(loss=1.0).snapshot)


def test_a_console_that_breaks_off_in_the_midst_was_ended_from_outside(story) -> None:
    story.prints(5).line(loss=1.0).ended(exit_code=None)  # Iteration 20 of 200, say.
    (found,) = story.judged()
    assert (found.code, found.severity, found.confidence) == ("DW606", Severity.ERROR, 0.5)
    assert "console ends without an error after iteration" in found.headline


def test_a_console_that_may_have_reached_its_end_proves_nothing(story) -> None:
    for _ in range(12):
        story.line(loss=1.0)
    assert story.ended(exit_code=None).codes() == []
    known = {"path": "c.py", "how": "read", "loaders": {}}
    assert story.tell(ConfigRead, epochs=1, **known).codes() == []
    assert story.tell(ConfigRead, epochs=6, **known).codes() == ["DW606"]


def test_the_kernel_tells_why_a_console_breaks_off(story) -> None:
    story.prints(5).ended(exit_code=None).tell(HostSampled, kernel=(OOM.format(100),))
    (found,) = story.judged()
    assert (found.code, found.confidence) == ("DW501", 0.8)


def test_a_finished_training_of_which_nobody_saw_the_end_ended_well(story) -> None:
    story.trains(5).pulse(Phase.FINISHED)
    error(story, "ValueError", "at exit")
    assert story.ended(exit_code=None).codes() == []


@pytest.mark.parametrize(("code", "finished"), [(0, True), (1, False), (None, False)])
def test_a_loop_without_mmengine_has_finished_when_its_exit_code_says_so(story, code, finished):
    from dualwatch.rules.finished import is_finished

    assert is_finished(story.ended(exit_code=code).snapshot) is finished


def test_evidence_cites_the_log_that_it_was_read_from(new_story) -> None:
    story = new_story().started()
    (started,) = story.events
    story.events[:] = [structs.replace(started, log="20261123_062046.log")]
    story.line(loss=1.0).complains("ValueError", "bad").ended(1)
    sources = {e.source for found in story.judged() for e in found.evidence}
    assert "20261123_062046.log" in sources
    assert "console.log" not in sources
