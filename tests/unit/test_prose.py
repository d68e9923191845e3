"""Plain English: the words that are left to replace only become fewer."""

from __future__ import annotations

import pytest

from tests.support import prose


def test_no_new_uses_of_words_to_avoid():
    left, known = prose.counts(), prose.allowed()
    # By the sum, so that a file that moves takes its words along.
    more = [f"{path}: {left[path]}, allowed {known[path]}" for path in left - known]
    assert left.total() <= known.total(), "\n".join([*more, "see: python -m tests.support.prose"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = 'the log tells why'", ["tells"]),
        ('"""It stands.\n\nIt tells."""', ["stands"]),
        ("x = f'{a} is no duration'", ["is no"]),
        ("x = 'there is no GPU; it is no longer there'", []),
        ("x = ['tell', 'told']  # names, not sentences", []),
    ],
)
def test_sentences_and_first_lines_of_docstrings(tmp_path, text, found):
    (tmp_path / "bootstrap.py").write_text(text, encoding="utf-8")
    assert [use.word for use in prose.uses(tmp_path)] == found


def test_pages_without_their_code(tmp_path):
    page = "It goes on.\n```\nit goes on\n```\n`tell` nobody\n"
    (tmp_path / "README.md").write_text(page, encoding="utf-8")
    assert [(use.word, use.line) for use in prose.uses(tmp_path)] == [("goes on", 1), ("nobody", 5)]
