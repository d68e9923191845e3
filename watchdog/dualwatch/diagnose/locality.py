"""Whether a log is of this machine: only then is anything of this machine evidence for it.

This is the one place that decides it. A log, or a folder with one, may have been copied from
anywhere. It is of this machine where

1. its process runs here, or
2. dualwatch recorded it in this very folder, or
3. it names this machine as its host, or
4. it names a work dir, by an absolute path, that exists here and is the folder of the log.

Where it names another host, rule 4 does not count: a shared file system has the same paths on all
machines. Where nothing is named, nothing shows that it is of this machine, and it is treated as one
of another. A configuration that has not been run is meant for this machine.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dualwatch.collectors.target import Target
from dualwatch.events import Event, LogMilestone, RunStarted
from dualwatch.report.bundle.identities import host_key, is_local


@dataclass(frozen=True, slots=True)
class Locality:
    """Whether a training is of this machine.

    Attributes:
        here: Whether that is known; False where it is not.
        why: One clause.
    """

    here: bool
    why: str = ""


def of(
    target: Target,
    events: Iterable[Event],
    started: RunStarted | None,
    host: str | None = None,
) -> Locality:
    """Decides it.

    Args:
        events: Of the log.
        started: The start of the run in dualwatch's journal, None without one.
        host: Name of this machine.
    """
    if target.training is not None:
        return Locality(True, "its process runs here")
    if target.log is None and target.attempt_dir is None:
        return Locality(True, "a configuration that was not run")
    if target.supervised:
        return _recorded(target, started)
    named = [event for event in events if isinstance(event, LogMilestone)]
    hosts = {host_key(event.host) for event in named if event.host and not is_local(event.host)}
    ours = host_key(host if host is not None else socket.gethostname())
    if hosts and ours not in hosts:
        return Locality(False, f"its log is of the host {', '.join(sorted(hosts))}")
    places = [event.work_dir for event in named if event.work_dir]
    if hosts:
        return Locality(True, "its log names this host")
    if not places:
        return Locality(False, "its log names neither this host nor its own folder")
    if any(_is_at(place, target) for place in places):
        return Locality(True, "its log lies in the work dir that it names")
    return Locality(False, f"it does not lie in the work dir that its log names, {places[-1]}")


def _recorded(target: Target, started: RunStarted | None) -> Locality:
    assert target.attempt_dir is not None
    folder = target.attempt_dir.parent.parent
    place = started.work_dir if started is not None else ""
    if not place or not os.path.isabs(place) or _is_same(Path(place), folder):
        return Locality(True, "dualwatch recorded it here")
    if ":" in place[:2] or place.startswith("\\"):
        return Locality(False, f"dualwatch recorded it in {place}")
    return Locality(False, f"dualwatch recorded it in {place}, and this is another folder")


def _is_at(place: str, target: Target) -> bool:
    """Whether a target's log lies in the work dir that it names."""
    if not os.path.isabs(place) or target.log is None:
        return False
    folders = [target.log.parent, *target.log.absolute().parents[:3]]
    return any(_is_same(Path(place), folder) for folder in folders)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
