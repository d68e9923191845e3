"""DW122: weights or data are being downloaded, and nothing arrives."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from dualwatch.core import units
from dualwatch.core.units import span
from dualwatch.events import Evidence, Finding, Severity, Transfer
from dualwatch.rules.stalls import context, stall, wait_patterns
from dualwatch.rules.stalls.stall import StallKind
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

RECENT = 10.0
"""Seconds: a connection that brought data within them is slow."""

LONG = 60.0
"""Seconds without data that are no pause of a server."""

_ANNOUNCED = re.compile(r'Downloading:? "?(?P<address>https?://[^\s"?#]+)')
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.partial$")


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """A main process that waits for data of a download while none comes."""
    kind = stall.state(s, limits).kind
    if kind not in (StallKind.STALLED, StallKind.SUSPECT):
        return
    pid = context.main_pid(s)
    main = context.stack(s, pid)
    caller = wait_patterns.caller_of_download(main)
    if caller is None or not context.sleeps(s, pid):
        return
    seen = next((one for one in s.transfers if one.pid == pid), None)
    quiet = seen.quiet if seen is not None else None
    if quiet is not None and quiet < RECENT:
        return
    address = wait_patterns.address(main) or _announced(s)
    text = f"a download{f' of {address}' if address else ''} waits for data: {caller}"
    if quiet is not None:
        text = f"nothing has come for {span(quiet)}: {text}"
    evidence = [Evidence(text=text, source=f"py-spy pid {pid}", wall=s.wall)]
    evidence += _received(s, seen)
    sure = 0.75 if quiet is None else 0.9
    proven = kind is StallKind.STALLED or (quiet or 0.0) >= LONG
    yield stall.found(
        s,
        "DW122",
        evidence,
        sure if proven else 0.5,
        remedy=_remedy(address, seen),
        severity=None if proven else Severity.WARNING,
        pid=pid,
    )


def _announced(s: Snapshot) -> str:
    match = _ANNOUNCED.search(s.last_line)
    return match["address"] if match is not None else ""


def _received(s: Snapshot, seen: Transfer | None) -> Iterator[Evidence]:
    if seen is not None and seen.quiet is not None:
        text = f"the last data from {seen.peer} came {span(seen.quiet)} ago, or none ever did"
        yield Evidence(text=text, source="processes", wall=s.wall)
    if seen is not None and seen.file and seen.size is not None and seen.grew is not None:
        text = f"the half file {seen.file} has {units.size(seen.size)}, and was written to "
        text += f"{span(max(0.0, s.wall - seen.grew))} ago"
        yield Evidence(text=text, source="files", wall=s.wall)
    if seen is None or (seen.quiet is None and not seen.file):
        text = "its connection and its half file could not be seen"
        yield Evidence(text=text, source="processes", wall=s.wall)


def _remedy(address: str, seen: Transfer | None) -> str | None:
    if not address:
        return None
    way = f"Check the address (curl -I {shlex.quote(address)}), the proxy and the firewall"
    final = _TEMPORARY.sub("", seen.file) if seen is not None else ""
    if seen is not None and final != seen.file:
        way += f", or download it by hand: curl -o {shlex.quote(final)} {shlex.quote(address)}"
    else:
        way += ", or download it by hand and name the local file in the configuration"
    return f"{way}. dualwatch train reruns once, with a time limit for every answer of a server."
