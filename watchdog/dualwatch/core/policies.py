"""What the user allows and wants, by purpose: made of the settings once and handed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple


class StallPolicy(NamedTuple):
    """When a run counts as stalled; times in seconds.

    Attributes:
        busy_timeout: For a run that uses CPU or I/O.
    """

    stall_timeout: float = 300.0
    busy_timeout: float = 1800.0


class StopPolicy(NamedTuple):
    """What stops a run that does not stall, and how.

    Attributes:
        on_missing: Action on a missing required metric.
        on_fail: Action on a missed metric target.
        grace: Seconds between SIGTERM and SIGKILL.
    """

    on_missing: Literal["report", "stop"] = "report"
    on_fail: Literal["report", "stop"] = "report"
    grace: float = 10.0


class NotifyPolicy(NamedTuple):
    """Who is informed of a run.

    Attributes:
        urls: Addresses of notifications, with their passwords.
        urls_from: Where they were given, for errors.
        metrics_port: Of the Prometheus endpoint, None for none.
        heartbeat_url: Requested while the run is alive, None for none.
    """

    urls: tuple[str, ...] = ()
    urls_from: str = "default"
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    heartbeat_url: str | None = None
    heartbeat_url_from: str = "default"


class CheckPolicy(NamedTuple):
    """What a run is checked against.

    Attributes:
        profile: The profile of the checklist and the changes to it; where it was given.
        required: Metrics that must be logged, None to choose them from the model.
        python: Interpreter of the training, None for that of the active environment.
    """

    profile: Mapping[str, object]
    profile_from: str
    required: tuple[str, ...] | None
    required_from: str
    stall: StallPolicy
    tensorboard_port: int
    python: str | None
