"""Scripted histories of a training: a few words instead of a process and a clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    BatchSeen,
    ConsoleGrew,
    ErrorSeen,
    Event,
    Finding,
    Frame,
    HeartbeatRead,
    IterationLogged,
    ObserverPaused,
    ProcessesSampled,
    ProcessSample,
    StacksCaptured,
    ThreadStack,
)
from dualwatch.protocol import Phase
from dualwatch.rules.registry import judge
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot, fold

# No test asserts how fast anything is: a machine may be slow, and an emulated one is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

EPOCH = 1_700_000_000.0
MAIN = 100
WORKERS = (101, 102)
SAMPLE_EVERY = 5.0


class Story:
    """What was seen of one attempt, told in order; ``t`` is the time, 0 at the start.

    Every method returns the story, so that a history reads as one sentence.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.t = 0.0
        self.iteration = 0
        self._beats = 0
        self._cpu: dict[int, float] = {}
        self._lines = 0

    def tell(self, kind: type[Event], /, **fields: Any) -> Story:
        """One event, now."""
        self.events.append(kind(at=self.t, wall=EPOCH + self.t, **fields))
        return self

    def wait(self, seconds: float) -> Story:
        """Time passes unseen."""
        self.t += seconds
        return self

    def started(self, attempt: int = 0) -> Story:
        return self.tell(
            AttemptStarted,
            attempt=attempt,
            pid=MAIN,
            create_time=1.0,
            command=("python", "train.py"),
            overrides={},
        )

    def ended(self, exit_code: int | None = 0, signal: str | None = None) -> Story:
        return self.tell(AttemptEnded, attempt=0, exit_code=exit_code, signal=signal)

    def pulse(self, phase: str, *, rank: int = 0, moves: bool = True, **fields: Any) -> Story:
        """A reading of the heartbeat; ``moves=False`` reads the same record again."""
        self._beats += moves
        known = {
            "pid": MAIN + 1000 * rank,
            "beats": self._beats,
            "epoch": 0,
            "begun": 0 if self.iteration else -1,
            "iteration": self.iteration,
            "batch": self.iteration,
            "batches": 200,
            "max_epochs": 2,
            "max_iterations": 400,
        }
        return self.tell(HeartbeatRead, rank=rank, phase=phase, **{**known, **fields})

    def trains(self, iterations: int = 30, every: float = 1.0) -> Story:
        """Healthy iterations with a busy tree; ends in the phase "waiting for a batch"."""
        for _ in range(iterations):
            self.wait(every / 2).pulse(Phase.STEP)
            self.iteration += 1
            self.wait(every / 2).pulse(Phase.WAITING)
        return self.sample(busy=True)

    def stops_in(self, phase: str, **fields: Any) -> Story:
        """Enters a phase at once; what follows is silence."""
        return self.pulse(phase, **fields)

    def sample(
        self,
        *,
        busy: bool | tuple[int, ...] = False,
        wchan: str = "",
        each: dict[int, dict[str, Any] | None] | None = None,
        **fields: Any,
    ) -> Story:
        """A sample of the tree.

        Args:
            busy: Who used one core since the last sample: the main process, or these pids.
            each: What is different of some processes, or of further ones; None where one is gone.
        """
        each = each or {}
        pids = [*(MAIN, *WORKERS), *(pid for pid in each if pid not in (MAIN, *WORKERS))]
        for pid in (MAIN,) if busy is True else busy or ():
            self._cpu[pid] = self._cpu.get(pid, 1.0) + SAMPLE_EVERY
        tree = [
            ProcessSample(
                **{
                    "pid": pid,
                    "create_time": 1.0,
                    "ppid": 1 if pid == MAIN else MAIN,
                    "role": "main" if pid == MAIN else "worker",
                    "status": "sleeping",
                    "cpu_s": self._cpu.get(pid, 1.0),
                    "io_bytes": 1000,
                    "rss": 10**8,
                    "threads": 4,
                    "wchan": wchan,
                    "command": "python train.py",
                    **fields,
                    **(each.get(pid) or {}),
                }
            )
            for pid in pids
            if each.get(pid, {}) is not None
        ]
        return self.tell(ProcessesSampled, processes=tuple(tree))

    def silent(self, seconds: float, **sample: Any) -> Story:
        """No heartbeat for so long; the tree is sampled every five seconds and at the end."""
        end = self.t + seconds
        while self.t + SAMPLE_EVERY < end:
            self.wait(SAMPLE_EVERY).sample(**sample)
        self.t = end
        return self.sample(**sample)

    def prints(self, seconds: float, every: float = 5.0) -> Story:
        """The console grows for so long, with an idle tree."""
        end = self.t + seconds
        while self.t + every <= end:
            self._lines += 1
            self.wait(every).sample()
            self.tell(ConsoleGrew, lines=self._lines, last_line=f"line {self._lines}")
        self.t = end
        return self

    def line(self, mode: str = "train", epoch: int | None = 1, **metrics: float) -> Story:
        """A progress line; hierarchical names are written with two underscores for the slash."""
        self._lines += 1
        named = {name.replace("__", "/"): value for name, value in metrics.items()}
        return self.tell(
            IterationLogged,
            mode=mode,
            epoch=epoch,
            iteration=10 * self._lines,
            total=200,
            metrics=named,
        )

    def saw(self, *outline: str, losses: tuple[str, ...] = ("loss",), rank: int = 0) -> Story:
        """A look at a training batch and at what the model returned for it."""
        number = 10 * self._lines + 1
        return self.tell(BatchSeen, rank=rank, iteration=number, outline=outline, losses=losses)

    def complains(self, exception: str, message: str, *, told: int = 1, **fields: Any) -> Story:
        """An error on the console; told again when it came the 10th, 100th ... time."""
        for _ in range(told):
            self.tell(ErrorSeen, exception=exception, message=message, **fields)
        return self

    def captured(self, *frames: Frame, workers: tuple[ThreadStack, ...] = ()) -> Story:
        """Stacks, the main process's frames innermost first."""
        main = ThreadStack(pid=MAIN, thread="MainThread", active=None, frames=frames)
        return self.tell(StacksCaptured, stacks=(main, *workers))

    def paused(self, seconds: float) -> Story:
        """We ourselves did not run."""
        return self.wait(seconds).tell(ObserverPaused, seconds=seconds)

    @property
    def snapshot(self) -> Snapshot:
        return fold(self.events)

    def judged(self, **limits: Any) -> list[Finding]:
        """All findings now."""
        return judge(self.snapshot, Thresholds(**limits))

    def codes(self, **limits: Any) -> list[str]:
        return [finding.code for finding in self.judged(**limits)]


@pytest.fixture
def story() -> Story:
    """An attempt that was just started."""
    return Story().started()


@pytest.fixture
def new_story() -> Callable[[], Story]:
    """Makes stories in which nothing was seen yet."""
    return Story


@pytest.fixture
def frame() -> Callable[..., Frame]:
    """A frame of a stack."""

    def make(function: str, file: str = "tools/train.py", line: int = 1) -> Frame:
        return Frame(function=function, file=file, line=line)

    return make
