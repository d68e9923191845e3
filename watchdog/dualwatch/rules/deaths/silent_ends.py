"""Deaths of which no error was printed: signals, exit codes, and what others reported. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dualwatch.events import Circumstance, ErrorSeen, Evidence, Finding, Severity
from dualwatch.rules import finished
from dualwatch.rules.deaths import (
    endings,
    error_patterns,
    host_evidence,
    labels,
    of_errors,
    quotes,
)
from dualwatch.state.snapshot import Snapshot

_BY_TORCHRUN = re.compile(r"Signal \d+ \((SIG[A-Z]+)\) received by PID (\d+)")

_BY_HAND = {
    "SIGTERM": Circumstance.SIGTERM,
    "SIGINT": Circumstance.INTERRUPTED,
    "SIGHUP": Circumstance.HANGUP,
}

_READS_A_BATCH = re.compile(r"utils/data/dataloader\.py:\d+ in _(?:next|get|try_get)_data")


def of_ending(s: Snapshot, told: endings.Ending) -> Iterator[Finding]:
    """The finding of what others reported."""
    code, circumstance, confidence = told.code, told.circumstance, told.confidence
    evidence = told.evidence(s)
    if quotes.is_after(s):
        evidence.insert(1, quotes.after(s))
        yield quotes.fatal(s, code, evidence, confidence, Severity.INFO, circumstance=circumstance)
        return
    if told.signal == "SIGKILL":
        pids = {one.pid for one in told.reports if one.pid is not None}
        yield killed(s, evidence, pids)
        return
    if circumstance is Circumstance.NATIVE_CRASH:
        asserted = labels.of_assertion(s, None)
        if asserted is not None:
            evidence.insert(0, quotes.quote(s, asserted.report.text, asserted.report.wall))
            code, circumstance = asserted.meaning.code, asserted.meaning.circumstance
    elif code == "DW118":
        circumstance = of_errors.circumstance_of_timeout(s)
    elif code == "DW302":
        evidence += host_evidence.shared_memory(s.host)
    yield quotes.fatal(s, code, evidence, confidence, circumstance=circumstance)


def without_words(s: Snapshot, launcher: ErrorSeen | None) -> Iterator[Finding]:
    """No error was printed, or only a launcher's: signal and exit code decide."""
    signal, pid = _signal(s, launcher)
    evidence = quotes.how(s)
    if launcher is not None:
        headline = error_patterns.text_of(launcher).partition("\n")[0]
        evidence.insert(0, Evidence(text=headline, source=s.log, wall=launcher.wall))
    if signal == "SIGKILL":
        yield killed(
            s, evidence, {*quotes.pids_of(s, launcher), *([pid] if pid is not None else [])}
        )
        return
    if signal in _BY_HAND:
        yield quotes.fatal(
            s, "DW609", [*evidence, *quotes.last_line(s)], 0.95, circumstance=_BY_HAND[signal]
        )
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
    yield quotes.fatal(
        s, code, [*evidence, *quotes.last_line(s)], 1.0 if sure else 0.6, circumstance=circumstance
    )


def killed(s: Snapshot, evidence: Sequence[Evidence], pids: set[int]) -> Finding:
    """Ended by SIGKILL: for memory, where the kernel reports it; else by whom is not known.

    Of a log alone nothing of its machine is known. There memory is the likeliest cause.
    """
    kill = host_evidence.oom_kill(s, {*pids, *quotes.pids_of(s, None)})
    if kill is not None:
        more = [*quotes.how(s), *host_evidence.memory(s.host), *quotes.last_line(s)]
        return quotes.fatal(s, "DW501", [*kill.evidence, *more], kill.confidence)
    assert s.ended is not None
    if s.ended.exit_code is None:
        silently = Circumstance.KILLED_SILENTLY
        return quotes.fatal(s, "DW501", list(evidence), 0.6, circumstance=silently)
    text = "killed by a signal from another process or the kernel"
    beside = [host_evidence.kernel_silence(s), *host_evidence.memory(s.host), *quotes.last_line(s)]
    more = [*evidence, Evidence(text=text, source="process"), *beside]
    return quotes.fatal(s, "DW609", more, 0.6, circumstance=Circumstance.SIGKILL)


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
    return s.ended.signal or quotes.BY_SHELL.get(s.ended.exit_code or 0), None


def unfinished(s: Snapshot) -> Iterator[Finding]:
    """The process is gone, its end was not seen, and its console ends without an error."""
    kill = host_evidence.oom_kill(s, quotes.pids_of(s, None))
    where = _breaks_off(s)
    if where is None:
        return
    how = Evidence(text=where, source=s.log, wall=s.progress_wall)
    if kill is not None:
        yield quotes.fatal(s, "DW501", [*kill.evidence, how, *host_evidence.memory(s.host)], 0.8)
        return
    evidence = [
        how,
        host_evidence.kernel_silence(s),
        *host_evidence.memory(s.host),
        *quotes.last_line(s),
    ]
    yield quotes.fatal(
        s, "DW606", evidence, 0.5, Severity.ERROR, circumstance=Circumstance.UNSEEN_END
    )


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
