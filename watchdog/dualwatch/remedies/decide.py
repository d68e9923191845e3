"""What to do about a stall or a death: the decision, its reason and its budget. Pure.

``remedies.table`` lists which remedy answers which cause, the framework's adapter turns it into
changes of a configuration. Here it is decided whether it may be tried now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from dualwatch.events import Action, Circumstance, Decision, Finding, Proof, RerunStep, TriedStep
from dualwatch.frameworks.base import TrainingSpec
from dualwatch.protocol import Phase
from dualwatch.remedies import causes, table
from dualwatch.remedies.causes import STALLS
from dualwatch.remedies.overrides import Overrides, step_of
from dualwatch.remedies.table import Remedy, RemedyCase

__all__ = [
    "STALLS",
    "Overrides",
    "Policy",
    "RemedyHistory",
    "decide_death",
    "decide_stall",
    "escalations",
    "withheld",
]

OnStall = Literal["rerun", "stop", "report"]
AfterCure = Literal["fresh", "none"]

LONGEST_PAUSE = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the user allows.

    Attributes:
        min_batch: The smallest training batch that is tried.
        rescue: A loader may be replaced inside the running training.
        after_cure: Whether a replaced loader may get fresh workers.
    """

    on_stall: OnStall = "rerun"
    max_reruns: int = 3
    keep_effective_batch: bool = True
    min_batch: int = 1
    rescue: bool = True
    after_cure: AfterCure = "fresh"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyHistory:
    """What was tried so far in this run, and the state of the present attempt.

    Attributes:
        tried: Reruns so far, oldest first.
        overrides: What is in force now.
        can_change: Whether a Runner was met, so that changes can be applied at all.
        refused: Loader overrides that the last attempt could not apply.
        survivors: Processes of the last attempt that could not be ended.
        can_replace: Whether the agent can replace the loader that is waited for, now.
        can_replace_pool: Whether the agent can compute the evaluation without its pool, now.
        can_end_workers: Whether the agent can end loader workers that do not end, now.
        can_drop_logs: Whether the agent can give up a logger that blocks, now.
        woken: Whether stopped processes were resumed in this attempt.
        thrown_away: Trained iterations that a rerun would begin again, since only the training's
            script knows how it resumes.
        phase: ``protocol.Phase`` in which it stalled or died.
        iteration_s: Seconds of an iteration with workers, and at most without; None where that is
            not known.
    """

    tried: tuple[TriedStep, ...] = ()
    overrides: Overrides = field(default_factory=Overrides)
    can_change: bool = True
    refused: tuple[str, ...] = ()
    survivors: tuple[int, ...] = ()
    can_replace: bool = False
    can_replace_pool: bool = False
    can_end_workers: bool = False
    can_drop_logs: bool = False
    woken: bool = False
    thrown_away: int = 0
    phase: str = ""
    iteration_s: tuple[float, float] | None = None

    def used(self, cause: str) -> int:
        """Reruns that a cause has had."""
        return sum(past.cause == cause for past in self.tried)


# --- decisions -----------------------------------------------------------------------------------


def decide_stall(
    findings: Sequence[Finding], history: RemedyHistory, spec: TrainingSpec, policy: Policy
) -> Decision:
    """The decision about a stalled training, with its reason.

    Args:
        findings: What is the case now, ranked: likeliest cause first (``rules.ranking.causes``).
        spec: The user's own configuration, empty where it is not known.
    """
    stopped = next((f for f in findings if f.code == "DW115"), None)
    cause = causes.of_stall(findings) or stopped
    if cause is None:
        code = findings[0].code if findings else ""
        return _decision(Action.REPORT, f"{code or 'nothing'} needs no action", code)
    if policy.on_stall == "report":
        acting = replace(policy, on_stall="rerun")
        return withheld(decide_stall(findings, history, spec, acting))
    wakes = policy.on_stall == "rerun" and not history.woken
    if stopped is not None and wakes and stopped.proof is Proof.STOPPED:
        reason = f"{causes.named(stopped)}: it is intact, so it is resumed"
        return _decision(Action.WAKE, reason, stopped.code)
    if cause is stopped:
        return _decision(
            Action.REPORT, f"{causes.named(cause)}: {_held(history.woken)}", cause.code
        )
    if policy.on_stall == "stop":
        return _decision(Action.STOP, "a stall stops the training, as you asked", cause.code)
    if (why := causes.hopeless(cause)) is not None:
        return _give_up(f"{causes.named(cause)}: {why}", cause)
    # One that is not proven has a plain stall's remedy.
    remedy = table.STALLED[cause.code] if causes.is_proven(cause) else table.STALL
    if remedy is table.POOL and policy.rescue and history.can_replace_pool:
        reason = f"{causes.named(cause)}: {table.NO_POOL}"
        return _decision(Action.REPLACE_POOL, reason, cause.code)
    if remedy is table.WORKER_JOIN and policy.rescue and history.can_end_workers:
        reason = f"{causes.named(cause)}: {table.END_WORKERS}"
        return _decision(Action.END_WORKERS, reason, cause.code)
    gone = cause.circumstance is Circumstance.WRITER_GONE
    if remedy is table.LOGGER and gone and policy.rescue and history.can_drop_logs:
        reason = f"{causes.named(cause)}: {table.DROP_LOGS}"
        return _decision(Action.DROP_LOGS, reason, cause.code)
    if remedy.in_place and policy.rescue and _can_replace(history):
        reason = f"{causes.named(cause)}: {table.IN_PLACE}"
        trials = table.fresh_workers(cause) if policy.after_cure == "fresh" else ()
        return Decision(action=Action.REPLACE, reason=reason, cause=cause.code, fresh=trials)
    return _rerun(cause, remedy, history, spec, policy)


