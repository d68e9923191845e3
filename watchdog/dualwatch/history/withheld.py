"""What would have been done in a run whose stalls are reported only, and what happened instead."""

from __future__ import annotations

import enum

from msgspec import Struct

from dualwatch.events import AttemptEnded, Decided, Event
from dualwatch.state.snapshot import Snapshot


class Sequel(str, enum.Enum):
    """What a training did after a decision that was not carried out.

    ``CONTINUED``: it made progress again. ``COMPLETED``, ``FAILED``: it ended, without or with an
    error. ``STOPPED``: it was stopped through dualwatch. ``NOTHING``: none of these, so far.
    """

    CONTINUED = "continued"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    NOTHING = "nothing"


class WithheldDecision(Struct, kw_only=True):
    """A decision that was not carried out.

    Attributes:
        time: Wall time of the decision.
        decision: The action, see ``events.Action``.
        reason: Why it would have been taken.
        code: Code of the finding that it answers.
        what_followed: What the training did.
        followed_after: Seconds until then, None where nothing followed.
    """

    time: float
    decision: str
    reason: str
    code: str
    what_followed: Sequel = Sequel.NOTHING
    followed_after: float | None = None


class WithheldDecisions:
    """The withheld decisions of a run, oldest first."""

    def __init__(self) -> None:
        self.decisions: list[WithheldDecision] = []
        self._open: list[tuple[WithheldDecision, float]] = []

    @property
    def is_open(self) -> bool:
        """Whether what follows one of them is not known yet."""
        return bool(self._open)

    def take(self, event: Event, snapshot: Snapshot) -> None:
        """Folds one more event; ``snapshot`` includes it."""
        if isinstance(event, Decided):
            self._decided(event, snapshot)
        elif isinstance(event, AttemptEnded):
            self._close(event.at, _end(event, snapshot))
        elif snapshot.stopped is not None or not self._open:
            return  # A rescue checkpoint of a training that is being stopped is no recovery.
        elif snapshot.progress_at > self._open[-1][1]:
            self._close(snapshot.progress_at, Sequel.CONTINUED)

    def _decided(self, event: Decided, snapshot: Snapshot) -> None:
        if not event.withheld:
            return
        entry = WithheldDecision(
            time=event.wall,
            decision=event.withheld,
            reason=event.withheld_because,
            code=event.cause,
        )
        self.decisions.append(entry)
        self._open.append((entry, event.at))
        if snapshot.ended is not None:  # It answers the end itself.
            self._close(event.at, _end(snapshot.ended, snapshot))

    def _close(self, at: float, what: Sequel) -> None:
        for entry, since in self._open:
            entry.what_followed, entry.followed_after = what, round(at - since, 1)
        self._open = []


def _end(event: AttemptEnded, snapshot: Snapshot) -> Sequel:
    if snapshot.stopped is not None:
        return Sequel.STOPPED
    return Sequel.COMPLETED if event.exit_code == 0 else Sequel.FAILED
