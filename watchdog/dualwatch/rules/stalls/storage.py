"""DW116: a process waits in the kernel for storage that does not respond."""

from __future__ import annotations

import enum
from collections.abc import Iterator

from dualwatch.events import Evidence, Finding, Severity
from dualwatch.rules.stalls import context, stack_patterns, stall
from dualwatch.rules.stalls.stall import StallKind
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

APART = 2.0
"""Seconds of disk sleep before a finding."""

LASTING = 10.0
"""Seconds of disk sleep before it is a cause: a cold or crowded disk responds earlier."""


class _Waits(enum.Enum):
    """What a process in disk sleep waits for."""

    NFS = "a network folder (NFS) does not respond"
    SMB = "a network folder (SMB) does not respond"
    CLUSTER = "a cluster file system does not respond"
    FUSE = "a user-space file system (FUSE) does not respond"
    GPU = "the GPU driver does not respond"
    CHILD = "a child process does not begin to run (vfork)"
    DISK = "a disk does not respond"


_KNOWN = (
    (("nfs", "rpc_"), _Waits.NFS),
    (("cifs", "smb"), _Waits.SMB),
    (("ceph", "lustre", "ll_", "gpfs", "beegfs"), _Waits.CLUSTER),
    (("fuse", "request_wait_answer"), _Waits.FUSE),
    (("nv",), _Waits.GPU),
    (("vfork",), _Waits.CHILD),
    (
        ("io_schedule", "folio_wait", "wait_on_page", "blk_", "bio_", "submit_bio", "jbd2"),
        _Waits.DISK,
    ),
    (("ext4", "xfs_", "btrfs", "balance_dirty"), _Waits.DISK),
)


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Processes in disk sleep while the training makes no progress."""
    kind = stall.state(s, limits).kind
    if kind not in (StallKind.STALLED, StallKind.SUSPECT, StallKind.SLOW) or s.activity is None:
        return
    stuck = [
        p
        for p in s.process.values()
        if p.pid in s.activity.still_d and p.role in ("main", "rank", "worker")
    ]
    held = max((_seconds(s, p.pid) for p in stuck), default=0.0)
    if held < min(APART, stall.timeout(s, limits) / 10):
        return
    shown = ", ".join(f"{p.role} {p.pid}" for p in stuck[:8])
    text = f"{shown} in uninterruptible sleep (state D) for at least {held:.0f} s, no CPU, no I/O"
    evidence = [Evidence(text=text, source="processes", wall=s.wall)]
    what: _Waits | None = None
    for process in stuck[:4]:
        known = _known(process.wchan)
        what = what or known
        if process.wchan:
            meaning = f": {known.value}" if known else ""
            text = f"{process.role} {process.pid} sleeps in {process.wchan}{meaning}"
            evidence.append(Evidence(text=text, source="processes", wall=s.wall))
        place = stack_patterns.place(context.stack(s, process.pid)[:3])
        if place:
            source = f"py-spy pid {process.pid}"
            evidence.append(Evidence(text=f"it is in {place}", source=source, wall=s.wall))
    # The rest of the tree may still make progress without that process.
    lasting = kind is StallKind.STALLED and held >= LASTING
    severity = None if lasting else Severity.WARNING
    sure = (0.9 if what else 0.8) if lasting else 0.5
    yield stall.found(
        s, "DW116", evidence, sure, remedy=_remedy(what), severity=severity, pid=stuck[0].pid
    )


def _seconds(s: Snapshot, pid: int) -> float:
    assert s.activity is not None
    # Up to the newer sample: later ones were not seen.
    return s.activity.at - s.activity.still_d[pid]


def _known(wchan: str) -> _Waits | None:
    name = wchan.lower()
    for starts, known in _KNOWN:
        if any(name.startswith(start) or f"_{start}" in name for start in starts):
            return known
    return None


def _remedy(what: _Waits | None) -> str | None:
    if what is _Waits.GPU:
        return (
            "Check dmesg (Xid) and nvidia-smi, then reset the GPU or reboot. Such a process cannot "
            "be killed, and no rerun can help before that."
        )
    if what is _Waits.CHILD:
        return (
            "Check the child process, and the storage that holds its program. The parent cannot be "
            "killed before the child runs or ends."
        )
    if what in (_Waits.NFS, _Waits.SMB, _Waits.CLUSTER, _Waits.FUSE):
        return (
            "Check the file server and the network (mount, df in another shell, dmesg). The "
            "training continues when it responds again. Such a process cannot be killed, so no "
            "rerun can help before that. A local disk avoids this."
        )
    return None
