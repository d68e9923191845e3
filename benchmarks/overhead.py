"""What supervision costs the training: time of an iteration with and without dualwatch.

Each turn trains bare, supervised, and bare again. The ratio is the supervised training over the
mean of the two around it, so that a steady drift cancels; the second bare over the first says how
much of a ratio is noise. Then the heartbeat alone, in microseconds. Target: a ratio of at most
1.005, or within the noise.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import tempfile
import time
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dualwatch import protocol
from dualwatch.agent.commands import CommandHandler
from dualwatch.agent.heartbeat import HeartbeatWriter
from dualwatch.agent.mmengine.phases import PhaseTracker
from dualwatch.agent.mmengine.trainer import MMEngineTrainer
from dualwatch.agent.torch import loader_guard
from dualwatch.protocol import Phase

from benchmarks import measure, training

LOG_EVERY = 25
WARM_UP = 2
"""Log lines at the start that do not count."""

MATMUL_CONFIG = measure.ROOT / "benchmarks" / "overhead_cfg.py"
BEATS = 20_000
REPEATS = 15


@dataclass(frozen=True, slots=True)
class Iterations:
    """Seconds of an iteration, from the training's own log.

    Attributes:
        median: Median of the log lines, each of which is a mean over ``LOG_EVERY`` iterations: what
            other work on the machine disturbs least.
        mean: Mean of all iterations, what the training takes as a whole.
    """

    median: float
    mean: float


@dataclass(frozen=True, slots=True)
class Beats:
    """Seconds of the agent's parts.

    Attributes:
        beat: One heartbeat.
        bare: The two ``call_hook`` of an iteration, with no hooks to call.
        followed: The same two, followed by the agent.
    """

    beat: float
    bare: float
    followed: float

    @property
    def iteration(self) -> float:
        """What the agent adds to one iteration."""
        return self.followed - self.bare


def main() -> None:
    """Measures and prints."""
    parser = measure.arguments(__doc__, runs=5)
    parser.add_argument(
        "--iterations", type=int, default=600, help="of each training (default: %(default)s)"
    )
    parser.add_argument(
        "--step",
        choices=("pause", "matmul"),
        default="pause",
        help="what the model does: waits, as for a GPU, or computes (default: %(default)s)",
    )
    parser.add_argument(
        "--pause", type=float, default=0.03, help="seconds of a waiting step (default: %(default)s)"
    )
    parser.add_argument("--only-beats", action="store_true", help="leave the trainings out")
    options = parser.parse_args()
    print(f"{measure.machine()}\n")
    usual = options.pause
    if not options.only_beats:
        usual = _trainings(options.runs, options.iterations, options.step, options.pause)
    _heartbeat(usual)


def _trainings(runs: int, iterations: int, step: str, pause: float) -> float:
    """Prints the table of the trainings and returns the usual time of an iteration."""
    config = training.CONFIG if step == "pause" else MATMUL_CONFIG
    pairs = training.options(iterations=iterations, epochs=1, pause=pause, log_every=LOG_EVERY)
    pairs += ["train_cfg.val_interval=2"]
    commands = (training.bare, training.supervised, training.bare)
    measures = [functools.partial(_train, command, pairs, config) for command in commands]
    first, watched, again = measure.alternate(runs, measures)
    print(
        f"bare, supervised, bare again: {runs} turns; {iterations} iterations each, "
        f"step: {step}; median (quartiles)\n"
    )
    rows = [
        [
            name,
            measure.show(measure.spread([run.median * 1000 for run in mine]), 3, " ms"),
            measure.show(measure.spread([run.mean * 1000 for run in mine]), 3, " ms"),
        ]
        for name, mine in (("bare", first), ("supervised", watched), ("bare again", again))
    ]
    cost, noise = ["supervised / bare"], ["bare again / bare: the noise"]
    for pick in (attrgetter("median"), attrgetter("mean")):
        before, during, after = (list(map(pick, mine)) for mine in (first, watched, again))
        around = [(a + b) / 2 for a, b in zip(before, after, strict=True)]
        cost.append(measure.show(measure.ratios(during, around), 4))
        noise.append(measure.show(measure.ratios(after, before), 4))
    print(measure.table(["training", "median iteration", "mean iteration"], [*rows, cost, noise]))
    print()
    return statistics.median([run.median for run in first])


def _train(
    command: Callable[[Path, list[str], Path], list[str]], pairs: list[str], config: Path
) -> Iterations:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        work_dir = Path(folder, "work_dir")
        measure.say(f"training {command.__name__} ...")
        words = command(work_dir, pairs, config)
        # The configuration imports its model by name.
        path = os.pathsep.join(
            filter(None, (str(MATMUL_CONFIG.parent), os.environ.get("PYTHONPATH")))
        )
        with training.started(words, output, environment={"PYTHONPATH": path}) as process:
            process.wait()
        times = _logged_times(work_dir)
        if process.returncode or len(times) <= WARM_UP:
            raise SystemExit(
                f"the training ended with exit code {process.returncode} and {len(times)} lines:\n"
                + training.last_words(output)
            )
    counted = times[WARM_UP:]
    return Iterations(statistics.median(counted), statistics.fmean(counted))


def _logged_times(work_dir: Path) -> list[float]:
    """``time`` of every training row of ``scalars.json``, in order."""
    return [
        row["time"]
        for path in sorted(work_dir.glob("*/vis_data/scalars.json"))
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
        if "iter" in row and "time" in row
    ]


def _heartbeat(iteration: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        beats = measure_beats(folder, BEATS, REPEATS)
    beat = measure.spread([b.beat * 1e6 for b in beats])
    bare = measure.spread([b.bare * 1e6 for b in beats])
    followed = measure.spread([b.followed * 1e6 for b in beats])
    added = measure.spread([b.iteration * 1e6 for b in beats])
    share = measure.spread([b.iteration / iteration * 100 for b in beats])
    print(f"{REPEATS} turns of {BEATS} calls; median (quartiles)\n")
    rows = [
        ["one heartbeat", measure.show(beat, 2, " us")],
        ["both call_hook of an iteration, bare", measure.show(bare, 2, " us")],
        ["both call_hook of an iteration, followed", measure.show(followed, 2, " us")],
        ["added to an iteration", measure.show(added, 2, " us")],
        [f"share of an iteration of {iteration * 1000:.0f} ms", measure.show(share, 4, " %")],
    ]
    with tempfile.TemporaryDirectory() as folder:
        batches = measure_batches(folder, BEATS // 10, REPEATS)
    loaded = measure.spread([1e6 * bare for bare, _ in batches])
    guarded = measure.spread([1e6 * (with_ - bare) for bare, with_ in batches])
    rows += [
        ["a batch of 4 numbers from a loader, bare", measure.show(loaded, 2, " us")],
        ["added by its guard", measure.show(guarded, 2, " us")],
    ]
    print(measure.table(["inside agent", "time"], rows))


def measure_batches(folder: str, number: int, repeats: int) -> list[tuple[float, float]]:
    """Seconds per batch of torch's loader and of a guarded one, in turn."""
    from torch.utils.data import DataLoader

    handler = CommandHandler(folder, HeartbeatWriter(folder, 0), _nothing)

    def seconds(loader: Any) -> float:
        begun = time.perf_counter()
        for _ in loader:
            pass
        return (time.perf_counter() - begun) / number

    def loader() -> Any:
        return DataLoader(range(4 * number), batch_size=4, shuffle=True)  # type: ignore[arg-type]

    guarded = functools.partial(loader_guard.guarded, handler=handler)
    return [(seconds(loader()), seconds(guarded(loader()))) for _ in range(repeats)]


