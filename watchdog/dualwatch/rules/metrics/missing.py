"""DW211-DW213: why a required metric is missing, each cause with its own remedy. Pure.

Only beside DW201 or DW202, whose causes they are: an unpaired batch is normal for most detectors,
and an exception may be caught for a good reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dualwatch import domains
from dualwatch.domains.base import BatchModalities, Domain
from dualwatch.events import BatchSeen, CaughtException, Evidence, Finding, Severity
from dualwatch.rules.catalog import BY_CODE, finding
from dualwatch.rules.metrics import traced_errors
from dualwatch.rules.metrics.metrics import (
    INSIDE,
    SHOWN,
    MissingMetric,
    absences,
    batch_of_log,
    is_called,
)
from dualwatch.rules.metrics.swallowed_errors import SwallowedError, of_a_loss, suspect
from dualwatch.rules.metrics.traced_errors import TracedError
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.repeated_errors import RepeatedError
from dualwatch.state.snapshot import Snapshot

QUOTED = 6
"""Lines of a traceback; the whole is in the console."""

HEADLINE = 200

BESIDE_UNPAIRED = 0.8
"""Most confidence in a caught exception where the batch is known to be unpaired."""

# Parts of a batch that hold an image or name a file; the rest is flags and annotations.
_INFORMATIVE = re.compile(r"^(?!.*\bgt_).*: \S+ (?:(?:\d+x){2,}\d+$|.*[/\\])")


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """The causes of required metrics that are not trained."""
    absent = absences(s, limits)
    if not limits.required and (loss := of_a_loss(s)) is not None:
        yield _repeated(s, loss)
    batch = batch_of_log(s)
    of_batch: list[Finding] = []
    if batch is not None:
        for domain in domains.installed():
            of_pairs = [one for one in absent if domain.needs_pair(one.name)]
            of_batch += _of_batch(s, batch, of_pairs, domain)
    yield from of_batch
    # A loss between two images must fail without the second one: that error is not the cause.
    most = BESIDE_UNPAIRED if any(one.code == "DW211" for one in of_batch) else 1.0
    reported: list[RepeatedError] = []
    traced: list[CaughtException] = []
    for absence in absent:
        seen = traced_errors.suspect(s, absence.name)
        if seen is not None:
            if seen.error not in traced:
                traced.append(seen.error)
                yield _traced(s, absence, seen, most)
            continue
        found = suspect(s, absence.name, absence.held)
        if found is not None and found.repeated not in reported:
            reported.append(found.repeated)
            yield _swallowed(s, absence, found, most)


# --- DW211, DW212: batches and losses ----------------------------------------------------------


def _of_batch(
    s: Snapshot, batch: BatchSeen, absent: Sequence[MissingMetric], domain: Domain
) -> Iterator[Finding]:
    """What the batch and the model's losses show about absent metrics that need pairs."""
    if not absent:
        return
    pairing = domain.batch(batch.outline)
    if pairing.paired is False:
        yield _unpaired(s, batch, pairing)
        return
    unreturned = [
        one.name
        for one in absent
        if batch.losses and not any(is_called(key, one.name) for key in batch.losses)
    ]
    if unreturned:
        yield _no_loss(s, batch, pairing, ", ".join(unreturned))


def _unpaired(s: Snapshot, batch: BatchSeen, pairing: BatchModalities) -> Finding:
    text = f"the batch of iteration {batch.iteration} is not paired: {pairing.why}"
    informative = [line for line in batch.outline if _INFORMATIVE.search(line)]
    evidence = [_inside(batch, text), *(_inside(batch, line) for line in informative[:QUOTED])]
    confidence = 0.9
    remedy = BY_CODE["DW211"].remedy
    if s.config is not None and s.config.paired is not None:
        names = "two modalities" if s.config.paired else "one modality only"
        text = f"the configuration names {names}: {s.config.path}"
        evidence.append(Evidence(text=text, source="configuration", wall=s.config.wall))
        if s.config.paired:
            remedy = (
                "The configuration asks for pairs and the dataset yields single images: look for a "
                "fallback in it, for a missing folder of the second modality, and check that the "
                "pipeline packs the second image."
            )
        else:
            confidence = 0.95
    return finding("DW211", evidence, confidence=confidence, remedy=remedy, attempt=s.attempt)


