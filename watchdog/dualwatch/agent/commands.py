"""Receives the supervisor's commands and carries them out.

The main thread of the training does that itself, where it is between two iterations: before each
batch, while it waits for one and, where it is stuck in its own dataset, in a signal handler. There
is no extra thread, since a thread before a fork is itself a cause of deadlocks.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import threading
import time
import weakref
from typing import TYPE_CHECKING, Callable

from dualwatch import protocol
from dualwatch.agent import exception_trace, files, loggers, mapped_file, pools
from dualwatch.agent.torch import loader_guard, worker_processes
from dualwatch.agent.torch.guarded_classes import ReplaceLoader
from dualwatch.agent.torch.probation import Probation
from dualwatch.protocol import AgentCommand, Phase

if TYPE_CHECKING:
    from types import FrameType

    from dualwatch.agent.heartbeat import HeartbeatWriter

HOLD = 60.0
"""Seconds that a saved training waits to be stopped, before it continues after all."""

_INTACT = frozenset(
    (Phase.WAITING, Phase.VAL_WAITING, Phase.VAL_STEP, Phase.METRICS),
)
"""Phases in which no parameter changes, so that a checkpoint is whole whatever was interrupted."""


_WHERE_IT_WAITS = (AgentCommand.REPLACE_POOL, AgentCommand.END_WORKERS, AgentCommand.DROP_LOGS)
"""Commands that a signal handler carries out inside the wait; before a batch they came too late."""


class CommandHandler:
    """Carries out the commands for one rank.

    Args:
        folder: The attempt's folder.
        heart: This rank's heartbeat.
        save: Writes a rescue checkpoint and returns its path; raises where that is impossible.
        save_together: Writes this rank's part of a checkpoint of all ranks.

    Attributes:
        guards: Of all loaders in care. Weak: a loop may make a new loader for each epoch.
        without_workers: A loader was replaced: those that are made later get no workers either.
        probation: Fresh workers that may be tried after that.
        ending: The training ends at the supervisor's request, which has asked for a rescue before.
    """

    def __init__(
        self,
        folder: str,
        heart: HeartbeatWriter,
        save: Callable[[], str],
        save_together: Callable[[], str] | None = None,
    ) -> None:
        self._folder, self._heart = folder, heart
        self._save, self._save_together = save, save_together
        path = os.path.join(folder, protocol.command_file(heart.rank))
        self._buffer = mapped_file.mapped(path, protocol.COMMAND_SIZE)
        self._seen = bytes(8)
        self._pid = os.getpid()
        self._current: loader_guard.LoaderGuard | None = None
        self.guards: weakref.WeakSet[loader_guard.LoaderGuard] = weakref.WeakSet()
        self.without_workers = False
        self.probation = Probation(folder, heart)
        self.ending = False
        self._ended_workers = False
        self._trace: exception_trace.ExceptionTrace | None = None
        self._trace_number = 0

    def listen(self) -> None:
        """Installs the handler of the supervisor's signal, which also interrupts a sample."""
        number = getattr(signal, protocol.COMMAND_SIGNAL, None)
        if number is None or threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, self._signalled)

    def look(self, guard: loader_guard.LoaderGuard, waiting: bool = False) -> None:
        """Carries out a new command, if there is one.

        Args:
            guard: Of the loader that a batch is requested of.
            waiting: Its workers were asked already, and did not deliver yet.

        Raises:
            ReplaceLoader: The loader was replaced while a batch was waited for.
            KeyboardInterrupt: The training is to end.
        """
        self._current = guard
        if self._trace is not None and not waiting:
            self._end_trace()
        if self._buffer[:8] == self._seen or os.getpid() != self._pid:
            return
        record = protocol.read_command(self._buffer)
        if record is None or not record.order:
            return
        if record.order == AgentCommand.SAVE_TOGETHER and self._heart.iteration < record.beats:
            return  # Not yet: it is looked at again before the next batch.
        if record.order == AgentCommand.TRACE and (waiting or self._heart.phase != Phase.WAITING):
            return  # The next iteration of the training is traced, from its batch on.
        self._seen = self._buffer[:8]
        if record.order == AgentCommand.REPLACE:
            self._replace(record, guard, waiting)
        elif record.order == AgentCommand.TRACE:
            self._trace, self._trace_number = exception_trace.ExceptionTrace(), record.number
        elif record.order == AgentCommand.END:
            self._end(record)
        elif record.order in _WHERE_IT_WAITS:
            self.answer(record.number, record.order, why="the wait is over")
        else:
            self._carry_out(record)
            if self._buffer[:8] != self._seen:
                self.look(guard, waiting)  # What ended the wait after a rescue.

    def batch_came(self, batch: object) -> None:
        """The batch is here: its iteration is traced, where that was asked for."""
        trace = self._trace
        if trace is None or trace.active or os.getpid() != self._pid:
            return
        why = trace.start()
        if why:
            self._trace = None
            self.answer(self._trace_number, AgentCommand.TRACE, why=why)

    def _end_trace(self) -> None:
        trace, self._trace = self._trace, None
        if trace is not None and os.getpid() == self._pid:
            caught = trace.stop()
            self.answer(self._trace_number, AgentCommand.TRACE, caught=caught)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid or self._buffer[:8] == self._seen:
            return
        record = protocol.read_command(self._buffer)
        if record is None:
            return
        # Events that are given up are no parameters: that may be in the middle of a step.
        if record.order != AgentCommand.DROP_LOGS and self._heart.phase not in _INTACT:
            return
        inside_of_the_wait = {
            AgentCommand.DROP_LOGS: self._drop_logs,
            AgentCommand.REPLACE_POOL: self._replace_pool,
            AgentCommand.END_WORKERS: self._end_workers,
        }.get(record.order)
        if inside_of_the_wait is not None:
            self._seen = self._buffer[:8]
            inside_of_the_wait(record, frame)
        elif record.order in (AgentCommand.SAVE, AgentCommand.TELL):
            self._seen = self._buffer[:8]
            self._carry_out(record)

    def _drop_logs(self, record: protocol.CommandRecord, frame: FrameType | None) -> None:
        why = "" if loggers.release(frame) else "no writer of events is waited for here"
        if not why:
            self._heart.beat(self._heart.phase)
        self.answer(record.number, record.order, why=why)

    def _replace_pool(self, record: protocol.CommandRecord, frame: FrameType | None) -> None:
        waits = self._heart.phase == Phase.METRICS and pools.is_waited_for(frame)
        why = "" if waits else "no evaluation waits for a pool of processes here"
        if waits:
            self._heart.beat(self._heart.phase)
        self.answer(record.number, record.order, why=why)
        if waits:
            raise pools.ReplacePool

    def _end_workers(self, record: protocol.CommandRecord, frame: FrameType | None) -> None:
        """Ends workers that do not end; the second time, later passes are read without workers."""
        ended = worker_processes.end_workers_of_join(frame)
        if ended:
            self._heart.beat(self._heart.phase)
            if self._ended_workers:
                self.without_workers = True
                for guard in list(self.guards):
                    guard.disable_workers()
            self._ended_workers = True
        why = "" if ended else "no end of loader workers is waited for here"
        self.answer(record.number, record.order, why=why)

    # --- the commands ----------------------------------------------------------------------------

    def _replace(
        self, record: protocol.CommandRecord, guard: loader_guard.LoaderGuard, waiting: bool
    ) -> None:
        why = self._reason_against(record, guard, waiting)
        if not why:
            try:
                self.probation.begin()
                guard.replace()
                self.without_workers = True
                for other in list(self.guards):
                    if other is not guard:
                        other.disable_workers()
            except Exception as error:
                files.note_error("replacing the loader")
                why = f"{type(error).__name__}: {error}"
        awaited = guard.awaited() if not why else []
        if not why:
            self._heart.beat(self._heart.phase)
        self.answer(record.number, record.order, why=why, awaited=awaited)
        if not why:
            raise ReplaceLoader

    def _reason_against(
        self, record: protocol.CommandRecord, guard: loader_guard.LoaderGuard, waiting: bool
    ) -> str:
        if not waiting or record.beats != self._heart.beats:
            return "the batch has come"
        if not guard.has_workers:
            return "it has no workers"
        if loader_guard.is_iterable_style(guard.loader):
            return "its dataset has an order of its own, which cannot be resumed"
        if not getattr(guard.loader, "in_order", True):
            return "its batches come out of order (in_order=False), so the missing ones are unknown"
        return ""

    def _carry_out(self, record: protocol.CommandRecord) -> None:
        awaited = self._current.awaited() if self._current is not None else []
        path = why = ""
        if record.order in (AgentCommand.SAVE, AgentCommand.SAVE_TOGETHER):
            try:
                path = self._saved(record)
            except Exception as error:
                files.note_error("saving a rescue checkpoint")
                why = f"{type(error).__name__}: {error}"
        self.answer(record.number, record.order, why=why, path=path, awaited=awaited)
        if path:
            self._hold(record.number)

    def _end(self, record: protocol.CommandRecord) -> None:
        """Ends the training as Ctrl-C does; its own handlers and ``finally`` run."""
        self.ending = True
        self.answer(record.number, record.order)
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        _thread.interrupt_main()

    def _saved(self, record: protocol.CommandRecord) -> str:
        if record.order == AgentCommand.SAVE or self._save_together is None:
            return self._save()
        if self._heart.iteration != record.beats:
            raise RuntimeError(f"it is past iteration {record.beats}")
        return self._save_together()

    def _hold(self, number: int) -> None:
        """Pauses until the training is stopped: what it trained now would be lost."""
        end = time.monotonic() + HOLD
        while time.monotonic() < end:
            record = protocol.read_command(self._buffer)
            if record is not None and record.number != number:
                return
            time.sleep(0.05)

    def answer(
        self,
        number: int,
        order: str,
        *,
        why: str = "",
        path: str = "",
        awaited: list[str] | None = None,
        caught: list[protocol.CaughtDocument] | None = None,
    ) -> None:
        """Reports the result of a command, or of a rescue without one."""
        answer: protocol.ReplyDocument = {
            "rank": self._heart.rank,
            "number": number,
            "order": order,
            "done": not why,
            "why": why[:500],
            "path": path,
            "iteration": self._heart.iteration,
            "awaited": [text[:300] for text in (awaited or [])],
            "caught": caught or [],
        }
        reply = os.path.join(self._folder, protocol.reply_file(self._heart.rank, number))
        with contextlib.suppress(OSError):
            files.put(reply, answer)
