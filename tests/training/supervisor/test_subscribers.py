"""Real trainings that are followed from afar: by a webhook and by Prometheus."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

STALL = ("--stall-timeout", "3s")
SECRETS = ("topsecret", "pathtoken")
DEADLINE = 120.0


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posted.put(body)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words) -> None: ...


@pytest.fixture
def hook() -> Iterator[ThreadingHTTPServer]:
    pytest.importorskip("apprise", reason="the extra dualwatch[notify] is not installed")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.posted = queue.Queue()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def titles(server: ThreadingHTTPServer) -> list[str]:
    """Middle of the titles so far: "dualwatch: WHAT: CONFIG"."""
    return [body["title"].split(": ")[1] for body in [*server.posted.queue]]  # type: ignore[attr-defined]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def scrape(port: int) -> dict[tuple[str, ...], float] | None:
    parser = pytest.importorskip("prometheus_client.parser")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode("utf-8")
    except OSError:
        return None
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def scraped_until(run, port: int, wanted) -> dict[tuple[str, ...], float]:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline and run.process.poll() is None:
        told = scrape(port)
        if told is not None and wanted(told):
            return told
        time.sleep(0.1)
    pytest.fail(f"it was never told: {run.process.communicate()}")


def test_a_stall_that_is_cured_in_place_is_told_and_counted_and_quiet_is_quiet(train, hook, port):
    pytest.importorskip("prometheus_client", reason="dualwatch[metrics] is not installed")
    url = f"json://me:topsecret@127.0.0.1:{hook.server_port}/pathtoken"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        dead = probe.getsockname()[1]
    run = train(
        *STALL,
        *("--metrics-port", str(port), "--quiet"),
        environment={"DUALWATCH_NOTIFY": f"{url} json://you:topsecret@127.0.0.1:{dead}/"},
        train_dataloader__dataset__type="HangsInSecondEpoch",
        model__pause=0.3,
    )
    pid = run.iterating()["pid"]
    child = psutil.Process(pid)
    assert "DUALWATCH_NOTIFY" not in child.environ()
    moving = scraped_until(run, port, lambda told: ("dualwatch_iteration",) in told)
    assert moving["dualwatch_training_up",] == 1
    assert moving["dualwatch_outcome", "running"] == 1
    assert moving["dualwatch_attempt",] == 0
    cured = scraped_until(run, port, lambda told: told["dualwatch_cures_in_place_total",] > 0)
    assert cured["dualwatch_stalls_total",] == 1
    assert cured["dualwatch_findings_total", "DW102", "stalled-training", "error"] == 1
    assert ("dualwatch_metric_value", "loss_macl") in cured

    assert run.finish() == 0, run.err
    assert titles(hook) == ["stalled-training", "loader replaced", "completed"]
    stall = hook.posted.get()["message"]
    assert stall.splitlines()[1].startswith("cause: DW111 loader-deadlock")
    assert scrape(port) is None, "the port is given back"

    # The address where nobody listens harms nothing, and is noted once.
    told = f"notification to json://127.0.0.1:{dead}/***"
    assert run.err.count(told) == 1
    assert len([f for f in run.events() if f.get("what") == told]) == 1
    assert run.summary["outcome"] == "completed"

    kept = [path.read_bytes() for path in run.folder.rglob("*") if path.is_file()]
    for secret in SECRETS:
        assert secret not in run.out + run.err
        assert not [text for text in kept if secret.encode() in text]
    # Quiet: what was found and decided, and the result.
    assert "DW102 stalled-training" in run.err
    assert "loader replaced" in run.err
    assert run.out.splitlines()[-1].startswith("completed")
    for noise in ("work dir:", "required metrics", "alive:", "attempt 0 started", "phase:"):
        assert noise not in run.err


def test_what_is_attached_to_is_told_as_well(train, hook, tmp_path):
    run = train(train_cfg__max_epochs=1, model__pause=0.3)
    run.iterating()
    run.process.kill()
    run.process.wait()
    watching = subprocess.run(
        [
            *(sys.executable, "-m", "dualwatch", "attach", str(run.work_dir)),
            *("--notify", f"json://127.0.0.1:{hook.server_port}", "-q"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert watching.returncode == 0, watching.stderr
    assert titles(hook) == ["completed"]
    assert "attached to" not in watching.stderr
    with contextlib.suppress(ValueError):
        run.finish()