def _no_loss(s: Snapshot, batch: BatchSeen, pairing: BatchModalities, names: str) -> Finding:
    returned = ", ".join(batch.losses[:SHOWN])
    if pairing.paired:
        text = f"the batches are paired, and the model does not return {names}"
        confidence, reason = 0.9, pairing.why
    else:
        text = f"the model does not return {names}; whether the batches are paired is not known"
        confidence, reason = 0.5, pairing.why
    evidence = [
        _inside(batch, text),
        _inside(batch, f"at iteration {batch.iteration} the model returned: {returned}"),
        _inside(batch, f"the batch: {reason}"),
    ]
    if pairing.paired is None and s.config is not None and s.config.paired:
        confidence = 0.65
        text = f"the configuration names two modalities: {s.config.path}"
        evidence.append(Evidence(text=text, source="configuration", wall=s.config.wall))
    return finding("DW212", evidence, confidence=confidence, attempt=s.attempt)


def _inside(batch: BatchSeen, text: str) -> Evidence:
    return Evidence(text=text, source=INSIDE, wall=batch.wall)


# --- DW213: caught exceptions ---------------------------------------------------------------


def _traced(s: Snapshot, absence: MissingMetric, found: TracedError, most: float) -> Finding:
    """An exception that was seen in a traced iteration, whatever the console shows of it."""
    error = found.error
    first_line = error.message.partition("\n")[0][:HEADLINE]
    what = f"{error.exception}: {first_line}" if first_line else error.exception
    texts = [
        f"{what} (raised in {error.raised})",
        f"caught in {error.caught}: {error.handler}",
        f"{absence.name} is missing; {'; '.join(found.marks)}",
        f"on its way: {' < '.join(error.path[:QUOTED])}",
    ]
    evidence = [Evidence(text=text, source=INSIDE, wall=_traced_at(s)) for text in texts]
    beside = suspect(s, absence.name, absence.held)
    if beside is not None and first_line and first_line in beside.repeated.error.message:
        line = beside.repeated.error
        evidence.append(Evidence(text=line.message[:HEADLINE], source=s.log, wall=line.wall))
    remedy = (
        f"Correct what raises {error.exception} in {error.raised}, and let it be raised: "
        f"{error.caught} catches it in every iteration."
    )
    confidence = min(found.confidence, most)
    return finding("DW213", evidence, confidence=confidence, remedy=remedy, attempt=s.attempt)


def _repeated(s: Snapshot, repeated: RepeatedError) -> Finding:
    """An error about a loss, in a training of which no required metric is known."""
    error = repeated.error
    first_line = error.message.partition("\n")[0][:HEADLINE]
    what = f"{error.exception}: {first_line}" if error.exception else first_line
    texts = [
        f"{what}, at least {repeated.at_least} times, and the training continued",
        "a loss whose computation fails is not trained; which losses are required is not known",
    ]
    evidence = [Evidence(text=text, source=s.log, wall=error.wall) for text in texts]
    severity = Severity.WARNING
    return finding("DW213", evidence, confidence=0.7, severity=severity, attempt=s.attempt)


def _traced_at(s: Snapshot) -> float | None:
    return next((answer.wall for answer in s.answers if answer.caught), None)


def _swallowed(s: Snapshot, absence: MissingMetric, found: SwallowedError, most: float) -> Finding:
    repeated, error = found.repeated, found.repeated.error
    first_line = error.message.partition("\n")[0][:HEADLINE]
    what = f"{error.exception}: {first_line}" if error.exception and first_line else first_line
    what = what or error.exception or "an error"
    where = f" ({error.where})" if error.where else ""
    times = f", at least {repeated.at_least} times" if repeated.reports > 1 else ""
    if repeated.after_line:
        place = f"after training line {repeated.after_line}"
    else:
        place = "before the first training line"
    if absence.held:
        missing = f"{absence.name} vanished after training line {absence.held}"
    else:
        missing = f"{absence.name} was never logged"
    texts = [
        (f"{what}{where}{times}, and the training continued", error.wall),
        (f"first seen {place}; {missing}; {'; '.join(found.marks)}", error.wall),
    ]
    if repeated.reports > 1:
        texts.append((f"occurrence {repeated.at_least}", repeated.last_wall))
    texts += [(line, error.wall) for line in error.excerpt[-QUOTED:] if line.strip(" ^~")]
    evidence = [Evidence(text=text, source=s.log, wall=wall) for text, wall in texts]
    remedy = None
    if error.where:
        remedy = (
            f"Correct {error.exception or 'the error'} in {error.where}, and let it be raised: an "
            "except clause that only prints hides it in every iteration."
        )
    return finding(
        "DW213", evidence, confidence=min(found.confidence, most), remedy=remedy, attempt=s.attempt
    )
