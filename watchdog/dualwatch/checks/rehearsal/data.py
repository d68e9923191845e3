"""Whether batches, classes, labels and loaded weights fit the training. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dualwatch import domains
from dualwatch.checks.item import Reading, failed, passed, skipped, warned
from dualwatch.checks.rehearsal.seen import Rehearsed
from dualwatch.core import units
from dualwatch.events import Severity
from dualwatch.protocol.rehearsal import DatasetDocument, Document
from dualwatch.rules.metrics import weights as weights_rule
from dualwatch.rules.thresholds import Thresholds

SHOWN = 3


def pairs(seen: Rehearsed) -> Reading:
    """Whether the batches hold the second modality that a required loss needs."""
    needing = [
        domain
        for domain in domains.installed()
        if any(domain.needs_pair(name) for name in seen.required)
    ]
    if not needing:
        return skipped("no required metric needs pairs")
    batch = seen.inside.batches.get(0)
    if batch is None:
        return skipped("no batch was seen")
    found = needing[0].batch(batch.outline)
    if found.paired is None:
        return skipped(found.why)
    return passed(found.why) if found.paired else failed(found.why, "two images a sample")


def classes(seen: Rehearsed) -> Reading:
    """Whether data sets, heads and evaluator know the same classes, and the labels are theirs."""
    document = seen.document
    if document is None or not document["datasets"]:
        return skipped("the rehearsal did not get as far as the data sets")
    wrong = [*_labels(document)]
    if wrong:
        return failed("; ".join(wrong[:SHOWN]), code="DW308")
    wrong = [*_names(document), *_between(document)]
    if wrong:
        return failed("; ".join(wrong[:SHOWN]))
    unused = [*_unused(document)]
    if unused:
        return warned("; ".join(unused[:SHOWN]))
    looked = [text for one in document["datasets"] if (text := _looked(one))]
    if not looked:
        return skipped("neither classes nor labels of the data sets are known")
    return passed("; ".join(looked))


def weights(seen: Rehearsed) -> Reading:
    """How weights that were loaded before the training fit the model."""
    loaded = seen.inside.weights
    if loaded is None:
        return skipped("no weights were loaded")
    found = next(iter(weights_rule.find(seen.inside, Thresholds())), None)
    if found is None:
        return passed(f"all {loaded.keys} keys of the model were loaded")
    text = "; ".join(evidence.text for evidence in found.evidence[:SHOWN])
    if found.severity >= Severity.ERROR:
        return failed(text)
    return warned(text) if found.severity >= Severity.WARNING else passed(text)


# --- classes -------------------------------------------------------------------------------------


def _labels(document: Document) -> Iterator[str]:
    """Labels that the model has no output for, and data sets without any label."""
    most = min(document["heads"].values(), default=None)
    for one in document["datasets"]:
        name = f"the {one['loader']} data set"
        if one["lowest"] is not None and one["lowest"] < 0:
            yield f"{name} has a label {one['lowest']}"
        if most is not None and one["highest"] is not None and one["highest"] >= most:
            yield (
                f"{name} has a label {one['highest']}, and {_heads(document, most)} has outputs "
                f"for {_number(most)}"
            )


def _names(document: Document) -> Iterator[str]:
    """Classes that cannot be meant."""
    for one in document["datasets"]:
        names = one["classes"]
        if names is not None and len(names) > 1 and all(len(name) == 1 for name in names):
            word = "".join(names)
            yield (
                f"the {one['loader']} data set has {len(names)} classes of one letter: "
                f"classes=({word!r}) is a text, classes=({word!r},) is one class"
            )
        if one["labelled"] and not one["labels"] and one["looked"] == one["images"] > 0:
            yield (
                f"none of the {units.counted(one['images'], 'sample')} of the {one['loader']} data "
                f"set has a label: do the names of the classes ({', '.join(names or ())[:200]}) "
                "match those of the annotations?"
            )


def _between(document: Document) -> Iterator[str]:
    """Differences between the data sets, and to the evaluator."""
    known = [one for one in document["datasets"] if one["classes"] is not None]
    by_loader = {one["loader"]: one["classes"] for one in known}
    train, val = by_loader.get("train"), by_loader.get("val")
    if train is not None and val is not None and train != val:
        yield f"the classes differ: {_classes(train)} in training, {_classes(val)} in validation"
    evaluated = document["evaluated"]
    if val is not None and evaluated is not None and evaluated != val:
        yield f"the evaluator knows {_classes(evaluated)}, its data set {_classes(val)}"
    most = max(document["heads"].values(), default=None)
    if train is not None and most is not None and len(train) > most:
        yield f"{_classes(train)} in training, {_heads(document, most)} has outputs for {most}"


def _unused(document: Document) -> Iterator[str]:
    """Heads with more classes than the data has: it trains, and is rarely meant."""
    train = next((one for one in document["datasets"] if one["loader"] == "train"), None)
    if train is None or train["classes"] is None:
        return
    for path, count in document["heads"].items():
        if count > len(train["classes"]):
            has = _classes(train["classes"])
            yield f"{path} has outputs for {_number(count)}, the data has {has}"


def _looked(one: DatasetDocument) -> str:
    """What was read of a data set."""
    if one["classes"] is None and not one["looked"]:
        return ""
    text = f"{one['loader']}: "
    text += _classes(one["classes"]) if one["classes"] is not None else "no names of classes"
    if not one["labels"]:
        return text + ", no labels seen"
    of = "all" if one["looked"] == one["images"] else f"{one['looked']:,} of"
    images = units.counted(one["images"], "image")
    return f"{text}, labels {one['lowest']} to {one['highest']} in {of} {images}"


def _classes(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    return f"{_number(len(names))} ({shown})"


def _number(count: int) -> str:
    return f"{count} {'class' if count == 1 else 'classes'}"


def _heads(document: Document, count: int) -> str:
    return next(path for path, number in document["heads"].items() if number == count)
