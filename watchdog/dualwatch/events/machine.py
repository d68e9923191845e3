"""What the machine shows: processes, stacks, GPUs, the host around them."""

from __future__ import annotations

import enum

from msgspec import Struct

from dualwatch.events.base import Event


class ThreadWait(str, enum.Enum):
    """Why a thread of Windows waits, as far as its kernel shows that."""

    OBJECT = "object"
    """For an object: a lock of several processes, an event, a timer, a socket, a process."""
    ADDRESS = "address"
    """For a lock or a condition of its own process."""
    IO = "io"
    """For a file, a device or a pipe."""
    DELAY = "delay"
    """For time to pass."""
    MEMORY = "memory"
    """For a page of memory that is read from the disk."""
    MESSAGE = "message"
    """For the answer of another process of the system."""


class ProcessSample(Struct, frozen=True, kw_only=True):
    """One process of the training's tree. None means: could not be read.

    Attributes:
        role: "main", "rank", "worker", "tracker" (multiprocessing's helpers), "launcher" (of a
            virtual environment on Windows) or "other".
        status: psutil's word: "running", "sleeping", "disk-sleep", "stopped", "zombie", ...
        cpu_s: User + system seconds since its start.
        io_bytes: Bytes read + written since its start, page cache and pipes included, and on Linux
            pages of mapped files (libraries) that had to be fetched from the disk.
        cpu_wait_s: Seconds since its start in which it was ready to run and found no free CPU.
        wchan: Kernel function that it sleeps in, "" where none is shown.
        open_files: Descriptors (handles on Windows) that it holds.
        held: Bytes of memory that the system cannot take back, swapped ones included and mapped
            files left out; of pages that processes share, its own part. In some samples only.
        cpus: CPUs that its affinity mask allows, as the kernel lists them ("0-3,8"); "" where not
            known.
        wait: Why its first thread waits; None where it does not, or where that is not shown.
    """

    pid: int
    create_time: float
    ppid: int
    role: str
    status: str
    cpu_s: float | None
    io_bytes: int | None
    rss: int | None
    threads: int | None
    wchan: str
    command: str
    open_files: int | None = None
    cpu_wait_s: float | None = None
    held: int | None = None
    cpus: str = ""
    wait: ThreadWait | None = None


class ProcessesSampled(Event, frozen=True, kw_only=True, tag="processes-sampled"):
    """The whole tree at one moment, main first."""

    processes: tuple[ProcessSample, ...]


class OrphansSeen(Event, frozen=True, kw_only=True, tag="orphans-seen"):
    """Processes of an earlier, dead training that are still alive."""

    processes: tuple[ProcessSample, ...]


class HostSampled(Event, frozen=True, kw_only=True, tag="host-sampled"):
    """The machine around the training. None means: could not be read, or has no such thing.

    Attributes:
        memory_total, memory_available: Bytes of the whole machine.
        commit_limit, commit_used: Bytes that Windows can promise (memory and paging file), and has.
        cgroup_limit, cgroup_used: Bytes that our container or job may use, and uses.
        cgroup_oom_kills: Processes that the kernel killed for memory in that cgroup so far.
        shm_total, shm_free: Bytes of /dev/shm.
        disk: Folder whose file system was looked at (the work dir).
        disk_total, disk_free: Bytes of it.
        open_files_limit: Soft limit of the training's main process.
        container: Kind of container, "" for none.
        kernel: Lines of the kernel's log on OOM kills and GPU errors, newest last, bounded.
        booted: Wall time from which the kernel counts the seconds of its lines.
        cpus: Cores that a new process may use: of the machine, its affinity or its quota.
        machine_cpus: CPUs of the whole machine.
        cpu_quota: CPUs that the training's container or job may use, on average; None for no limit.
    """

    memory_total: int | None = None
    memory_available: int | None = None
    cgroup_limit: int | None = None
    cgroup_used: int | None = None
    cgroup_oom_kills: int | None = None
    shm_total: int | None = None
    shm_free: int | None = None
    disk: str = ""
    disk_total: int | None = None
    disk_free: int | None = None
    open_files_limit: int | None = None
    container: str | None = None
    kernel: tuple[str, ...] = ()
    booted: float | None = None
    cpus: float | None = None
    machine_cpus: int | None = None
    cpu_quota: float | None = None
    commit_limit: int | None = None
    commit_used: int | None = None


class GpuHolder(Struct, frozen=True, kw_only=True):
    """A process that holds memory of a device.

    Attributes:
        used: Bytes, None where the driver does not say.
        name: Its command line, bounded; "" where it cannot be seen (dead, another namespace).
        ours: Whether it belongs to the training's tree.
    """

    pid: int
    used: int | None
    name: str
    ours: bool


class GpuSample(Struct, frozen=True, kw_only=True):
    """One device. None means: could not be read, never 0.

    Attributes:
        used, total: Bytes of device memory.
        tree: Bytes held by the training's tree; None where the driver does not say.
        utilisation: Percent.
        holders: Processes that hold memory of it, the greatest first; empty where not told.
        errors: What the device complains of: lost, ECC errors, rows that failed to remap.
    """

    index: int
    name: str
    used: int | None
    total: int | None
    tree: int | None
    utilisation: int | None
    holders: tuple[GpuHolder, ...] = ()
    errors: tuple[str, ...] = ()


