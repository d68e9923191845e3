"""DW203: losses and gradients that are not finite: since when, until when, and what is lost. Pure.

A NaN that stays has reached the weights. One that comes and goes is that of single samples: the
weights are sound. A gradient that is not finite while the losses are is a step that the scaler of
mixed precision left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from dualwatch.core.units import counted
from dualwatch.events import Evidence, Finding, Severity
from dualwatch.rules.catalog import finding
from dualwatch.rules.metrics.finite_beside import not_stepping, of_validations
from dualwatch.rules.metrics.finite_inside import Inside, Weights, evidence, inside, total, totals
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.metric_series import Metric, done, is_gradient, is_loss
from dualwatch.state.snapshot import Snapshot
from dualwatch.state.stretches import Stretch, Stretches

LASTING = 3
"""Lines from which a loss that is not finite is more than a single sample."""

SKIPPED = 3
"""Lines in which the scaler may leave out steps; more of them running are not usual ..."""

NO_STEP = 10
"""... and from this many on, hardly any step is taken."""

SETTLING = 20
"""Lines from the very first on in which the scaler looks for its scale."""

RARE = 0.05
"""Share of the lines in which single skipped steps are usual."""

GO_BACK = (
    "Resume from a checkpoint before that line with a lower learning rate, a warm-up or gradient "
    "clipping; what was saved since then holds NaN."
)
OVER = (
    "What was saved between these lines may hold NaN; {} is from before them. Look at the samples "
    "and the learning rate of these iterations, and clip the gradients."
)
SINGLE = (
    "The weights are sound: no need to go back. Look at the samples of these iterations (empty or "
    "degenerate boxes, a division by zero in the loss)."
)
NO_STEPS = (
    "The weights are still finite, so there is nothing to go back from: the steps are left out, or "
    "this loss does not reach the weights. Correct how it is computed (a division by zero, a "
    "logarithm of 0); with mixed precision, train in bfloat16 or float32."
)
UNKNOWN = (
    "Look at the samples of these iterations (empty or degenerate boxes, a division by zero in the "
    "loss). Where the loss stays so, resume from a checkpoint before this iteration."
)
BESIDE = (
    "The total loss does not contain it, so the training is sound; correct how this value is "
    "computed, or leave it out."
)


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """At most one finding: about the losses, else about the gradient."""
    seen = inside(s)
    bad = {name: m for name, m in s.metrics.items() if m.bad is not None}
    losses = {name: m for name, m in bad.items() if is_loss(name)}
    gradients = {name: m for name, m in bad.items() if is_gradient(name)}
    if losses and seen is not None:
        yield _with_inside(s, _of_losses(s, losses), seen)
    elif losses:
        yield _of_losses(s, losses)
    elif seen is not None:
        yield _of_inside(s, seen)
    elif gradients:
        yield from _of_gradient(s, gradients)
    elif s.skipped.times:
        yield from not_stepping(s)
    else:
        yield from of_validations(s)


def _with_inside(s: Snapshot, logged: Finding, seen: Inside) -> Finding:
    """What the log shows, and before it what the agent saw of the same losses."""
    own = _of_inside(s, seen)
    # A log line has the mean of several iterations: one of them makes a line that looks lasting.
    is_over = seen.weights is Weights.SOUND and not seen.seen.running and _is_one_line(s)
    is_sound = seen.weights is Weights.SOUND and seen.lasts
    decided = own if own.severity > logged.severity or is_over or is_sound else logged
    return replace(decided, evidence=(*evidence(s, seen), *logged.evidence))


def _is_one_line(s: Snapshot) -> bool:
    bad = [m.bad for name, m in s.metrics.items() if m.bad is not None and is_loss(name)]
    return all(one.lines == 1 for one in bad)


def _of_inside(s: Snapshot, seen: Inside) -> Finding:
    """What the agent saw, which no line of the log shows yet."""
    severity, remedy, certain = Severity.WARNING, SINGLE, 1.0
    texts = evidence(s, seen)
    saved = _saved_before(s, seen.term.first)
    go_back = GO_BACK
    if saved is not None:
        texts.append(Evidence(text=f"the last checkpoint from before it: {saved}", source=s.log))
        go_back = GO_BACK.replace("a checkpoint before that line", saved)
    if seen.weights is Weights.LOST:
        severity, remedy = Severity.ERROR, go_back
    elif seen.total_is_finite:
        remedy = BESIDE
    elif seen.lasts and seen.weights is Weights.SOUND:
        severity, remedy = Severity.ERROR, NO_STEPS
    elif seen.lasts:
        severity, remedy, certain = Severity.ERROR, go_back, 0.9
    elif seen.weights is Weights.UNKNOWN:
        remedy, certain = UNKNOWN, 0.9
    return finding(
        "DW203",
        texts,
        confidence=certain,
        severity=severity,
        remedy=remedy,
        attempt=s.attempt,
    )


def _saved_before(s: Snapshot, iteration: int) -> str | None:
    """The newest checkpoint, where it is known to be from before an iteration."""
    saved, line = s.results.saved, s.last_train
    if saved is None:
        return None
    length = 1 if not saved.by_epoch else (line.total if line is not None else None)
    return saved.words if length and saved.number * length < iteration else None


def _of_losses(s: Snapshot, losses: Mapping[str, Metric]) -> Finding:
    name = _lead(losses)
    bad = _stretches(losses[name])
    whole = total(s.last_train.metrics) if s.last_train is not None else None
    if whole is not None and whole not in losses:
        return _found(s, f"{_often(name, bad, s)}; {whole} is finite in all of them", bad, BESIDE)
    others = [other for other in losses if other != name]
    also = f" (also {', '.join(others[:4])})" if others else ""
    if bad.is_open(losses[name].last_line) and (bad.times == 1 or bad.newest.lines >= LASTING):
        return _lasting(s, name, also, bad.newest, is_over=False)
    if bad.longest.lines >= LASTING:
        return _lasting(s, name, also, bad.longest, is_over=True)
    return _found(s, _often(name + also, bad, s), bad, SINGLE)


def _lasting(s: Snapshot, name: str, also: str, stretch: Stretch, *, is_over: bool) -> Finding:
    """A loss that was not finite for long: the weights are not, or were not."""
    assert s.last_train is not None
    value, since = stretch.least, stretch.since
    if is_over:
        text = (
            f"{name}{also} is {value:g} from {since.place} to {stretch.until.place}, in "
            f"{stretch.lines} consecutive log lines, and finite again after them"
        )
    elif stretch.lines == 1:
        text = f"{name}{also} is {value:g} at {since.place}, the newest log line"
    else:
        text = (
            f"{name}{also} is {value:g} since {since.place}, in {stretch.lines} consecutive log "
            "lines up to the newest"
        )
    evidence = [Evidence(text=text, source=s.log, wall=since.wall)]
    grown = _grown_before(s, since.number)
    if grown:
        evidence.append(Evidence(text=grown, source=s.log, wall=since.wall))
    saved = stretch.saved
    if saved is not None:
        text = f"the last checkpoint from before it: {saved.words}"
    else:
        text = "the log shows no checkpoint from before it"
    evidence.append(Evidence(text=text, source=s.log))
    lost = _lost(s, stretch)
    if lost and not is_over:
        evidence.append(Evidence(text=f"trained since then: {lost}", source=s.log))
    remedy = GO_BACK
    if is_over:
        remedy = OVER.format(saved.words if saved is not None else "no checkpoint in the log")
    elif saved is not None:
        remedy = GO_BACK.replace("a checkpoint before that line", saved.words)
    certain = 1.0 if stretch.lines > 1 else 0.9
    return finding("DW203", evidence, confidence=certain, remedy=remedy, attempt=s.attempt)


def _lost(s: Snapshot, stretch: Stretch) -> str:
    """What was trained since a stretch began, as far as the log's counters show it."""
    assert s.last_train is not None
    line, since = s.last_train, stretch.since
    if line.epoch is not None and not line.total:
        epochs = line.epoch - (since.epoch or line.epoch)
        return counted(epochs, "epoch") if epochs > 0 else ""
    iterations = done(line) - since.iteration
    if iterations <= 0:
        return ""
    text = counted(iterations, "iteration")
    if line.epoch is not None and line.total:
        text += f" ({iterations / line.total:.1f} epochs)"
    return text


