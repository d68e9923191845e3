"""Why a training ended: the codes of ``error_patterns`` and ``endings``; DW404 and DW504."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dualwatch.events import Circumstance, ErrorFate, ErrorSeen, Evidence, Finding, Severity
from dualwatch.protocol import VALIDATION_PHASES, Phase
from dualwatch.rules.catalog import BY_CODE, finding
from dualwatch.rules.deaths import endings, error_patterns, gpu_memory, host_evidence, labels
from dualwatch.rules.deaths.host_evidence import SCARCE_DISK
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

_OF_LAUNCHERS = (
    "ChildFailedError",
    "SignalException",
    "ProcessRaisedException",
    "ProcessExitedException",
    "CalledProcessError",
)

# A shell, a container's init or torchrun passes a signal on as a number.
_BY_SHELL = {
    128 + 1: "SIGHUP",
    128 + 2: "SIGINT",
    128 + 6: "SIGABRT",
    128 + 7: "SIGBUS",
    128 + 9: "SIGKILL",
    128 + 11: "SIGSEGV",
    128 + 15: "SIGTERM",
}
_BY_TORCHRUN = re.compile(r"Signal \d+ \((SIG[A-Z]+)\) received by PID (\d+)")
_PIDS = re.compile(r"\(pid(?:\(s\))? ([\d, ]+)\)")
_BY_HAND = {
    "SIGTERM": Circumstance.SIGTERM,
    "SIGINT": Circumstance.INTERRUPTED,
    "SIGHUP": Circumstance.HANGUP,
}

_READS_A_BATCH = re.compile(r"utils/data/dataloader\.py:\d+ in _(?:next|get|try_get)_data")

SAME_LOOK = 2.0
"""Seconds within which the order of a heartbeat and a console line is not known."""


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
    own_decision = endings.by_dualwatch(s)
    if own_decision is not None:
        yield from _of_ending(s, own_decision)
        return
    told = endings.verdict(s)
    fatal = _uncaught(s)
    if s.ended.exit_code is None:
        fatal = [error for error in fatal if _ends_a_training(error)]
    own = [error for error in fatal if not error.exception.endswith(_OF_LAUNCHERS)]
    error = _cause(own, told)
    if told is not None and told.code == "DW501" and told.circumstance not in _GUESSED:
        yield from _of_ending(s, told)
        if error is not None and error_patterns.recognise(error).code in ("DW301", "DW305"):
            yield from _of_error(s, error, own)
    elif error is not None:
        yield from _of_error(s, error, own)
    elif told is not None:
        yield from _of_ending(s, told)
    elif own:
        yield from _of_error(s, own[0], own)
    elif s.ended.exit_code is None:
        yield from _unfinished(s)
    else:
        yield from _without_words(s, next(reversed(fatal), None))


_GUESSED = (Circumstance.KILLED_SILENTLY,)


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
    if told is not None and told.code != "DW606":
        return None
    # Where all errors are of the second kind, the first is closest to the cause.
    return own[0] if own else None


def _is_by_hand(error: ErrorSeen) -> bool:
    return error.exception == "KeyboardInterrupt"


def has_a_known_end(s: Snapshot) -> bool:
    """Whether the console ends with an error that ends trainings, or with a report of the end.

    For a log without its process this is the only evidence of the end.
    """
    return bool(s.endings) or any(_ends_a_training(error) for error in _uncaught(s))


def _uncaught(s: Snapshot) -> list[ErrorSeen]:
    """Named errors after which the training did not continue."""
    return [
        error
        for error in s.errors
        if error.exception and error.fate is ErrorFate.RAISED and not _went_on(s, error)
    ]


def _went_on(s: Snapshot, error: ErrorSeen) -> bool:
    """Whether the training continued after an error, which was caught, then.

    Every rank must have moved: others may finish an iteration after one has died. Console lines do
    not count, since they also come during shutdown.
    """
    later = [s.last_train, s.last_evaluation]
    if any(line is not None and line.at > error.at for line in later):
        return True
    return bool(s.moved_at) and min(s.moved_at.values()) > error.at + SAME_LOOK


def _ends_a_training(error: ErrorSeen) -> bool:
    """Whether an error can end a training: it has a traceback, or a known message."""
    if error.where or "::" in error.exception or error.exception == "Fatal Python error":
        return True
    return error_patterns.recognise(error).code != "DW606"


def _of_ending(s: Snapshot, told: endings.Ending) -> Iterator[Finding]:
    """The finding of what others reported."""
    code, circumstance, confidence = told.code, told.circumstance, told.confidence
    evidence = told.evidence(s)
    follows: tuple[str, ...] = ()
    if told.signal == "SIGKILL":
        pids = {one.pid for one in told.reports if one.pid is not None}
        yield _killed(s, evidence, pids)
        return
    if circumstance is Circumstance.BY_DUALWATCH:
        follows = (s.stopped.cause,) if s.stopped is not None and s.stopped.cause else ()
        evidence += _how(s)
    elif circumstance is Circumstance.NATIVE_CRASH:
        asserted = labels.of_assertion(s, None)
        if asserted is not None:
            evidence.insert(0, _quote(s, asserted.report.text, asserted.report.wall))
            code, circumstance = asserted.meaning.code, asserted.meaning.circumstance
    elif code == "DW118":
        circumstance = _circumstance_of_timeout(s)
    elif code == "DW302":
        evidence += host_evidence.shared_memory(s.host)
    yield _fatal(s, code, evidence, confidence, circumstance=circumstance, follows=follows)


def _circumstance_of_timeout(s: Snapshot) -> Circumstance | None:
    """Whether the ranks waited for one that evaluates alone."""
    phase = s.phase if s.pulses else s.logged_phase
    return Circumstance.WHILE_EVALUATING if phase in VALIDATION_PHASES else None


def _of_error(s: Snapshot, error: ErrorSeen, others: Sequence[ErrorSeen]) -> Iterator[Finding]:
    meaning = _meaning(s, error)
    code, circumstance = meaning.code, meaning.circumstance
    if code in ("DW301", "DW305") and circumstance is not Circumstance.TERMINATED_WORKER:
        kill = host_evidence.oom_kill(s, _pids(s, error))
        if kill is not None:
            yield _fatal(
                s, "DW501", [*kill.evidence, *host_evidence.memory(s.host)], kill.confidence
            )
            code = "DW301"
    if code == "DW401":
        held = gpu_memory.read(error_patterns.text_of(error))
        circumstance = held.circumstance
        if held.held_by_others is not None:
            yield _held_by_others(s, error, held)
    yield from _earlier_causes(s, code, error, others)
    place = f" ({error.where})" if error.where else ""
    headline = error_patterns.text_of(error).partition("\n")[0] + place
    said = _IN_WORDS.get(circumstance) if circumstance is not None else None
    quoted = [_quote(s, said, error.wall)] if said else []
    quoted += [] if meaning.text in headline else [_quote(s, meaning.text, error.wall)]
    evidence = [*quoted, _quote(s, headline, error.wall), *_how(s, error), *_beside(s, code)]
    follows: tuple[str, ...] = ()
    numbers = labels.not_finite(s)
    if numbers and (circumstance is Circumstance.NON_FINITE or labels.follows_numbers(error)):
        evidence.insert(1, _quote(s, numbers, s.progress_wall))
        circumstance, follows = Circumstance.NON_FINITE, ("DW203", "DW204")
    seen = s.ended is not None and s.ended.exit_code is not None
    sure = (1.0 if seen else 0.9) if meaning.sure else 0.7
    if code == "DW609" and not seen:
        sure = 0.95  # The interruption itself was printed.
    yield _fatal(s, code, evidence, sure, circumstance=circumstance, follows=follows)


_IN_WORDS = {
    Circumstance.INTERRUPTED: "it was stopped by hand (Ctrl-C)",
    Circumstance.RUN_FOLDER_REMOVED: "the folder that the training writes to was removed or "
    "renamed while it ran",
    Circumstance.WHILE_EVALUATING: "a collective operation timed out while a rank evaluated",
}
"""Headlines of errors whose own text does not say it."""


def _meaning(s: Snapshot, error: ErrorSeen) -> error_patterns.Meaning:
    """What an error means, with what was printed before it and what is known of the machine."""
    asserted = labels.of_assertion(s, error)
    if asserted is not None:
        return asserted.meaning
    found = error_patterns.recognise(error)
    if found.code == "DW118":
        return found._replace(circumstance=_circumstance_of_timeout(s))
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


_OF_A_RUN = re.compile(
    r"\d{8}_\d{6}|(?:epoch|iter|step)[_-]?\d+|checkpoint|events\.out\.|latest", re.I
)


def _held_by_others(s: Snapshot, error: ErrorSeen, held: gpu_memory.GpuMemory) -> Finding:
    lines = [*held.held_lines(), *held.lines()]
    text = error_patterns.text_of(error).partition("\n")[0]
    evidence = [_quote(s, line, error.wall) for line in (*lines, text)]
    named = None if held.others else Circumstance.HELD_BY_UNKNOWN
    return _fatal(s, "DW402", evidence, 0.8, circumstance=named)


def _quote(s: Snapshot, text: str, wall: float | None) -> Evidence:
    return Evidence(text=text, source=s.log, wall=wall)


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
        yield _fatal(
            s, cause, [*evidence, *_beside(s, cause)], 0.85, circumstance=found.circumstance
        )


def _beside(s: Snapshot, code: str) -> list[Evidence]:
    """Evidence of the machine for this kind of death."""
    if code == "DW302":
        return host_evidence.shared_memory(s.host)
    if code == "DW303":
        return host_evidence.open_files(s)
    if code == "DW501":
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


# --- without a message ---------------------------------------------------------------------------


def _without_words(s: Snapshot, launcher: ErrorSeen | None) -> Iterator[Finding]:
    """No error was printed, or only a launcher's: signal and exit code decide."""
    signal, pid = _signal(s, launcher)
    evidence = _how(s)
    if launcher is not None:
        headline = error_patterns.text_of(launcher).partition("\n")[0]
        evidence.insert(0, Evidence(text=headline, source=s.log, wall=launcher.wall))
    if signal == "SIGKILL":
        yield _killed(s, evidence, {*_pids(s, launcher), *([pid] if pid is not None else [])})
        return
    if signal in _BY_HAND:
        yield _fatal(s, "DW609", [*evidence, *_last_line(s)], 0.95, circumstance=_BY_HAND[signal])
        return
    code, circumstance = "DW606", None
    if signal in endings.CRASHES:
        circumstance = Circumstance.NATIVE_CRASH
    cut = _cut_off(s) if signal is None and launcher is None else None
    if cut is not None:
        text = f"an incomplete traceback ends in {cut.where}"
        evidence.insert(0, Evidence(text=text, source=s.log, wall=cut.wall))
        code = "DW305" if _READS_A_BATCH.search(cut.where) else code
    elif circumstance is None:
        circumstance = Circumstance.SILENT_EXIT
    sure = launcher is not None and signal is None
    yield _fatal(
        s, code, [*evidence, *_last_line(s)], 1.0 if sure else 0.6, circumstance=circumstance
    )


