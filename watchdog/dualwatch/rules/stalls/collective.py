"""DW118: ranks wait for each other in a collective; the one that is elsewhere is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dualwatch.events import Evidence, Finding, Frame, Severity
from dualwatch.protocol import Phase
from dualwatch.rules.stalls import context, stack_patterns, stall
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot


class Rank(NamedTuple):
    """Where one rank stands.

    Attributes:
        name: "rank 1", or "pid 123" where its number is not known.
        kind: "collective", "backward" (which may hide one), "elsewhere", "finished", "gone" or
            "unread".
        what: The operation where it stands in one.
        place: In words.
    """

    pid: int
    name: str
    kind: str
    what: str
    place: str


def judge(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Compares the places of all ranks of a stall."""
    kind = stall.state(s, limits).kind
    if kind not in (stall.STALLED, stall.SUSPECT) or not s.stacks:
        return
    ranks = [_rank(s, pid) for pid in context.trainers(s)]
    waiting = [rank for rank in ranks if rank.kind == "collective"]
    absent = [rank for rank in ranks if rank.kind in ("elsewhere", "finished", "gone")]
    hidden = [rank for rank in ranks if rank.kind == "backward"]
    if not waiting and not (hidden and absent):
        return
    # Gradients are reduced inside the backward pass, where no frame tells of it.
    if not absent or not waiting:
        waiting = [*waiting, *hidden]
    text, sure, remedy = _told(waiting, absent)
    evidence = [Evidence(text=text, source="py-spy", wall=s.wall)]
    for rank in [*absent, *waiting, *[r for r in ranks if r.kind == "unread"]][:8]:
        source = f"py-spy pid {rank.pid}"
        evidence.append(Evidence(text=f"{rank.name}: {rank.place}", source=source, wall=s.wall))
    about = absent[0].pid if absent else waiting[0].pid
    severity = Severity.ERROR if kind == stall.STALLED else Severity.WARNING
    sure = sure if kind == stall.STALLED else min(sure, 0.5)
    yield stall.found(s, "DW118", evidence, sure, remedy=remedy, severity=severity, pid=about)


def _told(waiting: list[Rank], absent: list[Rank]) -> tuple[str, float, str]:
    """The matter in one sentence, how sure, and the remedy."""
    who = _names(waiting)
    what = waiting[0].what
    if absent:
        other = absent[0]
        does = {"finished": "has finished", "gone": "is gone"}.get(other.kind, "is elsewhere")
        more = f" (as {'are' if len(absent) > 2 else 'is'} {_names(absent[1:])})"
        text = f"{who} {_wait(waiting)} in {what}, and {other.name} {does}"
        text += more if len(absent) > 1 else f": {other.place}" if does == "is elsewhere" else ""
        remedy = {
            "finished": f"Give every rank equally many batches: {other.name} had fewer and ended.",
            "gone": f"Look at why {other.name} ended: its error is the cause, the others wait.",
        }.get(
            other.kind,
            f"Look at what {other.name} does there: it has fewer batches, is stuck, or took "
            "another branch. Every rank must come to the same collectives in the same order.",
        )
        return text, 0.9 if waiting[0].kind == "collective" else 0.7, remedy
    if len({(rank.what, rank.place) for rank in waiting}) > 1:
        parts = ", ".join(f"{rank.name} in {rank.what}" for rank in waiting[:8])
        text = f"the ranks wait in different collectives: {parts}"
        remedy = (
            "Every rank must come to the same collectives in the same order: look at the branch "
            "(if rank == 0, an empty batch, a loss that is missing) that sent them apart."
        )
        return text, 0.85, remedy
    text = f"{who} {_wait(waiting)} in {what}, and no other rank is seen here"
    if len(waiting) > 1:
        text = f"all ranks seen here ({who}) wait in the same collective, {what}"
    remedy = (
        "Look at the ranks on other machines, and at the network between the ranks "
        "(NCCL_DEBUG=INFO, TORCH_DISTRIBUTED_DEBUG=DETAIL tell more)."
    )
    return text, 0.5, remedy


def _rank(s: Snapshot, pid: int) -> Rank:
    number = context.rank_of(s, pid)
    name = f"rank {number}" if number is not None else f"pid {pid}"
    process = s.process.get(pid)
    if number is not None and s.pulses[number].phase == Phase.FINISHED:
        return Rank(pid, name, "finished", "", "it has trained to its end")
    if s.processes is not None and (process is None or process.status == "zombie"):
        return Rank(pid, name, "gone", "", "its process is gone")
    main = context.stack(s, pid)
    if not main:
        return Rank(pid, name, "unread", "", "its stack was not readable")
    place = stack_patterns.place(main[:3])
    inside = stack_patterns.collective(main)
    if inside is not None:
        called = stack_patterns.place(_caller(inside.caller))
        return Rank(
            pid, name, "collective", inside.operation, f"{inside.operation}, called by {called}"
        )
    if stack_patterns.in_backward(main) and context.sleeps(s, pid):
        return Rank(pid, name, "backward", "the backward pass (gradients)", f"asleep in {place}")
    return Rank(pid, name, "elsewhere", "", place)


def _caller(caller: tuple[Frame, ...]) -> tuple[Frame, ...]:
    return caller or (Frame(function="?", file="?", line=0),)


def _names(ranks: list[Rank]) -> str:
    shown = ", ".join(rank.name for rank in ranks[:8])
    return shown + (f" and {len(ranks) - 8} more" if len(ranks) > 8 else "")


def _wait(ranks: list[Rank]) -> str:
    return "waits" if len(ranks) == 1 else "wait"
