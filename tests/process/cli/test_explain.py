"""What ``dualwatch explain`` says of causes, and the example that it shows."""

from __future__ import annotations

import json

import pytest
from dualwatch.report.terminal import explanation
from dualwatch.rules.catalog import BY_CODE, CODES


def test_a_code_comes_with_an_example_and_what_it_explains(dualwatch_) -> None:
    said = dualwatch_("explain", "DW501")
    assert said.code == 0
    example = said.out.split("\nExample\n")[1]
    assert example.startswith("  DW501 host-out-of-memory (certain)\n    Out of memory:")
    assert "\nIt explains\n  DW301 worker-killed, DW606 training-script-error\n" in said.out
    assert "\nExplained by\n  DW505 memory-creep" in said.out


def test_a_symptom_names_its_causes() -> None:
    text = explanation.text([BY_CODE["DW301"]], in_full=True)
    assert "\nExplained by\n  DW302 shared-memory-exhausted, DW501 host-out-of-memory\n" in text


def test_causes_are_part_of_the_document(dualwatch_) -> None:
    (entry,) = json.loads(dualwatch_("explain", "DW301", "--json").out)["codes"]
    assert entry["explained_by"] == ["DW302", "DW501"]
    assert "DW606" in entry["explains"]
    assert entry["example"] == BY_CODE["DW301"].example


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.code)
def test_the_text_fits_a_terminal_and_keeps_codes_with_their_names(code) -> None:
    lines = explanation.text([code], in_full=True).splitlines()
    assert max(map(len, lines)) <= explanation.WIDTH
    assert not [line for line in lines if line.endswith(tuple(BY_CODE))]
