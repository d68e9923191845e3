"""From the verdict to the next iteration: in place, by rescue and rerun, and torchrun's restart.

One training hangs in the middle of its second epoch: a loader worker waits for ever for one sample.
dualwatch replaces the loader in the running process; where the main process hangs on that sample as
well, it saves a rescue checkpoint and reruns. torchrun does not notice a hang: it is given the
stall for free, that is, its training is killed from outside the moment it hangs, and from there its
restart is timed. Every time is compared with the cold start of the same run: from the launch to the
first iteration.

Bars: in place at most 10 % of a cold start, rerun at most 1.2 of one, and no iteration lost. Exits
with 1 where one is missed.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from dualwatch.events import AttemptEnded, AttemptStarted, CommandAnswered, Decided, HeartbeatRead

from benchmarks import speed
from benchmarks.measure import (
    Spread,
    alternate,
    arguments,
    machine,
    ratios,
    say,
    show,
    spread,
    table,
)
from tests.training.recovery import accounting
from tests.training.recovery.accounting import Consumed
from tests.training.recovery.scene import Scene, SceneError, Settings, nested

BATCH = 4
ITERATIONS = 80
"""Of an epoch."""
HANGS_AT = 60
"""Iterations of the second epoch that are done when it hangs."""
IN_PLACE, RERUN, TORCHRUN = (
    "dualwatch, in place",
    "dualwatch, rescue and rerun",
    "torchrun, restart",
)
AT_MOST = {IN_PLACE: 0.1, RERUN: 1.2}


@dataclass(frozen=True, slots=True)
class Recovery:
    """One run.

    Attributes:
        cold: Seconds from the launch to the first iteration.
        back: Seconds from the verdict (from the kill, for torchrun) to the next iteration.
        regained: Seconds from there until all that was learnt before is learnt again.
        lost: Iterations that had to be learnt again.
        left: Processes of the training that nobody ended.
    """

    cold: float
    back: float
    regained: float
    lost: int
    left: int


def main() -> int:
    """Measures in turn and prints the table and the bars."""
    parser = arguments(__doc__, runs=3)
    parser.add_argument("--pause", type=float, default=0.02, help="seconds of an iteration")
    parser.add_argument("--speed", action="store_true", help="iteration times; see speed.py")
    options = parser.parse_args()
    if options.speed:
        return speed.compare()
    folder = Path(tempfile.mkdtemp(prefix="dualwatch-recovery-"))
    ways: dict[str, Callable[[Scene], Recovery]] = {
        IN_PLACE: lambda scene: by_dualwatch(scene, "replace"),
        RERUN: lambda scene: by_dualwatch(scene, "rerun"),
        TORCHRUN: by_torchrun,
    }
    try:
        done = alternate(
            options.runs,
            [_measure(name, way, folder, options.pause) for name, way in ways.items()],
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    results = dict(zip(ways, done, strict=True))
    print(f"{machine()}; {options.runs} runs of each, in turn; {ITERATIONS} iterations an epoch\n")
    headers = ("way", "cold start", "verdict to next iteration", "/ cold start")
    headers += ("until as far as before", "iterations lost", "left behind")
    print(table(headers, [_row(name, runs) for name, runs in results.items()]))
    kept = bars(results)
    print("\n" + "\n".join(f"- {text}" for text, _ in kept))
    return 0 if all(good for _, good in kept) else 1


def settings(way: str, pause: float) -> Settings:
    """The training and its fault: the same sample hangs once, for the rerun in two processes."""
    hang = {"at": BATCH * HANGS_AT, "skip": 1}
    if way == RERUN:
        hang |= {"where": "any", "times": 2}
    return nested(
        {
            "model.pause": pause,
            # In order, so that the sample tells the iteration.
            "train_dataloader.sampler.shuffle": False,
            "train_dataloader.dataset.length": BATCH * ITERATIONS,
            "train_dataloader.dataset.hangs": [hang],
            "train_dataloader.dataset.signs": "{folder}/signs",
        }
    )


def by_dualwatch(scene: Scene, action: str) -> Recovery:
    """Timed from the decision that resolved it."""
    code = scene.train()
    if code != 0:
        raise SceneError(f"exit code {code}: {scene.last_words()}")
    if action == "rerun":
        say(f"{RERUN}: {_steps(scene)}")
    verdict = [event.wall for event in scene.of(Decided) if event.action == action][-1]
    launched = scene.of(AttemptStarted)[0].wall
    return _recovery(scene.consumed, launched, verdict, left=len(scene.left_alive()))


def by_torchrun(scene: Scene) -> Recovery:
    """Timed from a kill from outside, at the moment at which it hangs."""
    agent = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    agent += ["--nproc-per-node", "1", "--max-restarts", "1"]
    # Its resume is not to fail where mmengine's checkpoints are refused by a new torch.
    scene.environment["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    process = scene.start([*agent, *scene.bare("--resume")[1:]])
    launched = psutil.Process(process.pid).create_time()
    done = ITERATIONS + HANGS_AT
    scene.wait_until(lambda: len(accounting.trained(scene.consumed)) >= done, "the hang")
    (training,) = psutil.Process(process.pid).children()
    tree = [training, *training.children(recursive=True)]
    killed = time.time()
    training.kill()
    try:
        if scene.finish() != 0:
            raise SceneError(scene.last_words())
        left = [each for each in tree if each.is_running()]
        return _recovery(scene.consumed, launched, killed, left=len(left))
    finally:
        for each in tree:
            with contextlib.suppress(psutil.Error):
                each.kill()


def bars(results: dict[str, Sequence[Recovery]]) -> list[tuple[str, bool]]:
    """Each bar in words, and whether it is kept."""
    kept = []
    for name, most in AT_MOST.items():
        ratio = _ratio(results[name])
        lost = sum(one.lost for one in results[name])
        text = f"{name}: {show(ratio, 3)} of a cold start (at most {most})"
        kept.append((text, ratio.median <= most))
        kept.append((f"{name}: {lost} iterations lost (none)", lost == 0))
    return kept


def _measure(
    name: str, way: Callable[[Scene], Recovery], folder: Path, pause: float
) -> Callable[[], Recovery]:
    def measure() -> Recovery:
        place = folder / f"run-{len(list(folder.iterdir()))}"
        scene = Scene(place, settings=settings(name, pause))
        try:
            result = way(scene)
        finally:
            scene.clean_up()
        say(f"{name}: cold {result.cold:.2f} s, back {result.back:.2f} s, lost {result.lost}")
        return result

    return measure


def _recovery(lines: Sequence[Consumed], launched: float, verdict: float, *, left: int) -> Recovery:
    learnt = accounting.trained(lines)
    before = [line for line in learnt if line.wall <= verdict]
    after = [line for line in learnt if line.wall > verdict]
    farthest = (before[-1].epoch, before[-1].position)
    again = [line.wall for line in after if (line.epoch, line.position) > farthest]
    return Recovery(
        cold=learnt[0].wall - launched,
        back=after[0].wall - verdict,
        regained=again[0] - verdict,
        lost=accounting.relearnt(lines),
        left=left,
    )


def _steps(scene: Scene) -> str:
    """What a rerun's time is made of."""
    names = {
        Decided: "decided",
        CommandAnswered: "saved",
        AttemptEnded: "ended",
        AttemptStarted: "launched",
        HeartbeatRead: "first sign of life",
    }
    events = scene.events()
    decided = max(n for n, event in enumerate(events) if isinstance(event, Decided))
    begun, told = events[decided].wall, {}
    for event in events[decided:]:
        name = names.get(type(event))
        # A sign of life counts from the new process.
        if name and (not isinstance(event, HeartbeatRead) or "launched" in told):
            told.setdefault(name, event.wall - begun)
    return ", ".join(f"{name} after {seconds:.2f} s" for name, seconds in told.items())


def _ratio(runs: Sequence[Recovery]) -> Spread:
    return ratios([one.back for one in runs], [one.cold for one in runs])


def _row(name: str, runs: Sequence[Recovery]) -> list[str]:
    return [
        name,
        show(spread([one.cold for one in runs]), 2, " s"),
        show(spread([one.back for one in runs]), 2, " s"),
        show(_ratio(runs), 3),
        show(spread([one.regained for one in runs]), 2, " s"),
        show(spread([float(one.lost) for one in runs]), 0),
        show(spread([float(one.left) for one in runs]), 0),
    ]


if __name__ == "__main__":
    sys.exit(main())