def decide_death(
    findings: Sequence[Finding], history: RemedyHistory, spec: TrainingSpec, policy: Policy
) -> Decision | None:
    """What to do about a training that ended with an error of its own.

    None: no remedy answers it, or none may be tried. The run has failed by its error then.

    Args:
        findings: What was found in the attempt, ranked as for ``decide_stall``.
        spec: The user's own configuration, empty where it is not known.
    """
    cause = causes.of_death(findings)
    if cause is None or policy.on_stall != "rerun" or policy.max_reruns == 0:
        return None
    if (why := causes.hopeless(cause)) is not None:
        return _give_up(f"{causes.named(cause)}: {why}", cause)
    remedy = table.DIED.get(cause.code)
    if remedy is None:
        return None
    if not history.used(cause.code):
        # Nothing can be given up where there was nothing to try.
        if _needs_agent(remedy) and not history.can_change:
            return None
        if _next(cause, remedy, history, spec, policy) is None:
            at_floor = _is_at_floor(remedy, history, spec, policy)
            return _rerun(cause, remedy, history, spec, policy) if at_floor else None
    return _rerun(cause, remedy, history, spec, policy)


def withheld(decision: Decision) -> Decision:
    """A decision that only reports, and what it would be if it might act."""
    would = decision if decision.action is not Action.REPORT else None
    return Decision(
        action=Action.REPORT,
        reason="stalls and errors are reported only, as you asked",
        cause=decision.cause,
        withheld=would,
    )


def _rerun(
    cause: Finding, remedy: Remedy, history: RemedyHistory, spec: TrainingSpec, policy: Policy
) -> Decision:
    """The next step of a remedy, unless a rerun cannot help or may not be."""
    if history.survivors:
        pids = ", ".join(map(str, history.survivors))
        return _give_up(f"processes of the last attempt cannot be ended (pid {pids})", cause)
    overrides = _next(cause, remedy, history, spec, policy)
    step = None if overrides is None else step_of(spec, overrides, policy.keep_effective_batch)
    if _needs_agent(remedy) and not history.can_change:
        return _give_up(
            "the agent met no training loop that it knows, so no remedy can be applied, and the "
            f"same configuration would {'hang' if causes.is_stall(cause) else 'fail'} again",
            cause,
        )
    if history.refused and _needs_agent(remedy):
        return _give_up(
            "the training's script builds its loaders itself, so the remedy could not be applied "
            f"({', '.join(history.refused)})",
            cause,
        )
    if history.thrown_away:
        return _give_up(
            f"{causes.named(cause)}: a rerun would begin again and lose {history.thrown_away} "
            "iterations, since only the training's script knows how it resumes",
            cause,
        )
    reruns = len(history.tried)
    if reruns >= policy.max_reruns:
        used_up = f"all {policy.max_reruns} reruns are used up"
        no_rerun = "no rerun is allowed (--max-reruns 0)"
        return _give_up(used_up if policy.max_reruns else no_rerun, cause)
    without_workers = (
        causes.is_stall(cause) and history.overrides.workers == 0 and spec.workers() > 0
    )
    if step is None:
        reason = f"{causes.named(cause)}: no remedy is left to try"
        if _is_at_floor(remedy, history, spec, policy):
            least = policy.min_batch
            reason += f": batch {least} is the least that this model's loss can learn from"
        if without_workers:
            reason += "; it stalled again without workers, so the loader is not the cause"
        return _give_up(reason, cause)
    reason = f"{causes.named(cause)}: rerun with {step.name}"
    if without_workers:
        reason += "; it stalled again without workers, so the loader is not the cause"
    elif overrides is not None and overrides.workers == 0 and history.overrides.workers != 0:
        reason += _cost(history)
    return Decision(
        action=Action.RERUN, reason=reason, step=step, cause=cause.code, pause=_pause(reruns)
    )