def _killed(s: Snapshot, evidence: Sequence[Evidence], pids: set[int]) -> Finding:
    """Ended by SIGKILL: for memory, where the kernel reports it; else by whom is not known.

    Of a log alone nothing of its machine is known. There memory is the likeliest cause.
    """
    kill = host_evidence.oom_kill(s, {*pids, *_pids(s, None)})
    if kill is not None:
        more = [*_how(s), *host_evidence.memory(s.host), *_last_line(s)]
        return _fatal(s, "DW501", [*kill.evidence, *more], kill.confidence)
    assert s.ended is not None
    if s.ended.exit_code is None:
        silently = Circumstance.KILLED_SILENTLY
        return _fatal(s, "DW501", list(evidence), 0.6, circumstance=silently)
    text = "killed by a signal from another process or the kernel"
    beside = [host_evidence.kernel_silence(s), *host_evidence.memory(s.host), *_last_line(s)]
    more = [*evidence, Evidence(text=text, source="process"), *beside]
    return _fatal(s, "DW609", more, 0.6, circumstance=Circumstance.SIGKILL)


def _cut_off(s: Snapshot) -> ErrorSeen | None:
    """The beginning of a traceback whose rest is missing.

    Torch reports a dead worker in a signal handler, which can run while another traceback is being
    printed; nothing more is printed then.
    """
    tracebacks = (e for e in s.errors if not e.exception and e.where and not _went_on(s, e))
    return next(reversed(list(tracebacks)), None)


