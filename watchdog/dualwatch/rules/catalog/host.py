"""DW5xx: the machine around the training."""

from __future__ import annotations

from dualwatch.events import Severity
from dualwatch.rules.catalog.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW501",
        name="host-out-of-memory",
        severity=Severity.CRITICAL,
        means="The machine or the container ran out of main memory.",
        matters="The same training would need the same memory the next time.",
        remedy="Use fewer workers, smaller batches, or a dataset that is not held in memory. "
        "dualwatch train reruns with half the batch.",
        example="DW501 host-out-of-memory (certain)\n"
        "  Out of memory: Killed process 4711 (python) total-vm:41943040kB\n"
        "  memory: 310 MiB available of 31.3 GiB",
        explains=("DW301", "DW606"),
    ),
    Code(
        code="DW502",
        name="disk-full",
        severity=Severity.CRITICAL,
        means="No space is left on the file system that the training writes to.",
        matters="No checkpoint can be saved.",
        remedy="Free space, choose another --work-dir, or keep fewer checkpoints.",
        example="DW502 disk-full (certain)\n"
        "  OSError: [Errno 28] No space left on device (checkpoint.py:812 in save)\n"
        "  the training ended with exit code 1\n"
        "  /data/llvip: 0 KiB free of 98.3 GiB",
        explains=("DW105", "DW606"),
    ),
    Code(
        code="DW503",
        name="console-encoding",
        severity=Severity.CRITICAL,
        means="The training printed a character that the encoding of its console cannot represent.",
        matters="A print statement ended the training; the training itself was sound.",
        remedy="Set PYTHONUTF8=1 in the environment. dualwatch train reruns once with it.",
        example="DW503 console-encoding (certain)\n"
        "  UnicodeEncodeError: 'gbk' codec can't encode character in position 0\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
    Code(
        code="DW504",
        name="stacks-not-observable",
        severity=Severity.INFO,
        means="The system does not permit reading the stacks of the training.",
        matters="Stalls are still detected, but the code where the processes hang is not known.",
        remedy="Run dualwatch as the same user, permit ptrace (sudo sysctl "
        "kernel.yama.ptrace_scope=0), or start the container with --cap-add=SYS_PTRACE.",
        example="DW504 stacks-not-observable (certain)\n  stacks of pid 4711: permission denied",
    ),
)
