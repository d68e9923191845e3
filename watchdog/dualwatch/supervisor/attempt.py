"""One attempt: launch the training, observe it and decide until it is over, stop it."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from dualwatch.actions import console_close, launch, shared_memory, terminate
from dualwatch.actions.adopted import AttachedTraining
from dualwatch.actions.reaper import Reaper
from dualwatch.actions.signals import StopRequests, name_of
from dualwatch.collectors.gpu.nvml import NvmlSampler
from dualwatch.core import clock
from dualwatch.core.clock import Moment
from dualwatch.events import (
    Action,
    AttemptEnded,
    AttemptStarted,
    ConfigRead,
    Decision,
    HeartbeatRead,
    ObserverPaused,
    RerunStep,
    StopKind,
    TrainingStopped,
)
from dualwatch.protocol import AgentCommand, Phase
from dualwatch.rules.metrics.metrics import absences
from dualwatch.rules.stalls import stall
from dualwatch.rules.thresholds import Thresholds
from dualwatch.supervisor import starting
from dualwatch.supervisor.agent_client import AgentClient
from dualwatch.supervisor.looks import Look, LookSchedule
from dualwatch.supervisor.monitor import PROCESS_INTERVAL, Monitor
from dualwatch.supervisor.recorder import EventRecorder
from dualwatch.supervisor.starting import StartedTraining
from dualwatch.tensorboard.status import TensorBoardMonitor

Training = launch.Launched | AttachedTraining

TICK = 0.5
"""Seconds between two polls; a signal or the end of the training ends the wait at once."""

_IN_PLACE = {
    Action.REPLACE: AgentCommand.REPLACE,
    Action.REPLACE_POOL: AgentCommand.REPLACE_POOL,
    Action.END_WORKERS: AgentCommand.END_WORKERS,
    Action.DROP_LOGS: AgentCommand.DROP_LOGS,
}
"""Decisions that the agent carries out in the running training."""

PAUSE = 10.0
"""A tick that took longer than this means that dualwatch itself did not run."""


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How an attempt ended: the decision that ended it, None where the training ended."""

    decision: Decision | None
    interrupted: bool = False
    survivors: tuple[int, ...] = ()


