"""Reads a loader whose workers were taken away: in this process, then with fresh workers.

Batches are loaded in the main process at once, so that nothing waits. Where that costs time, fresh
workers are started beside the training and take over between two batches. They are on probation:
a batch that does not come in time, or a worker that ends, brings back the main process, which loads
again what they had and did not deliver, in its order.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Callable

from dualwatch.agent.torch import main_process
from dualwatch.agent.torch.fresh_workers import Batches, FreshWorkers, WorkerSettings
from dualwatch.agent.torch.guarded_classes import ReplaceLoader
from dualwatch.agent.torch.rng import RandomStates
from dualwatch.protocol.workers import WorkersReason, WorkersStep

if TYPE_CHECKING:
    from dualwatch.agent.torch.objects import DataLoader, LoaderIterator
    from dualwatch.agent.torch.pace import Pace
    from dualwatch.agent.torch.probation import Probation
    from dualwatch.agent.torch.sample_tracker import SampleTracker

ENOUGH = 5
"""Iterations without workers from which their cost is judged."""

MEASURED = 20
"""Iterations with fresh workers from which their gain is judged."""

COSTLY = 0.1
"""Share of waiting for data from which fresh workers are worth a trial."""

WORTH_S = 10.0
"""Seconds that the rest of a pass must take without workers; starting some takes a part of it."""

LEAST_LIMIT = 3.0
"""Seconds at least that fresh workers may take for a batch."""

LIMIT = 10.0
"""Times the longest batch of the main process that they may take."""

PAID = 2.0
"""Times the wait that a relapse costs: workers that gained more do not use up a trial."""

NO_GAIN = 1.05
"""Times the time without workers from which they are no gain."""


class Recovery:
    """One loader.

    Args:
        loader: Its ``num_workers`` is 0 now.
        tracker: Of its samples.
        settings: Of the workers that it had.
        seed: Of what is drawn at random in place of a worker.
        pace: Of the iterations that it feeds.
        wait: Wraps torch's wait for a batch.

    Attributes:
        random: What a worker would have drawn from.
        reading: Whether the present pass is read here, and not by torch's iterator.
    """

    def __init__(
        self,
        loader: DataLoader,
        tracker: SampleTracker,
        settings: WorkerSettings,
        *,
        seed: int,
        pace: Pace,
        wait: Callable[..., tuple[bool, object]],
    ) -> None:
        self.random = RandomStates(seed)
        self.reading = False
        self._loader, self._tracker, self._settings = loader, tracker, settings
        self._seed, self._pace, self._wait = seed, pace, wait
        self._probation: Probation
        self._batches = Batches((), iter(()))
        self._load: Callable[[object], object] | None = None
        self._fresh: FreshWorkers | None = None
        self._took_over = self._wanted = self._settled = False
        self._before_s: float | None = None
        self._without_s: float | None = None
        self._measured_before = False
        self._limit = LEAST_LIMIT
        self._start_s = 0.0
        self._asked = 0.0
        self._delivered = 0
        self._gain_noted = False

    @property
    def has_workers(self) -> bool:
        """Whether fresh workers load the present pass."""
        return self._took_over

    # --- a pass ----------------------------------------------------------------------------------

    def begin(
        self,
        iterator: LoaderIterator,
        probation: Probation,
        *,
        done: int = 0,
        again: Iterable[object] = (),
    ) -> None:
        """Reads a pass from here on.

        Args:
            iterator: torch's own, whose sampler is read.
            probation: What may be tried.
            done: Batches that the pass has delivered.
            again: Batches of indices that were taken from it and not delivered.
        """
        self.end()
        self._probation = probation
        if not self._measured_before:
            self._measured_before = True
            self._before_s = self._pace.seconds if self._pace.count >= ENOUGH else None
            self._pace.restart()
        self._batches = Batches(again, iterator._sampler_iter)
        self._load = main_process.fetcher(self._loader, getattr(iterator, "_pin_memory", False))
        self.reading = True
        if self._wanted and not self._settled and self._is_worth_it(done):
            self._start()

    def end(self) -> None:
        """The pass is over, or is left."""
        self.reading = False
        fresh, took_over = self._fresh, self._took_over
        self._fresh, self._took_over = None, False
        if fresh is not None:
            if not took_over:  # This pass was too short for them.
                self._start_s = time.monotonic() - fresh.begun
            fresh.end()

    def next(self) -> object:
        """The next batch of the pass."""
        assert self._load is not None
        self._advance()
        if self._fresh is not None and self._took_over:
            assert self._fresh.iterator is not None
            self._asked = time.monotonic()
            try:
                batch = next(self._fresh.iterator)
                self._delivered += 1
                return batch
            except ReplaceLoader:
                pass  # By ``check_limit``, or by the supervisor.
            except StopIteration:
                raise
            except Exception as error:
                reason = self._fresh.reason_of(error)
                if not reason:
                    raise
                # One of the data set comes again, here.
                self.relapse(reason, str(error).strip().rsplit("\n", 1)[-1])
        with self.random.active():
            return self._load(next(self._batches))

    # --- fresh workers ---------------------------------------------------------------------------

    def _advance(self) -> None:
        """The next step, where one is due between two batches."""
        if self._fresh is None:
            if not self._settled and self._pace.count >= ENOUGH:
                self._consider()
        elif self._fresh.reason:
            self._stay_without(self._fresh.reason, self._fresh.detail)
        elif not self._took_over:
            if self._fresh.ready:
                self._take_over(self._fresh)
        elif not self._gain_noted and self._pace.count >= MEASURED:
            self._judge(self._fresh)

    def _consider(self) -> None:
        """Starts fresh workers where loading without costs time, and some may be tried."""
        waiting = self._pace.waiting or 0.0
        self._without_s = self._pace.seconds
        self._limit = max(LEAST_LIMIT, LIMIT * self._pace.longest_wait)
        if waiting <= COSTLY:
            self._stay_without(WorkersReason.FAST_ENOUGH)
        elif self._probation.reason_against:
            self._stay_without(self._probation.reason_against)
        elif self._is_worth_it(self._tracker.batches):
            self._wanted = True
            self._start()

    def _is_worth_it(self, done: int) -> bool:
        """Whether the rest of the pass is long enough for them."""
        try:
            left = len(self._loader) - done
        except TypeError:
            return True
        return left * (self._without_s or 0.0) >= max(WORTH_S, 2 * self._start_s)

    def _start(self) -> None:
        if self._probation.reason_against:
            self._stay_without(self._probation.reason_against)
            return
        count = self._probation.count(self._settings.workers)
        self._note(WorkersStep.STARTING, WorkersReason.WAITS, count=count)
        seed = self._seed + 1000 * self._tracker.passes + self._tracker.batches
        self._fresh = FreshWorkers(
            self._loader,
            self._batches,
            self._settings,
            count=count,
            seed=seed,
            since=self._probation.since,
            wait=self._wait,
        )

    def _take_over(self, fresh: FreshWorkers) -> None:
        self._start_s = time.monotonic() - fresh.begun
        self._note(WorkersStep.TAKEN_OVER, WorkersReason.WAITS, count=fresh.count)
        # At first their queues are empty, then full.
        self._pace.restart(skip=2 * fresh.count * self._settings.prefetch)
        self._delivered, self._took_over = 0, True
        fresh.take_over()

    def _judge(self, fresh: FreshWorkers) -> None:
        now = self._pace.seconds
        self._gain_noted = True
        if now is None or self._without_s is None or now <= NO_GAIN * self._without_s:
            self._note(WorkersStep.GAIN, WorkersReason.WAITS, count=fresh.count, fresh_s=now)
            return
        self._take_back()
        self._stay_without(WorkersReason.NO_GAIN, fresh_s=now)

    def check_limit(self) -> None:
        """Ends fresh workers that did not deliver in time.

        Raises:
            ReplaceLoader: They were ended; the batch is loaded here.
        """
        waited = time.monotonic() - self._asked
        if self._took_over and waited > self._limit:
            self.relapse(WorkersReason.HUNG, f"no batch within {waited:.1f} s")
            raise ReplaceLoader

    def relapse(self, reason: str, detail: str) -> None:
        """Fresh workers hung or died: loads here what they had, and what follows."""
        fresh = self._fresh
        assert fresh is not None
        now, waited = self._pace.seconds, time.monotonic() - self._asked
        gained = (self._without_s - now) * self._delivered if now and self._without_s else 0.0
        self._take_back()
        if gained < PAID * waited:
            self._probation.relapses += 1
        self._note(
            WorkersStep.RELAPSED, reason, detail=detail, count=fresh.count, fresh_s=now or None
        )
        if self._probation.reason_against:
            self._stay_without(self._probation.reason_against)
        elif self._is_worth_it(self._tracker.batches):
            self._start()

    def _take_back(self) -> None:
        fresh, self._fresh, self._took_over = self._fresh, None, False
        if fresh is not None:
            fresh.end()
        # What they took is before what was not taken yet.
        self._batches.again = deque(self._tracker.given)
        self._pace.restart()
        self._gain_noted = False

    def _stay_without(self, reason: str, detail: str = "", fresh_s: float | None = None) -> None:
        self._settled, self._fresh = True, None
        self._note(WorkersStep.WITHOUT, reason, detail=detail, fresh_s=fresh_s)

    def _note(
        self,
        step: str,
        reason: str,
        *,
        detail: str = "",
        count: int = 0,
        fresh_s: float | None = None,
    ) -> None:
        self._probation.note(
            step,
            reason,
            detail=detail,
            count=count,
            before_s=self._before_s,
            without_s=self._without_s,
            fresh_s=fresh_s,
            waiting=self._pace.waiting,
        )
