"""The forms of lines by which shells, schedulers, launchers and runtimes report an end. Literal."""

from __future__ import annotations

import re
from typing import NamedTuple

from dualwatch.events import EndKind, EndReporter
from dualwatch.logs import end_words


class Form(NamedTuple):
    by: EndReporter
    what: EndKind
    pattern: re.Pattern[str]


def _form(by: EndReporter, what: EndKind, pattern: str) -> Form:
    return Form(by, what, re.compile(pattern))


_B, _K = EndReporter, EndKind

# "run.sh: line 7:  4711 Killed   python ...", "run.sh: 行 7: 4711 已杀死 ...", "[1]+  Killed  x".
_SHELL_SCRIPT = re.compile(
    r"\s*\S.{0,200}?[:\uff1a] ?(?:line|行|第) ?\d+ ?行?[:\uff1a] +"
    rf"(?P<pid>\d+) +(?P<word>{end_words.WORDS})"
    rf"{end_words.CORE}(?:\s+(?P<command>.*))?$"
)
_SHELL_JOB = re.compile(
    rf"\s*\[\d+\]\s*[+-]?\s+(?:(?P<pid>\d+)\s+)?(?:(?P<word>{end_words.WORDS}){end_words.CORE}"
    r"|(?:Exit|exit|退出) (?P<code>\d+))(?:\s\s+(?P<command>.*))?\s*$"
)
SHELL_ALONE = re.compile(rf"(?![a-z])(?P<word>{end_words.WORDS})(?:: \d+)?{end_words.CORE}\s*$")
_ZSH = re.compile(rf"\S*zsh: (?P<word>{end_words.WORDS}){end_words.CORE}(?:\s+(?P<command>.*))?$")
_MAKE = re.compile(
    rf"g?make(?:\[\d+\])?: \*\*\* \[.{{1,300}}\] "
    rf"(?:(?P<word>{end_words.WORDS}){end_words.CORE}|Error (?P<code>\d+))\s*$"
)
SRUN = re.compile(
    r"srun: error: (?P<host>\S+): tasks? (?P<task>\d+)\S*: "
    rf"(?:(?P<word>{end_words.WORDS}){end_words.CORE}|Exited with exit code (?P<code>\d+)"
    r"|(?P<oom>Out Of Memory))\s*$"
)
SHELLS = (_SHELL_SCRIPT, _SHELL_JOB, _ZSH, _MAKE)

CANCELLED = re.compile(
    r"(?:slurmstepd|srun)\S*: (?:error: )?\*\*\* (?:JOB|STEP|\[?JobId)\b.{0,120}?(?:CANCELLED"
    r"|STEPD TERMINATED)"
    r"(?: .{0,120}?)?(?:AT (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d))?"
    r"(?: DUE TO (?P<why>[^*]+?))? \*\*\*"
)
BY_CANCEL = (
    ("TIME", _K.TIME_LIMIT),
    ("PREEMPT", _K.PREEMPTED),
    ("REQUEUE", _K.PREEMPTED),
    ("NODE", _K.NODE_FAILED),
    ("MEMORY", _K.OUT_OF_MEMORY),
)

