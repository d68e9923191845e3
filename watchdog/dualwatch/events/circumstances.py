"""What happened beyond a finding's code: the remedy depends on it."""

from __future__ import annotations

import enum


class Circumstance(str, enum.Enum):
    """A distinct way in which the fault of one code happens.

    The catalogue has a remedy for each (``Code.remedies``), and an adapter may add a line.
    """

    # DW118
    WHILE_EVALUATING = "while-evaluating"
    NEVER_JOINED = "never-joined"
    DIFFERENT_BRANCHES = "different-branches"
    ONE_RANK_ALONE = "one-rank-alone"
    # DW125
    WRITER_GONE = "writer-gone"
    WRITER_BLOCKED = "writer-blocked"
    SERVICE_SILENT = "service-silent"
    CONSOLE_UNREAD = "console-unread"
    # DW214
    OUTSIDE_OPTIMIZER = "outside-optimizer"
    NO_GRADIENT = "no-gradient"
    NEVER_CALLED = "never-called"
    RATE_ZERO = "rate-zero"
    ZERO_GRADIENT = "zero-gradient"
    UNCHANGED = "unchanged"
    EVAL_MODE = "eval-mode"
    NOT_CLEARED = "not-cleared"
    # DW301
    TERMINATED_WORKER = "terminated-worker"
    # DW304
    NO_MAIN_GUARD = "no-main-guard"
    UNPICKLABLE = "unpicklable"
    PAGING_FILE = "paging-file"
    PROCESS_LIMIT = "process-limit"
    # DW401
    FRAGMENTED = "fragmented"
    LARGER_THAN_GPU = "larger-than-gpu"
    # DW402
    HELD_BY_UNKNOWN = "held-by-unknown"
    # DW405
    NO_DRIVER = "no-driver"
    OLD_DRIVER = "old-driver"
    NO_KERNEL_IMAGE = "no-kernel-image"
    CUDNN = "cudnn"
    CPU_BUILD = "cpu-build"
    # DW501
    JOB_LIMIT = "job-limit"
    CONTAINER_LIMIT = "container-limit"
    KILLED_SILENTLY = "killed-silently"
    # DW502
    QUOTA = "quota"
    INODES = "inodes"
    READ_ONLY = "read-only"
    FILE_IN_USE = "file-in-use"
    # DW503
    FILE_READ = "file-read"
    # DW504
    NOT_HELD = "not-held"
    # DW506
    PINNED_WORKERS = "pinned-workers"
    NARROW_MASK = "narrow-mask"
    CPU_QUOTA = "cpu-quota"
    # DW605
    TRUNCATED = "truncated"
    WEB_PAGE = "web-page"
    LFS_POINTER = "lfs-pointer"
    NOT_A_CHECKPOINT = "not-a-checkpoint"
    NEWER_FORMAT = "newer-format"
    NO_SUCH_CHECKPOINT = "no-such-checkpoint"
    REFUSED_CLASS = "refused-class"
    # DW606
    UNUSED_PARAMETERS = "unused-parameters"
    DUPLICATE_OPENMP = "duplicate-openmp"
    NATIVE_CRASH = "native-crash"
    DEVICE_ASSERT = "device-assert"
    NON_FINITE = "non-finite"
    INPUT_OUTPUT = "input-output"
    SILENT_EXIT = "silent-exit"
    UNSEEN_END = "unseen-end"
    # DW607
    NO_MODULE = "no-module"
    NOT_REGISTERED = "not-registered"
    EXTENSION = "extension"
    VERSION = "version"
    NO_SCRIPT = "no-script"
    SYSTEM_LIBRARY = "system-library"
    # DW609
    INTERRUPTED = "interrupted"
    SIGTERM = "sigterm"
    SIGKILL = "sigkill"
    HANGUP = "hangup"
    TIME_LIMIT = "time-limit"
    PREEMPTED = "preempted"
    CANCELLED = "cancelled"
    NODE_FAILED = "node-failed"
    RUN_FOLDER_REMOVED = "run-folder-removed"
