"""How others report an end: shells, schedulers, launchers and runtimes, in their own words."""

from __future__ import annotations

import pytest
from dualwatch import frameworks
from dualwatch.events import (
    DeviceAssertSeen,
    EndKind,
    EndReported,
    EndReporter,
    ErrorFate,
    ErrorSeen,
)
from dualwatch.logs.console import ConsoleParser
from dualwatch.logs.endings import EndingParser

K, B = EndKind, EndReporter


def parsed(text: str):
    parser = ConsoleParser(frameworks.line_formats())
    events = [event for line in text.split("\n") for event in parser.feed(line, 0.0, 0.0)]
    return [*events, *parser.close(0.0, 0.0)]


def report(line: str) -> EndReported:
    found = EndingParser().feed(line, 0.0, 0.0)
    assert isinstance(found, EndReported), line
    return found


@pytest.mark.parametrize(
    "line",
    [
        "NVRM: Xid (PCI:0000:3b:00): 79, pid=71234, GPU has fallen off the bus.",
        "[ 9812.412345] NVRM: Xid (PCI:0000:3b:00): 119, pid=71, Timeout waiting for RPC from GSP",
        "Mar 04 10:00:31 node kernel: NVRM: Xid (PCI:0000:3b:00): 74, NVLink: fatal error",
        "NVRM: GPU 0000:3b:00.0: GPU has fallen off the bus.",
    ],
)
def test_the_driver_reports_a_lost_gpu(line):
    found = report(line)
    assert (found.by, found.what) == (B.KERNEL, K.GPU_LOST)


@pytest.mark.parametrize(
    "line",
    [
        "NVRM: Xid (PCI:0000:3b:00): 31, pid=71234, Ch 00000008, MMU Fault",
        "NVRM: loading NVIDIA UNIX x86_64 Kernel Module",
        "what to do after NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.",
    ],
)
def test_other_lines_of_the_driver_are_no_end(line):
    assert EndingParser().feed(line, 0.0, 0.0) is None


@pytest.mark.parametrize(
    ("line", "signal", "pid"),
    [
        ("Killed", "SIGKILL", None),
        ("Killed: 9", "SIGKILL", None),
        ("Terminated", "SIGTERM", None),
        ("Hangup", "SIGHUP", None),
        ("Segmentation fault (core dumped)", "SIGSEGV", None),
        ("Segmentation fault: 11", "SIGSEGV", None),
        ("Bus error (core dumped)", "SIGBUS", None),
        ("Aborted (core dumped)", "SIGABRT", None),
        ("Abort trap: 6", "SIGABRT", None),
        ("Illegal instruction (core dumped)", "SIGILL", None),
        ("已杀死", "SIGKILL", None),
        ("段错误 (核心已转储)", "SIGSEGV", None),
        ("run.sh: line 7:  4711 Killed                  python t.py", "SIGKILL", 4711),
        ("/a b/run.sh: line 12: 99 Terminated              nohup python t.py", "SIGTERM", 99),
        ("run.sh: 行 7:  4711 已杀死               python t.py", "SIGKILL", 4711),
        ("[1]+  Killed                  python t.py", "SIGKILL", None),
        ("[2]-  Terminated              bash dist_train.sh", "SIGTERM", None),
        ("[1]  + 4711 killed     python t.py", "SIGKILL", 4711),
        ("[1]    4711 segmentation fault (core dumped)  python t.py", "SIGSEGV", 4711),
        ("[1]+  Exit 137                python t.py", "SIGKILL", None),
        ("zsh: killed     python t.py", "SIGKILL", None),
        ("zsh: segmentation fault (core dumped)  python t.py", "SIGSEGV", None),
        ("fish: Job 1, 'python t.py' terminated by signal SIGKILL (Forced quit)", "SIGKILL", None),
        ("Command terminated by signal 9", "SIGKILL", None),
        ("make: *** [Makefile:3: train] Killed", "SIGKILL", None),
        ("make: *** [train] Error 137", "SIGKILL", None),
        ("srun: error: n1: task 0: Killed", "SIGKILL", None),
        ("srun: error: n1: tasks 0-3: Terminated", "SIGTERM", None),
        ("srun: error: n1: task 1: Exited with exit code 137", "SIGKILL", None),
        ("subprocess.CalledProcessError: Command '['p']' died with <Signals.SIGKILL: 9>.",
         "SIGKILL", None),
        ("torch.multiprocessing.spawn.ProcessExitedException: process 1 terminated with signal "
         "SIGSEGV", "SIGSEGV", None),
        ("WARNING:torch.distributed.elastic.agent.server.api:Received 15 death signal, shutting "
         "down workers", "SIGTERM", None),
        ("torch.distributed.elastic.multiprocessing.api.SignalException: Process 7 got signal: 1",
         "SIGHUP", 7),
        ("ERROR:torch.distributed.elastic.multiprocessing.api:failed (exitcode: -9) local_rank: 1 "
         "(pid: 4711) of binary: /x/python", "SIGKILL", 4711),
        ("E0304 10:33:28.480000 4011 torch/distributed/elastic/multiprocessing/api.py:882] failed "
         "(exitcode: -6) local_rank: 1 (pid: 4711) of binary: /x/python3", "SIGABRT", 4711),
        ("mpirun noticed that process rank 1 with PID 4711 on node n exited on signal 9 (Killed).",
         "SIGKILL", 4711),
        ("Process finished with exit code 137 (interrupted by signal 9: SIGKILL)", "SIGKILL", None),
        ("trainer-1 exited with code 137", "SIGKILL", None),
        ("train.service: Main process exited, code=killed, status=9/KILL", "SIGKILL", None),
        ("[>>>>>      ] 100/1000, 9.8 task/s, elapsed: 10s, ETA:    92sKilled", "SIGKILL", None),
        (" 40%|####  | 160/400 [00:31<00:46, 5.1it/s, loss=0.71]Terminated", "SIGTERM", None),
        ("trainer-1  | Killed", "SIGKILL", None),
        ("2024-03-04T10:00:00.12Z Killed", "SIGKILL", None),
    ],
)  # fmt: skip
def test_a_signal(line, signal, pid):
    found = report(line)
    assert (found.what, found.signal, found.pid) == (K.SIGNAL, signal, pid)


