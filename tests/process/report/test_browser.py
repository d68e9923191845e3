"""The page in a real browser: no request leaves it, nothing overflows, axe finds no violation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dualwatch.history.reported_run import ReportedRun

from tests.support.browser import chromium

__all__ = ["chromium"]

pytest.importorskip("jinja2")

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
VIEWS = [(size, scheme) for size in (WIDE, PHONE) for scheme in ("light", "dark")]
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
OPEN = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"
COUNT_NAMELESS = """[...document.querySelectorAll("svg:not([aria-hidden])")].filter((svg) =>
  svg.getAttribute("role") !== "img" || !svg.querySelector("title")?.textContent
  || !svg.querySelector("desc")?.textContent).length"""
COUNT_UNSEEN = """[...document.querySelectorAll("tbody tr")].filter((row) => {
  const box = row.getBoundingClientRect();
  return box.left < 0 || box.height === 0;
}).length"""


def look(browser: Any, url: str, size: dict[str, int], scheme: str) -> dict[str, Any]:
    """Opens a page from its file and returns what is wrong with it, "pictures" apart."""
    # The page forbids every script; axe is one.
    context = browser.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    seen: dict[str, Any] = {"requests": [], "console": []}
    page.on("request", lambda request: request.url == url or seen["requests"].append(request.url))
    page.on("console", lambda message: seen["console"].append(message.text))
    page.on("dialog", lambda dialog: (seen["console"].append("dialog"), dialog.dismiss()))
    page.goto(url)
    seen["scripts"] = page.evaluate("document.scripts.length")
    seen["further titles"] = page.locator("h1").count() - 1
    seen["overflow"] = page.evaluate(OVERFLOW)
    seen["nameless"] = page.evaluate(COUNT_NAMELESS)
    pictures = page.locator("svg[role=img]").count()
    page.evaluate(OPEN)
    seen["overflow, all open"] = page.evaluate(OVERFLOW)
    seen["unseen rows"] = page.evaluate(COUNT_UNSEEN)
    if size is WIDE:  # a phone gets the same page
        axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
        seen["violations"] = axe.run(page).response["violations"]
    context.close()
    return {**{what: wrong for what, wrong in seen.items() if wrong}, "pictures": pictures}


def test_pages_are_closed_readable_and_accessible(chromium, three_attempts, script, tmp_path: Path):
    from dualwatch.report.html import page

    hostile = "<script>alert(1)</script><img src=//example.org/x>"
    bad = script().start(config=hostile).launch(0).train(1, 2, loss_macl=2.0, **{hostile: 1.0})
    bad.found("DW203", hostile, hostile).end(1).over("failed", 5, hostile)
    one = ReportedRun().fold(three_attempts.events)
    one.checklist = [{"title": "starts", "status": s} for s in ("pass", "fail", "warn", "skip")]
    several = [ReportedRun().fold(three_attempts.events), ReportedRun().fold(bad.events)]

    for name, runs in (("one", [one]), ("several", several)):
        for number, run in enumerate(runs):
            run.label = run.label or f"{name} {number}"
        file = tmp_path / f"{name}.html"
        file.write_text(page.render(runs, 1_790_000_000.0), encoding="utf-8")
        for size, scheme in VIEWS:
            seen = look(chromium, file.as_uri(), size, scheme)
            assert seen.pop("pictures") > 5
            assert seen == {}, (name, size, scheme)
