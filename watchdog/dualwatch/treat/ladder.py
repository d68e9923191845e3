"""The ladder of remedies for a stall, and the decision for each finding. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dualwatch.facts import Action, Decision, Finding, Rung
from dualwatch.treat import edits

OnStall = Literal["rerun", "stop", "report"]

STALLS = ("DW101", "DW102", "DW103", "DW105")
"""What is acted on. "Slow" (DW104) never is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the user allows."""

    on_stall: OnStall = "rerun"
    max_reruns: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was tried so far in this run.

    Attributes:
        rungs_used: Rungs that were in force in an attempt that stalled.
        can_change: Whether a Runner was met, so that changes can be applied at all.
        refused: Loader overrides that the last attempt could not apply.
        survivors: Processes of the last attempt that could not be ended.
    """

    reruns: int
    rungs_used: tuple[str, ...]
    can_change: bool
    refused: tuple[str, ...] = ()
    survivors: tuple[int, ...] = ()


def ladder(sections: edits.Sections, *, keep_effective_batch: bool) -> tuple[Rung, ...]:
    """Every remedy that can help a stall, mildest first.

    Rung one is the remedy that is known to work: no workers and half the batch. Rung two goes
    down to a batch of one. A rung that would change nothing is left out.
    """
    size = edits.batch_size(sections)
    workers = edits.without_workers(sections)
    rungs: list[Rung] = []
    sizes: list[int | None] = [size]
    if size is not None and size > 1:
        sizes = [edits.half(size), 1]
    for target in dict.fromkeys(sizes):
        smaller = (
            []
            if target is None or size is None
            else edits.smaller_batch(sections, target, keep_effective=keep_effective_batch)
        )
        changes = (*workers, *smaller)
        if changes:
            name = " and ".join(
                part
                for part in (
                    "no workers" if workers else "",
                    f"batch {size} -> {target}" if smaller else "",
                )
                if part
            )
            stretch = size // target if size and target else 1
            rungs.append(Rung(name=name, changes=changes, stretch=stretch))
    return tuple(rungs)


def decide(finding: Finding, history: History, rungs: Sequence[Rung], policy: Policy) -> Decision:
    """What to do about a stall; every answer carries its reason.

    A rerun must be able to help: not when it would be the same configuration again, not when
    processes of the last attempt are still alive, not when nothing can be changed.
    """
    if finding.code not in STALLS:
        return Decision(action=Action.REPORT, reason=f"{finding.code} needs no action")
    if policy.on_stall == "report":
        return Decision(action=Action.REPORT, reason="stalls are reported only, as you asked")
    if policy.on_stall == "stop":
        return Decision(action=Action.STOP, reason="a stall stops the training, as you asked")
    if history.survivors:
        pids = ", ".join(map(str, history.survivors))
        return _give_up(f"processes of the last attempt cannot be ended (pid {pids})")
    if not history.can_change:
        return _give_up(
            "no mmengine Runner was met in the training, so no remedy can be applied, and the "
            "same configuration would hang again"
        )
    if history.refused:
        return _give_up(
            "the training's script builds its loaders itself, so the remedy could not be applied "
            f"({', '.join(history.refused)})"
        )
    if history.reruns >= policy.max_reruns:
        used_up = f"all {policy.max_reruns} reruns are used up"
        return _give_up(used_up if policy.max_reruns else "no rerun is allowed (--max-reruns 0)")
    left = [rung for rung in rungs if rung.name not in history.rungs_used]
    if not left:
        acquitted = "; it stalled again without workers, so the loader is not the cause"
        return _give_up("no remedy is left to try" + (acquitted if history.rungs_used else ""))
    rung = left[0]
    reason = f"{finding.code} {finding.name}: rerun with {rung.name}"
    if history.rungs_used:
        reason += "; the stall came again without workers: the loader is acquitted"
    return Decision(action=Action.RERUN, reason=reason, rung=rung)


def _give_up(reason: str) -> Decision:
    return Decision(action=Action.GIVE_UP, reason=reason)
