"""What others reported of the end of a training. Pure."""

from __future__ import annotations

from typing import NamedTuple

from dualwatch.events import DeviceAssertSeen, EndKind, EndReported, LogMilestone

KEPT = 40

_START = frozenset(
    ("environment", "config-dump", "hooks-listed", "checkpoints-announced", "weights-initialised")
)
"""Milestones after which a training begins: what was reported before them is not its end."""


class LastWords(NamedTuple):
    """Reports since the last training line, the first ones: later ones follow from them.

    Attributes:
        endings: How it ended, by shells, schedulers, launchers and runtimes.
        asserts: Failed assertions of CUDA kernels.
    """

    endings: tuple[EndReported, ...] = ()
    asserts: tuple[DeviceAssertSeen, ...] = ()

    def with_report(self, event: EndReported | DeviceAssertSeen) -> LastWords:
        """These and one more; what was reported before the ranks start again is not the end."""
        if isinstance(event, DeviceAssertSeen):
            return self._replace(asserts=(*self.asserts, event)[:KEPT])
        if event.what is EndKind.RESTARTED:
            return LastWords()
        return self._replace(endings=(*self.endings, event)[:KEPT])

    def after_milestone(self, event: LogMilestone) -> LastWords:
        """What is left of them when a log reaches a stage."""
        return LastWords() if event.name in _START else self


NO_WORDS = LastWords()


def saving_to(event: LogMilestone) -> str:
    """The folder of the checkpoints, by the line that announces it; "" for other lines."""
    if event.name != "checkpoints-announced":
        return ""
    return event.text.rpartition(" to ")[2].split(" by ")[0].strip(" .")
