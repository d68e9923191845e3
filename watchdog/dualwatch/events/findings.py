"""A finding: a code, its confidence, and the evidence that it rests on."""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable

from msgspec import Struct

from dualwatch.events.circumstances import Circumstance

READ = 0.95
"""Confidence of what was read as such: an exit code, a printed error, a value, a process state."""

AGREED = 0.9
"""Confidence that is certainty where two independent kinds of evidence agree."""

PROVEN = 0.5
"""Confidence from which a cause is acted on as the cause."""


@functools.total_ordering
class Severity(enum.Enum):
    """Ordered, so that worse beats milder; the value is the word in JSON and on the terminal."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def word(self) -> str:
        """The name that goes into JSON and onto the terminal."""
        return self.value

    @property
    def level(self) -> int:
        """0 for the mildest, 3 for the worst."""
        return _LEVELS[self.value]

    def __lt__(self, other: object) -> bool:
        return self.level < other.level if isinstance(other, Severity) else NotImplemented


_LEVELS = {severity.value: level for level, severity in enumerate(Severity)}


class Proof(str, enum.Enum):
    """What a finding proves beyond its code, where a remedy or a view depends on it.

    ``LOOPS``: the process uses a core at one place of the dataset. ``STOPPED``: a process is in
    state T, so SIGCONT continues it. ``TRACED``: a debugger holds it (state t). ``MISSED_TARGET``:
    a metric missed its target at the end of an epoch. ``DIVERGED``: a loss grew far beyond what it
    began with. ``ENDLESS``: all that could end the wait waits itself, so the stall timeout was not
    waited for. ``CYCLE``: loader workers wait for each other's locks, without a clock or by it.
    """

    LOOPS = "loops"
    STOPPED = "stopped"
    TRACED = "traced"
    MISSED_TARGET = "missed-target"
    DIVERGED = "diverged"
    CYCLE = "cycle"
    ENDLESS = "endless"


class Evidence(Struct, frozen=True, kw_only=True):
    """One thing that was seen, quoted.

    Attributes:
        text: What was seen, in words or quoted from the source.
        source: Where: the name of a log, "heartbeat", "processes", "py-spy pid 12", ...
        wall: When, seconds since the epoch; None where the source has no time.
    """

    text: str
    source: str
    wall: float | None = None


class Finding(Struct, frozen=True, kw_only=True):
    """A verdict and its evidence.

    Attributes:
        code: "DW102"; its name and documentation are in ``rules.catalog``.
        confidence: 0 to 1.
        subject: Metric or rule that it is about, "" for none. Findings of one code about two
            subjects are two findings.
        proof: What remedies and views decide on; never a phrase of the evidence.
        circumstance: What happened beyond the code; the remedy is the one for it.
        follows: Codes of findings of which this one is a consequence here, though not in general.
    """

    code: str
    name: str
    severity: Severity
    confidence: float
    evidence: tuple[Evidence, ...]
    remedy: str
    attempt: int | None = None
    rank: int | None = None
    pid: int | None = None
    subject: str = ""
    proof: Proof | None = None
    circumstance: Circumstance | None = None
    follows: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """The first line of evidence: the finding in one sentence."""
        return self.evidence[0].text if self.evidence else self.name

    @property
    def certainty(self) -> str:
        """ "certain", "likely" or "possible", by the rule of ``docs/verdict.md``."""
        agree = len(kinds(one.source for one in self.evidence)) > 1
        if self.confidence >= READ or (self.confidence >= AGREED and agree):
            return "certain"
        return "likely" if self.confidence >= PROVEN else "possible"


def kinds(sources: Iterable[str]) -> frozenset[str]:
    """The independent kinds of evidence: "py-spy pid 12" and "py-spy pid 13" are one kind."""
    return frozenset(source.split(" ", 1)[0] for source in sources)