class GpusSampled(Event, frozen=True, kw_only=True, tag="gpus-sampled"):
    """All devices at one moment."""

    gpus: tuple[GpuSample, ...]


class SourceLine(Struct, frozen=True, kw_only=True):
    """What a line of a source file calls, and what its ``with`` enters without a call.

    Attributes:
        calls, enters: Names as written, "self.lock.acquire"; "?" for what has no name.
    """

    calls: tuple[str, ...] = ()
    enters: tuple[str, ...] = ()


class Frame(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One Python frame, innermost first in a stack.

    Attributes:
        function: As the reader gives it: "fetch" or "_MapDatasetFetcher.fetch".
        sample: Index that a loader's fetcher asks its dataset for, where the reader could see it.
        source: Of the innermost frame: its source line; None where that could not be read, or may
            have changed since the process was started.
        subject: Path or address that a build or a download works on, where it could see that.
    """

    function: str
    file: str
    line: int
    sample: int | None = None
    source: SourceLine | None = None
    subject: str | None = None

    @property
    def bare(self) -> str:
        """The function's name without its class, which only some readers give."""
        return self.function.rsplit(".", 1)[-1]

    @property
    def slashed(self) -> str:
        """The file with forward slashes on every system: what a part of a path is looked for in."""
        return self.file.replace("\\", "/")


class ThreadStack(Struct, frozen=True, kw_only=True):
    """The stack of one thread; ``active`` is what the reader believes of its running.

    Attributes:
        tid: The system's number of the thread, None where the reader does not give it.
    """

    pid: int
    thread: str
    active: bool | None
    frames: tuple[Frame, ...]
    tid: int | None = None


class WaitKind(str, enum.Enum):
    """What a thread sleeps for, as far as it can be a part of a deadlock.

    ``MEMORY_LOCK``: a lock or condition in memory (futex). ``FILE_LOCK``: a lock of a file.
    ``STOPPED``: it was stopped (state T). ``OTHER``: it runs, or sleeps for anything else.
    """

    MEMORY_LOCK = "memory-lock"
    FILE_LOCK = "file-lock"
    STOPPED = "stopped"
    OTHER = "other"


class WaitSeen(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one thread of the tree waits for, by the system call that it sleeps in.

    Attributes:
        endless: It waits for a lock without a limit of time, and no alarm is set to end it.
        freed_by: Processes that can end the wait; None where that is not known.
        what: The lock, to compare it with that of another look.
    """

    pid: int
    tid: int
    kind: WaitKind
    endless: bool = False
    freed_by: tuple[int, ...] | None = None
    what: str = ""


class FileLock(Struct, frozen=True, kw_only=True):
    """A lock of a file (flock, fcntl).

    Attributes:
        pid: Who holds it, or waits for it.
        file: Its path; "inode ..." where no path was found.
    """

    pid: int
    file: str
    waits: bool


class FileLocksSeen(Event, frozen=True, kw_only=True, tag="file-locks-seen"):
    """The file locks that processes of the tree wait for, with those who hold them."""

    locks: tuple[FileLock, ...]


class BuildLock(Struct, frozen=True, kw_only=True):
    """The lock file of a just-in-time build of an extension, which a process waits for.

    Attributes:
        pid: Who waits.
        file: Its path.
        created: Wall time of its creation.
        holders: Processes that have it open, as its owner does until the build is over.
        hidden: Why an owner may not have been seen, "" where it would have been.
    """

    pid: int
    file: str
    created: float
    holders: tuple[int, ...] = ()
    hidden: str = ""


class BuildLocksSeen(Event, frozen=True, kw_only=True, tag="build-locks-seen"):
    """The lock files that processes may wait for; several where it is not known which."""

    locks: tuple[BuildLock, ...]


class Transfer(Struct, frozen=True, kw_only=True):
    """What a process that reads from the network has received. None means: could not be read.

    Attributes:
        peer: Address and port that it reads from, "" where unknown.
        quiet: Seconds since data came from there, or since the connection was made.
        file: The half file that it downloads to, "" where none was found.
        size: Bytes of it.
        grew: Wall time at which it was last written to.
    """

    pid: int
    peer: str = ""
    quiet: float | None = None
    file: str = ""
    size: int | None = None
    grew: float | None = None


class TransfersSeen(Event, frozen=True, kw_only=True, tag="transfers-seen"):
    """The processes of the tree that wait for the network."""

    transfers: tuple[Transfer, ...]


class StacksCaptured(Event, frozen=True, kw_only=True, tag="stacks-captured"):
    """Stacks of the tree at one moment.

    Attributes:
        path: The file that holds them in full.
        waits: What each thread waited for; empty where the system does not show it.
        early: Taken long before the stall timeout, in search of a proof.
    """

    stacks: tuple[ThreadStack, ...]
    path: str | None = None
    waits: tuple[WaitSeen, ...] = ()
    early: bool = False