def _signal(s: Snapshot, launcher: ErrorSeen | None) -> tuple[str | None, int | None]:
    """The signal that ended the training or one of its ranks, and that rank's process."""
    assert s.ended is not None
    if launcher is not None:
        match = _BY_TORCHRUN.search("\n".join((launcher.message, *launcher.excerpt)))
        if match is not None:
            return match[1], int(match[2])
    return s.ended.signal or _BY_SHELL.get(s.ended.exit_code or 0), None


def _unfinished(s: Snapshot) -> Iterator[Finding]:
    """The process is gone, its end was not seen, and its console ends without an error."""
    kill = host_evidence.oom_kill(s, _pids(s, None))
    where = _breaks_off(s)
    if where is None:
        return
    how = Evidence(text=where, source=s.log, wall=s.progress_wall)
    if kill is not None:
        yield _fatal(s, "DW501", [*kill.evidence, how, *host_evidence.memory(s.host)], 0.8)
        return
    evidence = [how, host_evidence.kernel_silence(s), *host_evidence.memory(s.host), *_last_line(s)]
    yield _fatal(s, "DW606", evidence, 0.5, Severity.ERROR, circumstance=Circumstance.UNSEEN_END)


def _breaks_off(s: Snapshot) -> str | None:
    """Where the console ends, if that is certainly before the end of the training.

    The lines of an epoch are a fixed interval apart, and its last, incomplete interval is never
    logged. So an epoch has certainly not ended where more of it remains than was logged.
    """
    gone = "the process is gone and its console ends without an error"
    if s.pulses:
        return f"{gone} in phase {s.phase}, iteration {s.last_iteration}"
    line = s.last_train
    if line is None:
        nothing_yet = s.last_evaluation is None and s.starting and s.console_lines > 0
        return f"{gone} before the first training iteration" if nothing_yet else None
    epochs = s.config.epochs if s.config is not None else None
    if line.epoch is None or epochs is None or line.epoch >= epochs:
        after = s.last_evaluation is not None and s.last_evaluation.at >= line.at
        if after or not line.total or line.total - line.iteration < line.iteration:
            return None
    epoch = f", epoch {line.epoch}" if line.epoch is not None else ""
    epoch += f" of {epochs}" if epoch and epochs else ""
    total = f" of {line.total}" if line.total else ""
    return f"{gone} after iteration {line.iteration}{total}{epoch}"


