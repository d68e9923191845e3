"""TensorBoard's own page of a real run: the training's curves, ours beside them, our findings."""

from __future__ import annotations

import signal

import pytest

from tests.support.browser import chromium

__all__ = ["chromium"]

OURS = ("dualwatch/attempt", "dualwatch/iteration_time", "dualwatch/silence_s")
ONLY = "tagFilter=loss_macl%7Cdualwatch"


WAIT_MS = 90_000


def test_a_run_in_the_browser(chromium, train, interrupt):
    pytest.importorskip("tensorboard")
    run = train(
        *("--tensorboard", "--port", "16206", "--require", "loss_macl", "--require", "loss_gone"),
        script="tiny_board.py",
        config="tiny_board_cfg.py",
        model__pause=0.2,
        train_cfg__max_epochs=1000,
    )
    seen = run.wait_for(lambda f: f["kind"] == "tensor-board-seen" and f["answers"] and f["tags"])
    run.wait_for(lambda f: f["kind"] == "finding-raised" and f["finding"]["code"] == "DW201")
    assert seen["shows_run"] is True
    assert "train/loss_macl" in seen["tags"]
    page = chromium.new_page()
    page.goto(f"{seen['url']}#scalars&_smoothingWeight=0&{ONLY}")
    for tag in ("train/loss_macl", *OURS):
        page.get_by_text(tag, exact=True).first.wait_for(timeout=WAIT_MS, state="attached")
    charts = page.locator("vz-line-chart2").count()
    page.goto("about:blank")
    page.goto(f"{seen['url']}#text&tagFilter=dualwatch")
    texts = page.locator("body")
    for words in ("DW201", "loss_gone", "dualwatch explain DW201", "attempt 0 started"):
        texts.get_by_text(words).first.wait_for(timeout=WAIT_MS, state="attached")
    interrupt(run, signal.SIGINT)
    assert run.finish() == 130
    assert charts >= 4
    assert "DW802" not in run.codes(0)
