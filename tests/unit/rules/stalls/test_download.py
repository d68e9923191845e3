"""DW122: downloads that bring nothing, and downloads that move."""

from __future__ import annotations

import pytest
from dualwatch.events import ConsoleGrew, Frame, Transfer, TransfersSeen
from dualwatch.protocol import Phase

from tests.unit.conftest import EPOCH

ADDRESS = "https://example.org/weights/r50.pth"
HALF = f"/home/me/.cache/torch/hub/checkpoints/r50.pth.{'0a' * 16}.partial"
OUTER = (
    Frame(function="load_state_dict_from_url", file="/sp/torch/hub.py", line=870),
    Frame(function="init_weights", file="/work/model.py", line=40),
)
READS = (
    Frame(function="read", file="/usr/lib/python3.11/ssl.py", line=1166),
    Frame(function="recv_into", file="/usr/lib/python3.11/ssl.py", line=1311),
    Frame(function="readinto", file="/usr/lib/python3.11/socket.py", line=706),
    Frame(function="read", file="/usr/lib/python3.11/http/client.py", line=466),
    Frame(function="download_url_to_file", file="/sp/torch/hub.py", line=768, subject=ADDRESS),
    *OUTER,
)
CONNECTS = (
    Frame(function="create_connection", file="/usr/lib/python3.11/socket.py", line=832),
    Frame(function="urlopen", file="/usr/lib/python3.11/urllib/request.py", line=216),
    *OUTER,
)


def waits(story, *transfers, main=READS, phase=Phase.BUILDING):
    story.stops_in(phase).silent(320, wchan="wait_woken")
    return story.tell(TransfersSeen, transfers=transfers).captured(*main)


def received(**fields) -> Transfer:
    known = {"pid": 100, "peer": "203.0.113.7:443", "quiet": 310.0, "file": HALF, "size": 12 << 20}
    return Transfer(**{**known, "grew": EPOCH + 10.0, **fields})


def test_a_connection_that_brings_nothing_is_named_with_its_half_file(story):
    found = waits(story, received()).judged()[0]

    assert (found.code, found.certainty) == ("DW122", "certain")
    assert ADDRESS in found.headline
    assert any(HALF in one.text and "12 MiB" in one.text for one in found.evidence)
    assert f"{HALF.split('.0a')[0]} {ADDRESS}" in found.remedy


@pytest.mark.parametrize("main", [READS, CONNECTS])
def test_where_the_connection_cannot_be_seen_it_is_likely(story, main):
    found = waits(story, main=main).judged()[0]
    assert (found.code, found.certainty) == ("DW122", "likely")


def test_the_address_may_be_on_the_console(story):
    line = f'Downloading: "{ADDRESS}" to /home/me/.cache/torch/hub/checkpoints/r50.pth'
    story.tell(ConsoleGrew, lines=1, last_line=line)
    main = tuple(Frame(function=f.function, file=f.file, line=f.line) for f in READS)
    assert ADDRESS in waits(story, received(), main=main).judged()[0].headline


def test_data_that_came_a_moment_ago_is_slow(story):
    assert waits(story, received(quiet=0.4)).codes() == ["DW104"]


def test_a_half_file_that_grows_is_slow(story):
    story.stops_in(Phase.BUILDING).silent(290, wchan="wait_woken")
    story.tell(TransfersSeen, transfers=(received(quiet=None, size=1000),))
    story.wait(5).sample(wchan="wait_woken")
    story.tell(TransfersSeen, transfers=(received(quiet=None, size=2000),))
    assert story.wait(5).sample(wchan="wait_woken").captured(*READS).codes() == ["DW104"]


def test_a_process_that_unpacks_what_came_is_slow(story):
    story.stops_in(Phase.BUILDING).silent(300, busy=True)
    assert story.captured(*READS).codes() == ["DW104"]


def test_a_wait_for_something_else_has_no_such_cause(story):
    assert "DW122" not in waits(story, main=OUTER).codes()