@dataclass(slots=True)
class Attempt:
    """One attempt of a run.

    Attributes:
        folder: ``attempt-N``; made here.
        environment: What the training inherits.
        step: The remedy in force, None for the user's own configuration.
        rescue: Whether the loader may be replaced, and a checkpoint saved, in the running training.
        grace: Seconds between SIGTERM and SIGKILL.
        decide: Applies the rules to the snapshot and decides.
        reconsider: Decides once more, where the loader could not be replaced in place.
        config: The configuration of this attempt, None where it is not known.
        attached: A training that runs already; None to start one.
        early: This attempt's training, where it was started before.
        console: What it prints or logs, where that is not the attempt's own console.
        board: TensorBoard beside it, None where it is not wanted.
    """

    number: int
    folder: Path
    command: tuple[str, ...]
    environment: Mapping[str, str]
    step: RerunStep | None
    resume_from: Path | None
    rescue: bool
    grace: float
    limits: Thresholds
    recorder: EventRecorder
    stop_requests: StopRequests
    gpus: NvmlSampler
    decide: Callable[[], Decision | None]
    reconsider: Callable[[], Decision]
    config: ConfigRead | None = None
    attached: AttachedTraining | None = None
    early: StartedTraining | None = None
    console: Path | None = None
    board: TensorBoardMonitor | None = None
    _traced: bool = False

    def run(self) -> AttemptOutcome:
        """Runs the attempt to its end; processes that survive are named."""
        training = self.attached or self._start()
        if self.config is not None and self.recorder.snapshot.config is None:
            self.recorder.record(replace(self.config, **clock.now()._asdict()))
        monitor = Monitor(
            self.folder,
            training,
            self.gpus,
            process_interval=min(PROCESS_INTERVAL, self.limits.stall_timeout / 6),
            console=self.console,
            known=self.recorder.snapshot if self.attached is not None else None,
            board=self.board,
        )
        try:
            decision = self._observe(monitor, training)
        except Exception:
            # An error of dualwatch must not end the training: its console is a file.
            self.recorder.note(f"the training continues without dualwatch: pid {training.pid}")
            raise
        interrupted = self.stop_requests.to_stop
        if self.attached is not None and interrupted and not training.is_over():
            # A training that dualwatch only attached to is not ended by Ctrl-C.
            self.recorder.note(f"the training continues without dualwatch: pid {training.pid}")
            return AttemptOutcome(None, interrupted=True)
        if not training.is_over():
            self.recorder.record(_stopped(decision, self.stop_requests))
            if self.stop_requests.console_end is not None:
                self.recorder.note(
                    f"Windows ends dualwatch within {console_close.SECONDS} s; a training that is "
                    f"not stopped by then continues: `dualwatch attach {self.folder.parent.parent}`"
                )
            if self.rescue:
                self._rescue(monitor, training, decision)
        survivors = tuple(self._stop(monitor, training))
        self._close(monitor, training, survivors)
        if decision is not None and self.stop_requests.to_stop:
            interrupted = True  # Ctrl-C while it was being stopped: no rerun.
        return AttemptOutcome(decision, interrupted, survivors)

    def _start(self) -> launch.Launched:
        started = self.early or starting.start(
            self.folder,
            self.command,
            self.environment,
            rescue=self.rescue,
            step=self.step,
            resume_from=self.resume_from,
        )
        training = started.process
        self.recorder.record(
            AttemptStarted(
                at=started.moment.at,
                wall=started.moment.wall,
                attempt=self.number,
                pid=training.pid,
                create_time=training.create_time,
                command=self.command,
                overrides=dict(started.overrides),
                changes=started.changes,
                resumed_from=str(started.resumed_from) if started.resumed_from else None,
            )
        )

        for note in training.notes:
            self.recorder.note(note)

        def wake_when_done() -> None:
            training.process.wait()
            self.stop_requests.ring()

        threading.Thread(target=wake_when_done, name="dualwatch-wait", daemon=True).start()
        return training

    def _observe(self, monitor: Monitor, training: Training) -> Decision | None:
        """Observes and decides until the attempt is over."""
        recorder = self.recorder
        looks = LookSchedule(self.limits)
        reaper = Reaper(spared=(training.pid,))
        last = clock.now()
        while True:
            self.stop_requests.sleep(TICK)
            moment = clock.now()
            gap, last = moment.at - last.at, moment
            if gap > PAUSE:
                recorder.record(ObserverPaused(at=moment.at, wall=moment.wall, seconds=gap))
            over = training.is_over()
            limit = stall.timeout(recorder.snapshot, self.limits)
            suspicious = recorder.snapshot.silence(moment.at) > limit / 4
            for event in monitor.poll(moment, suspicious=suspicious):
                recorder.record(event)
            reaper.reap()
            if over or self.stop_requests.to_stop:
                return None
            look = looks.due(recorder.snapshot, moment)
            if look is not None:
                for event in monitor.stacks(moment, early=look is Look.EARLY):
                    recorder.record(event)
                if self.rescue and look is Look.TIMED:
                    self._client(monitor, training).request_pending_samples()
                last = clock.now()  # Reading stacks took time, which is not a pause of dualwatch.
            recorder.reach(moment)
            if self._trace_is_due():
                # Before the findings: the exception is the cause of the missing metric.
                self._client(monitor, training).trace()
                recorder.reach(clock.now())
                last = clock.now()
            decision = self.decide()
            if decision is not None:
                decision = self._apply_in_place(decision, monitor, training)
                last = clock.now()
            if decision is not None and decision.action is not Action.REPORT:
                return decision
            if self._hangs_at_exit(moment):
                return None
            recorder.tick()

    def _trace_is_due(self) -> bool:
        """Whether a required metric is missing, and no iteration was traced yet for its cause."""
        s = self.recorder.snapshot
        if self._traced or not self.rescue or s.agent is None or s.phase == Phase.FINISHED:
            return False
        self._traced = bool(absences(s, self.limits))
        return self._traced

    def _apply_in_place(
        self, decision: Decision, monitor: Monitor, training: Training
    ) -> Decision | None:
        """Applies a decision that keeps the training alive; returns any other one."""
        if decision.action is Action.WAKE:
            terminate.wake(monitor.everyone(clock.now()))
            return None
        command = _IN_PLACE.get(decision.action)
        if command is not None:
            if decision.action is Action.REPLACE:
                with contextlib.suppress(OSError):  # A full disk: it stays without workers.
                    launch.write_trials(self.folder, decision.fresh, decision.cause)
            asked = self.recorder.snapshot.slowest
            answer = self._client(monitor, training).remedy(command)
            if (answer is not None and answer.done) or self._progressed(asked):
                return None
            return None if self.stop_requests.to_stop else self.reconsider()
        return decision

    def _progressed(self, before: HeartbeatRead | None) -> bool:
        """Whether a rank makes progress although it did not confirm the replacement.

        Its batch came at the last moment, or its answer could not be written.
        """
        now = self.recorder.snapshot.pulses.get(before.rank) if before is not None else None
        return before is not None and now is not None and now.beats != before.beats

    def _client(self, monitor: Monitor, training: Training) -> AgentClient:
        return AgentClient(
            folder=self.folder,
            recorder=self.recorder,
            look=monitor.news_from_inside,
            over=training.is_over,
            stop_requests=self.stop_requests,
        )

    def _rescue(self, monitor: Monitor, training: Training, decision: Decision | None) -> None:
        """Lets the training save what it trained, after its iteration where that can end."""
        client = self._client(monitor, training)
        if decision is not None and decision.patient:
            client.rescue(patient=True, longest=self.limits.stall_timeout)
        else:
            client.rescue(patient=self.stop_requests.to_stop)

    def _hangs_at_exit(self, moment: Moment) -> bool:
        """Whether the training is finished but its process does not exit."""
        s = self.recorder.snapshot
        return s.phase == Phase.FINISHED and s.idle(moment.at) >= self.limits.stall_timeout

    def _stop(self, monitor: Monitor, training: Training) -> list[int]:
        """Stops the whole tree and what is started meanwhile; removes its shared memory."""
        grace = self.grace
        if sys.platform == "win32" and not training.is_over():
            # No signal asks a process of Windows to end.
            begun = clock.now().at
            self._client(monitor, training).end(grace)
            grace = max(0.0, grace - (clock.now().at - begun))
        tree = monitor.everyone(clock.now())
        held = shared_memory.seen(process.pid for process in terminate.alive(tree))
        survivors = terminate.stop(
            tree,
            grace=grace,
            hurry=lambda: self.stop_requests.force,
            look=lambda: monitor.everyone(clock.now()),
            job=training.job,
        )
        shared_memory.clean(held)
        return survivors

    def _close(self, monitor: Monitor, training: Training, survivors: tuple[int, ...]) -> None:
        """Records how the attempt ended."""
        training.wait(2.0)
        code = training.exit_code()
        for event in monitor.rest(clock.now()):
            self.recorder.record(event)
        moment = clock.now()
        self.recorder.record(
            AttemptEnded(
                at=moment.at,
                wall=moment.wall,
                attempt=self.number,
                exit_code=code,
                signal=name_of(code),
                survivors=survivors,
            )
        )


def _stopped(decision: Decision | None, requests: StopRequests) -> TrainingStopped:
    """The event of a stop: for a decision, for a signal to dualwatch, or at the end."""
    moment = clock.now()
    cause = action = ""
    if requests.to_stop:
        why = StopKind.INTERRUPTED
        reason = f"dualwatch received {requests.name}"
    elif decision is not None:
        why = StopKind.UNWANTED if decision.patient else StopKind.STALLED
        cause, action, reason = decision.cause, decision.action.value, decision.reason
    else:
        why, reason = StopKind.NO_EXIT, "the training had finished and its process did not exit"
    return TrainingStopped(
        at=moment.at, wall=moment.wall, why=why, reason=reason, cause=cause, action=action
    )