def _how(s: Snapshot, error: ErrorSeen | None = None) -> list[Evidence]:
    """How the process ended; nothing where an error was printed and its exit was not seen."""
    assert s.ended is not None
    if error is not None and s.ended.exit_code is None and s.ended.signal is None:
        return []
    if s.ended.exit_code is None and s.ended.signal is None:
        text = "the training process is gone; its exit was not observed"
    elif s.ended.signal:
        text = f"the training was ended by {s.ended.signal}"
    else:
        text = f"the training ended with exit code {s.ended.exit_code}"
        by_shell = _BY_SHELL.get(s.ended.exit_code or 0)
        text += f" ({by_shell})" if by_shell else ""
    return [Evidence(text=text, source="process", wall=s.ended.wall)]


def _last_line(s: Snapshot) -> list[Evidence]:
    text = f"last line: {s.last_line}"
    return [Evidence(text=text, source=s.log, wall=s.progress_wall)] if s.last_line else []


def _pids(s: Snapshot, error: ErrorSeen | None) -> set[int]:
    """Known processes of the training, including those that an error names."""
    pids = {*s.process, *(pulse.pid for pulse in s.pulses.values())}
    if s.started is not None:
        pids.add(s.started.pid)
    for text in (error_patterns.text_of(error), *error.causes) if error is not None else ():
        for named in _PIDS.findall(text):
            pids |= {int(number) for number in named.replace(",", " ").split()}
    return pids - {0}


def _fatal(
    s: Snapshot,
    code: str,
    evidence: list[Evidence],
    confidence: float,
    severity: Severity = Severity.CRITICAL,
    *,
    circumstance: Circumstance | None = None,
    follows: tuple[str, ...] = (),
) -> Finding:
    pid = s.started.pid if s.started is not None else None
    return finding(
        code,
        evidence,
        confidence=confidence,
        severity=severity,
        attempt=s.attempt,
        pid=pid or None,
        circumstance=circumstance,
        follows=follows,
    )


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
        yield finding("DW504", evidence, confidence=1.0, attempt=attempt)
