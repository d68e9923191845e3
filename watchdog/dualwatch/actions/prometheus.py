"""The Prometheus endpoint: an HTTP server in its own thread, on loopback by default."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from dualwatch.core.errors import DualwatchError

if TYPE_CHECKING:
    from prometheus_client.registry import Collector


class PrometheusEndpoint:
    """Serves one collector's metrics.

    Raises:
        DualwatchError: prometheus-client is not installed, or the port is not available.
    """

    def __init__(self, host: str, port: int, collector: Collector) -> None:
        try:
            from prometheus_client import CollectorRegistry, start_http_server
        except ImportError:
            raise DualwatchError(
                "prometheus-client is not installed, which the metrics endpoint needs",
                why=f"metrics_port is {port}",
                do="pip install 'dualwatch[metrics]', or leave out --metrics-port",
            ) from None
        registry = CollectorRegistry()
        registry.register(collector)
        self._server: Any
        self._thread: threading.Thread
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except (OSError, OverflowError) as error:
            raise DualwatchError(
                f"the metrics endpoint cannot listen on {host}:{port}",
                why=getattr(error, "strerror", None) or str(error),
                do="choose another --metrics-port (or --metrics-host); nothing was started",
            ) from None
        # A scrape must not delay the end.
        self._server.daemon_threads = True
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{port}/metrics"

    def close(self) -> None:
        """Stops the server and releases the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2.0)
