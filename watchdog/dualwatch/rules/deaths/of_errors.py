"""What a printed error says of the death: its code, its circumstance, its evidence. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dualwatch.events import Circumstance, ErrorSeen, Evidence, Finding, Severity
from dualwatch.protocol import VALIDATION_PHASES
from dualwatch.rules.catalog import BY_CODE
from dualwatch.rules.deaths import error_patterns, gpu_memory, host_evidence, labels, quotes
from dualwatch.rules.deaths.host_evidence import SCARCE_DISK
from dualwatch.state.snapshot import Snapshot

_OF_A_RUN = re.compile(
    r"\d{8}_\d{6}|(?:epoch|iter|step)[_-]?\d+|checkpoint|events\.out\.|latest", re.I
)

_IN_WORDS = {
    Circumstance.INTERRUPTED: "it was stopped by hand (Ctrl-C)",
    Circumstance.RUN_FOLDER_REMOVED: "the folder that the training writes to was removed or "
    "renamed while it ran",
    Circumstance.NEVER_JOINED: "a process of the group never joined the others",
    Circumstance.WHILE_EVALUATING: "a collective operation timed out while a rank evaluated",
}
"""Headlines of errors whose own text does not say it."""


def of_error(s: Snapshot, error: ErrorSeen, others: Sequence[ErrorSeen]) -> Iterator[Finding]:
    meaning = _meaning(s, error)
    code, circumstance = meaning.code, meaning.circumstance
    if code in ("DW301", "DW305") and circumstance is not Circumstance.TERMINATED_WORKER:
        kill = host_evidence.oom_kill(s, quotes.pids_of(s, error))
        if kill is not None:
            yield quotes.fatal(
                s, "DW501", [*kill.evidence, *host_evidence.memory(s.host)], kill.confidence
            )
            code = "DW301"
    if code == "DW401":
        held = gpu_memory.read(error_patterns.text_of(error))
        circumstance = held.circumstance
        if held.held_by_others is not None:
            yield _held_by_others(s, error, held)
    yield from _earlier_causes(s, code, error, others)
    is_after = quotes.is_after(s)
    place = f" ({error.where})" if error.where else ""
    headline = error_patterns.text_of(error).partition("\n")[0] + place
    said = _IN_WORDS.get(circumstance) if circumstance is not None else None
    quoted = [quotes.quote(s, said, error.wall)] if said else []
    quoted += [] if meaning.text in headline else [quotes.quote(s, meaning.text, error.wall)]
    evidence = [
        *quoted,
        quotes.quote(s, headline, error.wall),
        *([quotes.after(s)] if is_after else quotes.how(s, error)),
        *_beside(s, code, circumstance),
    ]
    follows: tuple[str, ...] = ()
    numbers = labels.not_finite(s)
    is_open = code == "DW606" or (code == "DW308" and not meaning.sure)
    if numbers and (code == "DW203" or (is_open and labels.follows_numbers(error))):
        code = "DW606" if code == "DW203" else code  # DW203 has the lines since which it was so.
        evidence.insert(1, quotes.quote(s, numbers, s.progress_wall))
        circumstance, follows = Circumstance.NON_FINITE, ("DW203", "DW204")
    seen = s.ended is not None and s.ended.exit_code is not None
    sure = (1.0 if seen else 0.9) if meaning.sure else 0.7
    if code == "DW609" and not seen:
        sure = 0.95  # The interruption itself was printed.
    severity = Severity.WARNING if is_after else Severity.CRITICAL
    yield quotes.fatal(
        s, code, evidence, sure, severity, circumstance=circumstance, follows=follows
    )


def _meaning(s: Snapshot, error: ErrorSeen) -> error_patterns.Meaning:
    """What an error means, with what was printed before it and what is known of the machine."""
    asserted = labels.of_assertion(s, error)
    if asserted is not None:
        return asserted.meaning
    found = error_patterns.recognise(error)
    if found.code == "DW118" and found.circumstance is None:
        return found._replace(circumstance=circumstance_of_timeout(s))
    if found.code == "DW502" and found.circumstance is None:
        if _is_shm_that_is_full(s):
            return found._replace(code="DW302")
        if _has_room(s):
            return found._replace(circumstance=Circumstance.INODES)
    if _lost_its_folder(s, error):
        return found._replace(code="DW609", circumstance=Circumstance.RUN_FOLDER_REMOVED)
    return found


def _lost_its_folder(s: Snapshot, error: ErrorSeen) -> bool:
    """Whether a training that has run cannot write below its own folder any more."""
    path = error_patterns.missing_output(error)
    if path is None or s.last_train is None:
        return False
    own = s.saving_to or (s.agent.work_dir if s.agent is not None else "")
    if own and path:
        return path.replace("\\", "/").startswith(own.replace("\\", "/").rstrip("/") + "/")
    return not path or _OF_A_RUN.search(path) is not None


def _held_by_others(s: Snapshot, error: ErrorSeen, held: gpu_memory.GpuMemory) -> Finding:
    lines = [*held.held_lines(), *held.lines()]
    text = error_patterns.text_of(error).partition("\n")[0]
    evidence = [quotes.quote(s, line, error.wall) for line in (*lines, text)]
    named = None if held.others else Circumstance.HELD_BY_UNKNOWN
    return quotes.fatal(s, "DW402", evidence, 0.8, circumstance=named)


def _earlier_causes(
    s: Snapshot, code: str, last: ErrorSeen, others: Sequence[ErrorSeen]
) -> Iterator[Finding]:
    """Errors of workers, printed before the main process died of the missing worker."""
    reported = {code}
    for error in others:
        found = error_patterns.recognise(error)
        cause, headline = found.code, found.text
        if error is last or cause in reported or code not in BY_CODE[cause].explains:
            continue
        if code == "DW606":
            continue  # Nearly every code explains it: an unrelated error would become its cause.
        reported.add(cause)
        evidence = [Evidence(text=headline, source=s.log, wall=error.wall)]
        yield quotes.fatal(
            s,
            cause,
            [*evidence, *_beside(s, cause, found.circumstance)],
            0.85,
            circumstance=found.circumstance,
        )


def _beside(s: Snapshot, code: str, circumstance: Circumstance | None) -> list[Evidence]:
    """Evidence of the machine for this kind of death."""
    if code == "DW302":
        return host_evidence.shared_memory(s.host)
    if code == "DW303":
        return host_evidence.open_files(s)
    if code == "DW501" or circumstance is Circumstance.PAGING_FILE:
        return host_evidence.memory(s.host)
    if code == "DW502":
        return host_evidence.disk(s.host)
    return [host_evidence.kernel_silence(s)] if code == "DW301" else []


def _is_shm_that_is_full(s: Snapshot) -> bool:
    """A full disk without a path may be /dev/shm; not while the work dir is full itself."""
    host = s.host
    if host is None or host_evidence.is_scarce(
        host.disk_free, host.disk_total, host_evidence.SCARCE_DISK
    ):
        return False
    return host_evidence.is_scarce(host.shm_free, host.shm_total, host_evidence.SCARCE_SHM)


def _has_room(s: Snapshot) -> bool:
    """Whether the disk of the work dir has room after all; False where that is not known."""
    host = s.host
    if host is None or s.ended is None or s.ended.exit_code is None or not host.disk_total:
        return False
    return (host.disk_free or 0) > SCARCE_DISK[1] * 2


def circumstance_of_timeout(s: Snapshot) -> Circumstance | None:
    """Whether the ranks waited for one that evaluates alone."""
    phase = s.phase if s.pulses else s.logged_phase
    return Circumstance.WHILE_EVALUATING if phase in VALIDATION_PHASES else None
