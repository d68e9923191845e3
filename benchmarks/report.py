"""How long ``dualwatch report`` takes for a long run, beside reading its whole journal.

The journal is generated: the events of a training with one stall that is cured in place and one
that leads to a rerun, in the proportions in which a real run has them (by bytes: looks at
processes 60 %, heartbeats 20 %, training lines 8 %, the rest GPUs, the machine, the console).
``--worst`` makes one of training lines only, of which none may be left out. All are measured in
processes of their own, in turn. Target: 3 s for 100 MB.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from dualwatch.core.json_codec import encode
from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    Change,
    CommandAnswered,
    ConsoleGrew,
    Decided,
    EvaluationLogged,
    Event,
    Evidence,
    Finding,
    FindingRaised,
    Frame,
    GpuSample,
    GpusSampled,
    HeartbeatRead,
    HostSampled,
    IterationLogged,
    ProcessesSampled,
    ProcessSample,
    RunEnded,
    RunStarted,
    Severity,
    StacksCaptured,
    ThreadStack,
)
from msgspec.structs import replace

from benchmarks import measure

MIB = 1 << 20
EPOCH = 2000
LOSSES = ("loss", "loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_macl")
START = 1_790_000_000.0
COMMAND = "python tools/train.py configs/llvip/stage2_2_planC_dualmodality_macl.py --work-dir wd"

_READ = """
import sys
from pathlib import Path
from dualwatch.events import journal
for event in journal.read(Path(sys.argv[1])):
    pass
"""
_SIFT = """
import sys
from pathlib import Path
from dualwatch.diagnose.run_report import thinned
for event in thinned(Path(sys.argv[1])):
    pass
