"""How a training ended (DW606, DW501, the codes of ``error_patterns``), and DW404, DW504."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dualwatch.events import ErrorSeen, Evidence, Finding, Severity
from dualwatch.protocol import Phase
from dualwatch.rules import finished
from dualwatch.rules.catalog import BY_CODE, finding
from dualwatch.rules.deaths import error_patterns, host_evidence, stopped
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

_OF_LAUNCHERS = ("ChildFailedError", "SignalException", "ProcessRaisedException")

# A shell, a container's init or torchrun passes a signal on as a number.
_BY_SHELL = {128 + 6: "SIGABRT", 128 + 7: "SIGBUS", 128 + 9: "SIGKILL", 128 + 11: "SIGSEGV"}
_BY_TORCHRUN = re.compile(r"Signal \d+ \((SIG[A-Z]+)\) received by PID (\d+)")
_PIDS = re.compile(r"\(pid(?:\(s\))? ([\d, ]+)\)")

_READS_A_BATCH = re.compile(r"utils/data/dataloader\.py:\d+ in _(?:next|get|try_get)_data")

EXCERPT = 8
"""Lines of a traceback that are quoted; the whole is in the console."""


def died(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """The training ended with an error: the cause before its symptoms.

    ``AttemptEnded`` without an exit code means a process that is gone and whose end was not seen,
    as of a run that is read from its log. That is a death only where the console ends with an
    error, or before the end of the work.
    """
    if s.ended is None or s.ended.exit_code == 0:
        return
    if s.ended.exit_code is None and s.phase == Phase.FINISHED:
        return
    fatal = finished.uncaught(s)
    if s.ended.exit_code is None:
        fatal = [error for error in fatal if _ends_a_training(error)]
    own = [error for error in fatal if not error.exception.endswith(_OF_LAUNCHERS)]
    # The error of the rank that failed comes before the errors of ranks that lost it.
    first_hand = [error for error in own if not error_patterns.follows_another(error)]
    # Where all errors are of the second kind, the first is closest to the cause.
    error = first_hand[-1] if first_hand else next(iter(own), None)
    if error is not None:
        yield from _of_error(s, error, own)
    elif stopped.was_stopped(s):
        return  # Known from dualwatch itself: DW609.
    elif s.ended.exit_code is None:
        yield from _unfinished(s)
    else:
        yield from _without_words(s, next(reversed(fatal), None))


def ends_with_an_error(s: Snapshot) -> bool:
    """Whether the console ends with an error that ends trainings.

    For a log without its process this is the only evidence of the end.
    """
    return any(_ends_a_training(error) for error in finished.uncaught(s))


def _ends_a_training(error: ErrorSeen) -> bool:
    """Whether an error can end a training: it has a traceback, or a known message."""
    return bool(error.where) or error_patterns.recognise(error)[0] != "DW606"


def _of_error(s: Snapshot, error: ErrorSeen, others: Sequence[ErrorSeen]) -> Iterator[Finding]:
    code, headline = error_patterns.recognise(error)
    if code in ("DW301", "DW305"):
        kill = host_evidence.oom_kill(s, _pids(s, error))
        if kill is not None:
            yield _fatal(
                s, "DW501", [*kill.evidence, *host_evidence.memory(s.host)], kill.confidence
            )
            code = "DW301"
    elif code == "DW502" and _is_shm_that_is_full(s):
        code = "DW302"
    yield from _earlier_causes(s, code, error, others)
    headline += f" ({error.where})" if error.where else ""
    is_after = s.ended is not None and s.ended.exit_code is None and finished.is_finished(s)
    evidence = [
        Evidence(text=headline, source=s.log, wall=error.wall),
        *(_after(s) if is_after else _how(s)),
        *_beside(s, code),
        *(
            Evidence(text=line, source=s.log, wall=error.wall)
            for line in error.excerpt[-EXCERPT:]
            if line.strip(" ^~")
        ),
    ]
    seen = s.ended is not None and s.ended.exit_code is not None
    severity = Severity.WARNING if is_after else Severity.CRITICAL
    yield _fatal(s, code, evidence, 1.0 if seen else 0.9, severity)


def _earlier_causes(
    s: Snapshot, code: str, last: ErrorSeen, others: Sequence[ErrorSeen]
) -> Iterator[Finding]:
    """Errors of workers, printed before the main process died of the missing worker."""
    reported = {code}
    for error in others:
        cause, headline = error_patterns.recognise(error)
        if error is last or cause in reported or code not in BY_CODE[cause].explains:
            continue
        if code == "DW606":
            continue  # Nearly every code explains it: an unrelated error would become its cause.
        reported.add(cause)
        evidence = [Evidence(text=headline, source=s.log, wall=error.wall)]
        yield _fatal(s, cause, [*evidence, *_beside(s, cause)], 0.85)


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


# --- without a message ---------------------------------------------------------------------------


def _without_words(s: Snapshot, launcher: ErrorSeen | None) -> Iterator[Finding]:
    """No error was printed, or only a launcher's: signal and exit code decide."""
    signal, pid = _signal(s, launcher)
    if signal == "SIGKILL":
        kill = host_evidence.oom_kill(s, {*_pids(s, launcher), *([pid] if pid is not None else [])})
        if kill is not None:
            evidence = [*kill.evidence, *_how(s), *host_evidence.memory(s.host), *_last_line(s)]
            yield _fatal(s, "DW501", evidence, kill.confidence)
            return
    evidence = _how(s)
    if launcher is not None:
        headline = error_patterns.text_of(launcher).partition("\n")[0]
        evidence.insert(0, Evidence(text=headline, source=s.log, wall=launcher.wall))
    if signal == "SIGKILL":
        evidence.append(
            Evidence(text="killed by a signal from another process or the kernel", source="process")
        )
        evidence += [host_evidence.kernel_silence(s), *host_evidence.memory(s.host)]
    code = "DW606"
    cut = _cut_off(s) if signal is None and launcher is None else None
    if cut is not None:
        text = f"an incomplete traceback ends in {cut.where}"
        evidence.insert(0, Evidence(text=text, source=s.log, wall=cut.wall))
        code = "DW305" if _READS_A_BATCH.search(cut.where) else code
    sure = launcher is not None and signal is None
    yield _fatal(s, code, [*evidence, *_last_line(s)], 1.0 if sure else 0.6)


