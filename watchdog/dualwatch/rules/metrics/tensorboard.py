"""DW801, DW802: TensorBoard does not respond, or its event files lack a tag. Pure.

Event files are late: torch buffers events for two minutes. So a tag is missing only when the files
hold a later step than the first line that had the metric, or when the training has finished, which
writes the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dualwatch.events import ConfigRead, Evidence, Finding, Severity, TensorBoardSeen
from dualwatch.protocol import Phase
from dualwatch.rules.catalog import BY_CODE, finding
from dualwatch.rules.metrics.metrics import is_called, named
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.metric_series import Metric, SeriesLine
from dualwatch.state.snapshot import Snapshot

GRACE = 45.0
"""Seconds without a response: on a busy machine it takes half a minute to start."""

LINES_BEFORE_MISSING = 2
SHOWN = 12


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Findings about TensorBoard and its event files."""
    seen = s.tensorboard
    if seen is None:
        return
    yield from _unreachable(s, seen)
    if seen.files is None or s.train_lines < LINES_BEFORE_MISSING:
        return  # What could not be read is reported elsewhere, and is not missing.
    if seen.files == 0:
        yield from _no_file(s, seen, limits)
    else:
        yield from _missing(s, seen, limits)


# --- DW801 -----------------------------------------------------------------------------------


def _unreachable(s: Snapshot, seen: TensorBoardSeen) -> Iterator[Finding]:
    if seen.alive is None:
        return  # Not started by dualwatch, and not asked for.
    remedy = None
    if not seen.alive:
        text = f"TensorBoard is not running: {seen.why or 'its process has ended'}"
        if "No module named" in seen.why:
            remedy = "Install it where the training runs: python -m pip install tensorboard."
    elif seen.answers is False and seen.in_vain_s >= GRACE:
        text = f"TensorBoard has not responded for {seen.in_vain_s:.0f} s at {seen.url}: {seen.why}"
    else:
        return
    evidence = [_quote(seen, text)]
    if seen.url:
        evidence.append(_quote(seen, "its output is in tensorboard.log"))
    confidence = 1.0 if not seen.alive else 0.9
    yield finding("DW801", evidence, confidence=confidence, remedy=remedy, attempt=s.attempt)


# --- DW802 -----------------------------------------------------------------------------------


def _no_file(s: Snapshot, seen: TensorBoardSeen, limits: Thresholds) -> Iterator[Finding]:
    """An event file is created with the first event, before its content is written."""
    first = _first_line(s.metrics.values())
    if not _has_ended_well(s) and (first is None or seen.at <= first.at + 1.0):
        return
    evidence = [_quote(seen, f"{s.train_lines} training lines and no event file of this training")]
    remedy, severity, confidence = None, None, 0.8
    backends = s.config.backends if s.config is not None else None
    if s.config is not None and backends is not None:
        configured = any("tensorboard" in name.lower() for name in backends)
        shown = ", ".join(backends) or "none"
        evidence.append(_of_config(s.config, f"configured writers of scalars: {shown}"))
        if configured:
            remedy = "Check the save_dir of the TensorBoard writer: it is not the work dir."
        else:
            confidence = 1.0
    if not _expected(s, limits):
        severity = Severity.INFO  # No metric is required.
    yield _of_tags(s, evidence, confidence, remedy, severity)


def _missing(s: Snapshot, seen: TensorBoardSeen, limits: Thresholds) -> Iterator[Finding]:
    names = [name for name in _expected(s, limits) if _lacks(s, seen, name)]
    held = ", ".join(seen.tags[:SHOWN]) or "none"
    more = f" and {len(seen.tags) - SHOWN} more" if len(seen.tags) > SHOWN else ""
    if names:
        lines = "is in the training lines" if len(names) == 1 else "are in the training lines"
        step = f", up to step {seen.step}" if seen.step is not None else ""
        evidence = [
            _quote(seen, f"{', '.join(names)} {lines} and not in the event files"),
            _quote(seen, f"tags in them{step}: {held}{more}"),
        ]
        yield _of_tags(s, evidence, 0.9)
    elif seen.shows_run is False:
        text = f"TensorBoard shows {seen.logdir}, not the event files of this training"
        remedy = "Start TensorBoard with the work dir of the training as its --logdir."
        yield _of_tags(s, [_quote(seen, text)], 0.9, remedy)


def _expected(s: Snapshot, limits: Thresholds) -> list[str]:
    """Required metrics that the training lines have; the others are DW201."""
    return [
        name
        for name in dict.fromkeys(limits.required)
        if (metric := named(s.metrics, name)) is not None and metric.last_line
    ]


def _lacks(s: Snapshot, seen: TensorBoardSeen, name: str) -> bool:
    """Whether a metric's tag is missing although it had time to be written."""
    if any(is_called(tag, name) for tag in seen.tags):
        return False
    if _has_ended_well(s):
        return True
    metric = named(s.metrics, name)
    others = [m for m in s.metrics.values() if metric and m.first_line >= metric.first_line]
    first = _first_line([metric] if metric is not None and metric.series.head else others)
    return first is not None and seen.step is not None and seen.step > first.iteration


def _first_line(metrics: Iterable[Metric]) -> SeriesLine | None:
    """The first training line of those that held one of these metrics, where it is known."""
    lines = [metric.series.head[0].line for metric in metrics if metric.series.head]
    return min(lines, key=lambda line: line.number, default=None)


def _has_ended_well(s: Snapshot) -> bool:
    """Whether everything was written: a killed training loses what was buffered."""
    return s.ended is not None and (s.ended.exit_code == 0 or s.phase == Phase.FINISHED)


def _of_tags(
    s: Snapshot,
    evidence: list[Evidence],
    confidence: float,
    remedy: str | None = None,
    severity: Severity | None = None,
) -> Finding:
    return finding(
        "DW802",
        evidence,
        confidence=confidence,
        remedy=remedy or BY_CODE["DW802"].remedy,
        severity=severity,
        attempt=s.attempt,
    )


def _quote(seen: TensorBoardSeen, text: str) -> Evidence:
    return Evidence(text=text, source="TensorBoard", wall=seen.wall)


def _of_config(config: ConfigRead, text: str) -> Evidence:
    return Evidence(text=text, source=config.path or "configuration", wall=config.wall)
