"""Supervises a run, attempt by attempt, until the training has ended or is given up.

collectors -> events -> journal and history -> rules -> findings -> remedies -> decision -> actions
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from dualwatch import __version__, frameworks
from dualwatch.actions.adopted import AttachedTraining
from dualwatch.actions.signals import StopRequests
from dualwatch.collectors.gpu import release as gpu_release
from dualwatch.collectors.gpu.nvml import NvmlSampler
from dualwatch.core import clock
from dualwatch.core.clock import Moment
from dualwatch.core.errors import DualwatchError, Exit, code_of
from dualwatch.events import (
    Action,
    ConfigRead,
    Decision,
    RerunStep,
    RunEnded,
    RunStarted,
)
from dualwatch.frameworks import config_read
from dualwatch.protocol import Phase
from dualwatch.report.run import summary
from dualwatch.rules import verdict
from dualwatch.rules.verdict import Verdict
from dualwatch.supervisor.attempt import Attempt, AttemptOutcome
from dualwatch.supervisor.decider import RemedyDecider
from dualwatch.supervisor.early_start import EarlyStart
from dualwatch.supervisor.plan import Plan
from dualwatch.supervisor.recorder import EventRecorder
from dualwatch.supervisor.resume_point import ResumePoint
from dualwatch.tensorboard.status import TensorBoardMonitor


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedRun:
    """A training that already runs.

    Attributes:
        number: Of its attempt.
        console: What it prints or logs, where that is not the attempt's own console.
    """

    number: int
    training: AttachedTraining
    console: Path | None = None


def run_started(plan: Plan, moment: Moment | None = None) -> RunStarted:
    """The event of a run's start, with all that ``attach`` needs to continue it."""
    moment = moment or clock.now()
    return RunStarted(
        at=moment.at,
        wall=moment.wall,
        config=str(plan.config),
        script=str(plan.script),
        work_dir=str(plan.work_dir),
        required_metrics=plan.required,
        required_because=plan.required_because,
        version=__version__,
        command=plan.command,
        python=plan.python,
        resume=plan.resume,
        sections=dict(plan.spec.sections),
        framework=plan.spec.framework,
        settings=dict(plan.settings),
    )


