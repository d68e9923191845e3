"""The items of a rehearsal: what was seen of a training's first iterations and first validation.

Pure. An item passes only on what was seen; where the rehearsal did not get so far it is skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dualwatch.checks.document import CheckDocument, CheckTarget, Entry, ProfileChoice
from dualwatch.checks.item import Reading, Status, failed, passed, skipped, warned
from dualwatch.core import units
from dualwatch.core.errors import Exit, did_you_mean
from dualwatch.core.text import clean
from dualwatch.events import Severity
from dualwatch.protocol.rehearsal import Document, Step, StepDocument
from dualwatch.rules.metrics import not_trained, traced_errors
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

STAGE = "preflight"
SHOWN = 4
"""Parts that one item names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A rehearsal that was not interrupted.

    Attributes:
        document: What the agent noted; None where no training loop was reached.
        required: Metrics that must be trained.
        exit_code: Of the training's process; None where it was ended.
        timed_out: Whether it was ended at the time limit.
        last_line: The last line that it printed.
        seconds: From its start to its end.
        inside: What the agent observed of the model.
    """

    document: Document | None
    required: tuple[str, ...] = ()
    exit_code: int | None = None
    timed_out: bool = False
    last_line: str = ""
    seconds: float = 0.0
    inside: Snapshot = field(default_factory=Snapshot)


def entries(seen: Rehearsed) -> list[Entry]:
    """Every item with its result."""
    made: list[Entry] = []
    for identity, title, code, read in _ITEMS:
        reading = read(seen)
        wrong = reading.status in (Status.FAIL, Status.WARN)
        made.append(
            Entry(
                id=identity,
                stage=STAGE,
                title=title,
                status=reading.status.value,
                expected=clean(reading.expected),
                observed=clean(reading.observed),
                remedy=reading.remedy or None,
                code=code if wrong and code else None,
            )
        )
    return made


def document(seen: Rehearsed, config: str) -> CheckDocument:
    """What ``check --rehearse --json`` prints."""
    items = entries(seen)
    counts = dict.fromkeys((status.value for status in Status), 0)
    for item in items:
        counts[item.status] += 1
    return CheckDocument(
        target=CheckTarget(
            kind="config",
            path=config,
            life="planned",
            sentence=f"rehearsed in {units.span(seen.seconds)}",
        ),
        profile=ProfileChoice(name="rehearsal", title="Rehearsal", because="--rehearse"),
        entries=items,
        counts=counts,
        exit_code=int(code_of(counts)),
    )


def code_of(counts: dict[str, int]) -> Exit:
    """The exit code of the contract."""
    if counts["fail"]:
        return Exit.WRONG
    return Exit.OK if counts["pass"] else Exit.NOT_OBSERVED


def _trains(seen: Rehearsed) -> Reading:
    step = _step(seen, Step.TRAIN)
    if step is None:
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


def _losses(seen: Rehearsed) -> Reading:
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


def _parts(seen: Rehearsed) -> Reading:
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
    return passed(f"nothing was left out in {learning.steps} steps of the optimizer")


def _validates(seen: Rehearsed) -> Reading:
    document = seen.document
    if document is None or not document["iterations"]:
        return skipped("the rehearsal did not get as far as a validation")
    if not document["validates"]:
        return skipped("the training has no validation")
    metrics, step = document["metrics"], _step(seen, Step.VALIDATE)
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


def _monitored(seen: Rehearsed) -> Reading:
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


def _checkpoint(seen: Rehearsed) -> Reading:
    saved, loaded = _step(seen, Step.SAVE), _step(seen, Step.LOAD)
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


def _step(seen: Rehearsed, name: str) -> StepDocument | None:
    steps = seen.document["steps"] if seen.document is not None else []
    return next((step for step in steps if step["name"] == name), None)


def _error(step: StepDocument) -> str:
    return f"{step['error']} ({step['where']})" if step["where"] else step["error"]


def _cut_off(seen: Rehearsed) -> str:
    if seen.timed_out:
        return f"ended at the time limit, after {units.span(seen.seconds)}"
    ended = f"the process ended with exit code {seen.exit_code}"
    return f"{ended}: {seen.last_line}" if seen.last_line else ended


_ITEMS: tuple[tuple[str, str, str, Callable[[Rehearsed], Reading]], ...] = (
    ("rehearsal-trains", "The first iterations complete", "", _trains),
    ("rehearsal-losses", "The model returns every required loss", "DW201", _losses),
    ("rehearsal-parts", "The optimizer's steps train every part", "DW214", _parts),
    ("rehearsal-validates", "The validation computes its metric", "", _validates),
    ("rehearsal-monitored", "Metrics that hooks look for exist", "", _monitored),
    ("rehearsal-checkpoint", "A checkpoint can be saved and loaded", "", _checkpoint),
)
