"""How a training ended, from the lines of shells, schedulers, launchers and runtimes. Pure.

Each form is anchored to the whole line, or to the prefix of the program that prints it: the text of
a training may contain any of these words. Whether the training continued after such a line is for
the snapshot to know.
"""

from __future__ import annotations

import re
import time
from typing import NamedTuple

from dualwatch.core.text import ONES, bound
from dualwatch.events import DeviceAssertSeen, EndKind, EndReported, EndReporter
from dualwatch.logs import end_forms, xid
from dualwatch.logs.end_words import of_exit_code, of_word, signal_name

TEXT = 400

# A line without any of these is none of the end_forms.
_HINT = re.compile(
    r"[Kk]ill|KILL|erminat|TERM_|egmentation|fault|[Bb]us error|[Aa]bort|[Hh]ang|nterrupt|SIG[A-Z]"
    r"|signal|xit|CANCELLED|oom|OOM|[Oo]ut [Oo]f [Mm]emory|memory limit|PBS:|Watchdog|watchdog"
    r"|revoked|attempts left|\^C|Assertion `|can't open file|No module named|not found|Evicted"
    r"|Node failure|task \d|tasks \d|0x[Cc]0|Illegal|Quit|rank +:|Root Cause|Failures:|Mutex"
    r"|[杀终段总放]|退出代码|已中止|OMP:|core dumped|fatal exception|NVRM: |Error \d"
    r"|low on resource|oss is |\(failed \d|OpenBLAS blas|libgomp:|fork: Resource"
    r"|State ?[:=]|session crashed|notebook tried|ernel (?:died|crashed|for |appears)"
    r"|KernelRestarter"
)


# Commands of a shell's report that are no training.
_OTHER_COMMAND = re.compile(
    r"(?:^|[\s/])(?:tensorboard|nvidia-smi|tail|watch|sleep|tee|grep|htop|top|gpustat|nvitop"
    r"|dmon|jupyter"
    r"|visdom|ssh|rsync|scp|wget|curl|vim?|less|cat|vmstat|iostat|ping)\b"
)


_B, _K = EndReporter, EndKind


SIGNS = (
    "kill", "Kill", "KILL", "erminat", "TERM_", "egmentation", "fault", "bort", "hang", "Hang",
    "nterrupt", "SIG", "signal", "xit", "CANCELLED", "oom", "OOM", "emory", "PBS:", "atchdog",
    "revoked", "attempts", "^C", "Assertion", "can't", "module", "found", "Evicted", "failure",
    "task", "0xc0", "0xC0", "Illegal", "Quit", "rank", "Root", "Failures:", "Mutex", "杀", "终",
    "段", "总", "放", "退出代码", "已中止", "OMP:", "dumped", "fatal", "NVRM:", "rror",
    "session", "notebook", "ernel", "resource", "oss", "State", "(failed", "OpenBLAS",
    "libgomp:", "Resource",
)  # fmt: skip
"""One of these is in a word of each line that reports an end, its digits made 0."""

_NUMBERED = ("OOMKilled", "OMP:", "forrtl")
"""What it reports depends on the number in it."""


def may_hold(line: str) -> bool:
    """Whether a line can report an end: much cheaper than reading it."""
    return _HINT.search(line) is not None


def may_report(form: str) -> bool:
    """Whether a line can report an end whose digits are not known, and all 0 here."""
    if not may_hold(form):
        return False
    if any(word in form for word in _NUMBERED):
        return True
    return any(_is_known(line) for line in (form, form.translate(ONES)))


def _is_known(line: str) -> bool:
    """Whether a line has one of the forms."""
    before = end_forms.BEFORE.match(line)
    line = line[before.end() :] if before is not None else line
    body = line.strip(_FRAME)
    return (
        "Assertion `" in line
        or body.startswith(_TABLE_TITLES)
        or _TABLE_RANK.match(body) is not None
        or _TABLE_CODE.match(body) is not None
        or end_forms.SRUN.match(line) is not None
        or end_forms.CANCELLED.match(line) is not None
        or end_forms.SHELL_ALONE.match(line) is not None
        or any(pattern.match(line) for pattern in end_forms.SHELLS)
        or any(form.pattern.match(line) for form in end_forms.FORMS)
    )


class EndingParser:
    """Reads the lines of one console. It remembers the table of exit codes that torchrun prints."""

    def __init__(self) -> None:
        self._rank: int | None = None
        self._in_failures = False
        self._asserted: tuple[str, str] | None = None

    def feed(self, line: str, at: float, wall: float) -> EndReported | DeviceAssertSeen | None:
        """What a line reports of an end; None for nearly all lines."""
        if not may_hold(line):
            return None
        before = end_forms.BEFORE.match(line)
        line = line[before.end() :] if before is not None else line
        found = _device_assert(line, at, wall)
        if found is not None:
            # Each thread of the kernel prints its own line.
            known, self._asserted = self._asserted, (found.place, found.assertion)
            return found if known != self._asserted else None
        for read in (self._of_table, _of_slurm, _of_shell, _of_forms):
            report = read(line)
            if report is not None:
                self._asserted = None
                return report.event(at, wall, line)
        return None

    def continued(self) -> None:
        """The training continued: what is printed from here on is new."""
        self._asserted = None

    def _of_table(self, line: str) -> _Report | None:
        """A row of torchrun's table; only its root cause is a cause."""
        body = line.strip(_FRAME)
        if body.startswith(_TABLE_TITLES):
            self._in_failures = not body.startswith("Root")
            self._rank = None
            return None
        match = _TABLE_RANK.match(body)
        if match is not None:
            self._rank = int(match[1])
            return None
        match = _TABLE_CODE.match(body)
        if match is None or self._in_failures:
            return None
        return _of_code(_B.TORCHRUN, int(match[1]), pid=int(match[2]), rank=self._rank)


