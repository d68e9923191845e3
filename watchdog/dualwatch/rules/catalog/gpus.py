"""DW4xx: the GPU."""

from __future__ import annotations

from dualwatch.events import Severity
from dualwatch.rules.catalog.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW401",
        name="cuda-out-of-memory",
        severity=Severity.CRITICAL,
        means="The GPU ran out of memory.",
        matters="The same batch would not fit again.",
        cure="A smaller batch with accumulation: train_dataloader.batch_size, "
        "optim_wrapper.accumulative_counts (dualwatch reruns so). In a validation it is the "
        "validation's batch: val_dataloader.batch_size.",
        example="DW401 cuda-out-of-memory (almost certain)\n"
        "  torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
    Code(
        code="DW402",
        name="gpu-memory-held",
        severity=Severity.WARNING,
        means="Memory of the GPU is held by a process outside of this run, or by one that is dead.",
        matters="What others hold is missing here: the run may end for want of memory although "
        "it would fit.",
        cure="End the process that the evidence names if it is yours, or take another device "
        "(CUDA_VISIBLE_DEVICES).",
        example="DW402 gpu-memory-held (likely)\n"
        "  22.4 GiB of 80.0 GiB of GPU 0 are held outside of this training\n"
        "  pid 3190 holds 22.4 GiB: python tools/train.py other_config.py",
        explains=("DW401",),
    ),
    Code(
        code="DW403",
        name="gpu-lost",
        severity=Severity.CRITICAL,
        means="The driver lost the GPU.",
        matters="Nothing on this GPU can be rerun until it is back.",
        cure="Reboot; if it comes again, check power, cooling and the kernel log for Xid.",
        example="DW403 gpu-lost (almost certain)\n"
        "  GPU 0: lost: it has fallen off the bus or does not answer the driver any more\n"
        "  NVRM: Xid (PCI:0000:3b:00): 79, pid=4700, GPU has fallen off the bus.",
        explains=("DW606", "DW102", "DW404"),
    ),
    Code(
        code="DW404",
        name="gpu-not-observable",
        severity=Severity.INFO,
        means="There is no GPU or no driver that answers, so GPU memory is not known.",
        matters="Unknown is not zero: nothing is said about GPU memory in this run.",
        cure="On a machine with a GPU: see that nvidia-smi works for this user.",
        example="DW404 gpu-not-observable (almost certain)\n"
        "  GPU memory is not observed: the NVIDIA driver is installed but not loaded",
    ),
)
