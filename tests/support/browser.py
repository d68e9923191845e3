"""A headless Chromium by WebDriver, spoken over HTTP: no library beside the standard one."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DEADLINE = 90.0
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-proxy-server", "--disable-dev-shm-usage"),
)
# Shadow roots are open to whoever walks through them.
WALK = """
const all = [];
const walk = (node) => {
  all.push(node);
  if (node.shadowRoot) walk(node.shadowRoot);
  for (const child of node.children || []) walk(child);
};
walk(document.documentElement);
"""


class Browser:
    """One window.

    Args:
        address: Of the driver's session.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def open(self, url: str) -> None:
        """Goes to a page."""
        self._call("/url", {"url": url})

    def script(self, code: str) -> Any:
        """What a function with this body returns."""
        return self._call("/execute/sync", {"script": code, "args": []})

    def text(self) -> str:
        """All words on the page, shadow roots included."""
        code = (
            WALK
            + """
        const own = (node) => node.tagName != 'STYLE' && node.tagName != 'SCRIPT';
        const words = (node) => [...node.childNodes].filter(n => n.nodeType == 3).map(n => n.data);
        return all.filter(own).map(node => words(node).join('')).filter(t => t.trim()).join('\\n');
        """
        )
        return str(self.script(code))

    def count(self, selector: str) -> int:
        """How many elements there are, shadow roots included."""
        code = WALK + f"return all.filter(n => n.matches && n.matches({json.dumps(selector)}))"
        return int(self.script(code + ".length"))

    def wait_for(self, *words: str) -> str:
        """The page's text once it holds these words; what is there where they do not come."""
        end = time.monotonic() + DEADLINE
        text = self.text()
        while not all(word in text for word in words) and time.monotonic() < end:
            time.sleep(0.2)
            text = self.text()
        return text

    def shoot(self, path: Path) -> None:
        """A picture of the window."""
        path.write_bytes(base64.b64decode(self._call("/screenshot", None)))

    def _call(self, path: str, data: Any) -> Any:
        return call(self._address + path, data)


def call(address: str, data: Any, method: str | None = None) -> Any:
    """One command of the driver."""
    body = json.dumps(data).encode() if data is not None else None
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    request.method = method or ("POST" if body is not None else "GET")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=DEADLINE) as response:
        return json.load(response)["value"]


def missing() -> str:
    """What this machine lacks for it, "" for nothing."""
    wanted = ("chromedriver", "chromium")
    return ", ".join(name for name in wanted if shutil.which(name) is None)


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own in a folder; gone afterwards."""
    with open(folder / "chromedriver.log", "wb") as log:
        driver = subprocess.Popen(
            ["chromedriver", "--port=0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert driver.stdout is not None
        line = next(line for line in driver.stdout if "successfully on port" in line)
        address = f"http://127.0.0.1:{line.rstrip().rstrip('.').rsplit(' ', 1)[1]}/session"
        arguments = [*FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000"]
        options = {"args": arguments, "binary": shutil.which("chromium")}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        session = f"{address}/{call(address, wanted)['sessionId']}"
        try:
            yield Browser(session)
        finally:
            with contextlib.suppress(OSError):
                call(session, None, "DELETE")
    finally:
        driver.terminate()
        driver.communicate(timeout=DEADLINE)