def measure_beats(folder: str, number: int, repeats: int) -> list[Beats]:
    """Times the heartbeat and the followed ``call_hook`` in turn.

    Args:
        folder: Where the heartbeat's file is made.
        number: Calls in each timing.
        repeats: Timings.
    """
    os.environ[protocol.ENV_ATTEMPT_DIR] = folder
    trainer = MMEngineTrainer()
    heart = trainer.heart
    losses = dict.fromkeys(("loss", "loss_cls", "loss_bbox"), 1.0)
    read = SimpleNamespace(current=lambda: 1.0)  # mmengine keeps each loss that it has read.
    runner = SimpleNamespace(
        iter=0,
        train_loop=SimpleNamespace(dataloader=None),
        message_hub=SimpleNamespace(log_scalars={f"train/{name}": read for name in losses}),
        build_dataloader=_nothing,
        save_checkpoint=_nothing,
        load_or_resume=_nothing,
        call_hook=_nothing,
    )
    PhaseTracker(trainer).follow(runner)

    def iterate(call_hook: Callable[..., None]) -> None:
        call_hook("before_train_iter", batch_idx=0, data_batch=None)
        call_hook("after_train_iter", batch_idx=0, data_batch=None, outputs=losses)

    def seconds(statement: Callable[[], None]) -> float:
        return timeit.timeit(statement, number=number) / number

    return [
        Beats(
            beat=seconds(functools.partial(heart.beat, Phase.STEP)),
            bare=seconds(functools.partial(iterate, _nothing)),
            followed=seconds(functools.partial(iterate, runner.call_hook)),
        )
        for _ in range(repeats)
    ]


def _nothing(*_: object, **__: object) -> None:
    pass


if __name__ == "__main__":
    main()
