"""DW118: ranks wait for each other in a collective; the one that is elsewhere is named."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import NamedTuple

from dualwatch.events import Circumstance, Evidence, Finding, Frame, Severity
from dualwatch.protocol import Phase
from dualwatch.rules.stalls import context, stack_patterns, stall
from dualwatch.rules.stalls.stall import StallKind
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot


class RankKind(enum.Enum):
    """Where a rank is; ``BACKWARD`` may hide a collective."""

    COLLECTIVE = "collective"
    BACKWARD = "backward"
    ELSEWHERE = "elsewhere"
    FINISHED = "finished"
    GONE = "gone"
    UNREAD = "unread"


BUFFERS = ("_sync_buffers",)
MEETINGS = ("barrier", "monitored_barrier", "all_gather_object", "gather_object", "collect_results")
"""Collectives in which ranks wait for one that does something for all of them."""

SHOWN = 2
"""Unusual iterations of a rank, at most, that can have led to it."""

_ABSENT = (RankKind.ELSEWHERE, RankKind.FINISHED, RankKind.GONE)


class Rank(NamedTuple):
    """The position of one rank.

    Attributes:
        name: "rank 1", or "pid 123" where its number is not known.
        what: The collective that it is in, "" for none.
        place: In words.
    """

    pid: int
    name: str
    kind: RankKind
    what: str
    place: str


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Compares the positions of all ranks of a stalled training."""
    kind = stall.state(s, limits).kind
    if kind not in (StallKind.STALLED, StallKind.SUSPECT) or not s.stacks:
        return
    ranks = [_rank(s, pid) for pid in context.trainers(s)]
    waiting = [rank for rank in ranks if rank.kind is RankKind.COLLECTIVE]
    absent = [
        rank
        for rank in ranks
        if rank.kind in (RankKind.ELSEWHERE, RankKind.FINISHED, RankKind.GONE)
    ]
    hidden = [rank for rank in ranks if rank.kind is RankKind.BACKWARD]
    if not waiting and not (hidden and absent):
        return
    # Gradients are reduced inside the backward pass, without a frame of their own.
    if not absent or not waiting:
        waiting = [*waiting, *hidden]
    text, sure, remedy = _verdict(waiting, absent)
    unusual = list(_unusual(s))
    circumstance = None
    if _one_is_alone(waiting):
        circumstance = Circumstance.ONE_RANK_ALONE
    elif unusual and (_differ(waiting) or [r.kind for r in absent[:1]] == [RankKind.ELSEWHERE]):
        circumstance = Circumstance.DIFFERENT_BRANCHES
    evidence = [Evidence(text=text, source="py-spy", wall=s.wall)]
    for rank in [*absent, *waiting, *[r for r in ranks if r.kind is RankKind.UNREAD]][:8]:
        source = f"py-spy pid {rank.pid}"
        evidence.append(Evidence(text=f"{rank.name}: {rank.place}", source=source, wall=s.wall))
    about = absent[0].pid if absent else waiting[0].pid
    severity = Severity.ERROR if kind is StallKind.STALLED else Severity.WARNING
    sure = sure if kind is StallKind.STALLED else min(sure, 0.5)
    yield stall.found(
        s,
        "DW118",
        [*evidence[:1], *unusual, *evidence[1:]],
        sure,
        remedy=remedy if circumstance is None else None,
        severity=severity,
        pid=about,
        circumstance=circumstance,
    )


def _one_is_alone(waiting: list[Rank]) -> bool:
    """Whether one rank sends the model's buffers in a forward pass, and the others wait elsewhere.

    Those are in a collective that ends a stretch of work, and not in a step of the training.
    """
    alone = [rank for rank in waiting if rank.what in BUFFERS]
    others = [rank for rank in waiting if rank.what not in BUFFERS]
    return len(alone) == 1 and bool(others) and all(rank.what in MEETINGS for rank in others)


def _unusual(s: Snapshot) -> Iterator[Evidence]:
    """Iterations in which one rank's batch, or what the model made of it, was unlike the others.

    In the present pass, and the first ones of their kind: others went well.
    """
    seen = {rank: {one.iteration for one in s.batches[rank].unusual} for rank in s.batches}
    for rank, batch in sorted(s.batches.items()):
        others = set().union(*(found for other, found in seen.items() if other != rank))
        pulse = s.pulses.get(rank)
        if pulse is None or len(s.batches) < 2 or len(batch.unusual) > SHOWN:
            continue
        begun = pulse.iteration - pulse.batch
        for one in batch.unusual:
            if one.iteration in others or one.iteration <= begun:
                continue
            words = [f"{', '.join(one.empty)} had no elements"] if one.empty else []
            words += [f"{', '.join(one.missing)} not returned"] if one.missing else []
            text = f"rank {rank} alone, in iteration {one.iteration}: {'; '.join(words)}"
            yield Evidence(text=text, source="agent", wall=batch.wall)