def _cost(history: RemedyHistory) -> str:
    """What it costs to load without workers."""
    if history.iteration_s is None:
        return ""
    now, most = history.iteration_s
    return f"; an iteration took {now:.2g} s, and takes at most {most:.2g} s without workers"


def _next(
    cause: Finding, remedy: Remedy, history: RemedyHistory, spec: TrainingSpec, policy: Policy
) -> Overrides | None:
    case = RemedyCase(spec=spec, floor=policy.min_batch, phase=history.phase)
    return table.next_overrides(
        remedy,
        history.overrides,
        case,
        used=history.used(cause.code),
        keep_effective=policy.keep_effective_batch,
    )


def _pause(reruns: int) -> float:
    """Seconds before the next rerun: none at first, then ever more, for what others must clear."""
    return 0.0 if reruns == 0 else min(LONGEST_PAUSE, 5.0 * 3.0 ** (reruns - 1))


# --- what is possible ----------------------------------------------------------------------------


def _can_replace(history: RemedyHistory) -> bool:
    """Whether a batch of loader workers is waited for, and the agent can make it itself."""
    waits = history.phase in ("", Phase.WAITING, Phase.VAL_WAITING)
    return history.can_replace and waits and history.overrides.workers != 0


def _needs_agent(remedy: Remedy) -> bool:
    """Whether only the agent in the training can apply it; an environment goes without."""
    return remedy not in (table.ENCODING, table.BUILD_LOCK, table.DOWNLOAD, table.LOGGER)


def _is_at_floor(
    remedy: Remedy, history: RemedyHistory, spec: TrainingSpec, policy: Policy
) -> bool:
    """Whether a smaller training batch would be tried next, did the loss not need this one."""
    case = RemedyCase(spec=spec, phase=history.phase)
    if remedy is not table.STALL and (remedy is not table.MEMORY or case.validates):
        return False
    size = history.overrides.batch or spec.batch() or 1
    return table.half(size) < min(size, policy.min_batch)


def _held(woken: bool) -> str:
    if woken:
        return "it was continued and is stopped again: something outside stops it"
    return "it is being held from outside, so it is left alone"


def _decision(action: Action, reason: str, cause: str) -> Decision:
    return Decision(action=action, reason=reason, cause=cause)


def _give_up(reason: str, cause: Finding) -> Decision:
    return _decision(Action.GIVE_UP, reason, cause.code)


# --- for people ----------------------------------------------------------------------------------


def escalations(spec: TrainingSpec, policy: Policy) -> dict[str, tuple[RerunStep, ...]]:
    """Every escalation from its first step to its last, by the name of its family.

    What a cause would meet if it came again and again, and nothing else did.
    """
    found: dict[str, tuple[RerunStep, ...]] = {}
    for remedy in table.ESCALATIONS:
        case = RemedyCase(spec=spec, floor=policy.min_batch)
        found[remedy.family] = _escalate(remedy, case, policy)
        if remedy is table.MEMORY:
            case = replace(case, phase=Phase.VAL_STEP)
            found[f"{remedy.family} in validation"] = _escalate(remedy, case, policy)
    return {name: steps for name, steps in found.items() if steps}


def _escalate(remedy: Remedy, case: RemedyCase, policy: Policy) -> tuple[RerunStep, ...]:
    keep = policy.keep_effective_batch
    steps: list[RerunStep] = []
    overrides: Overrides | None = Overrides()
    while overrides is not None:
        overrides = table.next_overrides(
            remedy, overrides, case, used=len(steps), keep_effective=keep
        )
        if overrides is not None:
            steps.append(step_of(case.spec, overrides, keep))
    return tuple(steps)