@dataclass(slots=True)
class Supervisor:
    """Supervises one run.

    Attributes:
        folder: ``WORK_DIR/dualwatch``.
        board: TensorBoard beside the run, None where it is not wanted.
        environment: What the training inherits.
        attached: A training that already runs; None to start one.
        early: The training of the first attempt, where it was started before.
    """

    plan: Plan
    folder: Path
    recorder: EventRecorder
    board: TensorBoardMonitor | None = None
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    attached: AttachedRun | None = None
    early: EarlyStart | None = None
    _decider: RemedyDecider = field(init=False)
    _resume: ResumePoint = field(init=False)
    _stop_requests: StopRequests = field(default_factory=StopRequests)
    _gpus: NvmlSampler = field(default_factory=NvmlSampler)

    def __post_init__(self) -> None:
        self._decider = RemedyDecider(self.plan, self.recorder)
        # An agent may be in a training whose configuration is not known.
        name = self.plan.spec.framework
        framework = frameworks.get(name) if name else frameworks.default()
        self._resume = ResumePoint(self.recorder, self.plan.work_dir, framework)

    def run(self) -> Exit:
        """Runs attempts until the run is over, and returns the exit code of the contract."""
        if self.recorder.run.started is None:
            moment = self.early.training.moment if self.early is not None else None
            self.recorder.record(run_started(self.plan, moment))
        with self._stop_requests.listening():
            if self.early is not None:
                self.early.is_supervised = True
            outcome, code, reason = self._attempts_or_reason()
        moment = clock.now()
        self.recorder.record(
            RunEnded(
                at=moment.at, wall=moment.wall, outcome=outcome, exit_code=int(code), reason=reason
            )
        )
        self._write_summary()
        return code

    def _attempts_or_reason(self) -> Verdict:
        """As ``_attempts``; a rerun that cannot be started ends the run like any other end."""
        try:
            return self._attempts()
        except DualwatchError as error:
            if not self.recorder.run.over:
                raise  # Nothing was started.
            code = f" [{error.code}]" if error.code else ""
            why = f": {error.why}" if error.why else ""
            reason = f"the rerun could not be started: {error.what}{code}{why}"
            return Verdict("gave-up", Exit.GAVE_UP, reason)

    def _attempts(self) -> Verdict:
        resume_from: Path | None = None
        # The decider ends it when the reruns are used up.
        for number in itertools.count(self.attached.number if self.attached is not None else 0):
            ended = self._attempt(number, resume_from)
            if ended.interrupted and self.recorder.snapshot.ended is None:
                return Verdict(
                    "interrupted", Exit.INTERRUPTED, "the training continues without dualwatch"
                )
            if ended.interrupted:
                return self._interrupted()
            decision = ended.decision or self._decider.about_death()
            if decision is None:
                findings = self.recorder.findings
                return verdict.of_ended(self.recorder.snapshot, findings, self.plan.required)
            if ended.survivors and decision.action is Action.RERUN:
                decision = self._decider.about_survivors(ended.survivors)
            if decision.action is not Action.RERUN:
                if decision.action is Action.GIVE_UP or self._decider.stalls():
                    return Verdict("gave-up", Exit.GAVE_UP, decision.reason)
                return Verdict("completed-with-findings", Exit.WRONG, decision.reason)
            resume_from = self._prepare_rerun(decision)
            if self._stop_requests.to_stop:
                return self._interrupted()
        raise AssertionError("counting does not end")

    def _interrupted(self) -> Verdict:
        code = Exit.TERMINATED if self._stop_requests.terminated else Exit.INTERRUPTED
        return Verdict("interrupted", code, "stopped at your request")

    def _attempt(self, number: int, resume_from: Path | None) -> AttemptOutcome:
        run, attached = self.recorder.run, self.attached
        if attached is not None and number != attached.number:
            attached = None  # The rerun of an attached training is started like any other.
        step = run.attempt.step if attached is not None else run.next_step
        self._decider.begin(external=attached is not None and bool(self.plan.spec.sections))
        attempt = Attempt(
            number=number,
            folder=self.folder / f"attempt-{number}",
            command=self.plan.command,
            environment=self.environment,
            step=step,
            resume_from=resume_from,
            rescue=self.plan.policy.rescue,
            grace=self.plan.stop.grace,
            limits=self._decider.limits,
            recorder=self.recorder,
            stop_requests=self._stop_requests,
            gpus=self._gpus,
            board=self.board,
            decide=self._decider.decide,
            reconsider=self._decider.without_replacement,
            config=self._config_of(step),
            attached=attached.training if attached is not None else None,
            early=self.early.training if self.early is not None and number == 0 else None,
            console=attached.console if attached is not None else None,
        )
        ended = attempt.run()
        if self.recorder.snapshot.ended is None:
            return ended  # The training continues without us.
        is_over = ended.decision is None or ended.decision.action is Action.STOP
        if not ended.interrupted and is_over:
            self.recorder.judge(self._decider.limits)
        if self.recorder.snapshot.phase != Phase.FINISHED:
            self._resume.look(self._since())
        run.attempt.lost_iterations = self._resume.lost_iterations()
        self._write_summary()
        return ended

    def _since(self) -> float:
        """Wall time from which on checkpoints belong to this run."""
        started = self.recorder.run.started
        resumes = self.plan.resume or self._decider.is_external
        # A resumed training continues from what an earlier run of this folder has saved.
        return 0.0 if resumes or started is None else started.wall

    def _prepare_rerun(self, decision: Decision) -> Path | None:
        """Waits until a rerun can succeed; returns the checkpoint that it resumes from."""
        self._wait_for_gpu_memory()
        if decision.step is not None and decision.step.older_checkpoint:
            self._resume.reject_resumed(self._since())
        if decision.pause > 0:
            self.recorder.note(f"waiting {decision.pause:.0f} s before the rerun")
            end = clock.now().at + decision.pause
            while not self._stop_requests.to_stop and (left := end - clock.now().at) > 0:
                self._stop_requests.sleep(left)
        return self._resume.path()

    def _wait_for_gpu_memory(self) -> None:
        """The driver frees memory some moments after the process: a rerun would lack it."""
        release = gpu_release.wait(
            self._gpus,
            set(self.recorder.snapshot.process),
            hurry=lambda: self._stop_requests.to_stop,
            sleep=self._stop_requests.sleep,
        )
        if release.sample is not None:
            self.recorder.record(release.sample)
        if release.state is gpu_release.MemoryHolder.HELD or release.outside:
            self.recorder.note(release.text)

    def _config_of(self, step: RerunStep | None) -> ConfigRead | None:
        """The configuration of an attempt, as far as the rules need it."""
        if not self.plan.spec.sections:
            return None
        moment = clock.now()
        spec, config = self.plan.spec, str(self.plan.config)
        event = config_read.of_spec(
            spec, config, "loaded", at=moment.at, wall=moment.wall, roots=(Path(),)
        )
        if step is None:
            return event
        return replace(event, loaders=config_read.with_overrides(event, step.overrides))

    def _write_summary(self) -> None:
        run = self.recorder.run
        assert run.started is not None
        document = summary.build(
            run.started, self.plan.command, run.over, run.ended, run.withheld.decisions
        )
        try:
            summary.write(self.folder / "summary.json", document)
        except OSError as error:
            code = f" [{code}]" if (code := code_of(error)) else ""
            self.recorder.note(f"summary.json cannot be written: {error.strerror}{code}")
