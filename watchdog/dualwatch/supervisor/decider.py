"""Decides in a run: applies the rules, then the remedies, given what was tried before."""

from __future__ import annotations

from dataclasses import replace

from dualwatch import frameworks
from dualwatch.events import Action, Decision, Finding, Proof, RerunStep, Severity
from dualwatch.protocol import AgentCommand, Phase
from dualwatch.remedies import decide as remedies
from dualwatch.remedies.overrides import overrides_of
from dualwatch.rules import ranking
from dualwatch.rules.metrics.speed import without_workers
from dualwatch.rules.registry import judge
from dualwatch.rules.thresholds import Thresholds
from dualwatch.supervisor.plan import Plan
from dualwatch.supervisor.recorder import EventRecorder

STOPPED = "DW115"
"""A stopped process: it may be continued (SIGCONT), although that is not a stall."""


class RemedyDecider:
    """Decides for one run, attempt by attempt.

    Attributes:
        limits: The thresholds of the rules.
    """

    def __init__(self, plan: Plan, recorder: EventRecorder) -> None:
        self._plan = plan
        self._recorder = recorder
        self._woken = False
        self._external = False
        self.limits = Thresholds(
            stall_timeout=plan.stall.stall_timeout,
            busy_timeout=plan.stall.busy_timeout,
            required=plan.required,
            milestones=plan.milestones,
        )

    def begin(self, *, external: bool) -> None:
        """Begins an attempt.

        Args:
            external: It was not started by dualwatch; a rerun of it would be.
        """
        self._woken, self._external = False, external

    @property
    def is_external(self) -> bool:
        """Whether this training runs without an agent, which a rerun of it will have."""
        return self._external and self._recorder.snapshot.agent is None

    def stalls(self) -> list[Finding]:
        """The stalls of this attempt."""
        return [found for found in self._recorder.findings if found.code in remedies.STALLS]

    # --- decisions -------------------------------------------------------------------------------

    def decide(self) -> Decision | None:
        """Applies the rules, and decides about new findings that can be acted on."""
        fresh = self._recorder.judge(self.limits)
        if any(
            found.code == STOPPED
            or (found.code in remedies.STALLS and found.severity >= Severity.ERROR)
            for found in fresh
        ):
            return self._about_stall(self._present(), self._history(can_replace=True))
        if self._plan.stop.on_missing == "stop" and any(found.code == "DW201" for found in fresh):
            names = ", ".join(f.subject for f in fresh if f.code == "DW201" and f.subject)
            what = names or "a required metric"
            reason = f"{what} is missing, which stops the training, as you asked"
            return self._stop(reason, "DW201")
        missed = [found for found in fresh if found.proof is Proof.MISSED_TARGET]
        if self._plan.stop.on_fail == "stop" and missed:
            listed = "; ".join(found.headline for found in missed)
            reason = f"a milestone is missed, which stops the training, as you asked: {listed}"
            return self._stop(reason, missed[0].code)
        return None

    def _stop(self, reason: str, cause: str) -> Decision:
        """Stops a training that makes progress, after the iteration that is under way."""
        decision = Decision(action=Action.STOP, reason=reason, cause=cause, patient=True)
        return self._recorder.decide(decision)

    def without_replacement(self) -> Decision:
        """Decides about a stall whose loader could not be replaced in place."""
        return self._about_stall(self._present(), self._history())

    def about_survivors(self, survivors: tuple[int, ...]) -> Decision:
        """Decides again where processes of the ended attempt are still alive."""
        history = self._history(survivors=survivors)
        return self._about_stall(ranking.rank(self._recorder.findings), history)

    def about_death(self) -> Decision | None:
        """The remedy for a training that ended; None where it ended well or none applies.

        Where stalls are reported only it is recorded as withheld, and not returned.
        """
        s = self._recorder.snapshot
        if s.ended is None or s.phase == Phase.FINISHED or s.ended.exit_code == 0:
            return None
        policy = self._plan.policy
        reports_only = policy.on_stall == "report"
        decision = remedies.decide_death(
            ranking.rank(self._recorder.findings),
            self._history(survivors=s.ended.survivors),
            self._plan.spec,
            replace(policy, on_stall="rerun") if reports_only else policy,
        )
        if decision is None:
            return None
        if reports_only:
            self._recorder.decide(remedies.withheld(decision))
            return None
        return self._recorder.decide(decision)

    def _about_stall(self, findings: list[Finding], history: remedies.RemedyHistory) -> Decision:
        spec, policy = self._plan.spec, self._plan.policy
        decision = remedies.decide_stall(findings, history, spec, policy)
        self._woken = self._woken or decision.action is Action.WAKE
        return self._recorder.decide(decision)

    def _present(self) -> list[Finding]:
        """The findings of this moment, without stalls that are over."""
        return ranking.rank(judge(self._recorder.snapshot, self.limits))

    def _history(
        self, *, can_replace: bool = False, survivors: tuple[int, ...] = ()
    ) -> remedies.RemedyHistory:
        s = self._recorder.snapshot
        agent = s.agent
        run = self._recorder.run
        step = run.attempt.step or RerunStep(name="", changes=())
        return remedies.RemedyHistory(
            tried=tuple(run.tried),
            overrides=overrides_of(step.overrides, self._plan.spec, step.environment),
            can_change=agent is not None or self.is_external,
            refused=tuple(agent.refused) if agent is not None else (),
            survivors=survivors,
            can_replace=can_replace and self._can_replace(),
            can_replace_pool=can_replace and self._can_replace_pool(),
            can_end_workers=can_replace and self._can_end_workers(),
            can_drop_logs=can_replace
            and s.agent is not None
            and not self._was_refused(AgentCommand.DROP_LOGS),
            woken=self._woken,
            thrown_away=self._thrown_away(),
            phase=s.phase,
            iteration_s=without_workers(s, self._plan.spec.workers()),
        )

    def _thrown_away(self) -> int:
        """Iterations of this attempt that a rerun would begin again; 0 where it resumes."""
        s = self._recorder.snapshot
        name = s.agent.framework if s.agent is not None else ""
        if not frameworks.get(name or self._plan.spec.framework).begins_again:
            return 0
        return max((one.iteration - max(0, one.begun) for one in s.pulses.values()), default=0)

    def _can_replace(self) -> bool:
        """Whether the training waits for a loader with workers and can replace it in place."""
        s = self._recorder.snapshot
        waits = s.phase in (Phase.WAITING, Phase.VAL_WAITING)
        workers = any(process.role == "worker" for process in s.process.values())
        return self._plan.policy.rescue and s.agent is not None and waits and workers

    def _can_replace_pool(self) -> bool:
        """Whether an evaluation is computed whose pool was not replaced before."""
        s = self._recorder.snapshot
        before = any(one.order == AgentCommand.REPLACE_POOL for one in s.answers)
        return s.agent is not None and s.phase == Phase.METRICS and not before

    def _can_end_workers(self) -> bool:
        """Whether the agent did not refuse to end workers before."""
        s = self._recorder.snapshot
        waits = s.phase in (Phase.WAITING, Phase.VAL_WAITING)
        return s.agent is not None and waits and not self._was_refused(AgentCommand.END_WORKERS)

    def _was_refused(self, order: str) -> bool:
        """Whether the agent could not carry out such a command before."""
        answers = self._recorder.snapshot.answers
        return any(one.order == order and not one.done for one in answers)
