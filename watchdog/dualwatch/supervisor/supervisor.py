"""The loop that joins the rooms for a run in our care.

observe -> facts -> journal and snapshot -> judge -> findings -> treat -> decision -> act, attempt
by attempt, until the training has ended, is cured, or is given up.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from dualwatch import __version__
from dualwatch.actions.adopted import Adopted
from dualwatch.actions.signals import Wishes
from dualwatch.collectors.gpu import release as gpu_release
from dualwatch.collectors.gpu.nvml import Gpus
from dualwatch.core import clock
from dualwatch.core.errors import DualwatchError, Exit, code_of
from dualwatch.core.settings import Settings
from dualwatch.events import Action, ConfigRead, Decision, NotObserved, RunEnded, Rung, RunStarted
from dualwatch.frameworks.mmengine import checkpoints
from dualwatch.frameworks.mmengine.config import edits, find
from dualwatch.protocol import Phase
from dualwatch.remedies import decide
from dualwatch.report.run import summary
from dualwatch.rules import ranking, verdict
from dualwatch.rules.verdict import Verdict
from dualwatch.supervisor.attempt import Attempt, Ended
from dualwatch.supervisor.decider import Counsel
from dualwatch.supervisor.plan import Plan
from dualwatch.supervisor.recorder import Chronicle
from dualwatch.tensorboard.status import Board


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """A training that runs already, and what is known of the run it belongs to.

    Attributes:
        number: Of its attempt.
        tried: Reruns before it.
        rung: The remedy that it runs under.
        console: What it prints or logs, where that is not the attempt's own console.
    """

    number: int
    training: Adopted
    started: RunStarted
    tried: tuple[decide.Tried, ...] = ()
    rung: Rung | None = None
    console: Path | None = None


def beginning(plan: Plan, settings: Settings) -> RunStarted:
    """The fact that a run begins, with all that is needed to go on with it later."""
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
        sections=dict(plan.description or {}),
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
    chronicle: Chronicle
    board: Board | None = None
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    records: list[summary.AttemptRecord] = field(default_factory=list)
    ended: RunEnded | None = None
    adoption: Adoption | None = None
    _started: RunStarted | None = None
    _counsel: Counsel = field(init=False)
    _newest: checkpoints.Checkpoint | None = None
    _passed_over: list[str] = field(default_factory=list)
    _unloadable: set[Path] = field(default_factory=set)
    _wishes: Wishes = field(default_factory=Wishes)
    _gpus: Gpus = field(default_factory=Gpus)

    def __post_init__(self) -> None:
        self._counsel = Counsel(self.plan, self.settings, self.chronicle)

    def run(self) -> Exit:
        """Runs attempts until the run is over, and returns the exit code of the contract."""
        if self.adoption is not None:
            self._started = self.adoption.started
            self._counsel.tried += self.adoption.tried
            self._counsel.rung = self.adoption.rung
        else:
            self._started = beginning(self.plan, self.settings)
            self.chronicle.tell(self._started)
        with self._wishes.listening():
            outcome, code, reason = self._attempts_or_reason()
        moment = clock.now()
        self.ended = RunEnded(
            at=moment.at, wall=moment.wall, outcome=outcome, exit_code=int(code), reason=reason
        )
        self.chronicle.tell(self.ended)
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
            if ended.interrupted and self.chronicle.snapshot.ended is None:
                return Verdict("interrupted", Exit.INTERRUPTED, "the training goes on, unwatched")
            if ended.interrupted:
                return self._interrupted()
            decision = ended.decision or self._counsel.about_death()
            if decision is None:
                findings = self.chronicle.findings
                return verdict.of_ended(self.chronicle.snapshot, findings, self.plan.required)
            if ended.survivors and decision.action is Action.RERUN:
                decision = self._counsel.about_survivors(ended.survivors)
            if decision.action is not Action.RERUN:
                if decision.action is Action.GIVE_UP or self._counsel.stalls():
                    return Verdict("gave-up", Exit.GAVE_UP, decision.reason)
                return Verdict("completed-with-findings", Exit.WRONG, decision.reason)
            resume_from = self._prepare_rerun(decision)
            if self._wishes.to_stop:
                return self._interrupted()
        raise AssertionError("counting does not end")

    def _interrupted(self) -> Verdict:
        code = Exit.TERMINATED if self._wishes.terminated else Exit.INTERRUPTED
        return Verdict("interrupted", code, "stopped in order, as you asked")

    def _attempt(self, number: int, resume_from: Path | None) -> Ended:
        adoption = self.adoption
        is_adopted = adoption is not None and number == adoption.number
        self._counsel.begin(strange=is_adopted and self.plan.description is not None)
        attempt = Attempt(
            number=number,
            folder=self.folder / f"attempt-{number}",
            command=self.plan.command,
            environment=self.environment,
            rung=self._counsel.rung,
            resume_from=resume_from,
            settings=self.settings,
            limits=self._counsel.limits,
            chronicle=self.chronicle,
            wishes=self._wishes,
            gpus=self._gpus,
            board=self.board,
            decide=self._counsel.decide,
            reconsider=self._counsel.without_replacement,
            config=self._config_of(self._counsel.rung),
            adopted=adoption.training if adoption is not None and is_adopted else None,
            console=adoption.console if adoption is not None and is_adopted else None,
        )
        ended = attempt.run()
        if self.chronicle.snapshot.ended is None:
            return ended  # Left as it was: it goes on.
        if not ended.interrupted and ended.decision is None:
            self.chronicle.judge(self._counsel.limits)
        self._record()
        return ended

    def _prepare_rerun(self, decision: Decision) -> Path | None:
        """Notes what is tried next, waits where that is wise, and says where to take up."""
        rung = decision.rung
        assert rung is not None
        self._counsel.took(decision)
        self._wait_for_gpu_memory()
        if rung.older_checkpoint:
            self._pass_over_what_did_not_load()
        if decision.pause > 0:
            self.chronicle.note(f"waiting {decision.pause:.0f} s before the rerun")
            end = clock.now().at + decision.pause
            while not self._wishes.to_stop and (left := end - clock.now().at) > 0:
                self._wishes.sleep(left)
        return self._resume_point()

    def _wait_for_gpu_memory(self) -> None:
        """The driver gives memory back some moments after the process: a rerun would lack it."""
        release = gpu_release.wait(
            self._gpus,
            set(self.chronicle.snapshot.process),
            hurry=lambda: self._wishes.to_stop,
            sleep=self._wishes.sleep,
        )
        if release.sample is not None:
            self.chronicle.tell(release.sample)
        if release.state is gpu_release.Held.HELD or release.outside:
            self.chronicle.note(release.text)

    def _config_of(self, rung: Rung | None) -> ConfigRead | None:
        """The configuration of an attempt, as far as judges look at it."""
        if self.plan.description is None:
            return None
        moment = clock.now()
        fact = find.of_description(
            self.plan.description, self.plan.config, at=moment.at, wall=moment.wall
        )
        if rung is None:
            return fact
        return replace(fact, loaders=edits.applied(fact.loaders, rung.overrides))

    def _record(self) -> None:
        s = self.chronicle.snapshot
        assert s.ended is not None
        if s.phase != Phase.FINISHED:
            self._look_for_checkpoints()
        self.records.append(
            summary.AttemptRecord(
                snapshot=s,
                findings=tuple(ranking.rank(self.chronicle.findings)),
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
            self.chronicle.tell(
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
        elif (named := checkpoints.last_named(self._runner_work_dir())) is not None:
            self._unloadable.add(named)
        self._look_for_checkpoints()

    def _lost_iterations(self) -> int:
        s = self.chronicle.snapshot
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
        since = 0.0 if self.plan.resume or self._counsel.is_strange else self._started.wall
        self._newest, self._passed_over = checkpoints.newest_good(
            self._runner_work_dir(), since=since, without=self._unloadable
        )

    def _runner_work_dir(self) -> Path:
        """The Runner's own work dir, which a user's script may choose by itself."""
        agent = self.chronicle.snapshot.agent
        return Path(agent.work_dir) if agent is not None else self.plan.work_dir

    def _write_summary(self) -> None:
        assert self._started is not None
        document = summary.build(self._started, self.plan.command, self.records, self.ended)
        try:
            summary.write(self.folder / "summary.json", document)
        except OSError as error:
            code = f" [{code}]" if (code := code_of(error)) else ""
            self.chronicle.note(f"summary.json cannot be written: {error.strerror}{code}")
