"""Sends commands to the agent inside the training, and waits a bounded time for its replies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dualwatch.actions import agent_commands
from dualwatch.actions.signals import StopRequests
from dualwatch.core import clock
from dualwatch.core.clock import Moment
from dualwatch.events import CommandAnswered, Event, HeartbeatRead
from dualwatch.protocol import VALIDATION_PHASES, AgentCommand, Phase, workers
from dualwatch.state.activity import STOPPED
from dualwatch.state.snapshot import Gaps
from dualwatch.supervisor.recorder import EventRecorder

TICK = 0.05
PATIENCE = 5.0
"""Seconds to wait for a training that waits for a batch; its agent looks much more often."""

ENDING_WORKERS = PATIENCE + workers.ENDING
"""Seconds to wait for a command whose reply comes when workers have ended."""

LONGEST_STEP = 60.0
"""Seconds at most to wait for a running training to finish its step."""

WRITING = 600.0
"""Seconds at most to wait for a checkpoint that is being written."""

QUIET = 1.0
"""Seconds without progress before a signal is sent; a training that moves looks without one."""

SIGNAL_EVERY = 0.6
"""Seconds between two signals to an agent that does not look."""

PACE_TIME = 0.25
"""Seconds over which the pace of several ranks is measured."""

MARGIN = 0.5
"""Seconds in which a command has reached every rank."""

_BETWEEN_STEPS = frozenset((Phase.WAITING, *VALIDATION_PHASES))
"""Phases in which no parameter changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentClient:
    """The agents of one attempt.

    Attributes:
        folder: The attempt's.
        look: Reads the agents' newest events.
        over: Whether the training has ended.
    """

    folder: Path
    recorder: EventRecorder
    look: Callable[[Moment], Sequence[Event]]
    over: Callable[[], bool]
    stop_requests: StopRequests

    def remedy(self, command: str) -> CommandAnswered | None:
        """Sends a command that keeps the training alive and waits for the reply, as ``request``."""
        ends = command in (AgentCommand.REPLACE, AgentCommand.END_WORKERS)
        return self.request(command, patience=ENDING_WORKERS if ends else PATIENCE)

    def request(self, command: str, *, patience: float = PATIENCE) -> CommandAnswered | None:
        """Sends a command to the slowest rank and waits for the reply; None for no reply.

        Args:
            command: One of ``AgentCommand``.
            patience: Seconds to wait.
        """
        pulse = self.recorder.snapshot.slowest
        number = agent_commands.send(self.folder, pulse, command) if pulse is not None else None
        if pulse is None or number is None:
            return None
        begun = clock.now().at
        signalled = begun - SIGNAL_EVERY
        while True:
            moment = self._pause()
            reply = self._reply(pulse.rank, number)
            waited = moment.at - begun
            if reply is not None or self.over() or self.stop_requests.force:
                return reply
            now = self.recorder.snapshot.pulses.get(pulse.rank, pulse)
            if waited >= (WRITING if now.phase == Phase.SAVING else patience):
                return None
            if moment.at - signalled >= SIGNAL_EVERY and self._can_be_signalled(command, now):
                # Repeatedly: one signal may arrive just before the wait.
                agent_commands.notify_process(now.pid)
                signalled = moment.at

    def rescue(self, *, patient: bool, longest: float = LONGEST_STEP) -> None:
        """Lets the training save a rescue checkpoint, if it can.

        Args:
            patient: It is running, and may finish its step first.
            longest: Seconds at most to wait for that.
        """
        s = self.recorder.snapshot
        pulse = s.slowest
        if len(s.pulses) > 1:
            if patient:
                self._rescue_together(longest)
            return
        if pulse is None or pulse.begun < 0 or not self._is_alive(pulse):
            return
        if pulse.phase in _BETWEEN_STEPS or (patient and pulse.phase in (Phase.STEP, Phase.SAVING)):
            patience = PATIENCE
            if patient:
                usual = s.gaps.get(s.place, Gaps()).longest
                patience = min(max(PATIENCE, 3 * usual), LONGEST_STEP)
                if longest > LONGEST_STEP:
                    patience = longest  # Nobody waits at a terminal for this stop.
            self.request(AgentCommand.SAVE, patience=patience)

    def end(self, within: float) -> None:
        """Lets every rank end as Ctrl-C would end it; returns when it is over, or does not end.

        Args:
            within: Seconds at most; an agent that does not answer is not waited for so long.
        """
        pulses = self.recorder.snapshot.pulses
        numbers = {
            rank: agent_commands.send(self.folder, pulse, AgentCommand.END)
            for rank, pulse in pulses.items()
            if self._is_alive(pulse)
        }
        begun = clock.now().at
        while numbers and None not in numbers.values():
            waited = self._pause().at - begun
            answered = all(self._reply(rank, number or 0) for rank, number in numbers.items())
            limit = within if answered else min(PATIENCE, within)
            if self.over() or self.stop_requests.force or waited >= limit:
                return

    def _rescue_together(self, longest: float) -> None:
        """Stops all ranks after the same iteration, a little ahead of the fastest, to save.

        A rank that was killed in between would lose a step of the others with its own. Only where
        all ranks move: one that is stuck keeps the others in a collective, in which they answer
        nothing.
        """
        s = self.recorder.snapshot
        if not all(pulse.begun >= 0 and self._is_alive(pulse) for pulse in s.pulses.values()):
            return
        usual = s.gaps.get(s.place, Gaps()).longest
        at = self._iteration_ahead()
        numbers = {
            rank: agent_commands.send(self.folder, pulse, AgentCommand.SAVE_TOGETHER, at=at)
            for rank, pulse in self.recorder.snapshot.pulses.items()
        }
        begun, patience = clock.now().at, min(max(PATIENCE, 9 * usual), max(LONGEST_STEP, longest))
        while None not in numbers.values():
            self._pause()
            replies = [self._reply(rank, number or 0) for rank, number in numbers.items()]
            refused = any(reply is not None and not reply.done for reply in replies)
            if all(replies) or refused or self.over() or self.stop_requests.force:
                return
            now = self.recorder.snapshot.pulses.values()
            writing = any(pulse.phase == Phase.SAVING for pulse in now)
            if clock.now().at - begun >= (WRITING if writing else patience):
                return

    def _iteration_ahead(self) -> int:
        """An iteration that no rank will have completed when a command has reached them all."""
        begun, before = clock.now().at, self._fastest()
        while (passed := clock.now().at - begun) < PACE_TIME:
            self._pause()
        pace = (self._fastest() - before) / passed
        return self._fastest() + 2 + math.ceil(pace * MARGIN)

    def _fastest(self) -> int:
        return max(pulse.iteration for pulse in self.recorder.snapshot.pulses.values())

    def _pause(self) -> Moment:
        """Waits for a moment and records what the agents wrote; returns the time it is then."""
        self.stop_requests.sleep(TICK)
        moment = clock.now()
        for event in self.look(moment):
            self.recorder.record(event)
        return moment

    def trace(self) -> None:
        """Lets the training trace one iteration, and waits a bounded time for what it caught."""
        s = self.recorder.snapshot
        usual = s.gaps.get(s.place, Gaps()).longest
        # The iteration that is under way, and the one that is traced, slower than usual.
        self.request(AgentCommand.TRACE, patience=min(max(PATIENCE, 6 * usual), LONGEST_STEP))

    def request_pending_samples(self) -> None:
        """Asks for the samples of the batch that is waited for, without waiting for the reply."""
        s = self.recorder.snapshot
        pulse = s.slowest
        if pulse is None or s.awaited or pulse.phase not in (Phase.WAITING, Phase.VAL_WAITING):
            return
        if not self._is_alive(pulse):
            return
        if agent_commands.send(self.folder, pulse, AgentCommand.TELL) is not None:
            agent_commands.notify_process(pulse.pid)

    def _reply(self, rank: int, number: int) -> CommandAnswered | None:
        replies = self.recorder.snapshot.answers
        return next((one for one in replies if (one.rank, one.number) == (rank, number)), None)

    def _is_alive(self, pulse: HeartbeatRead) -> bool:
        """Whether its process can reply: one that is not stopped and not gone."""
        process = self.recorder.snapshot.process.get(pulse.pid)
        return process is not None and process.status not in (*STOPPED, "zombie", "dead")

    def _can_be_signalled(self, command: str, pulse: HeartbeatRead) -> bool:
        s = self.recorder.snapshot
        if command in (AgentCommand.REPLACE, AgentCommand.TRACE):
            return False  # They are looked at before a batch, never in a signal handler.
        if pulse.phase not in _BETWEEN_STEPS and command != AgentCommand.DROP_LOGS:
            return False
        quiet = clock.now().at - s.moved_at.get(pulse.rank, s.progress_at)
        return self._is_alive(pulse) and quiet >= QUIET
