"""Rehearses a training: the real one, for some iterations, in a scratch folder that is removed."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dualwatch import frameworks
from dualwatch.actions import launch, shared_memory, terminate
from dualwatch.actions.signals import StopRequests
from dualwatch.checks.rehearsal import Machine, Rehearsed
from dualwatch.collectors.agent_files.rehearsal import last_line, read
from dualwatch.collectors.gpu.nvml import NvmlSampler
from dualwatch.collectors.host import sample as host
from dualwatch.collectors.host import storage
from dualwatch.collectors.host.storage import StorageResponse
from dualwatch.core import clock
from dualwatch.core.errors import DualwatchError, Exit
from dualwatch.core.settings import Settings
from dualwatch.events import Event, IterationLogged, ProcessesSampled
from dualwatch.frameworks.base import LaunchOptions
from dualwatch.protocol.rehearsal import Order
from dualwatch.state.snapshot import fold
from dualwatch.supervisor import plan
from dualwatch.supervisor.monitor import Monitor

ITERATIONS = 3
BATCHES = 2

LIMIT = 120.0
"""Seconds of a rehearsal once its training has begun."""

START_LIMIT = 1800.0
"""Seconds until then: datasets are built, weights are loaded, as in the training itself."""

TICK = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a rehearsal came to; ``seen`` is None where it was interrupted."""

    seen: Rehearsed | None
    terminated: bool = False


def run(
    options: LaunchOptions, settings: Settings, note: Callable[[str], None] = lambda text: None
) -> Rehearsal:
    """Rehearses a training and removes all that it wrote.

    Raises:
        DualwatchError: Something that the user named is missing or wrong.
    """
    requests = StopRequests()
    with requests.listening():
        scratch = Path(tempfile.mkdtemp(prefix="dualwatch-rehearsal-"))
        try:
            try:
                planned = plan.make(replace(options, work_dir=scratch, resume=False), settings)
            except plan.StorageStuckError as error:
                return Rehearsal(seen=Rehearsed(document=None, machine=_unread(error.responses)))
            _refuse_unknown(planned, options)
            for text in planned.notes:
                note(f"note: {text}")
            if requests.to_stop:
                return Rehearsal(seen=None, terminated=requests.terminated)
            work_dir = options.work_dir or Path("work_dirs")
            named = frameworks.get(planned.spec.framework).named_paths(planned.spec)
            responses = storage.look((*named, *_existing(work_dir)))
            if storage.stuck(responses):
                return Rehearsal(seen=Rehearsed(document=None, machine=_unread(responses)))
            return _run(planned, scratch, requests, work_dir, responses)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _refuse_unknown(planned: plan.Plan, options: LaunchOptions) -> None:
    """Refuses what could not be shortened: it would train to its end.

    Raises:
        DualwatchError: No agent could shorten it.
    """
    several = (options.nproc_per_node or 1) > 1 or options.nnodes > 1
    if planned.spec.sections and not several:
        return
    why = "a rehearsal is made in one process" if several else "its configuration is not known"
    raise DualwatchError(
        f"{options.config.name} cannot be rehearsed",
        why=why,
        do="start the training without --rehearse",
        exit_code=Exit.USAGE,
    )


def _unread(responses: Sequence[StorageResponse]) -> Machine:
    """The machine where a storage does not respond: a training would wait for it."""
    return Machine(storage=tuple(responses), storage_limit=storage.LIMIT_S)


def _existing(work_dir: Path) -> tuple[Path, ...]:
    """The folders in which a work dir lies, or will be made."""
    place = work_dir.absolute()
    return (place, place.parent)


