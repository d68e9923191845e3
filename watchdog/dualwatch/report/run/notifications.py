"""What people who are not there are told of a run: stalls, reruns, cures and the end.

A finding and what is decided about it come as one message, each finding once a run; what is merely
worth knowing is not worth a message.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

from dualwatch.core.text import clean
from dualwatch.events import (
    Action,
    AttemptStarted,
    CommandAnswered,
    Decided,
    Event,
    Finding,
    FindingRaised,
    RunEnded,
    Severity,
)
from dualwatch.protocol import AgentCommand
from dualwatch.report.run import view
from dualwatch.report.terminal.changes import changes_table
from dualwatch.rules import ranking
from dualwatch.state.snapshot import STALLS, Snapshot

Send = Callable[[str, str, str], None]
"""Takes title, text and kind: "info", "success", "warning" or "failure"."""

TITLE_LENGTH = 100
LINE_LENGTH = 300
LINES = 12

_KINDS = {"completed": "success", "completed-with-findings": "warning", "interrupted": "warning"}


class NotificationView:
    """A view that writes messages.

    Args:
        name: What trains, for the title.
        place: Where its files are.
        troubles: Gives what could not be delivered since the last call, and why.
        unseen: Takes down what could not be done, and why.
        finish: Waits, a bounded time, until all messages are sent.
    """

    def __init__(
        self,
        name: str,
        place: str,
        send: Send,
        troubles: Callable[[], list[tuple[str, str]]],
        unseen: Callable[[str, str], None],
        finish: Callable[[], None],
    ) -> None:
        self._name = name
        self._place = f"{socket.gethostname()}:{place}"
        self._send = send
        self._troubles = troubles
        self._unseen = unseen
        self._finish = finish
        self._told: set[tuple[str, str]] = set()
        self._fresh: list[Finding] = []
        self._attempt = 0

    def event(self, event: Event, snapshot: Snapshot) -> None:
        """A finding waits for what is decided about it, so that both come as one message."""
        if isinstance(event, AttemptStarted):
            self._attempt = event.attempt
        elif isinstance(event, FindingRaised):
            self._keep(event.finding, snapshot)
        elif isinstance(event, Decided):
            self._decided(event)
        elif (
            isinstance(event, CommandAnswered)
            and event.order == AgentCommand.REPLACE
            and event.done
        ):
            self._post("loader replaced", [view.headline(event) or ""], "success")
        elif isinstance(event, RunEnded):
            said = view.headline(event) or ""
            kind = _KINDS.get(event.outcome, "failure")
            self._post(event.outcome, [said, *self._taken()], kind)

    def tick(self, snapshot: Snapshot) -> None:
        """Nothing is done about what was found: it is told by itself."""
        if self._fresh:
            self._post(_subject(self._fresh), self._taken(), "failure")
        self._tell_troubles()

    def note(self, text: str) -> None:
        """Notes are for who sits in front of it."""

    def close(self) -> None:
        """The last message goes out, or is given up."""
        self._finish()
        self._tell_troubles()

    def _keep(self, finding: Finding, snapshot: Snapshot) -> None:
        if finding.severity < Severity.ERROR:
            return
        # A second stall is news; a metric that is missing again after a rerun is not.
        is_stall = finding.code.startswith("DW1")
        about = f"{self._attempt} {snapshot.progress_at}" if is_stall else ""
        if (finding.code, about) not in self._told:
            self._told.add((finding.code, about))
            self._fresh.append(finding)

    def _decided(self, event: Decided) -> None:
        decision = f"decision: {event.reason}"
        if event.action == Action.RERUN:
            changes = changes_table(event.changes, reasons=False)
            self._post("rerun", [*self._taken(), decision, *changes], "warning")
        elif event.action in (Action.REPLACE, Action.WAKE) and self._fresh:
            self._post(_subject(self._fresh), [*self._taken(), decision], "failure")
        # Giving up and stopping end the run, which is told with its reason; a report is no deed.

    def _taken(self) -> list[str]:
        found, self._fresh = self._fresh, []
        return list(_lines_of(found))

    def _tell_troubles(self) -> None:
        for address, why in self._troubles():
            self._unseen(f"notification to {address}", why)

    def _post(self, what: str, lines: list[str], kind: str) -> None:
        title = clean(f"dualwatch: {what}: {self._name}", TITLE_LENGTH)
        where = f"attempt {self._attempt}, {self._place}"
        body = [clean(line, LINE_LENGTH) for line in lines if line][: LINES - 1]
        self._send(title, "\n".join([*body, clean(where, LINE_LENGTH)]), kind)


def _subject(found: list[Finding]) -> str:
    """The name of what was found: the stall, if there is one."""
    return next((f for f in found if f.code in STALLS), found[0]).name


def _lines_of(found: list[Finding]) -> Iterator[str]:
    """One line a finding: the stall first, then why."""
    causes = ranking.causes(found)[:1]
    for finding in sorted(found, key=lambda f: f.code not in STALLS):
        is_cause = finding.code in {f.code for f in causes} and len(found) > 1
        yield ("cause: " if is_cause else "") + view.finding_line(finding)
