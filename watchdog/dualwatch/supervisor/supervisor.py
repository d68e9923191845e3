"""The loop that joins the rooms for a run in our care.

observe -> events -> journal and snapshot -> judge -> findings -> treat -> decision -> act, attempt
by attempt, until the training has ended, is cured, or is given up.
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
from dualwatch.core.errors import DualwatchError, Exit, code_of
from dualwatch.core.settings import Settings
from dualwatch.events import (
    Action,
    ConfigRead,
    Decision,
    NotObserved,
    RerunStep,
    RunEnded,
    RunStarted,
    TriedStep,
)
from dualwatch.frameworks import config_read
from dualwatch.frameworks.base import Checkpoint, Framework
from dualwatch.history.attempt_record import AttemptRecord
from dualwatch.protocol import Phase
from dualwatch.report.run import summary
from dualwatch.rules import ranking, verdict
from dualwatch.rules.verdict import Verdict
from dualwatch.supervisor.attempt import Attempt, AttemptOutcome
from dualwatch.supervisor.decider import RemedyDecider
from dualwatch.supervisor.plan import Plan
from dualwatch.supervisor.recorder import EventRecorder
from dualwatch.tensorboard.status import TensorBoardMonitor


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedRun:
    """A training that runs already, and what is known of the run it belongs to.

    Attributes:
        number: Of its attempt.
        tried: Reruns before it.
        step: The remedy that it runs under.
        console: What it prints or logs, where that is not the attempt's own console.
    """

    number: int
    training: AttachedTraining
    started: RunStarted
    tried: tuple[TriedStep, ...] = ()
    step: RerunStep | None = None
    console: Path | None = None


def beginning(plan: Plan, settings: Settings) -> RunStarted:
    """The event that a run begins, with all that is needed to go on with it later."""
    moment = clock.now()
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
        settings={name: value for name, value, *_ in settings.rows()},
    )


@dataclass(slots=True)
class Supervisor:
    """Supervises one run.

    Attributes:
        folder: ``WORK_DIR/dualwatch``.
        board: TensorBoard beside the run, None where nobody wants it.
        environment: What the training inherits.
        records: The attempts that are over.
        adoption: A training that runs already, None to start one.
        ended: How the run ended, once it has.
    """

    plan: Plan
    settings: Settings
    folder: Path
    recorder: EventRecorder
    board: TensorBoardMonitor | None = None
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    records: list[AttemptRecord] = field(default_factory=list)
    ended: RunEnded | None = None
    adoption: AttachedRun | None = None
    _started: RunStarted | None = None
    _decider: RemedyDecider = field(init=False)
    _newest: Checkpoint | None = None
    _passed_over: list[str] = field(default_factory=list)
    _unloadable: set[Path] = field(default_factory=set)
    _stop_requests: StopRequests = field(default_factory=StopRequests)
    _gpus: NvmlSampler = field(default_factory=NvmlSampler)

    def __post_init__(self) -> None:
        self._decider = RemedyDecider(self.plan, self.settings, self.recorder)

    def run(self) -> Exit:
        """Runs attempts until the run is over, and returns the exit code of the contract."""
        if self.adoption is not None:
            self._started = self.adoption.started
            self._decider.tried += self.adoption.tried
            self._decider.step = self.adoption.step
        else:
            self._started = beginning(self.plan, self.settings)
            self.recorder.record(self._started)
        with self._stop_requests.listening():
            outcome, code, reason = self._attempts_or_reason()
        moment = clock.now()
        self.ended = RunEnded(
            at=moment.at, wall=moment.wall, outcome=outcome, exit_code=int(code), reason=reason
        )
        self.recorder.record(self.ended)
        self._write_summary()
        return code

    def _attempts_or_reason(self) -> Verdict:
        """As ``_attempts``; a rerun that cannot be started ends the run as any other end does."""
        try:
            return self._attempts()
        except DualwatchError as error:
            if not self.records:
                raise  # Nothing was started: that is for whoever called us.
            code = f" [{error.code}]" if error.code else ""
            why = f": {error.why}" if error.why else ""
            reason = f"the rerun could not be started: {error.what}{code}{why}"
            return Verdict("gave-up", Exit.GAVE_UP, reason)

    def _attempts(self) -> Verdict:
        resume_from: Path | None = None
        # The treatment decides when reruns are used up.
        for number in itertools.count(self.adoption.number if self.adoption is not None else 0):
            ended = self._attempt(number, resume_from)
            if ended.interrupted and self.recorder.snapshot.ended is None:
                return Verdict("interrupted", Exit.INTERRUPTED, "the training goes on, unwatched")
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
        return Verdict("interrupted", code, "stopped in order, as you asked")

    def _attempt(self, number: int, resume_from: Path | None) -> AttemptOutcome:
        adoption = self.adoption
        is_adopted = adoption is not None and number == adoption.number
        self._decider.begin(strange=is_adopted and bool(self.plan.spec.sections))
        attempt = Attempt(
            number=number,
            folder=self.folder / f"attempt-{number}",
            command=self.plan.command,
            environment=self.environment,
            step=self._decider.step,
            resume_from=resume_from,
            settings=self.settings,
            limits=self._decider.limits,
            recorder=self.recorder,
            stop_requests=self._stop_requests,
            gpus=self._gpus,
            board=self.board,
            decide=self._decider.decide,
            reconsider=self._decider.without_replacement,
            config=self._config_of(self._decider.step),
            adopted=adoption.training if adoption is not None and is_adopted else None,
            console=adoption.console if adoption is not None and is_adopted else None,
        )
        ended = attempt.run()
        if self.recorder.snapshot.ended is None:
            return ended  # Left as it was: it goes on.
        if not ended.interrupted and ended.decision is None:
            self.recorder.judge(self._decider.limits)
        self._record()
        return ended

    def _prepare_rerun(self, decision: Decision) -> Path | None:
        """Notes what is tried next, waits where that is wise, and says where to take up."""
        step = decision.step
        assert step is not None
        self._decider.took(decision)
        self._wait_for_gpu_memory()
        if step.older_checkpoint:
            self._pass_over_what_did_not_load()
        if decision.pause > 0:
            self.recorder.note(f"waiting {decision.pause:.0f} s before the rerun")
            end = clock.now().at + decision.pause
            while not self._stop_requests.to_stop and (left := end - clock.now().at) > 0:
                self._stop_requests.sleep(left)
        return self._resume_point()

    def _wait_for_gpu_memory(self) -> None:
        """The driver gives memory back some moments after the process: a rerun would lack it."""
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
        """The configuration of an attempt, as far as judges look at it."""
        if not self.plan.spec.sections:
            return None
        event = config_read.of_spec(
            self.plan.spec,
            str(self.plan.config),
            "loaded",
            **clock.now()._asdict(),
            roots=(Path(),),
        )
        if step is None:
            return event
        return replace(event, loaders=config_read.with_overrides(event, step.overrides))

    def _record(self) -> None:
        s = self.recorder.snapshot
        assert s.ended is not None
        if s.phase != Phase.FINISHED:
            self._look_for_checkpoints()
        self.records.append(
            AttemptRecord(
                snapshot=s,
                findings=tuple(ranking.rank(self.recorder.findings)),
                ended_wall=s.ended.wall,
                lost_iterations=self._lost_iterations(),
            )
        )
        self._write_summary()

    def _resume_point(self) -> Path | None:
        """Where the next attempt takes up: the newest whole checkpoint of this very run."""
        moment = clock.now()
        for text in self._passed_over:
            what = f"checkpoint {text}"
            self.recorder.record(
                NotObserved(at=moment.at, wall=moment.wall, what=what, why="not trusted")
            )
        if self._newest is not None:
            return self._newest.path
        last = self.records[-1].snapshot.started
        if last is None or not last.resumed_from or Path(last.resumed_from) in self._unloadable:
            return None
        return Path(last.resumed_from)

    def _pass_over_what_did_not_load(self) -> None:
        """The checkpoint that the last attempt tried to resume, and every one like it."""
        last = self.records[-1].snapshot.started
        if last is not None and last.resumed_from:
            self._unloadable.add(Path(last.resumed_from))
        elif (named := self._framework.last_checkpoint(self._runner_work_dir())) is not None:
            self._unloadable.add(named)
        self._look_for_checkpoints()

    def _lost_iterations(self) -> int:
        s = self.recorder.snapshot
        if verdict.has_finished(s):
            return 0
        found = self._newest
        if found is None:
            return verdict.lost_iterations(s, saved=None, by_epoch=False)
        return verdict.lost_iterations(s, saved=found.number, by_epoch=found.by_epoch)

    def _look_for_checkpoints(self) -> None:
        """Once an attempt, when nothing of it is left to write: whole files are read for it."""
        assert self._started is not None
        # Who resumes goes on with what an earlier run of this folder has learnt.
        since = 0.0 if self.plan.resume or self._decider.is_strange else self._started.wall
        self._newest, self._passed_over = self._framework.newest_checkpoint(
            self._runner_work_dir(), since=since, without=self._unloadable
        )

    @property
    def _framework(self) -> Framework:
        """The adapter of this training. An agent may be in one whose configuration is not known."""
        name = self.plan.spec.framework
        return frameworks.get(name) if name else frameworks.default()

    def _runner_work_dir(self) -> Path:
        """The Runner's own work dir, which a user's script may choose by itself."""
        agent = self.recorder.snapshot.agent
        return Path(agent.work_dir) if agent is not None else self.plan.work_dir

    def _write_summary(self) -> None:
        assert self._started is not None
        document = summary.build(self._started, self.plan.command, self.records, self.ended)
        try:
            summary.write(self.folder / "summary.json", document)
        except OSError as error:
            code = f" [{code}]" if (code := code_of(error)) else ""
            self.recorder.note(f"summary.json cannot be written: {error.strerror}{code}")
