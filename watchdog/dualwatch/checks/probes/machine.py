"""Checks of the machine: disk, memory, GPU, permission to read stacks."""

from __future__ import annotations

from collections.abc import Mapping

from dualwatch.checks.item import CheckSubject, Item, Reading, failed, passed, skipped, warned
from dualwatch.core import shell, units
from dualwatch.events import ConfigRead, GpuSample
from dualwatch.rules.deaths.host_evidence import SCARCE_SHM, is_scarce

_UNSEEN = "the machine was not checked"


def disk(subject: CheckSubject, item: Item) -> Reading:
    """Disk space for checkpoints and logs."""
    host, limits = subject.s.host, item.limits
    expected = f"at least {units.size(limits['warn'])} free for the work dir"
    if host is None or host.disk_free is None:
        return skipped(_UNSEEN, expected)
    observed = f"{units.size(host.disk_free)} free for {host.disk or 'the work dir'}"
    return _by_floor(host.disk_free, limits, observed, expected)


def shared_memory(subject: CheckSubject, item: Item) -> Reading:
    """Workers pass batches through /dev/shm."""
    host, limits = subject.s.host, item.limits
    expected = f"at least {units.size(limits['warn'])} of /dev/shm where there are workers"
    if _without_workers(subject.s.config):
        return passed("no loader has workers, so none is needed", expected)
    if host is None or host.shm_total is None or host.shm_free is None:
        return skipped("this system has no /dev/shm", expected)
    observed = f"/dev/shm: {units.size(host.shm_free)} free of {units.size(host.shm_total)}"
    if is_scarce(host.shm_free, host.shm_total, SCARCE_SHM):
        return failed(observed, expected)
    return (
        passed(observed, expected)
        if host.shm_free >= limits["warn"]
        else warned(observed, expected)
    )


def _without_workers(config: ConfigRead | None) -> bool:
    loaders = config.loaders.values() if config is not None else ()
    counts = [one.get("num_workers", 0) for one in loaders if isinstance(one, Mapping)]
    return bool(counts) and all(count == 0 for count in counts)


def memory(subject: CheckSubject, item: Item) -> Reading:
    """Memory of the machine, or of the container where that has less."""
    host, limits = subject.s.host, item.limits
    expected = f"at least {100 * limits['warn']:.0f} % of memory available"
    if host is None:
        return skipped(_UNSEEN, expected)
    seen = [(host.memory_available, host.memory_total, "the machine")]
    if host.commit_limit and host.commit_used is not None:
        seen.append((host.commit_limit - host.commit_used, host.commit_limit, "the commit limit"))
    if host.cgroup_limit and host.cgroup_used is not None:
        kind = host.container or "this job"
        seen.append((host.cgroup_limit - host.cgroup_used, host.cgroup_limit, kind))
    known = [(a / t, a, t, of) for a, t, of in seen if a is not None and t]
    if not known:
        return skipped("memory could not be read", expected)
    left, available, total, of = min(known)
    observed = f"{units.size(max(0, available))} available of {units.size(total)} of {of}"
    return _by_floor(left, limits, observed, expected)


def open_files(subject: CheckSubject, item: Item) -> Reading:
    """The limit of open files; a training may raise it to 4096, up to the hard limit."""
    host, around, limits = subject.s.host, subject.s.surroundings, item.limits
    expected = f"at least {limits['warn']} open files allowed"
    soft = host.open_files_limit if host is not None else None
    if soft is None:
        return skipped("this system shows no such limit", expected)
    hard = around.hard_open_files if around is not None else None
    # Frameworks raise the soft limit to 4096 where the hard limit permits it.
    usable = max(soft, min(hard, 4096)) if hard is not None else soft
    observed = f"limit {soft}" + (f", may be raised to {hard}" if hard not in (None, soft) else "")
    return _by_floor(usable, limits, observed, expected)


def _by_floor(value: float, limits: Mapping[str, float], observed: str, expected: str) -> Reading:
    if value < limits["fail"]:
        return failed(observed, expected)
    return warned(observed, expected) if value < limits["warn"] else passed(observed, expected)


def gpu_memory(subject: CheckSubject, item: Item) -> Reading:
    """Each GPU has free memory, and no other process holds it."""
    seen, limits = subject.s.gpus, item.limits
    expected = f"at least {units.size(limits['free'])} free on each GPU, none held by others"
    if seen is None or not seen.gpus:
        why = subject.s.not_observed.get("gpu")
        return skipped(why.why if why is not None else "no GPU was found", expected)
    devices = [_device(gpu) for gpu in seen.gpus]
    known = [gpu for gpu in seen.gpus if gpu.used is not None and gpu.total is not None]
    if not known:
        return skipped("; ".join(devices), expected)
    for gpu in known:
        foreign = [h for h in gpu.holders if not h.ours and (h.used or 0) >= limits["foreign"]]
        if foreign:
            who = ", ".join(f"pid {h.pid} {h.name}".strip() for h in foreign[:3])
            return failed(f"{_device(gpu)}, held by {who}", expected)
        free = (gpu.total or 0) - (gpu.used or 0)
        if free < limits["free"] and not gpu.tree:
            return failed(_device(gpu), expected)
    return passed("; ".join(devices), expected)


def _device(gpu: GpuSample) -> str:
    if gpu.used is None or gpu.total is None:
        return f"GPU {gpu.index}: memory cannot be read"
    return f"GPU {gpu.index}: {units.size(gpu.total - gpu.used)} free of {units.size(gpu.total)}"


def stacks(subject: CheckSubject, item: Item) -> Reading:
    """Stacks of this user's processes can be read: without them the cause of a hang is unknown."""
    around, expected = subject.s.surroundings, "stacks of your processes can be read"
    if around is None or around.stacks_readable is None:
        why = around.stacks_why if around is not None else ""
        return skipped(why or "not tried", expected)
    if not around.stacks_readable:
        return failed(around.stacks_why or "stacks cannot be read", expected)
    return passed(around.stacks_why or "tried on a process of dualwatch", expected)


def orphans(subject: CheckSubject, item: Item) -> Reading:
    """No process of an earlier training is alive."""
    seen, expected = subject.s.orphans, "no processes of earlier trainings"
    if seen is not None and seen.processes:
        shown = ", ".join(f"{p.role} {p.pid}" for p in seen.processes[:5])
        remedy = shell.end(p.pid for p in seen.processes[:20])
        return failed(f"still alive: {shown}", expected, remedy=remedy)
    if not subject.orphans_looked_for:
        return skipped("no work dir is known", expected)
    return passed("none found", expected)


def console_encoding(subject: CheckSubject, item: Item) -> Reading:
    """The console can encode what a training prints."""
    around, expected = subject.s.surroundings, "the training's output is written as UTF-8"
    if around is None or not around.console_encoding:
        return skipped("not checked", expected)
    if around.console_encoding.lower().replace("-", "").replace("_", "") != "utf8":
        return failed(f"it is written as {around.console_encoding}", expected)
    return passed("UTF-8", expected)
