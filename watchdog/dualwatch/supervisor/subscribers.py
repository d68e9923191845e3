"""Who else follows a run, beside its view: people by message, Prometheus by its endpoint.

They are made before anything is started, so that what is wrong with them is said in time, and join
the run when there is one. None of them can harm or delay it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dualwatch.actions.notify import Postman, postman
from dualwatch.actions.prometheus import Endpoint
from dualwatch.core import clock
from dualwatch.core.settings import Settings
from dualwatch.report.run.notifications import Notices
from dualwatch.report.run.prometheus import Collector, State
from dualwatch.supervisor.supervisor import Supervisor


@dataclass(slots=True)
class Sinks:
    """What was asked for by the settings.

    Attributes:
        notes: What the user should know of them.
    """

    postman: Postman | None = None
    endpoint: Endpoint | None = None
    _followed: Supervisor | None = field(default=None)

    @property
    def notes(self) -> list[str]:
        """What the user should know of them."""
        return [f"metrics: {self.endpoint.url}"] if self.endpoint is not None else []

    def follow(self, supervisor: Supervisor) -> None:
        """A run begins."""
        self._followed = supervisor
        plan, chronicle = supervisor.plan, supervisor.chronicle
        if self.postman is not None:
            notices = Notices(
                plan.config.name,
                str(plan.work_dir),
                send=self.postman.send,
                troubles=self.postman.troubles,
                unseen=chronicle.unseen,
                finish=self.postman.close,
            )
            chronicle.sinks = (*chronicle.sinks, notices)

    def state(self) -> State | None:
        """The run at this moment, for a scrape in another thread: only whole values are taken."""
        supervisor = self._followed
        if supervisor is None:
            return None
        plan, chronicle, ended = supervisor.plan, supervisor.chronicle, supervisor.ended
        return State(
            now=clock.now().at,
            config=str(plan.config),
            work_dir=str(plan.work_dir),
            required=plan.required,
            snapshot=chronicle.snapshot,
            findings=tuple(chronicle.findings),
            records=tuple(supervisor.records),
            outcome=ended.outcome if ended is not None else "",
        )

    def close(self) -> None:
        """Nobody follows any more."""
        if self.endpoint is not None:
            self.endpoint.close()


def opened(settings: Settings) -> Sinks:
    """Makes what the settings ask for.

    Raises:
        DualwatchError: A URL is not understood, a port is taken, or an extra is not installed.
    """
    sinks = Sinks(postman(settings.notify or (), settings.origin("notify")))
    if settings.metrics_port is not None:
        collector = Collector(sinks.state)
        sinks.endpoint = Endpoint(settings.metrics_host, settings.metrics_port, collector)
    return sinks
