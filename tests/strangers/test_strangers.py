"""Strangers' inputs are answered as an expert would, and both commands give one verdict."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.strangers import consistency, known
from tests.strangers.answers import ask, missing
from tests.strangers.case import Case, Kind
from tests.strangers.corpus import CASES
from tests.strangers.judge import Grade, grade

KNOWN = known.names()


def _asked(case: Case):
    """A case; ``-m extras`` selects those for which the training's Python makes a difference."""
    marks = [pytest.mark.extras] if case.needs or case.kind is Kind.CONFIG else []
    return pytest.param(case, id=case.name, marks=marks)


@pytest.mark.parametrize("case", [_asked(case) for case in CASES])
def test_the_answer_is_the_truth(case: Case, tmp_path):
    lacking = missing(case)
    if lacking:
        pytest.skip(f"needs {', '.join(lacking)}")
    answer = ask(case, tmp_path)
    graded = grade(case, answer)
    clashes = consistency.contradictions(answer)
    right = graded.grade is Grade.RIGHT and not clashes
    if case.name in KNOWN:
        assert not right, f"take {case.name!r} off known.txt: it is answered rightly"
        return
    assert graded.faults == ()
    assert clashes == set()


def test_each_kind_has_its_cases_and_their_twins():
    names = Counter(case.name for case in CASES)
    assert [name for name, count in names.items() if count > 1] == []
    assert set(names) >= {name for name in KNOWN if not name.startswith("recorded: ")}
    for case in CASES:
        if case.twin:
            assert case.name.removesuffix(" / sound") in names
        else:
            assert f"{case.name} / sound" in names
    assert {case.kind for case in CASES} <= set(Kind)