_FRAME = " \t║|*"
_TABLE_TITLES = ("Root Cause", "Failures:", "Other Failures")
_TABLE_RANK = re.compile(r"rank\s*: (\d+) \(local_rank: \d+\)")
_TABLE_CODE = re.compile(r"exitcode\s*: (-?\d+) \(pid: (\d+)\)")


class _Report(NamedTuple):
    """What a line reports, without its times."""

    by: EndReporter
    what: EndKind
    signal: str = ""
    code: int | None = None
    pid: int | None = None
    rank: int | None = None
    since: float | None = None

    def event(self, at: float, wall: float, line: str) -> EndReported:
        return EndReported(
            at=at,
            wall=wall,
            by=self.by,
            what=self.what,
            text=bound(line.strip(), TEXT),
            signal=self.signal,
            exit_code=self.code,
            pid=self.pid,
            rank=self.rank,
            since=self.since,
        )


def _device_assert(line: str, at: float, wall: float) -> DeviceAssertSeen | None:
    match = end_forms.ASSERT.search(line) if "Assertion `" in line else None
    if match is None:
        return None
    return DeviceAssertSeen(
        at=at,
        wall=wall,
        place=match["place"],
        kernel=match["kernel"] or "",
        assertion=match["assertion"],
        text=bound(line.strip(), TEXT),
    )


def _of_slurm(line: str) -> _Report | None:
    task = end_forms.SRUN.match(line)
    if task is not None:
        rank = int(task["task"])
        if task["oom"]:
            return _Report(_B.SLURM, _K.OUT_OF_MEMORY, rank=rank)
        if task["code"]:
            return _of_code(_B.SLURM, int(task["code"]), rank=rank)
        return _of_signal(_B.SLURM, of_word(task["word"]), rank=rank)
    match = end_forms.CANCELLED.match(line)
    if match is None:
        return None
    why = match["why"] or ""
    what = next((kind for word, kind in end_forms.BY_CANCEL if word in why.upper()), _K.CANCELLED)
    return _Report(_B.SLURM, what, since=_seconds(match["at"]))


def _of_shell(line: str) -> _Report | None:
    for pattern in end_forms.SHELLS:
        match = pattern.match(line)
        if match is None:
            continue
        groups = match.groupdict()
        command = groups.get("command") or ""
        if _OTHER_COMMAND.search(command[:200]):
            return None
        pid = int(groups["pid"]) if groups.get("pid") else None
        if groups.get("code"):
            code = int(groups["code"])
            return _of_code(_B.SHELL, code, pid=pid) if code else None
        return _of_signal(_B.SHELL, of_word(groups["word"] or ""), pid=pid)
    alone = end_forms.SHELL_ALONE.match(line)
    return _of_signal(_B.SHELL, of_word(alone["word"])) if alone is not None else None


def _of_forms(line: str) -> _Report | None:
    for form in end_forms.FORMS:
        match = form.pattern.match(line)
        if match is None:
            continue
        if form.what is _K.GPU_LOST and not xid.is_fatal(line):
            return None  # Other errors are of programs; the GPU works.
        return _of_match(form, match)
    return None


def _of_match(form: end_forms.Form, match: re.Match[str]) -> _Report:
    groups = match.groupdict()

    def first(name: str) -> str | None:
        return next((v for k, v in groups.items() if k.rstrip("0123456789") == name and v), None)

    pid, rank, code, signal = (first(name) for name in ("pid", "rank", "code", "signal"))
    numbers = {"pid": int(pid) if pid else None, "rank": int(rank) if rank else None}
    if form.what is _K.EXIT_CODE and code is not None:
        return _of_code(form.by, int(code, 0), **numbers)
    if form.what is _K.SIGNAL and signal is not None:
        return _of_signal(form.by, signal_name(signal), **numbers)
    return _Report(form.by, form.what, signal=signal_name(signal) if signal else "", **numbers)


def _of_code(
    by: EndReporter, code: int, *, pid: int | None = None, rank: int | None = None
) -> _Report:
    """An exit code, which may mean a signal or a status of Windows."""
    meant = of_exit_code(code)
    return _Report(meant.by or by, meant.what, meant.signal, code, pid, rank)


def _of_signal(
    by: EndReporter, name: str, *, pid: int | None = None, rank: int | None = None
) -> _Report:
    what = _K.INTERRUPTED if name == "SIGINT" else _K.SIGNAL
    return _Report(by, what, name, None, pid, rank)


def _seconds(stamp: str | None) -> float | None:
    """Seconds since the epoch of "2024-03-04T10:01:05", in this machine's time zone."""
    if stamp is None:
        return None
    try:
        return time.mktime(time.strptime(stamp, "%Y-%m-%dT%H:%M:%S"))
    except (ValueError, OverflowError):
        return None
