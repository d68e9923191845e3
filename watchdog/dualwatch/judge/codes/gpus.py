"""DW4xx: the GPU."""

from __future__ import annotations

from dualwatch.facts import Severity
from dualwatch.judge.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW401",
        name="cuda-out-of-memory",
        severity=Severity.CRITICAL,
        means="The GPU ran out of memory.",
        matters="The same batch would not fit again.",
        cure="A smaller batch with accumulation: train_dataloader.batch_size, "
        "optim_wrapper.accumulative_counts.",
        explains=("DW606",),
    ),
    Code(
        code="DW402",
        name="gpu-memory-held",
        severity=Severity.WARNING,
        means="Memory of the GPU is held by a process outside of this run, or by one that is "
        "dead.",
        matters="What others hold is missing here: the run may end for want of memory although "
        "it would fit.",
        cure="End the process that the evidence names if it is yours, or take another device "
        "(CUDA_VISIBLE_DEVICES).",
        explains=("DW401",),
    ),
    Code(
        code="DW403",
        name="gpu-lost",
        severity=Severity.CRITICAL,
        means="The driver lost the GPU.",
        matters="Nothing on this GPU can be rerun until it is back.",
        cure="Reboot; if it comes again, check power, cooling and the kernel log for Xid.",
        explains=("DW606", "DW102", "DW404"),
    ),
    Code(
        code="DW404",
        name="gpu-not-observable",
        severity=Severity.INFO,
        means="There is no GPU or no driver that answers, so GPU memory is not known.",
        matters="Unknown is not zero: nothing is said about GPU memory in this run.",
        cure="On a machine with a GPU: see that nvidia-smi works for this user.",
    ),
)
