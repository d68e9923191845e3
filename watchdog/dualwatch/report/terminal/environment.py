"""What is around a training, in words: GPUs, the host, the loader's settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dualwatch.core import units
from dualwatch.frameworks import LOADER_KEY
from dualwatch.report.terminal.fields import line, number, part, parts, texts

TIGHT_SHARE = 0.1
"""Of memory, shared memory or disk: less than this is left, and the line says so."""

SMALL_SHM = 128 << 20
"""Bytes of /dev/shm; containers get 64 MiB unless told otherwise, too little for loader workers."""


def gpus(document: Mapping[str, Any]) -> Iterator[str]:
    """One line a device, and one for each process of others that holds memory of it."""
    for gpu in parts(document, "gpus"):
        used, total, own = (number(gpu.get(key)) for key in ("used", "total", "tree"))
        busy = number(gpu.get("utilisation"))
        yield (
            f"{line(gpu.get('index'))}: {line(gpu.get('name'))}, {units.size(used)} of "
            f"{units.size(total)} used, {units.size(own)} by the training, "
            f"{'?' if busy is None else f'{busy:.0f} %'} busy"
        )
        for error in texts(gpu, "errors"):
            yield f"complains: {error}"
        for holder in parts(gpu, "holders"):
            if not holder.get("ours"):
                name = line(holder.get("name"), 200) or "unseen: dead, or in another container"
                size = units.size(number(holder.get("used")))
                yield f"{size} held by pid {line(holder.get('pid'))}, not of this run: {name}"


def why_unseen(document: Mapping[str, Any], *needles: str) -> str:
    """Why something could not be observed, "" where nothing is said of it."""
    for item in parts(document, "not_observed"):
        if any(needle in line(item.get("what")).lower() for needle in needles):
            return line(item.get("why"))
    return ""


def host(document: Mapping[str, Any]) -> list[str]:
    """Two or three lines on the machine; what is tight says so."""
    h = part(document, "host")
    if not h:
        return []
    limit = number(h.get("cgroup_limit"))
    used = number(h.get("cgroup_used"))
    left = limit - used if limit is not None and used is not None else None
    memory = [_free("memory", h.get("memory_available"), h.get("memory_total"))]
    if limit is not None:
        memory.append(_free("cgroup", left, limit))
    shm_total = number(h.get("shm_total"))
    small = shm_total is not None and shm_total <= SMALL_SHM
    folders = [
        _free("/dev/shm", h.get("shm_free"), shm_total, also_tight=small),
        _free("disk", h.get("disk_free"), h.get("disk_total")),
    ]
    rest = [f"open files {_open_files(document, h)}"]
    if h.get("container"):
        rest.append(f"container: {line(h['container'])}")
    if number(h.get("cgroup_oom_kills")):
        rest.append(f"processes killed for memory so far: {h['cgroup_oom_kills']} (tight)")
    return ["; ".join(memory), "; ".join(folders), "; ".join(rest)]


def _free(what: str, free: Any, total: Any, *, also_tight: bool = False) -> str:
    left, whole = number(free), number(total)
    if left is None and whole is None:
        return f"{what}: ?"
    known = left is not None and whole is not None and whole > 0
    tight = also_tight or (known and left < TIGHT_SHARE * whole)  # type: ignore[operator]
    said = f"{what}: {units.size(left)} of {units.size(whole)} free"
    return f"{said} (tight)" if tight else said


def _open_files(document: Mapping[str, Any], h: Mapping[str, Any]) -> str:
    limit = number(h.get("open_files_limit"))
    counts = [number(p.get("open_files")) for p in parts(document, "processes")]
    most = max((count for count in counts if count is not None), default=None)
    if limit is None or most is None:
        return f"limit {'?' if limit is None else f'{limit:.0f}'}"
    tight = " (tight)" if most > (1 - TIGHT_SHARE) * limit else ""
    return f"at most {most:.0f} in a process, limit {limit:.0f}{tight}"


def loader(document: Mapping[str, Any]) -> str:
    """``batch_size=2, num_workers=4, ...`` as loaded, "" where it was not."""
    loaded = part(document, "config", LOADER_KEY, "loaded")
    return ", ".join(f"{line(key)}={_setting(value)}" for key, value in loaded.items())


def _setting(value: Any, depth: int = 0) -> str:
    if isinstance(value, Mapping):
        inner = {key: item for key, item in value.items() if key != "type"}
        if depth > 1:
            return "..."
        shown = ", ".join(f"{line(k)}={_setting(v, depth + 1)}" for k, v in inner.items())
        return f"{line(value.get('type')) or 'dict'}({shown})"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_setting(item, depth + 1) for item in value[:8])}]"
    return line(repr(value) if isinstance(value, str) else value, 200)


def written(document: Mapping[str, Any]) -> list[str]:
    """The lines of the configuration that set it, "" where they are not known."""
    source = part(document, "config", LOADER_KEY).get("written")
    return [line(text) for text in source.splitlines()] if isinstance(source, str) else []


def config_source(document: Mapping[str, Any]) -> str:
    """``configs/demo.py, loaded as the training loads it``."""
    config = part(document, "config")
    hows = {
        "loaded": "loaded as the training loads it",
        "read": "read without executing it, since it was merely found",
    }
    said = (line(config.get("path")), hows.get(str(config.get("how")), ""))
    return ", ".join(text for text in said if text)
