"""DW4xx: the GPU."""

from __future__ import annotations

from dualwatch.events import Circumstance, Severity
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
        remedies={
            Circumstance.FRAGMENTED: "Much of the memory is reserved and not in use, in pieces "
            "that "
            "are too small: set PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True (before torch "
            "2.1: "
            "max_split_size_mb:128). If that does not suffice, halve the batch size.",
            Circumstance.LARGER_THAN_GPU: "One tensor is larger than the whole GPU, so a smaller "
            "batch alone rarely helps: look at the quoted line for a size that grows with the "
            "number of boxes, anchors or pixels of one image.",
        },
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
        remedies={
            Circumstance.HELD_BY_UNKNOWN: "nvidia-smi on that machine shows the processes that "
            "hold it (another training, a notebook, a second rank on the same GPU): end them if "
            "they are yours, or use another GPU: CUDA_VISIBLE_DEVICES=1.",
        },
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
    Code(
        code="DW405",
        name="gpu-software-mismatch",
        severity=Severity.CRITICAL,
        means="The GPU, its driver and the installed builds of torch, CUDA and cuDNN do not fit "
        "each other.",
        matters="No training can run on this GPU with this installation.",
        remedy="Compare python -m torch.utils.collect_env with nvidia-smi, and install a torch "
        "build for this GPU and driver.",
        remedies={
            Circumstance.NO_KERNEL_IMAGE: "This build of torch (or of the extension that failed) "
            "has no code for this GPU. Install a build whose torch.cuda.get_arch_list() contains "
            "its compute capability, and rebuild compiled extensions with TORCH_CUDA_ARCH_LIST.",
            Circumstance.OLD_DRIVER: "The driver is older than the CUDA version that torch was "
            "built with. Update the driver, or install a torch build for an older CUDA.",
            Circumstance.NO_DRIVER: "No GPU is visible to this process: check nvidia-smi, "
            "CUDA_VISIBLE_DEVICES, and for a container --gpus all.",
            Circumstance.CPU_BUILD: "This build has no CUDA: install the CUDA build of torch, and "
            "rebuild compiled extensions against it.",
            Circumstance.CUDNN: "cuDNN does not start: its version does not fit this torch "
            "(look for "
            "a second copy in LD_LIBRARY_PATH or PATH), or the GPU's memory is full, which "
            "nvidia-smi shows.",
        },
        example="DW405 gpu-software-mismatch (certain)\n"
        "  RuntimeError: CUDA error: no kernel image is available for execution on the device\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
)
