"""What kind of container a process runs in."""

from __future__ import annotations

import re
from pathlib import Path

from dualwatch.collectors.host.cgroups import path_of

# The first that fits: a pod is made of docker's or containerd's containers.
_GROUPS = (
    ("kubernetes", re.compile(r"kubepods")),
    ("podman", re.compile(r"libpod")),
    ("docker", re.compile(r"[/:]docker[/-][0-9a-f]{12}")),
    ("lxc", re.compile(r"[/:]lxc(?:\.payload)?[/.-]")),
)
_FILES = (
    ("kubernetes", "run/secrets/kubernetes.io"),
    ("kubernetes", "var/run/secrets/kubernetes.io"),
    ("docker", ".dockerenv"),
    ("podman", "run/.containerenv"),
    ("apptainer", ".singularity.d"),
)
# Set for everything inside; "container" is what systemd's container interface asks for.
_ENVIRONMENT = (
    ("kubernetes", re.compile(rb"(?:^|\0)KUBERNETES_SERVICE_HOST=")),
    ("apptainer", re.compile(rb"(?:^|\0)(?:APPTAINER|SINGULARITY)_CONTAINER=")),
    ("podman", re.compile(rb"(?:^|\0)container=podman(?:\0|$)")),
    ("docker", re.compile(rb"(?:^|\0)container=docker(?:\0|$)")),
    ("lxc", re.compile(rb"(?:^|\0)container=lxc(?:-libvirt)?(?:\0|$)")),
)


def kind(process: str, root: Path = Path("/")) -> str | None:
    """The kind of container, "" for none, None where unknown.

    Args:
        process: Pid, or "self".
        root: Where ``proc`` is found.
    """
    groups = path_of(process, root)
    for name, pattern in _GROUPS:
        if pattern.search(groups):
            return name
    place = root / "proc" / process
    seen = False
    try:
        # Its own root: from outside, ours has other files.
        names = {entry.name for entry in (place / "root").iterdir()}
        seen = True
    except OSError:
        names = set()
    for name, file in _FILES:
        if file.partition("/")[0] in names and _exists(place / "root" / file):
            return name
    try:
        environment = (place / "environ").read_bytes()
    except OSError:
        environment = b""
    for name, variable in _ENVIRONMENT:
        if variable.search(environment):
            return name
    return "" if seen else None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