# The rest says everything by its form. Named groups: pid, rank, signal (a name or a number), code.
FORMS: tuple[Form, ...] = (
    # --- memory ---
    _form(
        _B.SLURM, _K.OUT_OF_MEMORY, r"slurmstepd\S*: (?:error: )?Detected \d+ oom[-_ ]kill event"
    ),
    _form(
        _B.SLURM,
        _K.OUT_OF_MEMORY,
        r"(?:slurmstepd\S*|slurmd\S*|srun): error: .*(?:[Ee]xceeded (?:job |step "
        r"|virtual )?memory limit"
        r"|cgroup out-of-memory handler|\boom[-_]kill)",
    ),
    _form(_B.PBS, _K.OUT_OF_MEMORY, r"=>> PBS: job killed: (?:p?v?mem|pmem)\b"),
    _form(_B.LSF, _K.OUT_OF_MEMORY, r"\s*TERM_(?:MEMLIMIT|SWAP)\b"),
    _form(
        _B.CONTAINER,
        _K.OUT_OF_MEMORY,
        r"\s*(?:(?:- )?[\"']?(?:reason|Reason|status|STATUS"
        r"|State)[\"']?\s*[:=]\s*)?[\"']?OOMKilled[\"']?"
        r"(?:[\"']?\s*[:=]\s*true)?[,;]?\s*$|.*\bOOMKilled\b.*\b(?:137|exit)"
        r"|.*terminated.*\bOOMKilled\b"
        r"|.*\bcontainer \S+ (?:was )?OOM ?[Kk]illed",
    ),
    _form(
        _B.SYSTEMD,
        _K.OUT_OF_MEMORY,
        r".*(?:killed by the OOM killer|[Ff]ailed with result 'oom-kill'"
        r"|systemd-oomd(?:\[\d+\])?: .*[Kk]illed)",
    ),
    _form(
        _B.SYSTEMD,
        _K.OUT_OF_MEMORY,
        r"(?:earlyoom(?:\[\d+\])?: )?[Ss]ending SIG(?:TERM|KILL) to process (?P<pid>\d+) uid \d+",
    ),
    _form(
        _B.KERNEL,
        _K.OUT_OF_MEMORY,
        r"(?:\S.{0,100}kernel: ?)?(?:\[[\s\d.]+\] ?|<\d>|[A-Z][a-z]{2} [A-Z][a-z]{2} .{5,30}\] )?"
        r"(?:(?:Memory cgroup out of memory|Out of memory): Kill(?:ed)? process (?P<pid>\d+)"
        r"|oom-kill:constraint=\S*,pid=(?P<pid2>\d+)|oom_reaper: reaped process (?P<pid3>\d+))",
    ),
    # --- the driver of the GPU; which of its errors are fatal: xid.py ---
    _form(
        _B.KERNEL,
        _K.GPU_LOST,
        r"(?:\S.{0,100}kernel: ?)?(?:\[[\s\d.]+\] ?|<\d>|[A-Z][a-z]{2} [A-Z][a-z]{2} .{5,30}\] )?"
        r"NVRM: ",
    ),
    # --- a scheduler or an administrator ---
    _form(_B.PBS, _K.TIME_LIMIT, r"=>> PBS: job killed: (?:walltime|cput)\b"),
    _form(_B.PBS, _K.CANCELLED, r"=>> PBS: job killed"),
    _form(_B.LSF, _K.TIME_LIMIT, r"\s*TERM_(?:RUNLIMIT|CPULIMIT|DEADLINE|WINDOW)\b"),
    _form(_B.LSF, _K.PREEMPTED, r"\s*TERM_(?:PREEMPT|LOAD|REQUEUE_\w+)\b"),
    _form(_B.LSF, _K.CANCELLED, r"\s*TERM_(?:OWNER|ADMIN|FORCE_\w+|EXTERNAL_SIGNAL)\b"),
    _form(_B.SLURM, _K.NODE_FAILED, r"srun: error: Node failure on"),
    _form(_B.SLURM, _K.CANCELLED, r"srun: (?:Force Terminated|Terminating) (?:job|StepId)"),
    _form(_B.SLURM, _K.CANCELLED, r"salloc: Job allocation \d+ has been revoked"),
    _form(_B.SLURM, _K.TIME_LIMIT, r"(?:srun|slurmstepd|salloc)\S*: .*DUE TO TIME LIMIT"),
    _form(
        _B.CONTAINER,
        _K.PREEMPTED,
        r"(?:Warning\s+Evicted\b|\s*(?:Reason|reason|Status|STATUS)\s*[:=]\s*[\"']?(?:Evicted"
        r"|Preempted)\b"
        r"|The node was low on resource)",
    ),
    _form(_B.CONTAINER, _K.TIME_LIMIT, r"\s*[Rr]eason\s*[:=]\s*[\"']?DeadlineExceeded\b"),
    _form(_B.SHELL, _K.TIME_LIMIT, r"timeout: sending signal (?P<signal>\w+) to command"),
    *(
        # What seff and sacct report of a job that is over.
        _form(_B.SLURM, kind, rf"\s*(?:Job ?)?State ?[:=] ?{state}\b")
        for state, kind in (
            ("OUT_OF_MEMORY", _K.OUT_OF_MEMORY),
            ("TIMEOUT", _K.TIME_LIMIT),
            ("CANCELLED", _K.CANCELLED),
            ("PREEMPTED", _K.PREEMPTED),
            ("NODE_FAIL", _K.NODE_FAILED),
        )
    ),
    _form(_B.SLURM, _K.EXIT_CODE, r"\s*(?:Job ?)?State ?[:=] ?FAILED \(exit code (?P<code>\d+)\)"),
    # --- launchers ---
    _form(
        _B.TORCHRUN,
        _K.RESTARTED,
        r".*[Ww]orker group (?:FAILED|UNHEALTHY"
        r"|failed)\.? .*attempts left[;,] will restart worker group",
    ),
    _form(
        _B.TORCHRUN,
        _K.SIGNAL,
        r".*\bSignalException: Process (?P<pid>\d+) got signal: (?P<signal>\d+)",
    ),
    _form(
        _B.TORCHRUN,
        _K.SIGNAL,
        r".*\bReceived (?:Signals\.)?(?P<signal>SIG[A-Z]+|\d+) death signal, shutting down workers",
    ),
    _form(
        _B.TORCHRUN,
        _K.EXIT_CODE,
        r".*\bfailed \(exitcode: (?P<code>-?\d+)\) local_rank: (?P<rank>\d+) \(pid: "
        r"(?P<pid>\d+)\) of"
        r" (?:binary|fn)",
    ),
    _form(
        _B.LAUNCHER,
        _K.SIGNAL,
        r".*(?:CalledProcessError: Command .* died with <Signals\.(?P<signal>SIG[A-Z]+): \d+>"
        r"|ProcessExitedException: process (?P<rank>\d+) terminated with signal "
        r"(?P<signal2>SIG[A-Z]+))",
    ),
    _form(
        _B.LAUNCHER,
        _K.SIGNAL,
        r"(?:mpirun noticed that process rank (?P<rank>\d+) with PID (?P<pid>\d+)[^.]*"
        r" exited on signal (?P<signal>\d+)"
        r"|.*YOUR APPLICATION TERMINATED WITH THE EXIT STRING: (?P<string>[A-Za-z ]+) \(signal "
        r"(?P<signal2>\d+)\)"
        r"|.*=\s+KILLED BY SIGNAL: (?P<signal3>\d+))",
    ),
    _form(
        _B.LAUNCHER,
        _K.EXIT_CODE,
        r".*\[launch\.py:\d+:\w+\] .* exits with return code = (?P<code>-?\d+)"
        r"|.*Process \d+ exit with status code (?P<code2>-?\d+)"
        r"|=\s+EXIT CODE: (?P<code3>\d+)",
    ),
    _form(
        _B.LAUNCHER,
        _K.SIGNAL,
        r"(?:\[rank: \d+\] )?Received (?P<signal>SIGTERM|SIGINT|SIGHUP): \d+",
    ),
    _form(
        _B.LAUNCHER,
        _K.INTERRUPTED,
        r"(?:\S+ )?(?:Detected KeyboardInterrupt, attempting (?:graceful )?shutdown"
        r"|srun: interrupt \(one more within \d+ sec to abort\)"
        r"|srun: sending Ctrl-C to)",
    ),
    # --- NCCL ---
    _form(
        _B.NCCL,
        _K.COLLECTIVE_TIMEOUT,
        r"(?:.*\[Rank (?P<rank>\d+)\] ?)?.*(?:Watchdog caught collective operation timeout"
        r"|NCCL's watchdog got stuck for \d+|Heartbeat monitor timed out"
        r"|[Cc]ollective operation timeout: WorkNCCL)",
    ),
    _form(
        _B.NCCL,
        _K.CRASHED,
        r"(?:.*\[Rank (?P<rank>\d+)\] ?)?.*watchdog thread terminated with exception: .*CUDA",
    ),
    # --- containers, services, programs of development ---
    _form(
        _B.SYSTEMD,
        _K.SIGNAL,
        r".*\b[Mm]ain process exited, code=(?:killed|dumped), status=\d+/(?P<signal>[A-Z0-9]+)",
    ),
    _form(
        _B.SYSTEMD,
        _K.EXIT_CODE,
        r".*\b[Mm]ain process exited, code=exited, status=(?P<code>[1-9]\d*)",
    ),
    _form(
        _B.SHELL,
        _K.SIGNAL,
        r"Command terminated by signal (?P<signal>\d+)"
        r"|fish: .* terminated by signal (?P<signal2>SIG[A-Z]+)"
        r"|.{1,200} was killed by (?P<signal3>SIG[A-Z]+)\s*$",
    ),
    _form(
        _B.CONTAINER,
        _K.EXIT_CODE,
        r"command terminated with exit code (?P<code>[1-9]\d*)\s*$"
        r"|[\w.-]+ exited with code (?P<code2>[1-9]\d*)\s*(?:\(.*\))?$"
        r"|\s*Exit Code:\s+(?P<code3>[1-9]\d*)\s*$|.*\bExited \((?P<code4>[1-9]\d*)\) "
        r"|(?:Error: |##\[error\])Process completed with exit code (?P<code5>[1-9]\d*)",
    ),
    _form(
        _B.IDE,
        _K.EXIT_CODE,
        r"(?:Process finished with exit code|进程已结束[,\uff0c] ?退出代码为?) ?"
        r"(?P<code>-?[1-9]\d*)",
    ),
    _form(
        _B.SHELL,
        _K.EXIT_CODE,
        r"(?:[Ee]xit(?:ed)?(?: with)?(?: status| code)|[Rr]eturn ?code|EXIT_?CODE|exit)\s*[:=]?\s*"
        r"(?P<code>-?[1-9]\d*|0x[Cc]0[0-9A-Fa-f]{6})\s*$"
        r"|Command exited with non-zero status (?P<code2>\d+)",
    ),
    _form(_B.WINDOWS, _K.CRASHED, r"Windows fatal exception: "),
    # --- notebooks ---
    _form(
        _B.IDE,
        _K.OUT_OF_MEMORY,
        r"\W*Your (?:session crashed after using all available RAM"
        r"|notebook tried to allocate more memory than is available)",
    ),
    _form(
        _B.IDE,
        _K.KERNEL_DIED,
        r"\W*(?:The [Kk]ernel crashed while executing code|Kernel died(?:, restarting|\W*$)"
        r"|The kernel (?:for \S+ )?appears to have died|Your session crashed for an unknown reason)"
        r"|.{0,80}(?:KernelRestarter: restarting kernel|DeadKernelError: Kernel died)",
    ),
    # --- the script, and what it reports to ---
    _form(
        _B.SCRIPT,
        _K.NON_FINITE,
        r".{0,120}?\b[Ll]oss is (?:[Nn]a[Nn]|-?inf(?:inite)?|not finite|non-finite)\b.{0,12}?"
        r"\b(?:[Ss]top|[Ee]xit|[Aa]bort|[Tt]erminat|[Qq]uit)",
    ),
    _form(
        _B.TRACKER,
        _K.EXIT_CODE,
        r"wandb: (?:\S+ )?Waiting for W&B process to finish\.{3} \(failed (?P<code>[1-9]\d*)\)",
    ),
    # --- it never began ---
    _form(
        _B.SHELL,
        _K.NOT_STARTED,
        r"\S*python\S*: can't open file .+\[Errno \d+\]|\S*python\S*: No module named \S+"
        r"|(?:\S+: )?(?:line \d+: |\d+: )?(?:python\S*|torchrun|srun|accelerate|deepspeed|mim"
        r"|mpirun)"
        r": (?:command )?not found\s*$"
        r"|zsh: command not found: (?:python|torchrun|accelerate|deepspeed|mim)",
    ),
    # --- the terminal ---
    _form(
        _B.TERMINAL, _K.INTERRUPTED, r"(?:\^C)+\s*(?:KeyboardInterrupt)?\s*$|KeyboardInterrupt\s*$"
    ),
    _form(
        _B.TERMINAL,
        _K.INTERRUPTED,
        # cmd.exe asks this of a batch file that Ctrl-C reached; Fortran's runtime (MKL) prints the
        # other where it handled the event before Python could.
        r"(?:\^C)*\s*(?:Terminate batch job \(Y/N\)\?"
        r"|终止批处理操作吗 ?[(\uff08]Y/N[)\uff09] ?[?\uff1f])"
        r"|forrtl: error \(200\): program aborting due to (?:control-C|window-CLOSE) event",
    ),
    _form(_B.RUNTIME, _K.CRASHED, r"OMP: Error #15: "),
    _form(
        _B.RUNTIME,
        _K.NO_THREAD,
        r"OpenBLAS blas_thread_init: pthread_create failed|libgomp: Thread creation failed"
        r"|OMP: (?:Error #34|System error #11): "
        r"|\S*sh: (?:line \d+: )?fork: Resource temporarily",
    ),
)

ASSERT = re.compile(
    r"(?P<place>\S+\.(?:cuh?|cc|cpp|hip|h):\d+): (?:(?P<kernel>[^\n]{0,300}?): )?"
    r"(?:block: \[[\d,]+\], thread: \[[\d,]+\] )?Assertion `(?P<assertion>[^`]{1,300})` failed"
)

# What comes before the words of others: a service's name, a time, a progress bar without an end.
BEFORE = re.compile(
    r"(?:.*(?:ETA:\s*\d+s|(?:it/s|s/it)[^\]]{0,80}\])(?=\S))?(?:[\w.-]{1,60}\s+\| ?)?"
    r"(?:\d{4}-\d\d-\d\dT[\d:.,]+(?:Z|[+-]\d\d:?\d\d)?\s+)?"
)
