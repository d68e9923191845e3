"""DW5xx: the machine around the training."""

from __future__ import annotations

from dualwatch.events import Circumstance, Severity
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
        remedies={
            Circumstance.JOB_LIMIT: "Ask for more memory (sbatch --mem=64G or --mem-per-cpu=8G; "
            "the "
            "limit counts loader workers too), or use fewer workers.",
            Circumstance.CONTAINER_LIMIT: "Raise the memory limit of the container (docker run "
            "--memory=64g, resources.limits.memory in Kubernetes), or use fewer workers.",
            Circumstance.KILLED_SILENTLY: "On the machine that it ran on, dmesg -T | grep -i "
            "'killed process' shows whether the kernel ended it for want of memory; in a container "
            "or a job, its memory limit. If so, use fewer workers, smaller batches, or a dataset "
            "that is not held in memory. If not, another process sent SIGKILL.",
            Circumstance.PAGING_FILE: "Enlarge the paging file of Windows, or use fewer workers "
            "(num_workers): each one reserves memory of its own.",
        },
        example="DW501 host-out-of-memory (certain)\n"
        "  Out of memory: Killed process 4711 (python) total-vm:41943040kB\n"
        "  memory: 310 MiB available of 31.3 GiB",
        explains=("DW301", "DW606"),
    ),
    Code(
        code="DW502",
        name="disk-full",
        severity=Severity.CRITICAL,
        means="The training cannot write: no space is left on its file system, a quota or the "
        "inodes are used up, it is read-only, or the file is locked.",
        matters="No checkpoint can be saved.",
        remedy="Free space, choose another --work-dir, or keep fewer checkpoints.",
        remedies={
            Circumstance.QUOTA: "The user's quota is used up, although df may show free space. "
            "Look at it (quota -s, or the site's own command), remove old checkpoints, ask for "
            "more, or choose a --work-dir on another file system.",
            Circumstance.INODES: "Space is free, so inodes or a quota are used up: df -i and "
            "quota -s show which. Remove directories of many small files, or choose another "
            "--work-dir.",
            Circumstance.READ_ONLY: "The file system is mounted read-only, or became so after an "
            "error (dmesg shows that). Choose a --work-dir that can be written to.",
            Circumstance.FILE_IN_USE: "Another program has the file open: a virus scanner, a cloud "
            "synchronisation, TensorBoard, an editor, or a second training in the same folder. "
            "Close it, or choose a --work-dir outside of synchronised folders.",
        },
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
        means="The training printed a character that the encoding of its console cannot represent, "
        "or read a file in the code page of the system that is not written in it.",
        matters="The encoding ended the training; the training itself was sound.",
        remedy="Set PYTHONUTF8=1 in the environment. dualwatch train reruns once with it.",
        remedies={
            Circumstance.FILE_READ: "A file in UTF-8 was read in the code page of the system. Set "
            "PYTHONUTF8=1 in the environment, or remove characters beyond ASCII from that file "
            "(comments too). dualwatch train reruns once with it.",
        },
        example="DW503 console-encoding (certain)\n"
        "  UnicodeEncodeError: 'gbk' codec can't encode character in position 0\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
    Code(
        code="DW504",
        name="stacks-not-observable",
        severity=Severity.INFO,
        means="The stacks of a process of the training could not be read: the system does not "
        "permit it, the reader took too long, or the process moved meanwhile.",
        matters="Stalls are still detected, but the code where the processes hang is not known.",
        remedy="Run dualwatch as the same user, permit ptrace (sudo sysctl "
        "kernel.yama.ptrace_scope=0), or start the container with --cap-add=SYS_PTRACE.",
        remedies={
            Circumstance.NOT_HELD: "Run dualwatch as the user of the training, or as "
            "administrator. Windows' processes are not suspended for a reading, so that one of a "
            "busy process may fail; it is repeated at the next look.",
        },
        example="DW504 stacks-not-observable (certain)\n  stacks of pid 4711: permission denied",
    ),
    Code(
        code="DW505",
        name="memory-creep",
        severity=Severity.WARNING,
        means="The memory of the training's processes, or what they hold of a GPU, grows steadily "
        "from iteration to iteration and is not given back: for hundreds of iterations or ten "
        "minutes, and in a further pass over the data or so fast that it is used up before. It is "
        "a note where the training ends before the memory does.",
        matters="When the memory is used up, the kernel ends a process of the training, or CUDA "
        "runs out of memory: hours after the start, and after a rerun again.",
        remedy="Find what is kept of each iteration: tensors with their graph in lists of losses "
        "and outputs (keep loss.item() instead), caches of samples, annotations as Python objects "
        "in each loader worker.",
        example="DW505 memory-creep (certain)\n"
        "  memory of the training (mostly its loader workers) grows by 4.8 MiB in each iteration: "
        "1.2 GiB after iteration 40, 3.4 GiB after iteration 512 (11m03s later)\n"
        "  2.1 GiB of the machine's memory are left: at this rate they are used up at about 14:32, "
        "in 10m29s",
        explains=("DW401", "DW501"),
    ),
    Code(
        code="DW506",
        name="cpu-starved",
        severity=Severity.WARNING,
        means="The loader workers share fewer CPUs than there are workers, by their affinity mask "
        "or by the CPU quota of a container or job; they use all of them, or are ready to run and "
        "get none, and the training waits for data.",
        matters="More workers do not help: they share the same CPUs. The GPU idles meanwhile.",
        remedy="Let the workers use more CPUs.",
        remedies={
            Circumstance.PINNED_WORKERS: "Something pinned the workers after their start: an "
            "OpenMP setting (KMP_AFFINITY, GOMP_CPU_AFFINITY, OMP_PROC_BIND: unset it) or a "
            "library that calls sched_setaffinity when it is imported. Reset the mask in each "
            "worker: worker_init_fn=lambda n: os.sched_setaffinity(0, range(os.cpu_count())).",
            Circumstance.NARROW_MASK: "The whole training was started with this mask: ask for more "
            "CPUs (sbatch --cpus-per-task=8, docker run --cpuset-cpus=0-7), or start it without "
            "taskset or numactl. If there are no more, use no more workers than CPUs.",
            Circumstance.CPU_QUOTA: "Raise the quota (docker run --cpus=8, resources.limits.cpu in "
            "Kubernetes, CPUQuota=800% in systemd), or use no more workers than CPUs.",
        },
        example="DW506 cpu-starved (certain)\n"
        "  4 loader workers share 1 CPU (0) of the machine's 32 and use 0.99 of them\n"
        "  affinity mask: the main process may use CPUs 0-31, the workers were pinned after their "
        "start\n"
        "  the training waits for data for 78 % of its time",
        explains=("DW209",),
    ),
)
