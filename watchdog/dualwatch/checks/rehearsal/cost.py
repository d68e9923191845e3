"""What the whole training will take: time, workers, memory, disk. Pure."""

from __future__ import annotations

import math
from statistics import median

from dualwatch.checks.item import Reading, failed, passed, skipped, warned
from dualwatch.checks.rehearsal.seen import Rehearsed
from dualwatch.core import units
from dualwatch.protocol.rehearsal import Document

UNSTEADY = 2
"""Iterations at the beginning that say nothing about the speed: the first one builds much, and the
second one is traced."""

FULL = 0.9
"""Share of a memory from which on it may not be enough for larger images, or for the validation."""

SOON_S = 1.0
"""Seconds in which a storage responds that can feed a training."""

SHOWN = 3

WAITS = 0.25
"""Share of an iteration that waiting for data may take."""


def hours(seen: Rehearsed) -> Reading:
    """How long an epoch and the whole training take at the speed that was seen."""
    document = seen.document
    steps = document["seconds"][UNSTEADY:] if document is not None else []
    if document is None or not steps:
        return skipped("no iteration was seen after the first two, which are slower")
    each = median(steps)
    text = f"{each:.3g} s an iteration ({units.counted(len(steps), 'iteration')} measured)"
    speed = document["speed"]
    if speed is None or speed["iterations"] is None:
        return passed(f"{text}; the length of the training is not known")
    if speed["epoch"]:
        text += f", {units.span(each * speed['epoch'])} an epoch"
    return passed(
        f"{text}, {units.span(each * speed['iterations'])} for {speed['iterations']:,} iterations, "
        "without validation and saving"
    )


def workers(seen: Rehearsed) -> Reading:
    """Whether the loader delivers batches as fast as they are trained on."""
    document = seen.document
    speed = document["speed"] if document is not None else None
    step = _step(document) if document is not None else None
    if speed is None or step is None or not speed["load"] or not speed["batch"]:
        return skipped("the time of loading or the time of a step was not measured")
    load = median(speed["load"]) * speed["batch"]
    text = (
        f"a batch of {speed['batch']} takes {load:.3g} s to load in one process, a step "
        f"{step:.3g} s"
    )
    whole = max(step, load / speed["workers"]) if speed["workers"] else step + load
    waits = 1 - step / whole if whole else 0.0
    if speed["workers"]:
        slower = (step + load) / whole if whole else 1.0
        text += f"; num_workers=0 would make an iteration {slower:.2g} times as long"
    if waits <= WAITS:
        return passed(f"{text}; {units.counted(speed['workers'], 'worker')}")
    enough = math.ceil(load / step) if step else speed["cores"]
    remedy = f"set num_workers={enough}"
    if enough > speed["cores"]:
        number = units.counted(speed["cores"], "CPU")
        remedy = f"make loading cheaper: {enough} workers would be needed on {number}"
    return warned(
        f"{text}; with {units.counted(speed['workers'], 'worker')} {waits:.0%} of the time is "
        "waiting for data",
        f"at most {WAITS:.0%}",
        remedy=remedy,
    )


def memory(seen: Rehearsed) -> Reading:
    """Whether host and GPU have room."""
    if seen.document is None or not seen.document["iterations"]:
        return skipped("no iteration was seen")
    texts: list[str] = []
    full: list[str] = []
    gpu = seen.document["gpu"]
    host = (seen.machine.memory_used, seen.machine.memory_total)
    amounts = [("host", *host)]
    if gpu is not None:
        amounts.append((gpu["name"], gpu["reserved"], gpu["total"]))
    for name, used, total in amounts:
        if used is None or not total:
            continue
        text = f"{name}: {units.size(used)} of {units.size(total)}"
        texts.append(text)
        if used > FULL * total:
            full.append(text)
    if not texts:
        return skipped("neither the memory of the host nor that of a GPU could be read")
    if full:
        return warned("; ".join(full), f"less than {FULL:.0%}", remedy="use a smaller batch")
    return passed("; ".join(texts) + ", at its most; larger images need more")


def disk(seen: Rehearsed) -> Reading:
    """Whether the checkpoints of the whole training fit."""
    document = seen.document
    if document is None or not document["checkpoint_bytes"]:
        return skipped("no checkpoint was saved")
    kept = document["checkpoints"]
    if kept is None:
        return skipped("how many checkpoints the training keeps is not known")
    free = seen.machine.disk_free
    if free is None:
        return skipped("the free space could not be read")
    needed = document["checkpoint_bytes"] * kept
    text = (
        f"{units.counted(kept, 'checkpoint')} of {units.size(document['checkpoint_bytes'])}: "
        f"{units.size(needed)}, and {units.size(free)} are free in {seen.machine.disk}"
    )
    if needed > free:
        return failed(text, remedy="free some space, or keep fewer: CheckpointHook.max_keep_ckpts")
    return warned(text) if needed > FULL * free else passed(text)


def storage(seen: Rehearsed) -> Reading:
    """Whether the storage of data and work dir responds in time."""
    machine = seen.machine
    expected = f"within {SOON_S:g} s"
    if not machine.storage:
        return skipped("no path of the data is known", expected)
    stuck = seen.unread
    if stuck:
        more = f" and {len(stuck) - SHOWN} more" if len(stuck) > SHOWN else ""
        return failed(
            f"no response within {machine.storage_limit:g} s: {', '.join(stuck[:SHOWN])}{more}",
            expected,
            remedy="check the mount (network drive, FUSE, automounter), or name data on another "
            "disk",
        )
    path, slowest = max(machine.storage, key=lambda one: one[1] or 0.0)
    text = f"{units.counted(len(machine.storage), 'path')}; the slowest took {slowest:.2g} s"
    return passed(text, expected) if (slowest or 0.0) <= SOON_S else warned(f"{text}: {path}")


def _step(document: Document) -> float | None:
    """Seconds of an iteration without the wait for its batch."""
    both = zip(document["seconds"][UNSTEADY:], document["waits"][UNSTEADY:], strict=False)
    steps = [max(0.0, whole - wait) for whole, wait in both]
    return median(steps) if steps else None