@pytest.mark.parametrize(
    ("line", "by", "what"),
    [
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2024-03-04T10:01:05 ***", B.SLURM,
         K.CANCELLED),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2024-03-04T10:01:05 DUE TO TIME "
         "LIMIT ***", B.SLURM, K.TIME_LIMIT),
        ("slurmstepd-n1: error: *** STEP 7.0 ON n1 CANCELLED AT 2024-03-04T10:01:05 DUE TO "
         "PREEMPTION ***", B.SLURM, K.PREEMPTED),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2024-03-04T10:01:05 DUE TO NODE FAILURE, "
         "SEE SLURMCTLD LOG FOR DETAILS ***", B.SLURM, K.NODE_FAILED),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have "
         "been OOM Killed.", B.SLURM, K.OUT_OF_MEMORY),
        ("slurmstepd-n1: error: Detected 1 oom-kill event(s) in StepId=7.0. Some of your processes "
         "may have been killed by the cgroup out-of-memory handler.", B.SLURM, K.OUT_OF_MEMORY),
        ("slurmstepd: error: Exceeded job memory limit at some point.", B.SLURM, K.OUT_OF_MEMORY),
        ("srun: error: n1: task 0: Out Of Memory", B.SLURM, K.OUT_OF_MEMORY),
        ("srun: error: Node failure on n1", B.SLURM, K.NODE_FAILED),
        ("=>> PBS: job killed: walltime 3630 exceeded limit 3600", B.PBS, K.TIME_LIMIT),
        ("=>> PBS: job killed: mem 9kb exceeded limit 8kb", B.PBS, K.OUT_OF_MEMORY),
        ("TERM_MEMLIMIT: job killed after reaching LSF memory usage limit.", B.LSF,
         K.OUT_OF_MEMORY),
        ("TERM_RUNLIMIT: job killed after reaching LSF run time limit.", B.LSF, K.TIME_LIMIT),
        ("TERM_OWNER: job killed by owner.", B.LSF, K.CANCELLED),
        ("      Reason:       OOMKilled", B.CONTAINER, K.OUT_OF_MEMORY),
        ('            "OOMKilled": true,', B.CONTAINER, K.OUT_OF_MEMORY),
        ("train.service: Failed with result 'oom-kill'.", B.SYSTEMD, K.OUT_OF_MEMORY),
        ("[ 1234.5] Out of memory: Killed process 7 (python) total-vm:1kB", B.KERNEL,
         K.OUT_OF_MEMORY),
        ("Process finished with exit code -1073741819 (0xC0000005)", B.WINDOWS, K.CRASHED),
        ("exit code: 3221225477", B.WINDOWS, K.CRASHED),
        ("进程已结束\uff0c退出代码为 -1073741819 (0xC0000005)", B.WINDOWS, K.CRASHED),
        ("Process finished with exit code -1073741510 (0xC000013A: interrupted by Ctrl+C)",
         B.WINDOWS, K.INTERRUPTED),
        ("Process finished with exit code -1073741801", B.WINDOWS, K.OUT_OF_MEMORY),
        ("[1]+  Interrupt               python t.py", B.SHELL, K.INTERRUPTED),
        ("^C", B.TERMINAL, K.INTERRUPTED),
        ("Detected KeyboardInterrupt, attempting graceful shutdown ...", B.LAUNCHER,
         K.INTERRUPTED),
        ("Process finished with exit code 1", B.IDE, K.EXIT_CODE),
        ("[E ProcessGroupNCCL.cpp:474] [Rank 1] Watchdog caught collective operation timeout: "
         "WorkNCCL(SeqNum=9, OpType=ALLREDUCE) ran for 9 milliseconds before timing out.", B.NCCL,
         K.COLLECTIVE_TIMEOUT),
        ("[F ProcessGroupNCCL.cpp:1248] [PG 0 Rank 1] ProcessGroupNCCL's watchdog got stuck for "
         "480 seconds without making progress", B.NCCL, K.COLLECTIVE_TIMEOUT),
        ("INFO:torch.distributed.elastic.agent.server.api:[default] Worker group FAILED. 3/3 "
         "attempts left; will restart worker group", B.TORCHRUN, K.RESTARTED),
        ("python: can't open file 't.py': [Errno 2] No such file or directory", B.SHELL,
         K.NOT_STARTED),
        ("run.sh: line 3: torchrun: command not found", B.SHELL, K.NOT_STARTED),
        ("OpenBLAS blas_thread_init: pthread_create failed for thread 3 of 64: Resource "
         "temporarily unavailable", B.RUNTIME, K.NO_THREAD),
        ("libgomp: Thread creation failed: Resource temporarily unavailable", B.RUNTIME,
         K.NO_THREAD),
        ("OMP: Error #34: System unable to allocate necessary resources for OMP thread:",
         B.RUNTIME, K.NO_THREAD),
        ("bash: fork: Resource temporarily unavailable", B.RUNTIME, K.NO_THREAD),
        ("run.sh: line 3: fork: Resource temporarily unavailable", B.RUNTIME, K.NO_THREAD),
        ("OMP: Error #15: Initializing libiomp5md.dll, but found libiomp5md.dll already "
         "initialized.", B.RUNTIME, K.CRASHED),
    ],
)  # fmt: skip
def test_what_a_program_reports(line, by, what):
    found = report(line)
    assert (found.by, found.what) == (by, what)


