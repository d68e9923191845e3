"""What ``dualwatch check`` prints of a checklist: calm, bounded, and never more than a terminal."""

from __future__ import annotations

from collections import Counter

import pytest
from dualwatch.checks.document import CheckDocument, CheckTarget, Entry, ProfileChoice
from dualwatch.report.terminal import checklist
from dualwatch.report.terminal.wrapping import cells


def item(number: int, status: str, **fields):
    known = {
        "id": f"item-{number}",
        "stage": "startup",
        "title": f"title {number}",
        "status": status,
        "expected": "as it should be",
        "observed": f"seen {number}",
        "remedy": "do something",
        "code": "DW201",
        "reason": None,
        "blocked_by": None,
    }
    return Entry(**{**known, **fields})


def document(*items, life="alive"):
    counts = Counter(one.status for one in items)
    return CheckDocument(
        target=CheckTarget(
            kind="run", path="work_dirs/x", life=life, sentence="alive, in validation"
        ),
        profile=ProfileChoice(name="macl", title="pairs", because="the model mentions MACLHead"),
        entries=list(items),
        counts={name: counts[name] for name in ("pass", "warn", "fail", "skip", "pending")},
    )


def test_what_passes_is_terse_and_what_fails_is_told():
    lines = list(checklist.lines(document(item(1, "pass"), item(2, "fail")), width=80))
    text = "\n".join(lines)

    assert "seen 1" not in text
    for words in ("seen 2", "as it should be", "do something", "dualwatch explain DW201"):
        assert words in text
    assert "1 passed, 1 failed" in text


def test_all_is_told_where_asked():
    assert "seen 1" in "\n".join(checklist.lines(document(item(1, "pass")), width=80, verbose=True))


def test_what_hangs_on_another_is_counted():
    waiting = [item(n, "pending", blocked_by="first-line") for n in range(5)]
    text = "\n".join(checklist.lines(document(item(9, "pending"), *waiting), width=80))
    assert "title 9: seen 9" in text
    assert "5 more" in text
    assert "title 3" not in text


def test_what_is_seen_so_far_is_told_while_it_runs():
    one = item(1, "pending", stage="warmup", observed="so far loss_macl 0.5 at first")
    assert "so far loss_macl" in "\n".join(checklist.lines(document(one), width=80))


@pytest.mark.parametrize("height", [10, 24, 60])
def test_a_glance_fits_the_terminal_the_worst_first(height):
    items = [item(n, "pass") for n in range(20)]
    items += [item(n, "pending", observed="not yet " * 30) for n in range(20, 60)]
    items += [item(60, "fail", title="中文" * 40), item(61, "warn")]
    lines = checklist.glance(document(*items), width=80, height=height)

    assert len(lines) <= height
    assert all(cells(line) <= 80 for line in lines)
    told = [line for line in lines if line.startswith("  ") and " more" not in line]
    assert any("FAIL" in line for line in told[:4])
    assert lines[-1] == "20 passed, 1 failed, 1 warned, 40 pending"


def test_text_from_outside_is_shown_as_text():
    bad = item(1, "fail", observed="\x1b[31mred\x07 [bold]x[/bold]", title="a\nb")
    for shown in (
        list(checklist.lines(document(bad), width=80)),
        checklist.glance(document(bad), width=80, height=24),
    ):
        assert not any("\x1b" in line or "\x07" in line or "\n" in line for line in shown)
        assert "[bold]x[/bold]" in "\n".join(shown)
