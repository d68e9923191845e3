"""What an examination asks about a target: each question is a collector with a time limit."""

from __future__ import annotations

from pathlib import Path

from dualwatch.collectors.agent_files import heartbeat
from dualwatch.collectors.agent_files.batches import BatchFiles
from dualwatch.collectors.agent_files.learning import LearningFiles
from dualwatch.collectors.agent_files.models import ModelFiles
from dualwatch.collectors.agent_files.non_finite import NonFiniteFiles
from dualwatch.collectors.agent_files.weights import WeightsFiles
from dualwatch.collectors.gpu import nvidia_smi
from dualwatch.collectors.gpu.nvml import NvmlSampler
from dualwatch.collectors.host import sample as host
from dualwatch.collectors.processes import orphans
from dualwatch.collectors.target import Target
from dualwatch.core.clock import Moment
from dualwatch.core.policies import CheckPolicy
from dualwatch.diagnose import live_process, preflight, records
from dualwatch.diagnose.parallel import Collector, Once
from dualwatch.events import ConfigRead
from dualwatch.frameworks import config_read, interpreter
from dualwatch.frameworks.base import TIME_LIMIT
from dualwatch.history import sources
from dualwatch.history.run import LINES_AT_ONCE, RunHistory
from dualwatch.history.training_record import TrainingRecord
from dualwatch.tensorboard import curves

LIVE_S = 8.0
"""Seconds for everything about a live training; a healthy machine needs about four."""

CONFIG_S = TIME_LIMIT
"""Seconds for a configuration that the user named: loading and trying it imports torch."""

EARLIER_S = 3.0
"""Seconds for the runs before the newest one of a work dir."""

LOG = "log"
PART_OF_LOG = "part of the log"
"""What could not be looked at where a log was read in part."""

FIRST = (LOG, "scalars", "journal")
"""Questions whose answers show of which machine a training is."""

LOCAL = frozenset(
    ("nvidia-smi", "host", "gpu", "orphans", "surroundings", "checkpoint", "data sets")
)
"""Questions about this machine, which are not asked about a training of another one."""

OF_THIS_MACHINE = "GPU, memory, disk, kernel log and data of this machine"

FILES = frozenset((LOG, "scalars", "config"))
"""Questions that only read what the training left."""


def questions(
    target: Target, policy: CheckPolicy, moment: Moment, log_s: float
) -> dict[str, Collector]:
    """The questions about a target by name.

    Args:
        log_s: Seconds for the log.
    """
    training, work_dir = target.training, target.work_dir
    at, wall = moment
    pid = training.pid if training is not None else None
    tree = live_process.pids(training, moment) if training is not None else set()
    asked: dict[str, Collector] = {
        "nvidia-smi": Collector(lambda: nvidia_smi.read(timeout=5.0), 6.0),
        "host": Collector(
            lambda: host.sample(work_dir or Path.cwd(), pid, at=at, wall=wall, kernel=True), LIVE_S
        ),
        "gpu": Collector(lambda: NvmlSampler().sample(tree, at, wall), LIVE_S),
    }
    if training is not None:
        asked["processes"] = Collector(lambda: live_process.look(training), LIVE_S + 1)
    if target.log is not None:
        log = target.log
        if not curves.is_event_file(log):
            asked[LOG] = Collector(
                lambda: records.read_log(log, target.ranks, log_s), log_s + LIVE_S - 5.0
            )
        if records.is_rows(log):
            asked["scalars"] = Collector(lambda: records.read_rows(log), LIVE_S)
    if target.earlier:
        asked["earlier runs"] = Collector(
            lambda: records.read_earlier(target.earlier, EARLIER_S), EARLIER_S + LIVE_S
        )
    if target.attempt_dir is not None:
        attempt = target.attempt_dir
        journal = attempt.parent / "journal.jsonl"
        asked["journal"] = Collector(lambda: _recorded(journal, moment), LIVE_S)
        asked["heartbeat"] = Collector(lambda: heartbeat.read(attempt, at, wall), LIVE_S)
        asked["model"] = Collector(lambda: ModelFiles(attempt).poll(at, wall), LIVE_S)
        asked["weights"] = Collector(lambda: WeightsFiles(attempt).poll(at, wall), LIVE_S)
        asked["learning"] = Collector(lambda: LearningFiles(attempt).poll(at, wall), LIVE_S)
        asked["non-finite"] = Collector(lambda: NonFiniteFiles(attempt).poll(at, wall), LIVE_S)
        asked["batches"] = Collector(lambda: BatchFiles(attempt).poll(at, wall), LIVE_S)
    if target.config is not None:
        named = target.config
        python = interpreter.training_python(policy.python)
        known = Once(lambda: config_read.load(python, named, Path.cwd(), CONFIG_S))
        asked["config"] = Collector(lambda: known.get().event, CONFIG_S + 2)
        if training is None and target.log is None:
            asked["checkpoint"] = Collector(
                lambda: preflight.checkpoint(target, known.get()),
                CONFIG_S + 2 + preflight.CHECKPOINT_S,
            )
            asked["data sets"] = Collector(
                lambda: preflight.data_sets(known.get()), CONFIG_S + 2 + preflight.DATA_S
            )
    elif work_dir is not None:
        cwd = training.cwd if training is not None else None
        asked["config"] = Collector(lambda: _found_config(target, cwd, moment), LIVE_S)
    if work_dir is not None:
        asked["orphans"] = Collector(
            lambda: orphans.find(
                work_dir, tree, at=at, wall=wall, recorded=sources.recorded_attempts
            ),
            LIVE_S,
        )
    return asked


def _recorded(journal: Path, moment: Moment) -> tuple[RunHistory, TrainingRecord]:
    """The newest run of a journal."""
    record = TrainingRecord()
    run = RunHistory((record,), lines_at_once=LINES_AT_ONCE)
    for event in sources.read_journal(journal, moment):
        run.take(event)
    return run, record


def _found_config(target: Target, cwd: Path | None, moment: Moment) -> ConfigRead | None:
    assert target.work_dir is not None
    path = config_read.find(target.work_dir, target.log)
    if path is None:
        return None
    return config_read.read(path, at=moment.at, wall=moment.wall, folder=cwd).event
