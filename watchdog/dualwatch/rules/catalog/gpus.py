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
        matters="The same batch would not fit the next time either.",
        remedy="Halve the batch size and accumulate gradients over two batches; for a validation, "
        "halve the validation batch. dualwatch train reruns with these settings.",
        example="DW401 cuda-out-of-memory (certain)\n"
        "  torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
    Code(
        code="DW402",
        name="gpu-memory-held",
        severity=Severity.WARNING,
        means="GPU memory is held by a process outside this run, or by a dead process.",
        matters="This run can run out of memory although it would fit on a free GPU.",
        remedy="End the process that the evidence names if it is yours, or use another GPU: "
        "CUDA_VISIBLE_DEVICES=1.",
        example="DW402 gpu-memory-held (likely)\n"
        "  22.4 GiB of 80.0 GiB of GPU 0 are held outside this training\n"
        "  pid 3190 holds 22.4 GiB: python tools/train.py other_config.py",
        explains=("DW401",),
    ),
    Code(
        code="DW403",
        name="gpu-lost",
        severity=Severity.CRITICAL,
        means="The driver lost the GPU.",
        matters="No training can run on this GPU until it is back.",
        remedy="Reboot. If it happens again, check power, cooling, and the kernel log for Xid: "
        "dmesg | grep -i xid.",
        example="DW403 gpu-lost (certain)\n"
        "  GPU 0: lost: it has fallen off the bus or does not answer the driver any more\n"
        "  NVRM: Xid (PCI:0000:3b:00): 79, pid=4700, GPU has fallen off the bus.",
        explains=("DW606", "DW102", "DW404"),
    ),
    Code(
        code="DW404",
        name="gpu-not-observable",
        severity=Severity.INFO,
        means="There is no GPU, or its driver does not respond, so GPU memory is not known.",
        matters="No finding about GPU memory is possible in this run. Unknown is not zero.",
        remedy="On a machine with a GPU, check that nvidia-smi works for this user.",
        example="DW404 gpu-not-observable (certain)\n"
        "  GPU memory is not observed: the NVIDIA driver is installed but not loaded",
    ),
)
