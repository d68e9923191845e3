"""Training lines in the midst of a long log are all looked at; few are parsed."""

from __future__ import annotations

import pytest
from dualwatch.logs import screen
from dualwatch.logs.screen import LineLook, Look, Screen


def screened(marks: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Ordinals that are parsed, and gaps; "n" is a line with NaN, "L" a large one."""
    taken: Screen[str] = Screen()
    for number, mark in enumerate(marks, start=1):
        taken.take(number, mark, ("loss",) if mark == "n" else (), mark == "L")
    parsed = list(taken.parsed())
    return [one.ordinal for one in parsed], [(one.skipped, one.skipped_hits) for one in parsed]


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "SAMPLES", 2)


def test_the_borders_of_a_stretch_are_parsed() -> None:
    ordinals, gaps = screened("." * 1000 + "n" * 500 + "." * 1000)
    assert {1, 1000, 1001, 1500, 1501, 2500} <= set(ordinals)
    assert len(ordinals) <= 6 + 2 * screen.SAMPLES
    assert sum(skipped + 1 for skipped, _ in gaps) == 2500
    hits = sum(hits for _, hits in gaps)
    parsed_hits = sum(1001 <= ordinal <= 1500 for ordinal in ordinals)
    assert hits + parsed_hits == 500
    assert all(hits in (0, skipped) for skipped, hits in gaps)


def test_a_single_line_is_found_in_a_million_others() -> None:
    ordinals, _ = screened("." * 5000 + "n" + "." * 5000)
    assert 5001 in ordinals


def test_large_lines_are_parsed() -> None:
    ordinals, _ = screened("." * 777 + "LLL" + "." * 777)
    assert {778, 779, 780} <= set(ordinals)


def test_changes_without_end_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "CHANGES", 10)
    ordinals, gaps = screened("n." * 5000)
    assert len(ordinals) < 50
    parsed_hits = sum(ordinal % 2 for ordinal in ordinals)
    assert sum(hits for _, hits in gaps) + parsed_hits == 5000


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("Epoch(train) [1][ 5/9]  lr: 1e-3  loss: 0.5000  loss_cls: 0.4000", ()),
        ("Epoch(train) [1][ 5/9]  lr: 1e-3  loss: nan  loss_cls: nan", ("loss", "loss_cls")),
        ("Epoch [1][5/9]\tlr: 1e-3, loss: inf, grad_norm: -inf", ("loss", "grad_norm")),
        ("Epoch(train) [1][ 5/9]  loss_infonce: 0.5  loss_nancy: 0.2", ()),
        ("Epoch(train) [1][ 5/9]  train/loss: nan", ("train/loss",)),
        ("Epoch(train) [1][ 5/9]  loss: 0.5  backend: inference", ()),
        ("Epoch: [3][160/400]  Time  0.290 ( 0.300)  Loss nan (nan)", ("Loss",)),
        ("epoch 3/60 iter 160/400 loss=nan, lr=0.1", ("loss",)),
        ("{'loss': nan, 'grad_norm': 'inf', 'epoch': 0.5}", ("loss", "grad_norm")),
    ],
)
def test_what_is_not_finite(line: str, names: tuple[str, ...]) -> None:
    assert Look.at(line).non_finite == names


@pytest.mark.parametrize(
    ("opening", "line", "large"),
    [
        ("loss: 0.7000", "loss: 99.0000", False),
        ("loss: 0.7000", "time: 0.5  loss: 1234.0000  memory: 123456", True),
        ("loss: 9800.0000, grad_norm: 29400.0", "loss: 61000.0000, grad_norm: 1.0", False),
        ("loss: 9800.0000, grad_norm: 29400.0", "loss: 6100000.0000, grad_norm: 1.0", True),
        ("loss_a: 0.7000, time: 1.0", "loss_a: 7e+08, time: 1.0", True),
        ("loss_a: 0.7000, time: 1.0", "loss_a: 70000.0, time: 1.0", True),
        ("loss: 0.7000", "loss: 7.1e+08", True),
        ("loss: 0.7000", "loss: nan", False),
        ("loss: nan", "loss: 0.5", False),
        ("Loss 7.1e-01 (8.0e-01)  Acc@1 70.3", "Loss 7.1e+08 (8.0e-01)", True),
        ("Loss 7.1e-01 (8.0e-01)  Acc@1 70.3", "Loss 7.1e+00 (8.0e-01)", False),
        ("loss=0.71, acc=70.3", "loss=123456.7, acc=70.3", True),
        ("", "", False),
    ],
)
def test_what_is_large(opening: str, line: str, large: bool) -> None:
    look = LineLook()
    look.learn(opening)
    assert look.is_large(line, Look.at(line)) is large