def _grown_before(s: Snapshot, number: int) -> str:
    """How the losses grew right before the line of that number."""
    for name, metric in s.metrics.items():
        wild = metric.wild
        if wild is not None and wild.newest.until.number == number - 1:
            return f"before that, {name} grew: at least {wild.newest.least:g} from " + (
                wild.newest.since.place
            )
    return ""


def _of_gradient(s: Snapshot, gradients: Mapping[str, Metric]) -> Iterator[Finding]:
    name = _lead(gradients)
    bad = _stretches(gradients[name])
    newest = bad.newest
    is_settling = newest.since.number == 1 and newest.lines <= SETTLING
    if bad.is_open(gradients[name].last_line) and newest.lines >= SKIPPED and not is_settling:
        text = (
            f"{name} is {newest.least:g} since {newest.since.place}, in {newest.lines} consecutive "
            "log lines, and all losses are finite"
        )
        severe = Severity.ERROR if newest.lines >= NO_STEP else Severity.WARNING
        yield _found(s, text, bad, _SCALER, severity=severe)
        return
    lasting = bad.longest.lines > NO_STEP and bad.longest.since.number > 1
    if lasting or (bad.lines > 2 * SETTLING and bad.lines > RARE * s.train_lines):
        yield _found(s, f"{_often(name, bad, s)}; all losses are finite", bad, _SCALER)


_SCALER = (
    "With mixed precision, such steps are left out: if they are many, train in bfloat16 or float32 "
    "or lower the learning rate. Without it, clip the gradients and look at the data."
)


def _often(name: str, bad: Stretches, s: Snapshot) -> str:
    most = f", at most {bad.longest.lines} running" if bad.lines > 1 else ""
    return (
        f"{name} is {bad.first.least:g} in {bad.lines} of {s.train_lines} log lines{most}, first "
        f"at {bad.first.since.place}, last at {bad.newest.until.place}"
    )


def _found(
    s: Snapshot, text: str, bad: Stretches, remedy: str, severity: Severity = Severity.WARNING
) -> Finding:
    evidence = [Evidence(text=text, source=s.log, wall=bad.newest.since.wall)]
    return finding(
        "DW203", evidence, confidence=1.0, remedy=remedy, severity=severity, attempt=s.attempt
    )


def _lead(bad: Mapping[str, Metric]) -> str:
    """The total where it is among them, else the one that is so most often."""
    return max(totals(bad) or bad, key=lambda name: _stretches(bad[name]).lines)


def _stretches(metric: Metric) -> Stretches:
    assert metric.bad is not None
    return metric.bad
