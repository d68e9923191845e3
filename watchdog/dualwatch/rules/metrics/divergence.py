"""DW204: a loss that has diverged, by what the losses of the same log began with. Pure.

There is no limit that fits every loss: a sum over all anchors begins at 9,800 and is sound, a mean
of 60 after 0.5 is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dualwatch.events import Evidence, Finding, Proof, Severity
from dualwatch.rules.catalog import finding
from dualwatch.rules.metrics import finite_inside
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.metric_series import Metric, level_at_the_beginning
from dualwatch.state.snapshot import Snapshot
from dualwatch.state.stretches import Stretch, Stretches

LASTING = 3
"""Lines from which it is not a spike."""

FAR = 100.0
"""Times the level at the beginning from which a lasting growth is a divergence."""

LONG = 10
"""Lines from which a smaller growth is reported, too."""

BEYOND_DOUBT = 1e4
"""Times that level from which the newest line alone is enough."""

REMEDY = (
    "Resume from {} with a lower learning rate, a longer warm-up or gradient clipping; look at the "
    "samples of these iterations."
)


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """At most one: about the total loss, else about the one that grew most."""
    if s.last_train is None:
        return
    wild = {name: _wild(m) for name, m in s.metrics.items() if m.wild is not None}
    if not wild:
        return
    level = level_at_the_beginning(s.metrics)
    name = finite_inside.total(wild) or max(wild, key=lambda one: wild[one].longest.lines)
    if name == finite_inside.total(wild) and _joined(s.metrics, wild, name):
        return
    is_open = wild[name].is_open(s.metrics[name].last_line)
    stretch = wild[name].newest if is_open else wild[name].longest
    growth = (_newest(s.metrics[name], stretch) if is_open else stretch.least) / level
    if is_open and (stretch.lines >= LASTING or growth >= BEYOND_DOUBT) and growth >= FAR:
        severity = Severity.ERROR
    elif stretch.lines >= (LASTING if growth >= FAR else LONG):
        severity = Severity.WARNING
    else:
        return
    if not is_open and _ends_in_nan(s, stretch):
        return  # DW203 tells the rest.
    yield _found(s, name, stretch, level, severity, is_open=is_open)


def _found(
    s: Snapshot, name: str, stretch: Stretch, level: float, severity: Severity, *, is_open: bool
) -> Finding:
    where = f"since {stretch.since.place}"
    if not is_open:
        where = f"from {stretch.since.place} to {stretch.until.place}"
    lines = f", in {stretch.lines} consecutive log lines" if stretch.lines > 1 else ""
    text = (
        f"{name} is at least {stretch.least:g}, {stretch.least / level:,.0f} times what the losses "
        f"began with ({level:g}), {where}{lines}"
    )
    evidence = [Evidence(text=text, source=s.log, wall=stretch.since.wall)]
    newest = s.metrics[name]
    after = f"{name} is {newest.value:g} in the newest log line"
    evidence.append(Evidence(text=after, source=s.log, wall=newest.wall))
    saved = stretch.saved
    if saved is not None:
        text = f"the last checkpoint from before it: {saved.words}"
        evidence.append(Evidence(text=text, source=s.log))
    return finding(
        "DW204",
        evidence,
        confidence=0.95 if severity is Severity.ERROR else 0.7,
        severity=severity,
        remedy=REMEDY.format(saved.words if saved is not None else "a checkpoint before that line"),
        attempt=s.attempt,
        subject=name,
        proof=Proof.DIVERGED,
    )


def _newest(metric: Metric, stretch: Stretch) -> float:
    """The smallest of its last values that are of a stretch, by their amount."""
    values = [abs(p.value) for p in metric.recent if p.line.number >= stretch.since.number]
    return min(values[-LASTING:], default=stretch.least)


def _joined(metrics: Mapping[str, Metric], wild: Mapping[str, Stretches], total: str) -> bool:
    """Whether the total grew because a loss joined it, and none of its parts did."""
    parts = [m for name, m in metrics.items() if name != total and m.opening]
    late = any(m.first_line > metrics[total].first_line for m in parts)
    return bool(parts) and late and wild.keys() == {total}


def _ends_in_nan(s: Snapshot, stretch: Stretch) -> bool:
    """Whether the line after a stretch is not finite."""
    after = stretch.until.number + 1
    bad = (m.bad for m in s.metrics.values() if m.bad is not None)
    return any(
        part.since.number == after for one in bad for part in (one.first, one.longest, one.newest)
    )


def _wild(metric: Metric) -> Stretches:
    assert metric.wild is not None
    return metric.wild
