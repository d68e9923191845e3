"""A run as Prometheus metrics, computed at each scrape.

An unknown value has no sample rather than a 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dualwatch import __version__
from dualwatch.core.text import clean
from dualwatch.events import Finding, Severity
from dualwatch.history.run import AttemptHistory
from dualwatch.protocol import PHASES
from dualwatch.state.snapshot import STALLS, Snapshot

if TYPE_CHECKING:
    from prometheus_client import Metric

LABEL_LENGTH = 120
MOST_METRICS = 40
MOST_GPUS = 32
OUTCOMES = ("running", "completed", "completed-with-findings", "gave-up", "failed", "interrupted")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """A run at one moment.

    Attributes:
        now: On the clock of the snapshot.
        findings: Of the current attempt.
        records: The finished attempts.
        outcome: The outcome, "" while it runs.
    """

    now: float
    config: str
    work_dir: str
    required: tuple[str, ...]
    snapshot: Snapshot
    findings: tuple[Finding, ...]
    records: tuple[AttemptHistory, ...]
    outcome: str = ""


class RunCollector:
    """Collects the metrics of a run at each scrape.

    Args:
        state: Returns the state of the run, None before it begins.
    """

    def __init__(self, state: Callable[[], RunState | None]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """Yields all metrics; called by prometheus-client in its own thread."""
        state = self._state()
        if state is not None:
            yield from families(state)


def families(state: RunState) -> Iterator[Metric]:
    """The metrics of a run."""
    s = state.snapshot
    yield _labelled(
        "run_info",
        "Configuration, work dir and version of dualwatch.",
        ("config", "work_dir", "version"),
        [((state.config, state.work_dir, __version__), 1)],
    )
    outcome = state.outcome or "running"
    yield _labelled(
        "outcome",
        "1 for the outcome of the run, or for running.",
        ("outcome",),
        [((name,), name == outcome) for name in OUTCOMES],
    )
    running = s.started is not None and s.ended is None
    yield _plain("training_up", "1 while the training process runs.", running)
    if s.started is not None:
        yield _plain("attempt", "Number of the attempt, from 0.", s.started.attempt)
        yield from _progress(s, state.now, running)
    yield from _learning(state)
    yield from _troubles(state)
    yield from _machine(s)


def _progress(s: Snapshot, now: float, running: bool) -> Iterator[Metric]:
    yield _plain(
        "last_progress_timestamp_seconds", "Time of the last progress, unix time.", s.progress_wall
    )
    if running:
        silence = max(0.0, s.silence(now))
        yield _plain("seconds_since_progress", "Seconds without progress.", silence)
    yield _labelled(
        "phase",
        "1 for the current phase.",
        ("phase",),
        [((name,), name == s.phase) for name in PHASES],
    )
    if s.last_iteration is not None:
        yield _plain("iteration", "Training iterations done, over all epochs.", s.last_iteration)
    pulse, line = s.slowest, s.last_train
    if pulse is not None and pulse.begun >= 0:
        yield _plain("epoch", "Epoch, from 1.", pulse.epoch + 1)
    elif line is not None and line.epoch is not None:
        yield _plain("epoch", "Epoch, from 1.", line.epoch)


def _learning(state: RunState) -> Iterator[Metric]:
    known = state.snapshot.metrics
    yield _labelled(
        "required_metric_present",
        "1 if a required metric was in a line of this attempt.",
        ("metric",),
        [((name,), name in known) for name in state.required[:MOST_METRICS]],
    )
    # Required metrics come first, so that they are never the ones cut off.
    names = [name for name in state.required if name in known]
    names += [name for name in known if name not in state.required and _is_informative(name)]
    yield _labelled(
        "metric_value",
        "Last value of a loss, the gradient norm or an evaluation.",
        ("metric",),
        [((name,), known[name].value) for name in names[:MOST_METRICS]],
    )


def _is_informative(name: str) -> bool:
    last = name.rsplit("/", 1)[-1]
    return "loss" in last or last in ("grad_norm", "lr") or "map" in last.lower() or "/" in name


def _troubles(state: RunState) -> Iterator[Metric]:
    over = {r.snapshot.started.attempt for r in state.records if r.snapshot.started is not None}
    s = state.snapshot
    is_new = s.started is not None and s.started.attempt not in over
    findings = [finding for record in state.records for finding in record.ranked]
    findings += state.findings if is_new else ()
    replaced = sum(record.snapshot.replaced for record in state.records)
    replaced += s.replaced if is_new else 0
    stalls = sum(f.code in STALLS and f.severity >= Severity.ERROR for f in findings)
    yield _count("stalls", "Stalls.", stalls)
    reruns = s.started.attempt if s.started is not None else 0
    yield _count("reruns", "Reruns of the training.", reruns)
    yield _count("cures_in_place", "Loaders replaced in the running training.", replaced)
    lost = sum(record.lost_iterations or 0 for record in state.records)
    yield _count("lost_iterations", "Iterations repeated after a rerun.", lost)
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(
        "dualwatch_findings",
        "Findings by code (dualwatch explain CODE).",
        labels=("code", "name", "severity"),
    )
    counted = Counter((f.code, f.name, f.severity.word) for f in findings)
    for labels, count in sorted(counted.items()):
        family.add_metric(_cleaned(labels), count)
    yield family


def _machine(s: Snapshot) -> Iterator[Metric]:
    gpus = s.gpus.gpus[:MOST_GPUS] if s.gpus is not None else ()
    for name, text, values in (
        ("gpu_memory_used_bytes", "Memory in use on a device.", [g.used for g in gpus]),
        ("gpu_memory_total_bytes", "Memory of a device.", [g.total for g in gpus]),
        ("gpu_memory_training_bytes", "Memory held by the training.", [g.tree for g in gpus]),
        ("gpu_utilisation_percent", "Utilisation of a GPU.", [g.utilisation for g in gpus]),
    ):
        rows = [
            ((str(gpu.index), gpu.name), value)
            for gpu, value in zip(gpus, values, strict=True)
            if value is not None
        ]
        yield _labelled(name, text, ("gpu", "name"), rows)
    if s.processes is not None:
        roles = Counter(process.role for process in s.processes.processes)
        counts = [((role,), count) for role, count in sorted(roles.items())]
        yield _labelled("processes", "Processes of the training by role.", ("role",), counts)
        memory = [p.rss for p in s.processes.processes if p.rss is not None]
        yield _plain("memory_bytes", "Memory of the training's processes.", sum(memory))


def _plain(name: str, text: str, value: float) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(f"dualwatch_{name}", text, value=float(value))


def _count(name: str, text: str, value: float) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    return CounterMetricFamily(f"dualwatch_{name}", text, value=float(value))


def _labelled(
    name: str,
    text: str,
    labels: Sequence[str],
    rows: Iterable[tuple[tuple[str, ...], float]],
) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"dualwatch_{name}", text, labels=labels)
    seen = set()
    for values, value in rows:
        cleaned = _cleaned(values)
        # Names that are equal after the cut would be one series twice, an error.
        if tuple(cleaned) not in seen:
            seen.add(tuple(cleaned))
            family.add_metric(cleaned, float(value))
    return family


def _cleaned(values: Iterable[str]) -> list[str]:
    return [clean(str(value), LABEL_LENGTH) for value in values]
