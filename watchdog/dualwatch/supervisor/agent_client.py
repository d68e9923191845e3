"""Sends the agent inside the training on an client, and waits a bounded time for its answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dualwatch.actions import agent_commands as orders
from dualwatch.actions.signals import StopRequests
from dualwatch.core import clock
from dualwatch.core.clock import Moment
from dualwatch.events import CommandAnswered, Event, HeartbeatRead
from dualwatch.protocol import VALIDATION_PHASES, AgentCommand, Phase
from dualwatch.state.activity import STOPPED
from dualwatch.state.snapshot import Gaps
from dualwatch.supervisor.recorder import EventRecorder

TICK = 0.05
PATIENCE = 5.0
"""Seconds for an answer of a training that waits for a batch; its agent looks much more often."""

LONGEST_STEP = 60.0
"""Seconds at most for which a running training is given time to come to the end of a step."""

WRITING = 600.0
"""Seconds at most for a checkpoint that is being written."""

QUIET = 1.0
"""Seconds for which it must have stood still; whoever moves looks by itself."""

RING_EVERY = 0.6
"""Seconds between two rings at an agent that does not look by itself."""

LOOK = 0.25
"""Seconds over which it is seen how fast several ranks do iterations."""

MARGIN = 0.5
"""Seconds in which an order has reached every rank."""

_BETWEEN = frozenset((Phase.WAITING, *VALIDATION_PHASES))
"""Where no parameter changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentClient:
    """What is needed to ask the agent for something.

    Attributes:
        folder: The attempt's.
        look: What is new from inside.
        over: Whether the training has ended.
    """

    folder: Path
    recorder: EventRecorder
    look: Callable[[Moment], Sequence[Event]]
    over: Callable[[], bool]
    stop_requests: StopRequests

    def run(self, order: str, *, patience: float = PATIENCE) -> CommandAnswered | None:
        """Gives an order and waits; None where nobody answered."""
        pulse = self.recorder.snapshot.slowest
        number = orders.send(self.folder, pulse, order) if pulse is not None else None
        if pulse is None or number is None:
            return None
        begun = clock.now().at
        rung = begun - RING_EVERY
        while True:
            moment = self._pause()
            answer = self._answer(pulse, number)
            waited = moment.at - begun
            if answer is not None or self.over() or self.stop_requests.force:
                return answer
            now = self.recorder.snapshot.pulses.get(pulse.rank, pulse)
            if waited >= (WRITING if now.phase == Phase.SAVING else patience):
                return None
            if moment.at - rung >= RING_EVERY and self._can_be_rung(order, now):
                orders.notify_process(
                    now.pid
                )  # Again and again: one signal may come just before the wait.
                rung = moment.at

    def rescue(self, *, patient: bool) -> None:
        """Lets the training save what it has learnt, where that can be.

        Args:
            patient: It runs, and may come to the end of its step first.
        """
        s = self.recorder.snapshot
        pulse = s.slowest
        if len(s.pulses) > 1:
            if patient:
                self._rescue_together()
            return
        if pulse is None or pulse.begun < 0 or not self._answers(pulse):
            return
        if pulse.phase in _BETWEEN or (patient and pulse.phase in (Phase.STEP, Phase.SAVING)):
            patience = PATIENCE
            if patient:
                usual = s.gaps.get(s.place, Gaps()).longest
                patience = min(max(PATIENCE, 3 * usual), LONGEST_STEP)
            self.run(AgentCommand.SAVE, patience=patience)

    def _rescue_together(self) -> None:
        """Lets all ranks come to stand after one iteration, a little ahead of the fastest.

        Who is killed somewhere in between would take a step of the others with it. Only where all
        of them get on: one that is stuck keeps the others in a collective, where nothing can be
        asked of them.
        """
        s = self.recorder.snapshot
        if not all(pulse.begun >= 0 and self._answers(pulse) for pulse in s.pulses.values()):
            return
        usual = s.gaps.get(s.place, Gaps()).longest
        at = self._ahead()
        pulses = self.recorder.snapshot.pulses
        numbers = {
            rank: orders.send(self.folder, pulse, AgentCommand.SAVE_TOGETHER, at=at)
            for rank, pulse in pulses.items()
        }
        begun, patience = clock.now().at, min(max(PATIENCE, 9 * usual), LONGEST_STEP)
        while None not in numbers.values():
            self._pause()
            answers = [self._answer(pulses[rank], number or 0) for rank, number in numbers.items()]
            refused = any(answer is not None and not answer.done for answer in answers)
            if all(answers) or refused or self.over() or self.stop_requests.force:
                return
            now = self.recorder.snapshot.pulses.values()
            writing = any(pulse.phase == Phase.SAVING for pulse in now)
            if clock.now().at - begun >= (WRITING if writing else patience):
                return

    def _ahead(self) -> int:
        """Iterations that no rank will have completed when an order has reached them all."""
        begun, before = clock.now().at, self._fastest()
        while (passed := clock.now().at - begun) < LOOK:
            self._pause()
        pace = (self._fastest() - before) / passed
        return self._fastest() + 2 + math.ceil(pace * MARGIN)

    def _fastest(self) -> int:
        return max(pulse.iteration for pulse in self.recorder.snapshot.pulses.values())

    def _pause(self) -> Moment:
        """Lets a little time pass and tells what is new from inside; gives the time it is then."""
        self.stop_requests.sleep(TICK)
        moment = clock.now()
        for event in self.look(moment):
            self.recorder.record(event)
        return moment

    def ask_what_is_awaited(self) -> None:
        """Which samples the batch that does not come is made of; the answer comes when it comes."""
        s = self.recorder.snapshot
        pulse = s.slowest
        if pulse is None or s.awaited or pulse.phase not in (Phase.WAITING, Phase.VAL_WAITING):
            return
        if self._answers(pulse) and orders.send(self.folder, pulse, AgentCommand.TELL) is not None:
            orders.notify_process(pulse.pid)

    def _answer(self, pulse: HeartbeatRead, number: int) -> CommandAnswered | None:
        answers = self.recorder.snapshot.answers
        found = [a for a in answers if (a.rank, a.number) == (pulse.rank, number)]
        return found[0] if found else None

    def _answers(self, pulse: HeartbeatRead) -> bool:
        """Whether its process can: not one that is stopped or gone."""
        process = self.recorder.snapshot.process.get(pulse.pid)
        return process is not None and process.status not in (*STOPPED, "zombie", "dead")

    def _can_be_rung(self, order: str, pulse: HeartbeatRead) -> bool:
        s = self.recorder.snapshot
        if order == AgentCommand.REPLACE or pulse.phase not in _BETWEEN or not self._answers(pulse):
            return False
        return clock.now().at - s.moved_at.get(pulse.rank, s.progress_at) >= QUIET
