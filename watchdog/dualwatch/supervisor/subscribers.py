"""Subscribers of a run beside its view: notifications, the heartbeat URL, the Prometheus endpoint.

They are made before anything is started, so that their errors come first, and follow the run once
it exists. None of them can fail or delay it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dualwatch.actions.heartbeat_url import HeartbeatUrl, heartbeat_url
from dualwatch.actions.notify import Notifier, notifier
from dualwatch.actions.prometheus import PrometheusEndpoint
from dualwatch.core import clock
from dualwatch.core.policies import NotifyPolicy
from dualwatch.report.run.alive import AliveView
from dualwatch.report.run.notifications import NotificationView
from dualwatch.report.run.prometheus import RunCollector, RunState
from dualwatch.supervisor.supervisor import Supervisor


@dataclass(slots=True)
class Subscribers:
    """The subscribers that the user asked for."""

    notifier: Notifier | None = None
    heartbeat: HeartbeatUrl | None = None
    endpoint: PrometheusEndpoint | None = None
    _followed: Supervisor | None = field(default=None)

    @property
    def notes(self) -> list[str]:
        """Lines to show at the start."""
        return [f"metrics: {self.endpoint.url}"] if self.endpoint is not None else []

    def follow(self, supervisor: Supervisor) -> None:
        """Subscribes to a run."""
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
        if self.heartbeat is not None:
            url = self.heartbeat
            alive = AliveView(url.shown, url.request, url.trouble, recorder.unseen)
            recorder.sinks = (*recorder.sinks, alive)

    def state(self) -> RunState | None:
        """The state of the run, for a scrape in another thread: only immutable values."""
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
        """Closes the endpoint."""
        if self.endpoint is not None:
            self.endpoint.close()


def open_subscribers(policy: NotifyPolicy) -> Subscribers:
    """The subscribers of a policy.

    Raises:
        DualwatchError: A URL is not valid, a port is taken, or an extra is not installed.
    """
    made = Subscribers(
        notifier(policy.urls, policy.urls_from),
        heartbeat_url(policy.heartbeat_url, policy.heartbeat_url_from),
    )
    if policy.metrics_port is not None:
        collector = RunCollector(made.state)
        made.endpoint = PrometheusEndpoint(policy.metrics_host, policy.metrics_port, collector)
    return made
