"""The words and numbers by which shells and systems name signals and exits."""

from __future__ import annotations

import signal
from typing import NamedTuple

from dualwatch.events import EndKind, EndReporter

# Alternatives of a regular expression; longer ones first.
WORDS = (
    r"[Kk]illed|[Tt]erminated|[Ss]egmentation fault|[Bb]us error|[Aa]bort(?:ed| trap|\b)"
    r"|[Hh]ang ?up"
    r"|[Ii]llegal (?:hardware )?instruction|[Ff]loating[- ]point exception|[Ii]nterrupt|Quit|quit"
    r"|CPU time limit exceeded|cpu limit exceeded|[Aa]larm clock|User defined signal [12]"
    r"|已杀死|被杀死|已终止|段错误|总线错误|已放弃|已中止|挂起|中断"
)
CORE = r"(?: ?[(\uff08](?:core dumped|SIG[A-Z]+|核心已转储|吐核)[)\uff09])?"
"""What may follow a word: a core file was written."""

_BY_WORD = (
    ("kill", "SIGKILL"),
    ("杀死", "SIGKILL"),
    ("terminat", "SIGTERM"),
    ("已终止", "SIGTERM"),
    ("segmentation", "SIGSEGV"),
    ("段错误", "SIGSEGV"),
    ("bus", "SIGBUS"),
    ("总线", "SIGBUS"),
    ("abort", "SIGABRT"),
    ("已放弃", "SIGABRT"),
    ("已中止", "SIGABRT"),
    ("hang", "SIGHUP"),
    ("挂起", "SIGHUP"),
    ("illegal", "SIGILL"),
    ("floating", "SIGFPE"),
    ("interrupt", "SIGINT"),
    ("中断", "SIGINT"),
    ("quit", "SIGQUIT"),
    ("cpu", "SIGXCPU"),
    ("alarm", "SIGALRM"),
    ("user defined signal 1", "SIGUSR1"),
    ("user defined signal 2", "SIGUSR2"),
)

# Numbers of Linux, whatever system this is.
_BY_NUMBER = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    10: "SIGUSR1",
    11: "SIGSEGV",
    12: "SIGUSR2",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
    24: "SIGXCPU",
    25: "SIGXFSZ",
}

_SHELL_CODES = frozenset(128 + number for number in _BY_NUMBER)

_WINDOWS = {
    0xC0000005: EndKind.CRASHED,  # access violation
    0xC00000FD: EndKind.CRASHED,  # stack overflow
    0xC0000409: EndKind.CRASHED,  # stack buffer overrun; abort() of the C runtime
    0xC0000374: EndKind.CRASHED,  # heap corruption
    0xC000001D: EndKind.CRASHED,  # illegal instruction
    0xC0000017: EndKind.OUT_OF_MEMORY,
    0xC000012D: EndKind.OUT_OF_MEMORY,  # the commitment limit: paging file
    0xC000009A: EndKind.OUT_OF_MEMORY,  # insufficient resources
    0xC000013A: EndKind.INTERRUPTED,  # Ctrl-C, or the console was closed
    0xC0000135: EndKind.NOT_STARTED,  # a DLL was not found
    0xC0000139: EndKind.NOT_STARTED,  # an entry point of a DLL was not found
    0xC0000142: EndKind.NOT_STARTED,  # a DLL could not be initialised
}


class CodeMeaning(NamedTuple):
    """What an exit code means; ``by`` where the code is of one system only."""

    what: EndKind
    signal: str = ""
    by: EndReporter | None = None


def of_exit_code(code: int) -> CodeMeaning:
    """The meaning of an exit code, as Python, a shell, or Windows counts."""
    status = code & 0xFFFFFFFF
    if status in _WINDOWS:
        return CodeMeaning(_WINDOWS[status], by=EndReporter.WINDOWS)
    number = -code if code < 0 else code - 128 if code in _SHELL_CODES else 0
    name = _BY_NUMBER.get(number, "")
    if not name:
        return CodeMeaning(EndKind.EXIT_CODE)
    return CodeMeaning(EndKind.INTERRUPTED if name == "SIGINT" else EndKind.SIGNAL, name)


def of_word(word: str) -> str:
    """The signal that a shell's word names: "Killed" is SIGKILL."""
    low = word.lower()
    return next((name for start, name in _BY_WORD if start in low), "")


def signal_name(text: str) -> str:
    """ "9", "KILL", "SIGKILL" as "SIGKILL"; "" where it is none."""
    if text.isdigit():
        return _BY_NUMBER.get(int(text), "")
    name = text if text.startswith("SIG") else f"SIG{text}"
    return name if name in signal.Signals.__members__ or name in _BY_NUMBER.values() else ""
