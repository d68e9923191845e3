"""Messages by apprise to real servers: a webhook, a mail server, one that refuses, or hangs."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("apprise", reason="the extra dualwatch[notify] is not installed")

from dualwatch.actions.notify import WAITING, Notifier, notifier
from dualwatch.core.errors import DualwatchError, Exit

DEADLINE = 60.0


class Hook(ThreadingHTTPServer):
    """Keeps what is posted; answers with ``status``."""

    daemon_threads = True
    status = 200

    def __init__(self) -> None:
        self.posted: queue.Queue[tuple[str, dict]] = queue.Queue()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"json://me:topsecret@127.0.0.1:{self.server_port}/hook/pathtoken"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.put((self.path, json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *words) -> None: ...


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        yield f"json://127.0.0.1:{port}/?cto=300&rto=300"


def made(*urls: str) -> Notifier:
    found = notifier(urls, "flag")
    assert found is not None
    return found


def test_nobody_to_tell() -> None:
    assert notifier((), "default") is None


def test_a_webhook_gets_title_text_and_kind(hook) -> None:
    post = made(hook.url)
    post.send("a title", "first line\n<b>second</b> & [bold]", "failure")
    post.close(DEADLINE)
    path, document = hook.posted.get(timeout=DEADLINE)
    assert path == "/hook/pathtoken"
    assert document["title"] == "a title"
    assert document["message"] == "first line\n<b>second</b> & [bold]"
    assert document["type"] == "failure"
    assert post.troubles() == []


@pytest.mark.parametrize("login", ["", "me:topsecret@"], ids=["open", "with a password"])
def test_a_mail_server_gets_a_mail(login) -> None:
    controller = pytest.importorskip("aiosmtpd.controller")
    from aiosmtpd.smtp import AuthResult

    mails: queue.Queue = queue.Queue()
    shown: list[bytes] = []

    class Sink:
        async def handle_DATA(self, server, session, envelope) -> str:
            mails.put((envelope.rcpt_tos, envelope.content))
            return "250 taken"

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    def know(server, session, envelope, mechanism, data) -> AuthResult:
        shown.append(data.password)
        return AuthResult(success=data.password == b"topsecret")

    words = {"authenticator": know, "auth_require_tls": False, "auth_required": bool(login)}
    server = controller.Controller(Sink(), hostname="127.0.0.1", port=port, **words)
    server.start()
    try:
        query = "smtp=127.0.0.1&from=watch@example.org&to=you@example.org"
        post = made(f"mailto://{login}127.0.0.1:{port}?{query}")
        post.send("stalled: c.py", "no progress\ncause: <script>x</script>", "warning")
        post.close(DEADLINE)
        receivers, content = mails.get(timeout=DEADLINE)
    finally:
        server.stop()
    mail = message_from_bytes(content, policy=default)
    assert receivers == ["you@example.org"]
    assert shown == ([b"topsecret"] if login else [])
    assert mail["Subject"] == "stalled: c.py"
    bodies = [part for part in mail.walk() if part.get_content_maintype() == "text"]
    assert "no progress" in bodies[0].get_content()
    for part in bodies:
        if part.get_content_subtype() == "html":
            assert "<script>" not in part.get_content()
    assert post.troubles() == []


def test_a_server_that_refuses_is_told_once_without_secrets(hook, capfd) -> None:
    hook.status = 403
    post = made(hook.url)
    for number in range(3):
        post.send("t", str(number), "info")
    post.close(DEADLINE)
    ((address, why),) = post.troubles()
    assert address == f"json://127.0.0.1:{hook.server_port}/***"
    assert "403" in why
    assert not {"topsecret", "pathtoken"} & set(why.replace("/", " ").split())
    assert post.troubles() == []
    assert hook.posted.qsize() == 3, "one failure is no reason not to try again"
    assert capfd.readouterr() == ("", ""), "apprise must not write over the live view"


def test_a_port_where_nobody_listens(capfd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    post = made(f"json://u:topsecret@127.0.0.1:{port}/")
    post.send("t", "b", "info")
    post.close(DEADLINE)
    ((_, why),) = post.troubles()
    assert why
    assert "topsecret" not in why
    assert capfd.readouterr() == ("", "")


def test_a_server_that_never_answers_delays_neither_the_run_nor_the_others(silent, hook) -> None:
    post = made(silent, hook.url)
    begun = time.monotonic()
    for number in range(WAITING + 10):
        post.send("t", str(number), "info")
    # Thirty seconds are what a single message to the silent one would take.
    assert time.monotonic() - begun < 15
    assert hook.posted.get(timeout=DEADLINE)[1]["message"] == "0"
    post.close(0.5)
    assert time.monotonic() - begun < 25
    told = dict(post.troubles())
    (address,) = [name for name in told if str(hook.server_port) not in name]
    assert told[address]


def test_an_impatient_end_does_not_wait(silent) -> None:
    post = made(silent)
    post.send("t", "b", "info")
    post.close(0.0)
    ((_, why),) = post.troubles()
    assert why


def test_a_message_on_its_way_does_not_keep_the_process_alive(silent) -> None:
    script = f"""
from dualwatch.actions.notify import notifier
post = notifier(({silent!r},), "flag")
post.send("t", "b", "info")
post.close(0.1)
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    # The silent one would be waited for thirty seconds.
    subprocess.run([sys.executable, "-c", script], env=environ, check=True, timeout=120)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("nonsense://user:topsecret@x", "unknown service"),
        ("tgram://topsecret", "missing or wrong"),
        ("https://user:topsecret@example.org/x", "jsons://HOST/PATH"),
    ],
)
def test_a_url_that_is_not_understood(url, hint, capfd) -> None:
    with pytest.raises(DualwatchError) as caught:
        notifier((url,), "environment DUALWATCH_NOTIFY")
    error = caught.value
    assert error.exit_code is Exit.USAGE
    assert hint in error.why
    assert "DUALWATCH_NOTIFY" in error.why
    assert error.do
    assert "topsecret" not in error.what + error.why + error.do
    assert capfd.readouterr() == ("", "")
