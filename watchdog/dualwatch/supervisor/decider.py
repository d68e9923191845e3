"""What is decided in a run, and what it knows of its past: judges and treatment asked together."""

from __future__ import annotations

from dualwatch.core.settings import Settings
from dualwatch.events import Action, Decision, Finding, Proof, RerunStep, Severity, TriedStep
from dualwatch.protocol import Phase
from dualwatch.remedies import decide as ladder
from dualwatch.remedies.overrides import overrides_of
from dualwatch.rules import ranking
from dualwatch.rules.registry import judge
from dualwatch.rules.thresholds import Thresholds
from dualwatch.supervisor.plan import Plan
from dualwatch.supervisor.recorder import EventRecorder

STOPPED = "DW115"
"""Somebody stopped a process: it may be told to go on, though that is no stall."""


class RemedyDecider:
    """Decides for one run, attempt by attempt.

    Attributes:
        limits: What judges go by.
        tried: Reruns so far, oldest first.
        step: The remedy in force, None for the user's own configuration.
    """

    def __init__(self, plan: Plan, settings: Settings, recorder: EventRecorder) -> None:
        self._plan = plan
        self._settings = settings
        self._recorder = recorder
        self._woken = False
        self._strange = False
        self.tried: list[TriedStep] = []
        self.step: RerunStep | None = None
        self.limits = Thresholds(
            stall_timeout=settings.stall_timeout,
            busy_timeout=settings.busy_timeout,
            required=plan.required,
            milestones=plan.milestones,
        )

    def begin(self, *, strange: bool) -> None:
        """An attempt begins.

        Args:
            strange: It was started by somebody else; a rerun of it would be ours.
        """
        self._woken, self._strange = False, strange

    def took(self, decision: Decision) -> None:
        """A rerun was decided, and will be done."""
        assert decision.step is not None
        self.tried.append(TriedStep(cause=decision.cause, step=decision.step.name))
        self.step = decision.step

    @property
    def is_strange(self) -> bool:
        """Whether this training was started without an agent, which a rerun of it will have."""
        return self._strange and self._recorder.snapshot.agent is None

    def stalls(self) -> list[Finding]:
        """The stalls of this attempt."""
        return [found for found in self._recorder.findings if found.code in ladder.STALLS]

    # --- decisions -------------------------------------------------------------------------------

    def decide(self) -> Decision | None:
        """Judges, and decides about what is new and can be acted on."""
        fresh = self._recorder.judge(self.limits)
        if any(
            found.code == STOPPED
            or (found.code in ladder.STALLS and found.severity >= Severity.ERROR)
            for found in fresh
        ):
            return self._about_stall(self._present(), self._history(can_replace=True))
        if self._settings.on_missing == "stop" and any(found.code == "DW201" for found in fresh):
            reason = "a required metric is missing, which stops the training, as you asked"
            return self._recorder.decide(Decision(action=Action.STOP, reason=reason))
        missed = [found.headline for found in fresh if found.proof is Proof.MISSED_TARGET]
        if self._settings.on_fail == "stop" and missed:
            told = "; ".join(missed)
            reason = f"a milestone is missed, which stops the training, as you asked: {told}"
            return self._recorder.decide(Decision(action=Action.STOP, reason=reason))
        return None

    def without_replacement(self) -> Decision:
        """Once more about a stall whose loader could not be replaced in place."""
        return self._about_stall(self._present(), self._history())

    def about_survivors(self, survivors: tuple[int, ...]) -> Decision:
        """Once more, where processes of the ended attempt are still alive."""
        history = self._history(survivors=survivors)
        return self._about_stall(ranking.rank(self._recorder.findings), history)

    def about_death(self) -> Decision | None:
        """What a training that ended by itself is owed; None where it ended well or for good."""
        s = self._recorder.snapshot
        if s.ended is None or s.phase == Phase.FINISHED or s.ended.exit_code == 0:
            return None
        decision = ladder.decide_death(
            ranking.rank(self._recorder.findings),
            self._history(survivors=s.ended.survivors),
            self._plan.spec,
            self._plan.policy,
        )
        return self._recorder.decide(decision) if decision is not None else None

    def _about_stall(self, findings: list[Finding], history: ladder.RemedyHistory) -> Decision:
        spec, policy = self._plan.spec, self._plan.policy
        decision = ladder.decide_stall(findings, history, spec, policy)
        self._woken = self._woken or decision.action is Action.WAKE
        return self._recorder.decide(decision)

    def _present(self) -> list[Finding]:
        """What is the case now: an earlier stall that was cured explains nothing any more."""
        return ranking.rank(judge(self._recorder.snapshot, self.limits))

    def _history(
        self, *, can_replace: bool = False, survivors: tuple[int, ...] = ()
    ) -> ladder.RemedyHistory:
        s = self._recorder.snapshot
        agent = s.agent
        step = self.step or RerunStep(name="", changes=())
        return ladder.RemedyHistory(
            tried=tuple(self.tried),
            overrides=overrides_of(step.overrides, self._plan.spec, step.environment),
            can_change=agent is not None or self.is_strange,
            refused=tuple(agent.refused) if agent is not None else (),
            survivors=survivors,
            can_replace=can_replace and self._can_replace(),
            woken=self._woken,
            phase=s.phase,
        )

    def _can_replace(self) -> bool:
        """Whether a loader with workers is waited for, in a training that takes orders."""
        s = self._recorder.snapshot
        waits = s.phase in (Phase.WAITING, Phase.VAL_WAITING)
        workers = any(process.role == "worker" for process in s.process.values())
        return bool(self._settings.rescue) and s.agent is not None and waits and workers
