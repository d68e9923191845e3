"""Why a training ended: the codes of ``error_patterns`` and ``endings``; DW404 and DW504."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dualwatch.events import Circumstance, ErrorSeen, Evidence, Finding
from dualwatch.protocol import Phase
from dualwatch.rules import finished
from dualwatch.rules.catalog import finding
from dualwatch.rules.deaths import endings, error_patterns, labels, of_errors, silent_ends, stopped
from dualwatch.rules.stalls import context
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

_OF_LAUNCHERS = (
    "ChildFailedError",
    "SignalException",
    "ProcessRaisedException",
    "ProcessExitedException",
    "CalledProcessError",
)

_GUESSED = (Circumstance.KILLED_SILENTLY,)


def died(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """The training ended with an error, or was ended: the cause before its symptoms.

    ``AttemptEnded`` without an exit code means a process that is gone and whose end was not seen,
    as of a run that is read from its log. That is a death only where the console ends with an
    error, with a report of the end, or before the end of the work.
    """
    if s.ended is None or s.ended.exit_code == 0:
        return
    if s.ended.exit_code is None and s.phase == Phase.FINISHED:
        return
    told = endings.verdict(s)
    fatal = finished.uncaught(s)
    if s.ended.exit_code is None:
        fatal = [error for error in fatal if _ends_a_training(error)]
    own = [error for error in fatal if not error.exception.endswith(_OF_LAUNCHERS)]
    error = _cause(own, told)
    if told is not None and told.code == "DW501" and told.circumstance not in _GUESSED:
        yield from silent_ends.of_ending(s, told)
        if error is not None and error_patterns.recognise(error).code in ("DW301", "DW305"):
            yield from of_errors.of_error(s, error, own)
    elif told is not None and told.code == "DW304" and (error is None or _is_by_hand(error)):
        # OpenBLAS interrupts its own process where it has no thread.
        yield from silent_ends.of_ending(s, told)
    elif told is not None and told.code == "DW403" and _is_of_the_gpu(error):
        yield from silent_ends.of_ending(s, told)
    elif error is not None:
        yield from of_errors.of_error(s, error, own)
    elif stopped.was_stopped(s):
        return  # Known from dualwatch itself: DW609.
    elif told is not None:
        yield from silent_ends.of_ending(s, told)
    elif own:
        yield from of_errors.of_error(s, own[0], own)
    elif s.ended.exit_code is None:
        yield from silent_ends.unfinished(s)
    else:
        yield from silent_ends.without_words(s, next(reversed(fatal), None))


def _cause(own: Sequence[ErrorSeen], told: endings.Ending | None) -> ErrorSeen | None:
    """The error that ended the training; None where all of them only follow from something else.

    The error of the rank that failed comes before the errors of ranks that lost it, and an
    interruption by hand comes after an error that left the training hanging.
    """
    by_hand = [e for e in own if _is_by_hand(e)]
    until = own.index(by_hand[0]) if by_hand else len(own)
    first_hand = [e for e in own[:until] if not error_patterns.follows_another(e)]
    outside = bool(by_hand) or (told is not None and told.outside)
    if outside:
        # Workers and peers are ended too, and break off in what they do.
        first_hand = [e for e in first_hand if not error_patterns.broke_off(e)]
    if first_hand:
        return first_hand[-1]
    if by_hand:
        return by_hand[0]
    if told is not None and told.circumstance is not Circumstance.SILENT_EXIT:
        return None
    # Where all errors are of the second kind, the first is closest to the cause.
    return own[0] if own else None


def _is_of_the_gpu(error: ErrorSeen | None) -> bool:
    """Whether an error can be what Python shows of a lost GPU; so can none."""
    return error is None or labels.is_of_cuda(error_patterns.text_of(error))


def _is_by_hand(error: ErrorSeen) -> bool:
    return error.exception == "KeyboardInterrupt"


def has_a_known_end(s: Snapshot) -> bool:
    """Whether the console ends with an error that ends trainings, or with a report of the end.

    For a log without its process this is the only evidence of the end.
    """
    if s.last_words.endings:
        return True
    return any(_ends_a_training(error) for error in finished.uncaught(s))


def _ends_a_training(error: ErrorSeen) -> bool:
    """Whether an error can end a training: it has a traceback, or a known message."""
    if error.where or "::" in error.exception or error.exception == "Fatal Python error":
        return True
    return error_patterns.recognise(error).code != "DW606"


def unseen(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """DW404, DW504: what could not be observed; never counted as sound."""
    attempt = s.attempt
    gpu = s.not_observed.get("gpu")
    if gpu is not None:
        yield finding(
            "DW404",
            [Evidence(text=f"GPU memory is not observed: {gpu.why}", source="NVML", wall=gpu.wall)],
            confidence=1.0,
            attempt=attempt,
        )
    stacks = [
        event
        for what, event in s.not_observed.items()
        if what.startswith("stack") and not event.gone
    ]
    if stacks:
        evidence = [
            Evidence(text=f"{event.what}: {event.why}", source="py-spy", wall=event.wall)
            for event in stacks
        ]
        how = Circumstance.NOT_HELD if context.on_windows(s) else None
        yield finding("DW504", evidence, confidence=1.0, attempt=attempt, circumstance=how)
