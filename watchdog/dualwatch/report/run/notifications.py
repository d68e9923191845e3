"""Notifications of a run: stalls, replaced loaders, reruns and the end.

A finding and the decision about it are one message. Each finding is sent once a run; warnings and
infos are not sent.
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

_IN_PLACE = (Action.REPLACE, Action.REPLACE_POOL, Action.END_WORKERS, Action.DROP_LOGS, Action.WAKE)

_KINDS = {"completed": "success", "completed-with-findings": "warning", "interrupted": "warning"}


class NotificationView:
    """A view that sends notifications.

    Args:
        name: The configuration, for the title.
        place: The work dir.
        troubles: Returns what could not be delivered since the last call, and why.
        unseen: Records what could not be delivered, and why.
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
        self._sent: set[tuple[str, str]] = set()
        self._fresh: list[Finding] = []
        self._attempt = 0

    def event(self, event: Event, snapshot: Snapshot) -> None:
        """Holds a finding back until the decision about it, so that both are one message."""
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
        """Sends findings that no decision followed, and reports failed deliveries."""
        if self._fresh:
            self._post(_subject(self._fresh), self._taken(), "failure")
        self._report_troubles()

    def note(self, text: str) -> None:
        """Ignored: notes are for a terminal."""

    def close(self) -> None:
        """Waits for the last message to be sent."""
        self._finish()
        self._report_troubles()

    def _keep(self, finding: Finding, snapshot: Snapshot) -> None:
        if finding.severity < Severity.ERROR:
            return
        # A second stall is sent again; a metric that is missing again after a rerun is not.
        is_stall = finding.code.startswith("DW1")
        about = f"{self._attempt} {snapshot.progress_at}" if is_stall else ""
        if (finding.code, about) not in self._sent:
            self._sent.add((finding.code, about))
            self._fresh.append(finding)

    def _decided(self, event: Decided) -> None:
        decision = f"decision: {event.reason}"
        if event.action == Action.RERUN:
            changes = changes_table(event.changes, reasons=False)
            self._post("rerun", [*self._taken(), decision, *changes], "warning")
        elif event.action in _IN_PLACE and self._fresh:
            self._post(_subject(self._fresh), [*self._taken(), decision], "failure")
        # Giving up and stopping end the run: its end is sent with the reason.

    def _taken(self) -> list[str]:
        found, self._fresh = self._fresh, []
        return list(_lines_of(found))

    def _report_troubles(self) -> None:
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
    """One line per finding: the stall first, then its cause."""
    causes = ranking.causes(found)[:1]
    for finding in sorted(found, key=lambda f: f.code not in STALLS):
        is_cause = finding.code in {f.code for f in causes} and len(found) > 1
        yield ("cause: " if is_cause else "") + view.finding_line(finding)
