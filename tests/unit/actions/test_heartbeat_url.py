"""The dead-man's switch: real requests to real servers, while a run is observed alive."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from dualwatch.actions.heartbeat_url import heartbeat_url
from dualwatch.core import settings
from dualwatch.core.errors import DualwatchError, Exit
from dualwatch.events import ProcessesSampled
from dualwatch.report.run.alive import INTERVAL, AliveView
from dualwatch.state.snapshot import Snapshot
from msgspec.structs import replace

from tests.support.run_script import Script

DEADLINE = 60.0


class Service(ThreadingHTTPServer):
    """Keeps the path of every request; answers with ``status``."""

    daemon_threads = True
    status = 200

    def __init__(self) -> None:
        self.requests: queue.Queue[str] = queue.Queue()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/ping/pathtoken"


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.end_headers()
        self.server.requests.put(self.path)

    def log_message(self, *words) -> None: ...


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_request_is_made(service: Service) -> None:
    url = heartbeat_url(service.url, "flag")
    assert url is not None
    url.request()
    assert service.requests.get(timeout=DEADLINE) == "/ping/pathtoken"
    assert url.trouble() is None


def reported(url) -> str:
    """The trouble of a requester once there is one."""
    waiting = threading.Event()
    for _ in range(int(DEADLINE * 20)):
        why = url.trouble()
        if why is not None:
            return why
        url.request()
        waiting.wait(0.05)
    pytest.fail("no trouble was reported")


def test_a_refusal_is_reported_once_without_the_token(service: Service) -> None:
    service.status = 404
    url = heartbeat_url(service.url, "flag")
    assert url is not None
    why = reported(url)
    assert "404" in why
    assert "pathtoken" not in why + url.shown
    url.request()
    service.requests.get(timeout=DEADLINE)
    assert url.trouble() is None


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = heartbeat_url(f"http://127.0.0.1:{port}/pathtoken", "flag")
    assert url is not None
    assert "pathtoken" not in reported(url)


def test_a_server_that_never_answers_delays_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = heartbeat_url(f"http://127.0.0.1:{server.getsockname()[1]}/", "flag")
        assert url is not None
        for _ in range(1000):
            url.request()


@pytest.mark.parametrize("text", ["ping.example.org/x", "ftp://example.org/x", "https://", 7])
def test_what_is_no_address_is_an_error_before_the_start(text: object) -> None:
    with pytest.raises(DualwatchError) as caught:
        settings.resolve({"heartbeat_url": text}, environ={})
    assert caught.value.exit_code == Exit.USAGE


def test_it_is_neither_shown_nor_handed_on() -> None:
    in_force = settings.resolve({"heartbeat_url": "https://h.org/pathtoken"}, environ={})
    assert "pathtoken" not in str(in_force.recorded())
    assert "DUALWATCH_HEARTBEAT_URL" in settings.SECRET_ENV


class Asked:
    """A view, what it asked for and what it reported."""

    def __init__(self) -> None:
        self.requests = 0
        self.unseen: list[tuple[str, str]] = []
        self.troubles = ["HTTP 500"]
        self.view = AliveView(
            "http://h.org/***",
            self._request,
            lambda: self.troubles.pop() if self.troubles else None,
            lambda what, why: self.unseen.append((what, why)),
        )

    def _request(self) -> None:
        self.requests += 1

    def sampled(self, at: float, *statuses: str) -> None:
        script = Script()
        processes = tuple(
            replace(script.process("main", 0, 1), pid=10 + n, status=status)
            for n, status in enumerate(statuses)
        )
        self.view.event(ProcessesSampled(at=at, wall=at, processes=processes), Snapshot())


def test_at_most_one_request_a_minute() -> None:
    asked = Asked()
    for at in range(0, 121, 5):
        asked.sampled(float(at), "sleeping")
    assert asked.requests == 1 + 120 // int(INTERVAL)


def test_no_request_without_a_living_process() -> None:
    asked = Asked()
    asked.sampled(0.0)
    asked.sampled(5.0, "zombie")
    assert asked.requests == 0
    asked.sampled(10.0, "zombie", "running")
    assert asked.requests == 1


def test_failing_requests_are_recorded_once() -> None:
    asked = Asked()
    asked.view.tick(Snapshot())
    asked.view.tick(Snapshot())
    assert asked.unseen == [("request of http://h.org/***", "HTTP 500")]