def _cut_off(s: Snapshot) -> ErrorSeen | None:
    """The beginning of a traceback whose rest is missing.

    Torch reports a dead worker in a signal handler, which can run while another traceback is being
    printed; nothing more is printed then.
    """
    tracebacks = (e for e in s.errors if not e.exception and e.where and not finished.went_on(s, e))
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
    yield _fatal(s, "DW606", evidence, 0.5, Severity.ERROR)


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


def _how(s: Snapshot) -> list[Evidence]:
    assert s.ended is not None
    if s.ended.exit_code is None and s.ended.signal is None:
        text = "the training process is gone; its exit was not observed"
    elif s.ended.signal:
        text = f"the training was ended by {s.ended.signal}"
    else:
        text = f"the training ended with exit code {s.ended.exit_code}"
        by_shell = _BY_SHELL.get(s.ended.exit_code or 0)
        text += f" ({by_shell})" if by_shell else ""
    return [Evidence(text=text, source="process", wall=s.ended.wall)]


def _after(s: Snapshot) -> list[Evidence]:
    """That an error came after the training: its result is not touched by it."""
    text = "the training had finished: this error came after it, in the same process"
    return [Evidence(text=text, source=s.log, wall=s.progress_wall)]


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
) -> Finding:
    return finding(
        code,
        evidence,
        confidence=confidence,
        severity=severity,
        attempt=s.attempt,
        pid=s.started.pid if s.started is not None else None,
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
