"""The loop that joins the rooms for a run in our care.

observe -> facts -> journal and snapshot -> judge -> findings -> treat -> decision -> act, attempt
by attempt, until the training has ended, is cured, or is given up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from dualwatch import __version__, clock
from dualwatch.act import launch, stop
from dualwatch.act.tensorboard import TensorBoard
from dualwatch.chronicle import Chronicle
from dualwatch.errors import Exit
from dualwatch.facts import (
    Action,
    AttemptEnded,
    AttemptStarted,
    Change,
    Decision,
    Evidence,
    NotObserved,
    ObserverPaused,
    RunEnded,
    Rung,
    RunStarted,
    Severity,
)
from dualwatch.judge import codes, stall, verdict
from dualwatch.judge.limits import Limits
from dualwatch.judge.verdict import Verdict
from dualwatch.observe import checkpoints
from dualwatch.observe.gpus import Gpus
from dualwatch.plan import Plan
from dualwatch.report import summary
from dualwatch.settings import Settings
from dualwatch.treat import ladder
from dualwatch.watch import PROCESS_INTERVAL, Watcher
from dualwatch.wire import Phase

TICK = 0.5
"""Seconds between two looks; a signal or the end of the training wakes us at once."""

CAPTURES = 12
"""Stacks are read at most so often in one silence."""

STOP_ROUNDS = 3

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
    chronicle: Chronicle
    tensorboard: TensorBoard | None = None
    base_environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    records: list[summary.AttemptRecord] = field(default_factory=list)
    ended: RunEnded | None = None
    _started: RunStarted | None = None
    _rungs: list[Rung] = field(default_factory=list)
    _wake: threading.Event = field(default_factory=threading.Event)
    _signals: list[int] = field(default_factory=list)
    _gpus: Gpus = field(default_factory=Gpus)

    def run(self) -> Exit:
        """Runs attempts until the run is over, and returns the exit code of the contract."""
        moment = clock.now()
        self._started = RunStarted(
            at=moment.at,
            wall=moment.wall,
            config=str(self.plan.config),
            script=str(self.plan.script),
            work_dir=str(self.plan.work_dir),
            required_metrics=self.plan.required,
            required_because=self.plan.required_because,
            version=__version__,
        )
        self.chronicle.tell(self._started)
        with self._listening():
            outcome, code, reason = self._attempts()
        moment = clock.now()
        self.ended = RunEnded(
            at=moment.at, wall=moment.wall, outcome=outcome, exit_code=int(code), reason=reason
        )
        self.chronicle.tell(self.ended)
        self._write_summary()
        return code

    def _attempts(self) -> Verdict:
        rung: Rung | None = None
        resume_from: Path | None = None
        for number in range(self.settings.max_reruns + 1):
            ended = self._attempt(number, rung, resume_from)
            if ended.interrupted:
                code = Exit.TERMINATED if signal.SIGTERM in self._signals else Exit.INTERRUPTED
                return Verdict("interrupted", code, "stopped in order, as you asked")
            if ended.decision is None:
                findings = self.chronicle.findings
                return verdict.of_ended(self.chronicle.snapshot, findings, self.plan.required)
            if ended.decision.action is not Action.RERUN:
                reason = ended.decision.reason
                if any(f.code in ladder.STALLS for f in self.chronicle.findings):
                    return Verdict("gave-up", Exit.GAVE_UP, reason)
                return Verdict("completed-with-findings", Exit.WRONG, reason)
            rung = ended.decision.rung
            resume_from = self._resume_point()
        raise AssertionError("the treatment decides when reruns are used up")

    # --- one attempt ---------------------------------------------------------------------

    def _attempt(self, number: int, rung: Rung | None, resume_from: Path | None) -> _Ended:
        attempt_dir = self.folder / f"attempt-{number}"
        attempt_dir.mkdir(mode=0o700)
        training = self._launch(attempt_dir, number, rung, resume_from)
        interval = min(PROCESS_INTERVAL, self.settings.stall_timeout / 6)
        watcher = Watcher(attempt_dir, training, self._gpus, process_interval=interval)
        try:
            ended = self._watch(watcher, training)
        except Exception:
            # A fault of ours is none of the training's: it goes on, its console is a file.
            self.chronicle.note(f"the training goes on without us: pid {training.pid}")
            raise
        survivors = self._stop(watcher)
        self._close(watcher, training, number, survivors)
        if survivors and ended.decision is not None:
            # Decided anew: what still runs holds the GPU and the locks of the next attempt.
            pids = ", ".join(map(str, survivors))
            reason = f"processes of attempt {number} cannot be ended: pid {pids}"
            ended.decision = self.chronicle.decide(Decision(action=Action.GIVE_UP, reason=reason))
        return ended

    def _stop(self, watcher: Watcher) -> list[int]:
        """Ends the whole tree; again for what was started while it was being ended."""
        survivors: list[int] = []
        for _ in range(STOP_ROUNDS):
            tree = watcher.everyone(clock.now())
            if not stop.alive(tree):
                return []
            survivors = stop.stop(
                tree,
                grace=self.settings.grace,
                hurry=lambda: len(self._signals) > 1,  # A second Ctrl-C: no more grace.
            )
        return survivors

    def _launch(
        self, attempt_dir: Path, number: int, rung: Rung | None, resume_from: Path | None
    ) -> launch.Launched:
        changes = rung.changes if rung is not None else ()
        if rung is not None:
            self._rungs.append(rung)
        if resume_from is not None:
            changes = (*changes, *_resume_changes(resume_from))
        overrides = {change.key: change.after for change in changes}
        launch.write_orders(attempt_dir, overrides, rung.stretch if rung is not None else 1)
        marker = uuid.uuid4().hex
        command, environment = self.plan.command, self.base_environment
        training = launch.launch(command, attempt_dir, marker, base=environment)
        moment = clock.now()
        self.chronicle.tell(
            AttemptStarted(
                at=moment.at,
                wall=moment.wall,
                attempt=number,
                pid=training.pid,
                create_time=training.create_time,
                command=command,
                overrides=overrides,
                changes=changes,
                resumed_from=str(resume_from) if resume_from is not None else None,
            )
        )
        self._wake_when_done(training)
        return training

    def _watch(self, watcher: Watcher, training: launch.Launched) -> _Ended:
        """Looks, judges and decides until the attempt is over."""
        chronicle = self.chronicle
        captured_at: list[float] = []
        last = clock.now()
        while True:
            self._wake.wait(TICK)
            self._wake.clear()
            moment = clock.now()
            gap, last = moment.at - last.at, moment
            if gap > PAUSE:
                chronicle.tell(ObserverPaused(at=moment.at, wall=moment.wall, seconds=gap))
            over = training.process.poll() is not None
            limit = stall.timeout(chronicle.snapshot, self._limits())
            silence = chronicle.snapshot.silence(moment.at)
            for fact in watcher.poll(moment, suspicious=silence > limit / 4):
                chronicle.tell(fact)
            if self._signals:
                return _Ended(None, interrupted=True)
            if over:
                return _Ended(None)
            if _capture_is_due(chronicle.snapshot.silence(moment.at), limit, captured_at):
                for fact in watcher.stacks(moment):
                    chronicle.tell(fact)
                last = clock.now()  # Reading stacks took time; that is no pause of ours.
            chronicle.reach(moment)
            decision = self._decide()
            if decision is not None and decision.action is not Action.REPORT:
                return _Ended(decision)
            self._look_at_tensorboard()
            if self._hangs_at_exit(moment):
                return _Ended(None)
            chronicle.tick()

    def _decide(self) -> Decision | None:
        """Judges, and decides about what can be acted on."""
        for finding in self.chronicle.judge(self._limits()):
            if finding.code in ladder.STALLS and finding.severity >= Severity.ERROR:
                policy = ladder.Policy(
                    on_stall=self.settings.on_stall, max_reruns=self.settings.max_reruns
                )
                decision = ladder.decide(finding, self._history(), self.plan.rungs, policy)
                return self.chronicle.decide(decision)
            if finding.code == "DW201" and self.settings.on_missing == "stop":
                reason = "a required metric is missing, which stops the training, as you asked"
                return self.chronicle.decide(Decision(action=Action.STOP, reason=reason))
        return None

    def _history(self) -> ladder.History:
        agent = self.chronicle.snapshot.agent
        return ladder.History(
            reruns=len(self.records),
            rungs_used=tuple(rung.name for rung in self._rungs),
            can_change=agent is not None,
            refused=tuple(agent.refused) if agent is not None else (),
        )

    def _close(
        self, watcher: Watcher, training: launch.Launched, number: int, survivors: list[int]
    ) -> None:
        """Takes down how the attempt ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            training.process.wait(timeout=2.0)
        code = training.process.poll()
        for fact in watcher.rest(clock.now()):
            self.chronicle.tell(fact)
        moment = clock.now()
        self.chronicle.tell(
            AttemptEnded(
                at=moment.at,
                wall=moment.wall,
                attempt=number,
                exit_code=code,
                signal=_signal_name(code),
                survivors=tuple(survivors),
            )
        )
        stopped_by_us = self._signals or any(
            f.code in ladder.STALLS for f in self.chronicle.findings
        )
        if not stopped_by_us:
            self.chronicle.judge(self._limits())
        s = self.chronicle.snapshot
        self.records.append(
            summary.AttemptRecord(
                snapshot=s,
                findings=tuple(self.chronicle.findings),
                ended_wall=moment.wall,
                lost_iterations=self._lost_iterations(),
            )
        )
        self._write_summary()

    # --- small parts ---------------------------------------------------------------------

    def _limits(self) -> Limits:
        return Limits(
            stall_timeout=self.settings.stall_timeout,
            busy_timeout=self.settings.busy_timeout,
            required=self.plan.required,
        )

    def _resume_point(self) -> Path | None:
        """Where the next attempt takes up: the newest whole checkpoint of this very run."""
        found, passed = checkpoints.newest_good(self._runner_work_dir(), since=self._since())
        moment = clock.now()
        for text in passed:
            what = f"checkpoint {text}"
            self.chronicle.tell(
                NotObserved(at=moment.at, wall=moment.wall, what=what, why="not trusted")
            )
        if found is not None:
            return found.path
        last = self.records[-1].snapshot.started
        return Path(last.resumed_from) if last is not None and last.resumed_from else None

    def _lost_iterations(self) -> int:
        s = self.chronicle.snapshot
        if s.phase == Phase.FINISHED:
            return 0
        found, _ = checkpoints.newest_good(self._runner_work_dir(), since=self._since())
        if found is None:
            return verdict.lost_iterations(s, saved=None, by_epoch=False)
        return verdict.lost_iterations(s, saved=found.number, by_epoch=found.by_epoch)

    def _since(self) -> float:
        assert self._started is not None
        return self._started.wall

    def _runner_work_dir(self) -> Path:
        """The Runner's own work dir, which a user's script may choose by itself."""
        agent = self.chronicle.snapshot.agent
        return Path(agent.work_dir) if agent is not None else self.plan.work_dir

    def _look_at_tensorboard(self) -> None:
        board = self.tensorboard
        if board is None or (code := board.process.poll()) is None:
            return
        self.tensorboard = None
        text = f"TensorBoard ended with code {code}; its words are in tensorboard.log"
        evidence = [Evidence(text=text, source="tensorboard.log", wall=clock.now().wall)]
        self.chronicle.raise_finding(codes.finding("DW801", evidence, confidence=1.0))

    def _hangs_at_exit(self, moment: clock.Moment) -> bool:
        """Trained to the end, yet the process does not go: nothing can be lost any more."""
        s = self.chronicle.snapshot
        return s.phase == Phase.FINISHED and s.idle(moment.at) >= self.settings.stall_timeout

    def _write_summary(self) -> None:
        assert self._started is not None
        document = summary.build(self._started, self.plan.command, self.records, self.ended)
        try:
            summary.write(self.folder / "summary.json", document)
        except OSError as error:
            self.chronicle.note(f"summary.json cannot be written: {error.strerror}")

    def _wake_when_done(self, training: launch.Launched) -> None:
        def wait() -> None:
            training.process.wait()
            self._wake.set()

        threading.Thread(target=wait, name="dualwatch-wait", daemon=True).start()

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Takes SIGINT and SIGTERM as wishes, and gives the old handlers back."""

        def heard(number: int, frame: FrameType | None) -> None:
            self._signals.append(number)
            self._wake.set()

        previous = {
            number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)
        }
        hang_up = getattr(signal, "SIGHUP", None)
        if hang_up is not None:
            # A connection that drops at night ends neither the training nor its supervision.
            previous[hang_up] = signal.signal(hang_up, signal.SIG_IGN)
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _capture_is_due(silence: float, limit: float, captured_at: list[float]) -> bool:
    """Stacks at a half, three quarters and the whole of the limit, then at each further one."""
    if silence < limit / 2:
        captured_at.clear()
        return False
    count = len(captured_at)
    due = limit * (0.5 + 0.25 * count if count < 3 else count - 1)
    if silence < due or count >= CAPTURES:
        return False
    captured_at.append(silence)
    return True


def _resume_changes(path: Path) -> tuple[Change, Change]:
    why = "newest good checkpoint"
    return (
        Change(key="resume", before=None, after=True, why=why),
        Change(key="load_from", before=None, after=str(path), why=why),
    )


def _signal_name(code: int | None) -> str | None:
    if code is None or code >= 0:
        return None
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
