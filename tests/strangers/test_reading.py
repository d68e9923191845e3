"""What is passed over when a log is read is nothing that any reader of its lines needs."""

from __future__ import annotations

import pytest
from dualwatch import frameworks
from dualwatch.logs.encodings import LineDecoder
from dualwatch.logs.line_forms import LineForm, LineForms, Role
from dualwatch.logs.whole import WholeLog

from tests.strangers.case import Case
from tests.strangers.corpus import CASES

LARGEST = 1 << 20

PUT_OFF = (Role.TRAINING, Role.PROGRESS, Role.WRAPPED)

judged = LineForms.of


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_log_is_the_same_when_every_line_is_taken_apart(monkeypatch, case: Case):
    texts = [_bytes(text) for text in case.files().values()]
    texts = [text for text in texts if len(text) <= LARGEST]
    passing = [_starts(text) for text in texts]
    monkeypatch.setattr(LineForms, "of", _to_be_read)
    assert [_starts(text) for text in texts] == passing


def _to_be_read(self: LineForms, line: str) -> LineForm:
    form = judged(self, line)
    return form if form.role in PUT_OFF else LineForm(Role.READ)


def _bytes(text: object) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode()


def _starts(data: bytes) -> list[str]:
    log, decoder = WholeLog(1.8e9, frameworks.line_formats()), LineDecoder()
    log.take(decoder.feed(data))
    log.take(decoder.close())
    # NaN is not equal to itself, but its representation is.
    return [repr(start) for start in log.starts()]
