"""Who else follows a run, beside its view: people by message, Prometheus by its endpoint.

They are made before anything is started, so that what is wrong with them is said in time, and join
the run when there is one. None of them can harm or delay it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dualwatch.actions.notify import Notifier, notifier
from dualwatch.actions.prometheus import PrometheusEndpoint
from dualwatch.core import clock
from dualwatch.core.settings import Settings
from dualwatch.report.run.notifications import NotificationView
from dualwatch.report.run.prometheus import RunCollector, RunState
from dualwatch.supervisor.supervisor import Supervisor


@dataclass(slots=True)
class Subscribers:
    """What was asked for by the settings.

    Attributes:
        notes: What the user should know of them.
    """

    notifier: Notifier | None = None
    endpoint: PrometheusEndpoint | None = None
    _followed: Supervisor | None = field(default=None)

    @property
    def notes(self) -> list[str]:
        """What the user should know of them."""
        return [f"metrics: {self.endpoint.url}"] if self.endpoint is not None else []

    def follow(self, supervisor: Supervisor) -> None:
        """A run begins."""
        self._followed = supervisor
        plan, recorder = supervisor.plan, supervisor.recorder
        if self.notifier is not None:
            notices = NotificationView(
                plan.config.name,
                str(plan.work_dir),
                send=self.notifier.send,
                troubles=self.notifier.troubles,
                unseen=recorder.unseen,
                finish=self.notifier.close,
            )
            recorder.sinks = (*recorder.sinks, notices)

    def state(self) -> RunState | None:
        """The run at this moment, for a scrape in another thread: only whole values are taken."""
        supervisor = self._followed
        if supervisor is None:
            return None
        plan, recorder = supervisor.plan, supervisor.recorder
        ended = recorder.run.ended
        return RunState(
            now=clock.now().at,
            config=str(plan.config),
            work_dir=str(plan.work_dir),
            required=plan.required,
            snapshot=recorder.snapshot,
            findings=tuple(recorder.findings),
            records=tuple(recorder.run.over),
            outcome=ended.outcome if ended is not None else "",
        )

    def close(self) -> None:
        """Nobody follows any more."""
        if self.endpoint is not None:
            self.endpoint.close()


def open_subscribers(settings: Settings) -> Subscribers:
    """Makes what the settings ask for.

    Raises:
        DualwatchError: A URL is not understood, a port is taken, or an extra is not installed.
    """
    sinks = Subscribers(notifier(settings.notify or (), settings.origin("notify")))
    if settings.metrics_port is not None:
        collector = RunCollector(sinks.state)
        sinks.endpoint = PrometheusEndpoint(settings.metrics_host, settings.metrics_port, collector)
    return sinks