def _run(
    planned: plan.Plan,
    scratch: Path,
    requests: StopRequests,
    work_dir: Path,
    responses: Sequence[StorageResponse],
) -> Rehearsal:
    """Runs the training to the end of its rehearsal.

    Args:
        work_dir: Of the training itself, where its checkpoints will lie.
        responses: How soon the storage of data and work dir responded.
    """
    folder = scratch / "dualwatch"
    folder.mkdir(mode=0o700)
    order = Order(iterations=ITERATIONS, batches=BATCHES, work_dir=str(scratch))
    launch.write_orders(folder, {}, 1, rescue=False, rehearsal=order)
    began = clock.now().at
    training = launch.launch(planned.command, folder, uuid.uuid4().hex, base=dict(os.environ))

    def wake_when_done() -> None:
        training.process.wait()
        requests.ring()

    threading.Thread(target=wake_when_done, name="dualwatch-wait", daemon=True).start()
    monitor = Monitor(folder, training, NvmlSampler(), process_interval=TICK)
    events: list[Event] = []
    try:
        timed_out = _watch(monitor, training, folder, requests, began, events)
    finally:
        _stop(monitor, training, requests, planned.stop.grace)
    if requests.to_stop:
        return Rehearsal(seen=None, terminated=requests.terminated)
    training.wait(2.0)
    moment = clock.now()
    events += monitor.rest(moment)
    return Rehearsal(
        seen=Rehearsed(
            inside=fold(events),
            document=read(folder),
            required=planned.required,
            exit_code=training.exit_code(),
            timed_out=timed_out,
            last_line=last_line(folder / "console.log"),
            seconds=moment.at - began,
            machine=_machine(work_dir, events, responses),
        )
    )


def _watch(
    monitor: Monitor,
    training: launch.Launched,
    folder: Path,
    requests: StopRequests,
    began: float,
    events: list[Event],
) -> bool:
    """Waits for the end of the rehearsal and collects its events; whether its limit was over.

    Raises:
        DualwatchError: The training trains, and is not shortened.
    """
    trains_since: float | None = None
    while not training.is_over() and not requests.to_stop:
        requests.sleep(TICK)
        moment = clock.now()
        seen = monitor.poll(moment, suspicious=False)
        events += seen
        if trains_since is None and read(folder) is not None:
            trains_since = moment.at
        elif trains_since is None:
            _refuse_unshortened(seen)
        limit = START_LIMIT if trains_since is None else LIMIT
        if moment.at - (began if trains_since is None else trains_since) > limit:
            return True
    return False


def _refuse_unshortened(events: list[Event]) -> None:
    """Ends a training that no agent shortens: it would continue to its end.

    Raises:
        DualwatchError: It logs iterations.
    """
    if not any(isinstance(event, IterationLogged) for event in events):
        return
    raise DualwatchError(
        "the training cannot be rehearsed: it trains, and could not be shortened",
        why="its loop was not found by the part of dualwatch that runs inside of it",
        do="start the training without --rehearse",
        exit_code=Exit.NOT_OBSERVED,
    )


def _machine(work_dir: Path, events: list[Event], responses: Sequence[StorageResponse]) -> Machine:
    """What the rehearsal needed, and the disk of the training's own work dir."""
    place = work_dir.absolute()
    while not place.is_dir():
        place = place.parent
    moment = clock.now()
    seen, _ = host.sample(place, None, at=moment.at, wall=moment.wall, kernel=False)
    held = [
        sum(process.rss or 0 for process in event.processes)
        for event in events
        if isinstance(event, ProcessesSampled)
    ]
    return Machine(
        memory_used=max(held, default=0) or None,
        memory_total=seen.cgroup_limit or seen.memory_total,
        disk=str(place),
        disk_free=seen.disk_free,
        storage=tuple(responses),
        storage_limit=storage.LIMIT_S,
    )


def _stop(
    monitor: Monitor, training: launch.Launched, requests: StopRequests, grace: float
) -> None:
    """Ends what is left of the tree and removes its shared memory."""
    tree = monitor.everyone(clock.now())
    held = shared_memory.seen(process.pid for process in terminate.alive(tree))
    terminate.stop(
        tree,
        grace=grace,
        hurry=lambda: requests.force,
        look=lambda: monitor.everyone(clock.now()),
        job=training.job,
    )
    shared_memory.clean(held)
