"""DW5xx: the machine around the training."""

from __future__ import annotations

from dualwatch.events import Severity
from dualwatch.rules.catalog.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW501",
        name="host-out-of-memory",
        severity=Severity.CRITICAL,
        means="The machine ran out of main memory.",
        matters="The same training would need the same memory.",
        cure="Fewer workers, smaller batches, a dataset that is not held in memory. dualwatch "
        "reruns with half the batch.",
        example="DW501 host-out-of-memory (almost certain)\n"
        "  Out of memory: Killed process 4711 (python) total-vm:41943040kB\n"
        "  memory: 310 MiB available of 31.3 GiB",
        explains=("DW301", "DW606"),
    ),
    Code(
        code="DW502",
        name="disk-full",
        severity=Severity.CRITICAL,
        means="There is no space left where the training writes.",
        matters="No checkpoint can be saved.",
        cure="Make room, or choose another --work-dir; max_keep_ckpts limits the checkpoints "
        "that are kept.",
        example="DW502 disk-full (almost certain)\n"
        "  OSError: [Errno 28] No space left on device (checkpoint.py:812 in save)\n"
        "  the training ended with exit code 1\n"
        "  /work/llvip: 0 KiB free of 98.3 GiB",
        explains=("DW105", "DW606"),
    ),
    Code(
        code="DW503",
        name="console-encoding",
        severity=Severity.CRITICAL,
        means="The training printed a character that its console's encoding does not have.",
        matters="A print ended the training, not the training itself.",
        cure="Set PYTHONUTF8=1 in the environment (dualwatch reruns once so).",
        example="DW503 console-encoding (almost certain)\n"
        "  UnicodeEncodeError: 'gbk' codec can't encode character in position 0\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
    Code(
        code="DW504",
        name="stacks-not-observable",
        severity=Severity.INFO,
        means="The system does not allow reading the stacks of the training.",
        matters="A stall is still seen, but not where the processes stand.",
        cure="Run dualwatch as the same user, allow ptrace (sysctl kernel.yama.ptrace_scope=0), "
        "or add the capability SYS_PTRACE to the container.",
        example="DW504 stacks-not-observable (almost certain)\n"
        "  stacks of pid 4711: permission denied",
    ),
)