"""


def main() -> None:
    """Generates, measures, prints."""
    parser = measure.arguments(__doc__, runs=3)
    parser.add_argument("--megabytes", type=float, default=100.0, help="size of the journal")
    parser.add_argument("--worst", action="store_true", help="a journal of training lines only")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder) / "wd"
        path = work_dir / "dualwatch" / "journal.jsonl"
        (path.parent / "attempt-0").mkdir(parents=True)
        lines = write(path, int(arguments.megabytes * 1e6), worst=arguments.worst)
        page = Path(folder) / "page.html"
        commands = {
            "journal.read": [sys.executable, "-c", _READ, str(path)],
            "sift": [sys.executable, "-c", _SIFT, str(path)],
            "dualwatch report": [
                *(sys.executable, "-m", "dualwatch", "report"),
                *(str(work_dir), "--output", str(page)),
            ],
        }
        costs = measure.alternate(
            arguments.runs, [lambda words=words: measure.run(words) for words in commands.values()]
        )
        naive = [cost.wall for cost in costs[0]]
        rows = []
        for name, seen in zip(commands, costs, strict=True):
            walls = [cost.wall for cost in seen]
            failed = "" if all(cost.code == 0 for cost in seen) else " (failed)"
            rows.append(
                [
                    f"{name}{failed}",
                    measure.show(measure.spread(walls), 2, " s"),
                    measure.show(measure.spread([cost.cpu for cost in seen]), 2, " s"),
                    f"{max(cost.peak for cost in seen) / measure.MB:.0f} MB",
                    measure.show(measure.ratios(walls, naive)),
                ]
            )
        print(f"{measure.machine()}\nruns of each, in turn: {arguments.runs}\n")
        print(measure.table(["what", "wall", "CPU", "peak memory", "ratio to journal.read"], rows))
        size = page.stat().st_size / 1e6 if page.exists() else 0.0
        print(f"\n{path.stat().st_size / 1e6:.0f} MB, {lines} events; the page has {size:.2f} MB")


def write(path: Path, size: int, *, worst: bool = False) -> int:
    """Writes a journal of about so many bytes and returns how many events it has."""
    count = 0
    with path.open("wb") as stream:
        for event in _run(lambda: stream.tell() >= size, worst):
            stream.write(encode(event) + b"\n")
            count += 1
    return count


def _run(is_over: Callable[[], bool], worst: bool) -> Iterator[Event]:
    """The events of a run that trains until a given moment."""
    moment = {"at": 0.0, "wall": START}
    yield RunStarted(
        **moment,
        config="configs/llvip/macl.py",
        script="tools/train.py",
        work_dir="wd",
        required_metrics=("loss_macl",),
        required_because="the model mentions MACLHead",
        version="0",
        command=tuple(COMMAND.split()),
        sections={"train_dataloader": {"batch_size": 4, "num_workers": 4}},
    )
    yield _launch(moment, 0, ())
    iteration, attempt = 0, 0
    while not is_over():
        iteration += 50
        now = START + iteration * 0.5
        moment = {"at": now - START, "wall": now}
        if not worst:
            yield from _minute(moment, iteration, attempt)
        yield _line(moment, iteration)
        if iteration % EPOCH == 0:
            metrics = {"pascal_voc/mAP": 0.6 - 10 / (20 + iteration / EPOCH), "time": 0.1}
            done = iteration // EPOCH
            yield EvaluationLogged(
                **moment, mode="val", epoch=done, iteration=10, total=10, metrics=metrics
            )
        if iteration == 3 * EPOCH:
            yield from _stall(moment, iteration, "replace")
        elif iteration == 5 * EPOCH:
            yield from _stall(moment, iteration, "rerun")
            attempt = 1
            yield AttemptEnded(**moment, attempt=0, exit_code=-15, signal="SIGTERM")
            change = Change(key="train_dataloader.num_workers", before=4, after=0, why="no worker")
            yield _launch(moment, 1, (change,))
    yield AttemptEnded(**moment, attempt=attempt, exit_code=0, signal=None)
    yield RunEnded(**moment, outcome="completed", exit_code=0, reason="trained to the end")


def _launch(moment: dict[str, float], number: int, changes: tuple[Change, ...]) -> Event:
    command = tuple(COMMAND.split())
    overrides = {change.key: change.after for change in changes}
    return AttemptStarted(
        **moment,
        attempt=number,
        pid=100 + number,
        create_time=START,
        command=command,
        overrides=overrides,
        changes=changes,
    )


def _minute(moment: dict[str, float], iteration: int, attempt: int) -> Iterator[Event]:
    """What is seen between two training lines: five looks at the tree, eight heartbeats."""
    for number in range(8):
        later = {name: value + 3 * number for name, value in moment.items()}
        phase = "val-step" if iteration % EPOCH == 0 and number > 5 else "train-step"
        yield _pulse(later, iteration + 6 * number, phase)
        if number < 5:
            yield ProcessesSampled(**later, processes=tuple(_tree(iteration, attempt)))
    device = GpuSample(
        index=0, name="Card", used=18 << 30, total=24 << 30, tree=17 << 30, utilisation=97
    )
    if iteration % 100 == 0:
        yield GpusSampled(**moment, gpus=(device,))
        yield HostSampled(**moment, memory_total=128 << 30, memory_available=90 << 30, disk="wd")
    yield ConsoleGrew(**moment, lines=iteration, last_line=COMMAND)


def _tree(iteration: int, attempt: int) -> Iterator[ProcessSample]:
    main = ProcessSample(
        pid=100 + attempt,
        create_time=START,
        ppid=1,
        role="main",
        status="running",
        cpu_s=iteration * 0.4,
        io_bytes=iteration << 20,
        rss=(4000 + iteration % 977) * MIB,
        threads=24,
        wchan="",
        command=COMMAND,
        open_files=80,
    )
    yield main
    for number in range(3):
        yield replace(main, pid=200 + number, ppid=main.pid, role="worker", status="sleeping")


def _pulse(moment: dict[str, float], iteration: int, phase: str) -> Event:
    return HeartbeatRead(
        **moment,
        rank=0,
        pid=100,
        phase=phase,
        beats=2 * iteration,
        epoch=iteration // EPOCH,
        begun=0,
        iteration=iteration,
        batch=iteration % EPOCH,
        batches=EPOCH,
        max_epochs=99,
        max_iterations=0,
    )


def _line(moment: dict[str, float], iteration: int) -> Event:
    fall = 1 / (1 + iteration / 5000)
    metrics = {"base_lr": 0.02, "lr": 0.02, "time": 0.5, "data_time": 0.05, "grad_norm": 8 * fall}
    metrics |= {name: round(fall * (1 + n / 7), 4) for n, name in enumerate(LOSSES)}
    metrics |= {"acc": 97.1234, "macl_pairs": 11.0, "macl_temperature": 0.07, "memory": 17543.0}
    return IterationLogged(
        **moment,
        mode="train",
        epoch=(iteration - 1) // EPOCH + 1,
        iteration=(iteration - 1) % EPOCH + 1,
        total=EPOCH,
        metrics=metrics,
        eta_s=1000.0,
    )


def _stall(moment: dict[str, float], iteration: int, action: str) -> Iterator[Event]:
    frames = tuple(Frame(function=f"call_{n}", file="/torch/utils.py", line=n) for n in range(30))
    stacks = tuple(
        ThreadStack(pid=pid, thread="MainThread", active=False, frames=frames)
        for pid in (100, 200, 201, 202)
    )
    for _ in range(4):
        yield StacksCaptured(**moment, stacks=stacks)
    for code, name in (("DW111", "loader-deadlock"), ("DW102", "stalled-training")):
        evidence = (Evidence(text="workers wait for a lock", source="py-spy"),)
        finding = Finding(
            code=code,
            name=name,
            severity=Severity.ERROR,
            confidence=0.95,
            evidence=evidence,
            remedy="num_workers=0",
            attempt=0,
        )
        yield FindingRaised(**moment, finding=finding)
    yield Decided(**moment, action=action, reason="the loader deadlocked", cause="DW111")
    if action == "replace":
        yield CommandAnswered(
            **moment, rank=0, number=1, order="replace", done=True, iteration=iteration
        )


if __name__ == "__main__":
    main()
