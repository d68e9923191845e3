"""The loop that joins the rooms for a run in our care.

observe -> facts -> journal and snapshot -> judge -> findings -> treat -> decision -> act, attempt
by attempt, until the training has ended, is cured, or is given up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from dualwatch import __version__, clock
from dualwatch.act import launch, stop
from dualwatch.act.tensorboard import TensorBoard
from dualwatch.errors import Exit
from dualwatch.facts import (
    Action,
    AttemptEnded,
    AttemptStarted,
    Change,
    Decided,
    Decision,
    Evidence,
    Fact,
    Finding,
    FindingRaised,
    NotObserved,
    ObserverPaused,
    RunEnded,
    Rung,
    RunStarted,
    Severity,
)
from dualwatch.journal import Journal
from dualwatch.judge import codes, stall
from dualwatch.judge.limits import Limits
from dualwatch.judge.metrics import missing_at_end
from dualwatch.judge.rules import judge
from dualwatch.judge.snapshot import Snapshot, advance
from dualwatch.observe import checkpoints
from dualwatch.observe.gpus import Gpus
from dualwatch.plan import Plan
from dualwatch.report import summary
from dualwatch.report.view import View
from dualwatch.settings import Settings
from dualwatch.treat import ladder
from dualwatch.watch import PROCESS_INTERVAL, Watcher
from dualwatch.wire import Phase

TICK = 0.5
"""Seconds between two looks; a signal or the end of the training wakes us at once."""

CAPTURES = 12
"""Stacks are read at most so often in one silence."""

PAUSE = 10.0
"""A tick that took longer than this means that we ourselves did not run."""


@dataclass(slots=True)
class _Ended:
    """How an attempt ended: the decision that ended it, or None where it ended by itself."""

    decision: Decision | None
    interrupted: bool = False


@dataclass(slots=True)
class Supervisor:
    """Supervises one run.

    Attributes:
        folder: ``WORK_DIR/dualwatch``.
        base_environment: Environment that the training inherits.
        records: The attempts that are over.
        ended: How the run ended, once it has.
    """

    plan: Plan
    settings: Settings
    folder: Path
    view: View
    journal: Journal
    tensorboard: TensorBoard | None = None
    base_environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    records: list[summary.AttemptRecord] = field(default_factory=list)
    ended: RunEnded | None = None
    _snapshot: Snapshot = field(default_factory=Snapshot)
    _findings: list[Finding] = field(default_factory=list)
    _raised: set[tuple[str, Severity, float]] = field(default_factory=set)
    _wake: threading.Event = field(default_factory=threading.Event)
    _signals: list[int] = field(default_factory=list)
    _run: RunStarted | None = None
    _gpus: Gpus = field(default_factory=Gpus)

    # --- the run -------------------------------------------------------------------------

    def run(self) -> Exit:
        """Runs attempts until the run is over, and returns the exit code of the contract."""
        moment = clock.now()
        self._run = RunStarted(
            at=moment.at,
            wall=moment.wall,
            config=str(self.plan.config),
            script=str(self.plan.script),
            work_dir=str(self.plan.work_dir),
            required_metrics=self.plan.required,
            required_because=self.plan.required_because,
            version=__version__,
        )
        self._emit(self._run)
        with self._listening():
            outcome, code, reason = self._attempts()
        moment = clock.now()
        self.ended = RunEnded(
            at=moment.at, wall=moment.wall, outcome=outcome, exit_code=int(code), reason=reason
        )
        self._emit(self.ended)
        self._write_summary(outcome, code)
        return code

    def _attempts(self) -> tuple[str, Exit, str]:
        rung: Rung | None = None
        resume_from: Path | None = None
        for number in range(self.settings.max_reruns + 1):
            ended = self._attempt(number, rung, resume_from)
            if ended.interrupted:
                code = Exit.TERMINATED if signal.SIGTERM in self._signals else Exit.INTERRUPTED
                return "interrupted", code, "stopped in order, as you asked"
            if ended.decision is None:
                return self._verdict()
            if ended.decision.action is not Action.RERUN:
                if not any(f.code in ladder.STALLS for f in self._findings):
                    return "completed-with-findings", Exit.WRONG, ended.decision.reason
                return "gave-up", Exit.GAVE_UP, ended.decision.reason
            rung = ended.decision.rung
            resume_from = self._checkpoint()
        raise AssertionError("the treatment decides when reruns are used up")

    def _verdict(self) -> tuple[str, Exit, str]:
        """The training ended by itself: well, with something wrong, or with an error."""
        ended = self._snapshot.ended
        finished = self._snapshot.phase == Phase.FINISHED
        if ended is None or (ended.exit_code != 0 and not finished):
            last = self._findings[-1].headline if self._findings else "the training failed"
            return "failed", Exit.TRAINING_FAILED, last
        missing = missing_at_end(self._snapshot, self.plan.required)
        if missing:
            return (
                "completed-with-findings",
                Exit.WRONG,
                f"trained to the end, without {', '.join(missing)}",
            )
        wrong = [f for f in self._findings if f.severity >= Severity.ERROR]
        wrong = [f for f in wrong if not f.code.startswith("DW1")]
        if wrong:
            codes = ", ".join(dict.fromkeys(f"{f.code} {f.name}" for f in wrong))
            return "completed-with-findings", Exit.WRONG, f"trained to the end, with {codes}"
        return "completed", Exit.OK, "trained to the end"

    # --- one attempt ---------------------------------------------------------------------

    def _attempt(self, number: int, rung: Rung | None, resume_from: Path | None) -> _Ended:
        attempt_dir = self.folder / f"attempt-{number}"
        attempt_dir.mkdir(mode=0o700)
        changes = rung.changes if rung is not None else ()
        if resume_from is not None:
            changes = (*changes, *_resume_changes(resume_from))
        overrides = {change.key: change.after for change in changes}
        launch.write_orders(attempt_dir, overrides, rung.stretch if rung is not None else 1)
        marker = uuid.uuid4().hex
        training = launch.launch(self.plan.command, attempt_dir, marker, base=self.base_environment)
        self._findings, self._raised = [], set()
        moment = clock.now()
        self._emit(
            AttemptStarted(
                at=moment.at,
                wall=moment.wall,
                attempt=number,
                pid=training.pid,
                create_time=training.create_time,
                command=self.plan.command,
                overrides=overrides,
                changes=changes,
                resumed_from=str(resume_from) if resume_from is not None else None,
            )
        )
        self._wake_when_done(training)
        interval = min(PROCESS_INTERVAL, self.settings.stall_timeout / 6)
        watcher = Watcher(attempt_dir, training, self._gpus, process_interval=interval)
        try:
            ended = self._watch(watcher, training, rung)
        finally:
            # Whatever happens to us in here, the training does not outlive its supervision.
            survivors = stop.stop(
                watcher.everyone(), grace=self.settings.grace, hurry=self._is_in_a_hurry
            )
        self._close_attempt(watcher, training, number, survivors)
        if survivors and ended.decision is not None:
            reason = f"processes cannot be ended: pid {', '.join(map(str, survivors))}"
            ended.decision = self._say(Decision(action=Action.GIVE_UP, reason=reason))
        return ended

    def _watch(self, watcher: Watcher, training: launch.Launched, rung: Rung | None) -> _Ended:
        captured_at: list[float] = []
        last = clock.now()
        while True:
            self._wake.wait(TICK)
            self._wake.clear()
            moment = clock.now()
            gap, last = moment.at - last.at, moment
            if gap > PAUSE:
                self._emit(ObserverPaused(at=moment.at, wall=moment.wall, seconds=gap))
            over = training.process.poll() is not None
            limit = stall.timeout(self._snapshot, self._limits())
            silence = self._snapshot.silence(moment.at)
            for fact in watcher.poll(moment, suspicious=silence > limit / 4):
                self._emit(fact)
            if self._signals:
                return _Ended(None, interrupted=True)
            if over:
                return _Ended(None)
            silence = self._snapshot.silence(moment.at)
            if _capture_is_due(silence, limit, captured_at):
                for fact in watcher.stacks(moment):
                    self._emit(fact)
                last = clock.now()  # Reading stacks took time; that is no pause of ours.
            elif silence < limit / 2:
                captured_at.clear()
            self._snapshot = replace(self._snapshot, at=moment.at, wall=moment.wall)
            decision = self._judge(rung)
            if decision is not None and decision.action is not Action.REPORT:
                return _Ended(decision)
            self._look_at_tensorboard()
            if self._hangs_at_exit(moment):
                return _Ended(None)
            self.view.tick(self._snapshot)

    def _judge(self, rung: Rung | None) -> Decision | None:
        """Raises what is new, and decides about what can be acted on."""
        fresh = [finding for finding in judge(self._snapshot, self._limits()) if self._new(finding)]
        for finding in fresh:
            self._raise(finding)
        for finding in fresh:
            if finding.code in ladder.STALLS and finding.severity >= Severity.ERROR:
                return self._say(ladder.decide(finding, self._history(rung), *self._means()))
            if finding.code == "DW201" and self.settings.on_missing == "stop":
                return self._say(
                    Decision(
                        action=Action.STOP, reason="a required metric is missing, as you asked"
                    )
                )
        return None

    def _close_attempt(
        self, watcher: Watcher, training: launch.Launched, number: int, survivors: list[int]
    ) -> None:
        with contextlib.suppress(Exception):
            training.process.wait(timeout=2.0)
        code = training.process.poll()
        for fact in watcher.rest(clock.now()):
            self._emit(fact)
        moment = clock.now()
        self._emit(
            AttemptEnded(
                at=moment.at,
                wall=moment.wall,
                attempt=number,
                exit_code=code,
                signal=_signal_name(code),
                survivors=tuple(survivors),
            )
        )
        if not self._signals and not any(f.code in ladder.STALLS for f in self._findings):
            self._judge_end()
        self.records.append(
            summary.AttemptRecord(
                snapshot=self._snapshot,
                findings=tuple(self._findings),
                ended_wall=moment.wall,
                lost_iterations=self._lost_iterations(),
            )
        )
        self._write_summary(None, None)

    def _judge_end(self) -> None:
        for finding in judge(self._snapshot, self._limits()):
            if self._new(finding):
                self._raise(finding)

    # --- small parts ---------------------------------------------------------------------

    def _emit(self, fact: Fact) -> None:
        lost_before = self.journal.lost
        self.journal.append(fact)
        self._snapshot = advance(self._snapshot, fact)
        self.view.fact(fact, self._snapshot)
        if self.journal.lost and not lost_before:
            self.view.note(
                f"the journal cannot be written ({self.journal.lost_because}): the training goes "
                "on, its record has gaps"
            )

    def _raise(self, finding: Finding) -> None:
        self._findings.append(finding)
        moment = clock.now()
        self._emit(FindingRaised(at=moment.at, wall=moment.wall, finding=finding))

    def _new(self, finding: Finding) -> bool:
        # A second stall of one attempt is news, the same one still going on is not.
        since = self._snapshot.progress_at if finding.code.startswith("DW1") else 0.0
        key = (finding.code, finding.severity, since)
        if key in self._raised:
            return False
        self._raised.add(key)
        return True

    def _say(self, decision: Decision) -> Decision:
        moment = clock.now()
        self._emit(
            Decided(
                at=moment.at,
                wall=moment.wall,
                action=decision.action.value,
                reason=decision.reason,
                changes=decision.rung.changes if decision.rung is not None else (),
            )
        )
        return decision

    def _limits(self) -> Limits:
        return Limits(
            stall_timeout=self.settings.stall_timeout,
            busy_timeout=self.settings.busy_timeout,
            required=self.plan.required,
        )

    def _history(self, rung: Rung | None) -> ladder.History:
        agent = self._snapshot.agent
        tried = [rung.name] if rung is not None else []
        for record in self.records:
            started = record.snapshot.started
            names = [r.name for r in self.plan.rungs if started and _is_of(r, started.overrides)]
            tried += names
        refused = tuple(agent.refused) if agent is not None else ()
        return ladder.History(
            reruns=len(self.records),
            rungs_used=tuple(dict.fromkeys(tried)),
            can_change=agent is not None,
            refused=refused,
        )

    def _means(self) -> tuple[Sequence[Rung], ladder.Policy]:
        policy = ladder.Policy(
            on_stall=self.settings.on_stall,
            max_reruns=self.settings.max_reruns,
            keep_effective_batch=self.settings.keep_effective_batch,
        )
        return self.plan.rungs, policy

    def _checkpoint(self) -> Path | None:
        """Where the next attempt takes up: the newest whole checkpoint of this very run."""
        assert self._run is not None
        found, passed = checkpoints.newest_good(self._runner_work_dir(), since=self._run.wall)
        moment = clock.now()
        for text in passed:
            self._emit(NotObserved(at=moment.at, wall=moment.wall, what="checkpoint", why=text))
        if found is not None:
            return found.path
        last = self.records[-1].snapshot.started
        return Path(last.resumed_from) if last is not None and last.resumed_from else None

    def _runner_work_dir(self) -> Path:
        """The Runner's own work dir, which a user's script may choose by itself."""
        agent = self._snapshot.agent
        return Path(agent.work_dir) if agent is not None else self.plan.work_dir

    def _lost_iterations(self) -> int:
        """Iterations done since the newest checkpoint, where the training did not finish."""
        s = self._snapshot
        if s.last_iteration is None or s.phase == Phase.FINISHED:
            return 0
        assert self._run is not None
        found, _ = checkpoints.newest_good(self._runner_work_dir(), since=self._run.wall)
        if found is None:
            return s.last_iteration - (s.first_iteration or 1) + 1
        number = found.number
        if found.by_epoch:
            pulse = s.slowest
            per_epoch = (
                pulse.max_iterations // pulse.max_epochs if pulse and pulse.max_epochs else 0
            )
            number *= per_epoch
        return max(0, s.last_iteration - number)

    def _look_at_tensorboard(self) -> None:
        board = self.tensorboard
        if board is None or (code := board.process.poll()) is None:
            return
        self.tensorboard = None
        text = f"TensorBoard ended with code {code}; its words are in tensorboard.log"
        evidence = [Evidence(text=text, source="tensorboard.log", wall=clock.now().wall)]
        self._raise(codes.finding("DW801", evidence, confidence=1.0))

    def _hangs_at_exit(self, moment: clock.Moment) -> bool:
        """Trained to the end, yet the process does not go: nothing can be lost any more."""
        s = self._snapshot
        return s.phase == Phase.FINISHED and s.idle(moment.at) >= self.settings.stall_timeout

    def _write_summary(self, outcome: str | None, code: Exit | None) -> None:
        assert self._run is not None
        document = summary.build(
            self._run,
            self.plan.command,
            self.records,
            outcome=outcome,
            exit_code=int(code) if code is not None else None,
            ended=clock.now().wall if outcome is not None else None,
        )
        try:
            summary.write(self.folder / "summary.json", document)
        except OSError as error:
            self.view.note(f"summary.json cannot be written: {error.strerror}")

    # --- signals and the end of the child ------------------------------------------------

    def _is_in_a_hurry(self) -> bool:
        """A second Ctrl-C: no more grace."""
        return len(self._signals) > 1

    def _wake_when_done(self, training: launch.Launched) -> None:
        def wait() -> None:
            training.process.wait()
            self._wake.set()

        threading.Thread(target=wait, name="dualwatch-wait", daemon=True).start()

    @contextlib.contextmanager
    def _listening(self):  # type: ignore[no-untyped-def]
        """Takes SIGINT and SIGTERM as wishes, and gives the old handlers back."""

        def heard(number: int, frame: FrameType | None) -> None:
            self._signals.append(number)
            self._wake.set()

        previous = {
            number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _capture_is_due(silence: float, limit: float, captured_at: list[float]) -> bool:
    """Stacks at a half, three quarters and the whole of the limit, then at each further one."""
    count = len(captured_at)
    due = limit * (0.5 + 0.25 * count if count < 3 else count - 1)
    if silence < due or count >= CAPTURES:
        return False
    captured_at.append(silence)
    return True


def _resume_changes(path: Path) -> tuple[Change, Change]:
    why = "goes on from the newest good checkpoint"
    return (
        Change(key="resume", before=None, after=True, why=why),
        Change(key="load_from", before=None, after=str(path), why=why),
    )


def _is_of(rung: Rung, overrides: dict[str, object]) -> bool:
    """Whether an attempt ran with a rung: the overrides also hold where it resumed."""
    own = {key: value for key, value in overrides.items() if key not in ("resume", "load_from")}
    return own == rung.overrides


def _signal_name(code: int | None) -> str | None:
    if code is None or code >= 0:
        return None
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
