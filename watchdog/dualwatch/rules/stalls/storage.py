"""DW116: a process waits in the kernel for storage that does not answer."""

from __future__ import annotations

from collections.abc import Iterator

from dualwatch.events import Evidence, Finding, Severity
from dualwatch.rules.stalls import context, stack_patterns, stall
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

APART = 2.0
"""Seconds of disk sleep from which it is told: a disk that is merely slow answers earlier."""

_KNOWN = (
    (("nfs", "rpc_"), "a network folder (NFS) that does not answer"),
    (("cifs", "smb"), "a network folder (SMB) that does not answer"),
    (("ceph", "lustre", "ll_", "gpfs", "beegfs"), "a cluster file system that does not answer"),
    (("fuse", "request_wait_answer"), "a file system in user space (FUSE) that does not answer"),
    (("nv",), "the driver of the GPU, which does not answer"),
    (("vfork",), "a child that it started and that does not begin to run (vfork)"),
    (
        ("io_schedule", "folio_wait", "wait_on_page", "blk_", "bio_", "submit_bio", "jbd2"),
        "a disk that does not answer",
    ),
    (("ext4", "xfs_", "btrfs", "balance_dirty"), "a disk that does not answer"),
)


def judge(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Names the processes in disk sleep, where the training does not move."""
    kind = stall.state(s, limits).kind
    if kind not in (stall.STALLED, stall.SUSPECT, stall.SLOW) or s.activity is None:
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
    what = ""
    for process in stuck[:4]:
        known = _known(process.wchan)
        what = what or known
        if process.wchan:
            told = f": {known}" if known else ""
            text = f"{process.role} {process.pid} sleeps in {process.wchan}{told}"
            evidence.append(Evidence(text=text, source="processes", wall=s.wall))
        place = stack_patterns.place(context.stack(s, process.pid)[:3])
        if place:
            source = f"py-spy pid {process.pid}"
            evidence.append(Evidence(text=f"it stands in {place}", source=source, wall=s.wall))
    # A tree that gets on beside it may well wait for that process soon, and may not.
    severity = None if kind == stall.STALLED else Severity.WARNING
    sure = (0.9 if what else 0.8) if kind == stall.STALLED else 0.5
    yield stall.found(
        s, "DW116", evidence, sure, remedy=_remedy(what), severity=severity, pid=stuck[0].pid
    )


def _seconds(s: Snapshot, pid: int) -> float:
    assert s.activity is not None
    # Up to the newer sample: what came after it was not seen.
    return s.activity.at - s.activity.still_d[pid]


def _known(wchan: str) -> str:
    name = wchan.lower()
    for starts, words in _KNOWN:
        if any(name.startswith(start) or f"_{start}" in name for start in starts):
            return words
    return ""


def _remedy(what: str) -> str | None:
    if "GPU" in what:
        return (
            "Look at dmesg (Xid) and nvidia-smi: the driver does not answer, which a reset of the "
            "device or a reboot cures. Such a process cannot be killed; no rerun before that."
        )
    if "vfork" in what:
        return (
            "Look at the child that it starts, and at the storage that the child's program lies "
            "on. Such a process cannot be killed before the child runs or ends."
        )
    if "network" in what or "cluster" in what or "FUSE" in what:
        return (
            "Look at the folder's server and the network (mount, df in another shell, dmesg); "
            "when it answers again, the training goes on. Such a process cannot be killed: no "
            "rerun before that. Data on a local disk is spared it."
        )
    return None
