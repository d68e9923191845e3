"""What the steps of a rehearsal came to. Pure."""

from __future__ import annotations

from dualwatch.checks.item import Reading, failed, passed, skipped, warned
from dualwatch.checks.rehearsal.seen import Rehearsed
from dualwatch.core import units
from dualwatch.core.errors import did_you_mean
from dualwatch.events import Severity
from dualwatch.protocol.rehearsal import Document, Step, StepDocument
from dualwatch.rules.metrics import not_trained, traced_errors
from dualwatch.rules.thresholds import Thresholds

SHOWN = 4
"""Parts that one item names."""


def trains(seen: Rehearsed) -> Reading:
    """Whether the iterations complete."""
    step = seen.step(Step.TRAIN)
    if step is None:
        if seen.unread:
            return skipped("not started: the storage of the data does not respond")
        if seen.timed_out:
            return failed(f"no training loop after {units.span(seen.seconds)}")
        if seen.exit_code == 0:
            return skipped("the script ended without a training that could be followed")
        ended = f"the process ended with exit code {seen.exit_code} before its training loop"
        return failed(f"{ended}: {seen.last_line}" if seen.last_line else ended)
    done = seen.document["iterations"] if seen.document is not None else 0
    if step["error"]:
        return failed(f"iteration {done + 1}: {_error(step)}")
    if not step["ended"]:
        return failed(f"iteration {done + 1} was not completed: {_cut_off(seen)}")
    if not done:
        return failed("the training ended without an iteration")
    return passed(f"{done} iterations")


def losses(seen: Rehearsed) -> Reading:
    """Whether every required loss is returned."""
    if not seen.required:
        return skipped("no metric is required")
    expected = ", ".join(seen.required)
    document = seen.document
    if document is None or not document["losses"]:
        return skipped("the losses of no iteration were seen", expected)
    returned = document["losses"]
    missing = [name for name in seen.required if name not in returned]
    if missing:
        text = (
            f"not returned in iteration 1: {', '.join(missing)} (returned: {', '.join(returned)})"
        )
        return failed(text + _swallowed(seen, missing[0]), expected)
    return passed(f"returned in iteration 1: {', '.join(returned)}", expected)


def _swallowed(seen: Rehearsed, name: str) -> str:
    """The exception that a line of the model caught, and that probably cost the loss."""
    found = traced_errors.suspect(seen.inside, name)
    if found is None:
        return ""
    error = found.error
    message = error.message.partition("\n")[0]
    return (
        f"; {error.exception}: {message} was raised in {error.raised} and caught in {error.caught}"
    )


def parts(seen: Rehearsed) -> Reading:
    """Whether the steps train every part of the model."""
    learning = seen.inside.learning
    if learning is None:
        return skipped("no step of the optimizer was observed")
    findings = list(not_trained.find(seen.inside, Thresholds()))
    found = [one for one in findings if one.severity > Severity.INFO]
    if found:
        texts = [evidence.text for one in found for evidence in one.evidence]
        is_error = any(one.severity >= Severity.ERROR for one in found)
        return (failed if is_error else warned)("; ".join(texts[:SHOWN]))
    if learning.steps < not_trained.LOOKS:
        return skipped(f"{learning.steps} steps of the optimizer: too few to judge")
    if idle := not_trained.idle(seen.inside):
        return warned("; ".join([*idle[:SHOWN], "it may be used later"]))
    return passed(f"nothing was left out in {learning.steps} steps of the optimizer")


def validates(seen: Rehearsed) -> Reading:
    """Whether the validation computes its metric."""
    document = seen.document
    if document is None or not document["iterations"]:
        return skipped("the rehearsal did not get as far as a validation")
    if not document["validates"]:
        return skipped("the training has no validation")
    metrics, step = document["metrics"], seen.step(Step.VALIDATE)
    if metrics is not None:
        if step is not None and step["error"] and not _absent(document):
            return failed(f"after the metric was computed: {_error(step)}")
        return passed("computed: " + (", ".join(metrics) or "no metric"))
    if step is None:
        return skipped("the rehearsal did not get as far as a validation")
    if step["error"]:
        return failed(_error(step))
    if not step["ended"]:
        return failed(f"the validation was not completed: {_cut_off(seen)}")
    return skipped("the validation ended, and no metric was seen")


def monitored(seen: Rehearsed) -> Reading:
    """Whether the metrics exist that hooks look for."""
    document = seen.document
    if document is None:
        return skipped("the rehearsal did not get as far as a validation")
    if not document["monitored"]:
        return skipped("no hook names a metric")
    if document["metrics"] is None:
        return skipped("no validation returned metrics")
    absent = _absent(document)
    if not absent:
        return passed(", ".join(f"{k} = {v!r}" for k, v in document["monitored"].items()))
    lines = []
    for setting, name in absent.items():
        near = did_you_mean(name, document["metrics"])
        lines.append(f"{setting} = {name!r}" + (f", {near}" if near else ""))
    return failed("; ".join(lines), f"one of {', '.join(document['metrics'])}")


def _absent(document: Document) -> dict[str, str]:
    known = document["metrics"] or []
    return {k: v for k, v in document["monitored"].items() if v not in known}


def checkpoint(seen: Rehearsed) -> Reading:
    """Whether a checkpoint can be saved and loaded."""
    saved, loaded = seen.step(Step.SAVE), seen.step(Step.LOAD)
    if saved is None or seen.document is None:
        return skipped("the rehearsal did not get as far as a checkpoint")
    for step, doing in ((saved, "saving"), (loaded, "loading")):
        if step is None:
            continue
        if step["error"]:
            return failed(f"{doing}: {_error(step)}")
        if not step["ended"]:
            return failed(f"{doing} was not completed: {_cut_off(seen)}")
    if loaded is None:
        return skipped("a checkpoint was saved, and not loaded")
    return passed(f"{units.size(seen.document['checkpoint_bytes'])}, saved and loaded")


def _error(step: StepDocument) -> str:
    return f"{step['error']} ({step['where']})" if step["where"] else step["error"]


def _cut_off(seen: Rehearsed) -> str:
    if seen.timed_out:
        return f"ended at the time limit, after {units.span(seen.seconds)}"
    ended = f"the process ended with exit code {seen.exit_code}"
    return f"{ended}: {seen.last_line}" if seen.last_line else ended