def _verdict(waiting: list[Rank], absent: list[Rank]) -> tuple[str, float, str]:
    """The headline, the confidence and the remedy."""
    who = _names(waiting)
    what = waiting[0].what
    if absent:
        other = absent[0]
        is_elsewhere = other.kind is RankKind.ELSEWHERE
        does = {RankKind.FINISHED: "has finished", RankKind.GONE: "is gone"}
        does_what = does.get(other.kind, "is elsewhere")
        more = f" (as {'are' if len(absent) > 2 else 'is'} {_names(absent[1:])})"
        text = f"{who} {_wait(waiting)} in {what}, and {other.name} {does_what}"
        text += more if len(absent) > 1 else f": {other.place}" if is_elsewhere else ""
        remedy = {
            RankKind.FINISHED: "Give every rank the same number of batches: "
            f"{other.name} had fewer and finished.",
            RankKind.GONE: f"Look at why {other.name} ended: its error is the cause; the others "
            "wait for it.",
        }.get(
            other.kind,
            f"Look at what {other.name} does there: it has fewer batches, is stuck, or took "
            "another branch. Every rank must call the same collectives in the same order.",
        )
        return text, 0.9 if waiting[0].kind is RankKind.COLLECTIVE else 0.7, remedy
    if _differ(waiting):
        parts = ", ".join(f"{rank.name} in {rank.what}" for rank in waiting[:8])
        text = f"the ranks wait in different collectives: {parts}"
        remedy = (
            "Every rank must call the same collectives in the same order: look for a branch (if "
            "rank == 0, an empty batch, a missing loss) that only some ranks take."
        )
        return text, 0.85, remedy
    text = f"{who} {_wait(waiting)} in {what}, and no other rank is seen here"
    if len(waiting) > 1:
        text = f"all ranks seen here ({who}) wait in the same collective, {what}"
    remedy = (
        "Look at the ranks on other machines, and at the network between the ranks "
        "(NCCL_DEBUG=INFO and TORCH_DISTRIBUTED_DEBUG=DETAIL show more)."
    )
    return text, 0.5, remedy


def _differ(waiting: list[Rank]) -> bool:
    return len({(rank.what, rank.place) for rank in waiting}) > 1


def _rank(s: Snapshot, pid: int) -> Rank:
    number = context.rank_of(s, pid)
    name = f"rank {number}" if number is not None else f"pid {pid}"
    process = s.process.get(pid)
    if number is not None and s.pulses[number].phase == Phase.FINISHED:
        return Rank(pid, name, RankKind.FINISHED, "", "it has finished training")
    if s.processes is not None and (process is None or process.status == "zombie"):
        return Rank(pid, name, RankKind.GONE, "", "its process is gone")
    main = context.stack(s, pid)
    if not main:
        return Rank(pid, name, RankKind.UNREAD, "", "its stack could not be read")
    place = stack_patterns.place(main[:3])
    inside = stack_patterns.collective(main)
    if inside is not None:
        called = stack_patterns.place(_caller(inside.caller))
        return Rank(
            pid,
            name,
            RankKind.COLLECTIVE,
            inside.operation,
            f"{inside.operation}, called by {called}",
        )
    if stack_patterns.in_backward(main) and context.sleeps(s, pid):
        return Rank(
            pid, name, RankKind.BACKWARD, "the backward pass (gradients)", f"asleep in {place}"
        )
    return Rank(pid, name, RankKind.ELSEWHERE, "", place)


def _caller(caller: tuple[Frame, ...]) -> tuple[Frame, ...]:
    return caller or (Frame(function="?", file="?", line=0),)


def _names(ranks: list[Rank]) -> str:
    shown = ", ".join(rank.name for rank in ranks[:8])
    return shown + (f" and {len(ranks) - 8} more" if len(ranks) > 8 else "")


def _wait(ranks: list[Rank]) -> str:
    return "waits" if len(ranks) == 1 else "wait"
