"""The README.md of a bundle, as a reader of Markdown sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from dualwatch.report.bundle import readme
from dualwatch.report.bundle.markdown import code, fenced, prose
from dualwatch.report.diagnosis import Diagnosis
from dualwatch.report.terminal.console import one_line
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec import Struct, structs

FILES = (readme.Listed("diagnosis.json", 2048), readme.Listed("raw/console.log", 8 << 20, 4096))
HEADINGS = [
    "Diagnosis of a training",
    "Status",
    "Likeliest cause",
    "Other possible causes",
    "Also found",
    "Processes",
    "train_dataloader",
    "GPU",
    "Host and software",
    "End of the log",
    "What could not be observed",
    "Files",
    "How this was made",
]
# What would make something of itself in Markdown if it were not shown as it is.
BREAKERS = (
    "# heading\n",
    "```\n# out of the fence\n",
    "````\n",
    "`x` ``y`` ![i](http://h/i.png) [l](http://h)",
    "<script>alert(1)</script> <http://h> &amp; | a | b |",
    "- item\n1. one\n> quote\n---\n",
    "*a* _b_ ~~c~~ **d** $x$",
)


def told(document: Diagnosis, legend: Any = None) -> str:
    return readme.text(document, files=FILES, legend=legend)


def headings(markdown: str) -> list[str]:
    tokens = MarkdownIt().parse(markdown)
    return [tokens[n + 1].content for n, t in enumerate(tokens) if t.type == "heading_open"]


def inline_kinds(markdown: str) -> set[str]:
    """Kinds of everything within the paragraphs."""
    tokens = MarkdownIt().parse(markdown)
    return {child.type for token in tokens for child in token.children or ()}


def test_a_stranger_reads_it_in_this_order(deadlock) -> None:
    assert headings(told(deadlock)) == HEADINGS


def test_what_it_tells(deadlock) -> None:
    text = told(deadlock, {"user": 1, "secret": 2})
    for part in (
        "It trains, epoch 1, and waits for a batch after iteration 12 of 40",
        "**DW111 loader-deadlock** (error, certain, 95 %, attempt 0, pid 4711)",
        "- `worker 4720: acquire (locks.py:7) < read (paired.py:88); sleeps in futex_do_wait`",
        "What to do: num\\_workers=0",
        "  4720  worker   sleeping  0 %  0 B/s  640 MiB  futex_do_wait          acquire (locks",
        "As loaded: `batch_size=2, num_workers=2, persistent_workers=True",
        "    sampler=dict(type='DefaultSampler', shuffle=True),",
        "Not observed: no NVIDIA driver on this machine",
        "/dev/shm: 10 MiB of 64 MiB free (tight)",
        "`torch=2.13.0`",
        "- gpu: no NVIDIA driver on this machine",
        "- `raw/console.log`: 8 MiB, the beginning and the end; 4 KiB left out",
        "user names (1), secrets (2)",
    ):
        assert part in text, part


def test_nothing_was_taken_out(deadlock) -> None:
    assert "Nothing was taken out" in told(deadlock)


def test_an_empty_document_is_told_as_well() -> None:
    text = told(Diagnosis())
    assert headings(text)[1:3] == ["Status", "Likeliest cause"]
    assert text.count("Not observed.") == 4


@pytest.mark.parametrize("breaker", BREAKERS)
def test_no_text_from_outside_is_markdown(deadlock, breaker) -> None:
    def poisoned(value: Any) -> Any:
        if isinstance(value, Struct):
            fields = structs.asdict(value).items()
            return structs.replace(value, **{name: poisoned(item) for name, item in fields})
        if isinstance(value, dict):
            return {key: poisoned(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(poisoned(item) for item in value)
        # The words by which it is decided what to show stay as they are.
        return f"{value} {breaker}" if isinstance(value, str) and value not in WORDS else value

    text = told(poisoned(deadlock))
    assert headings(text) == HEADINGS
    assert inline_kinds(text) == inline_kinds(told(deadlock)) == KINDS


WORDS = ("run", "main", "rank", "worker", "loaded", "train_dataloader")
KINDS = {"text", "code_inline", "strong_open", "strong_close", "softbreak", "hardbreak"} - {
    "softbreak"
}

# As they come to the page: one clean line each.
TEXTS = (st.text("`*_[]()<>#+-!|~&$\\^{}=:. \t1aä", max_size=40) | st.text(max_size=30)).map(
    lambda text: one_line(" ".join(text.split())).strip()
)


@settings(deadline=None)
@given(TEXTS)
def test_a_span_of_code_shows_what_it_was_given(said) -> None:
    tokens = MarkdownIt().parse(f"a {code(said)} b")
    spans = [c.content for c in tokens[1].children or () if c.type == "code_inline"]
    assert spans == [said or "   "]


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=6))
def test_a_block_of_code_shows_what_it_was_given(lines: Sequence[str]) -> None:
    tokens = MarkdownIt().parse("\n".join(("a", *fenced(lines), "b")))
    blocks = [token.content for token in tokens if token.type == "fence"]
    assert blocks == ["".join(f"{line}\n" for line in lines)]


@settings(deadline=None)
@given(TEXTS)
def test_prose_shows_what_it_was_given(said) -> None:
    tokens = MarkdownIt().parse(prose(said))
    assert "".join(c.content for t in tokens for c in t.children or ()) == said
    assert {t.type for t in tokens} <= {"paragraph_open", "inline", "paragraph_close"}
