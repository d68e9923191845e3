"""GPUs, host and loader settings of a diagnosis as lines."""

from __future__ import annotations

from collections.abc import Iterator

from dualwatch.core import units
from dualwatch.core.plain import PlainValue
from dualwatch.report.diagnosis import Diagnosis
from dualwatch.report.terminal.console import one_line

TIGHT_SHARE = 0.1
"""Of memory, shared memory or disk: less than this is left, and the line says so."""

SMALL_SHM = 128 << 20
"""Bytes of /dev/shm; containers get 64 MiB unless told otherwise, too little for loader workers."""

_HOW = {
    "loaded": "loaded as the training loads it",
    "read": "read without executing it, since it was merely found",
}


def gpus(document: Diagnosis) -> Iterator[str]:
    """One line per device, and one per foreign process that holds its memory."""
    for gpu in document.gpus:
        busy = "?" if gpu.utilisation is None else f"{gpu.utilisation} %"
        yield (
            f"{gpu.index}: {one_line(gpu.name)}, {units.size(gpu.used)} of "
            f"{units.size(gpu.total)} used, {units.size(gpu.tree)} by the training, {busy} busy"
        )
        for error in gpu.errors:
            yield f"error: {one_line(error)}"
        for holder in gpu.holders:
            if not holder.ours:
                name = one_line(holder.name, 200) or "unknown: dead, or in another container"
                size = units.size(holder.used)
                yield f"{size} held by pid {holder.pid}, not of this run: {name}"


def nvidia_smi(document: Diagnosis) -> list[str]:
    """The rows of its table; none where it did not answer."""
    table = document.nvidia_smi or ""
    return [one_line(row) for row in table.strip("\r\n").splitlines()] if table.strip() else []


def host(document: Diagnosis) -> list[str]:
    """Two or three lines on the machine; scarce resources are marked."""
    h = document.host
    if h is None:
        return []
    memory = [_free("memory", h.memory_available, h.memory_total)]
    if h.commit_limit is not None and h.commit_used is not None:
        memory.append(_free("commit", h.commit_limit - h.commit_used, h.commit_limit))
    if h.cgroup_limit is not None:
        left = h.cgroup_limit - h.cgroup_used if h.cgroup_used is not None else None
        memory.append(_free("cgroup", left, h.cgroup_limit))
    small = h.shm_total is not None and h.shm_total <= SMALL_SHM
    folders = [
        _free("/dev/shm", h.shm_free, h.shm_total, also_tight=small),
        _free("disk", h.disk_free, h.disk_total),
    ]
    rest = [f"open files {_open_files(document, h.open_files_limit)}"]
    if h.container:
        rest.append(f"container: {one_line(h.container)}")
    if h.cgroup_oom_kills:
        rest.append(f"processes killed for memory so far: {h.cgroup_oom_kills} (tight)")
    return ["; ".join(memory), "; ".join(folders), "; ".join(rest)]


def _free(what: str, left: int | None, whole: int | None, *, also_tight: bool = False) -> str:
    if left is None and whole is None:
        return f"{what}: ?"
    tight = also_tight or (bool(whole) and left is not None and left < TIGHT_SHARE * (whole or 0))
    said = f"{what}: {units.size(left)} of {units.size(whole)} free"
    return f"{said} (tight)" if tight else said


def _open_files(document: Diagnosis, limit: int | None) -> str:
    counts = [p.open_files for p in document.processes if p.open_files is not None]
    if limit is None or not counts:
        return f"limit {'?' if limit is None else limit}"
    tight = " (tight)" if max(counts) > (1 - TIGHT_SHARE) * limit else ""
    return f"at most {max(counts)} in a process, limit {limit}{tight}"


def loader(document: Diagnosis) -> str:
    """``batch_size=2, num_workers=4, ...`` as loaded, "" where it was not."""
    loaded = (document.config.loader.loaded if document.config is not None else None) or {}
    return ", ".join(f"{one_line(key)}={_setting(value)}" for key, value in loaded.items())


def _setting(value: PlainValue, depth: int = 0) -> str:
    if isinstance(value, dict):
        inner = {key: item for key, item in value.items() if key != "type"}
        if depth > 1:
            return "..."
        shown = ", ".join(f"{one_line(k)}={_setting(v, depth + 1)}" for k, v in inner.items())
        return f"{one_line(value.get('type')) or 'dict'}({shown})"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_setting(item, depth + 1) for item in value[:8])}]"
    return one_line(repr(value) if isinstance(value, str) else value, 200)


def written(document: Diagnosis) -> list[str]:
    """The lines of the configuration that set the loader; none where they are not known."""
    source = document.config.loader.written if document.config is not None else None
    return [one_line(text) for text in (source or "").splitlines()]


def config_source(document: Diagnosis) -> str:
    """``configs/demo.py, loaded as the training loads it``."""
    config = document.config
    said = (one_line(config.path), _HOW.get(config.how or "", "")) if config is not None else ()
    return ", ".join(text for text in said if text)
