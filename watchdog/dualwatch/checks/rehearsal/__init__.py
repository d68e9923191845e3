"""The items of a rehearsal: what was seen of a training's first iterations and first validation.

Pure. An item passes only on what was seen; where the rehearsal did not get so far it is skipped.
"""

from __future__ import annotations

from collections.abc import Callable

from dualwatch.checks.document import CheckDocument, CheckTarget, Entry, ProfileChoice
from dualwatch.checks.item import Reading, Status
from dualwatch.checks.rehearsal import cost, data, steps
from dualwatch.checks.rehearsal.seen import Machine, Rehearsed
from dualwatch.core import units
from dualwatch.core.errors import Exit
from dualwatch.core.text import clean

__all__ = ["Machine", "Rehearsed", "code_of", "document", "entries"]

STAGE = "preflight"


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
                code=(reading.code or code or None) if wrong else None,
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


_ITEMS: tuple[tuple[str, str, str, Callable[[Rehearsed], Reading]], ...] = (
    ("rehearsal-trains", "The first iterations complete", "", steps.trains),
    ("rehearsal-pairs", "The batches are paired", "DW211", data.pairs),
    ("rehearsal-classes", "Data set, model and evaluator agree on classes", "", data.classes),
    ("rehearsal-losses", "The model returns every required loss", "DW201", steps.losses),
    ("rehearsal-weights", "The loaded weights fit the model", "DW215", data.weights),
    ("rehearsal-parts", "The optimizer's steps train every part", "DW214", steps.parts),
    ("rehearsal-validates", "The validation computes its metric", "", steps.validates),
    ("rehearsal-monitored", "Metrics that hooks look for exist", "", steps.monitored),
    ("rehearsal-checkpoint", "A checkpoint can be saved and loaded", "", steps.checkpoint),
    ("rehearsal-disk", "The checkpoints fit on the disk", "DW502", cost.disk),
    ("rehearsal-storage", "The storage responds in time", "DW116", cost.storage),
    ("rehearsal-memory", "The memory is enough", "", cost.memory),
    ("rehearsal-workers", "The loader's workers feed the training", "DW209", cost.workers),
    ("rehearsal-hours", "How long it will take", "", cost.hours),
)
