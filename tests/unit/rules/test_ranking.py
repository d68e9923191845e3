"""Causes compete: who explains whom, and how sure several witnesses make us."""

from __future__ import annotations

import pytest
from dualwatch.events import Evidence, Severity
from dualwatch.rules.catalog import finding
from dualwatch.rules.ranking import SUPPORT, causes, explained, rank


def found(code: str, confidence: float = 0.8, source: str = "console.log", **fields):
    evidence = [Evidence(text="seen", source=source)]
    return finding(code, evidence, confidence=confidence, **fields)


def codes(findings) -> list[str]:
    return [f.code for f in findings]


@pytest.mark.parametrize(
    ("given", "ranked"),
    [
        (["DW102", "DW111"], ["DW111", "DW102"]),
        (["DW301", "DW606", "DW501"], ["DW501", "DW301", "DW606"]),
        (["DW404", "DW102", "DW204"], ["DW102", "DW204", "DW404"]),
        (["DW201", "DW212", "DW213"], ["DW213", "DW212", "DW201"]),
        (["DW306", "DW604"], ["DW604", "DW306"]),
        ([], []),
    ],
)
def test_causes_come_before_what_they_explain(given, ranked) -> None:
    assert codes(rank([found(code) for code in given])) == ranked


def test_the_certain_come_before_the_doubtful() -> None:
    assert codes(rank([found("DW201", 0.5), found("DW102", 0.9)])) == ["DW102", "DW201"]


def test_a_symptom_seen_elsewhere_makes_its_cause_more_certain() -> None:
    alone = rank([found("DW501", source="kernel")])[0]
    same = rank([found("DW501", source="kernel"), found("DW301", source="kernel pid 3")])[0]
    other = rank([found("DW501", source="kernel"), found("DW301", 1.0)])[0]
    assert (alone.confidence, same.confidence) == (0.8, 0.8)
    assert other.confidence == pytest.approx(1 - 0.2 * (1 - SUPPORT))


def test_a_symptom_gains_nothing_from_its_cause() -> None:
    ranked = rank([found("DW501", source="kernel"), found("DW301", 0.5)])
    assert ranked[1].confidence == 0.5


def test_what_is_explained_is_no_cause_and_a_note_is_none() -> None:
    findings = [found(code) for code in ("DW102", "DW111", "DW404")]
    assert codes(causes(findings)) == ["DW111"]


def test_a_warning_is_a_cause_only_of_what_it_explains() -> None:
    assert codes(causes([found("DW204")])) == ["DW204"]
    assert codes(causes([found("DW204"), found("DW401")])) == ["DW401"]
    assert codes(causes([found("DW204"), found("DW102")])) == ["DW102"]
    held = found("DW402", severity=Severity.WARNING)
    assert set(codes(causes([held, found("DW401")]))) == {"DW401", "DW402"}
    assert set(codes(causes([found("DW201"), found("DW401")]))) == {"DW401", "DW201"}


def test_a_warning_does_not_explain_a_death_but_an_error_does() -> None:
    death = found("DW606")
    for severity, hides in ((Severity.WARNING, False), (Severity.ERROR, True)):
        other = found("DW403", severity=severity)
        assert explained(death, [death, other]) is hides
    # A stall is no death: a stopped process is all its cause.
    assert explained(found("DW102"), [found("DW115")])


def test_nothing_explains_itself() -> None:
    assert codes(causes([found("DW606"), found("DW606")])) == ["DW606", "DW606"]


def test_the_cause_of_a_warning_comes_before_no_error() -> None:
    missed = found("DW204", follows=("DW205",))
    given = [missed, found("DW205", severity=Severity.WARNING), found("DW111"), found("DW102")]
    assert codes(rank(given)) == ["DW111", "DW102", "DW205", "DW204"]