@pytest.mark.parametrize(
    "line",
    [
        "Killed by early stopping",
        "the process was Killed",
        "  Killed",
        "loss Terminated: 3",
        "Terminated due to patience",
        "2024/03/04 10:00:30 - mmengine - INFO - Killed",
        "classes = ['Killed', 'Terminated', 'Aborted']",
        "[1]+  Terminated              tensorboard --logdir work_dirs",
        "run.sh: line 9: 4712 Killed                  nvidia-smi dmon",
        "[1]+  Done                    python t.py",
        "Process finished with exit code 0",
        "trainer-1 exited with code 0",
        "WARNING:torch.distributed.elastic.multiprocessing.api:Sending process 7 closing signal "
        "SIGTERM",
        "srun: Job step aborted: Waiting up to 32 seconds for job step to finish.",
        "Interrupted by validation",
        "oom_score_adj = 3",
        "slurmstepd: info: oom_kill events: 0",
        "max_oom_retries: 2",
    ],
)
def test_words_that_report_no_end(line):
    assert not [e for e in parsed(line) if isinstance(e, EndReported)]


def test_the_time_that_a_scheduler_gives():
    found = report("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2024-03-04T10:01:05 ***")
    assert found.since is not None


def test_the_root_cause_of_torchruns_table_alone():
    table = """Failures:
[1]:
  rank      : 3 (local_rank: 3)
  exitcode  : -6 (pid: 13)
Root Cause (first observed failure):
[0]:
  rank      : 1 (local_rank: 1)
  exitcode  : -9 (pid: 11)
  traceback : Signal 9 (SIGKILL) received by PID 11"""
    (found,) = parsed(table)
    assert (found.signal, found.rank, found.pid) == ("SIGKILL", 1, 11)


def test_an_assertion_of_a_kernel_is_reported_once():
    line = (
        "Loss.cu:250: nll_loss: block: [0,0,0], thread: [{},0,0] Assertion `t < n_classes` failed."
    )
    (found,) = parsed("\n".join(line.format(number) for number in range(5)))
    assert isinstance(found, DeviceAssertSeen)
    assert (found.place, found.kernel, found.assertion) == (
        "Loss.cu:250",
        "nll_loss",
        "t < n_classes",
    )


def test_an_exception_of_native_code_has_its_message():
    (found,) = parsed("terminate called after throwing an instance of 'c10::Error'\n  what():  bad")
    assert (found.exception, found.message) == ("c10::Error", "bad")
    (found,) = parsed("terminate called after throwing an instance of 'c10::Error'")
    assert (found.exception, found.message) == ("c10::Error", "")


@pytest.mark.parametrize(
    ("before", "fate"),
    [
        ("", ErrorFate.RAISED),
        ("Exception ignored in: <function D.__del__ at 0x7f>", ErrorFate.IGNORED),
        ("--- Logging error ---", ErrorFate.LOGGING),
        ("Exception in thread Thread-3 (_pin_memory_loop):", ErrorFate.THREAD),
        ("Error in atexit._run_exitfuncs:", ErrorFate.AT_EXIT),
    ],
)
def test_what_became_of_an_exception(before, fate):
    text = (
        f'{before}\nTraceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: x'
    )
    (found,) = [e for e in parsed(text) if isinstance(e, ErrorSeen) and e.where]
    assert found.fate is fate


def test_a_report_after_a_traceback_ends_its_message():
    error, end = parsed(
        'Traceback (most recent call last):\n  File "a.py", line 1, in f\n'
        "ValueError: x\nslurmstepd: error: *** JOB 7 ON n1 CANCELLED AT "
        "2024-03-04T10:01:05 ***"
    )
    assert (error.message, end.what) == ("x", K.CANCELLED)
