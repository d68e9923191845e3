"""A finding: a code, a confidence, and the evidence that it rests on."""

from __future__ import annotations

import enum
import functools

from msgspec import Struct


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


class Evidence(Struct, frozen=True, kw_only=True):
    """One thing that was seen, quoted.

    Attributes:
        text: What was seen, in words or quoted from the source.
        source: Where: "console.log", "heartbeat", "processes", "py-spy pid 12", ...
        wall: When, seconds since the epoch; None where the source has no time.
    """

    text: str
    source: str
    wall: float | None = None


class Finding(Struct, frozen=True, kw_only=True):
    """A verdict with what it rests on.

    Attributes:
        code: "DW102"; its name and documentation are in ``rules.catalog``.
        confidence: 0 to 1.
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

    @property
    def headline(self) -> str:
        """The first line of evidence, which says the matter in one sentence."""
        return self.evidence[0].text if self.evidence else self.name

    @property
    def certainty(self) -> str:
        """The confidence in a word, for people."""
        steps = ((0.9, "almost certain"), (0.75, "very likely"), (0.5, "likely"))
        return next((word for least, word in steps if self.confidence >= least), "possible")
