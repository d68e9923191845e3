"""DW116: storage that does not answer, beside the twins that are merely slow."""

from __future__ import annotations

import pytest
from dualwatch.events import Frame, Severity, ThreadStack
from dualwatch.protocol import Phase

IN_DISK = {"status": "disk-sleep", "wchan": "folio_wait_bit_common"}


def hangs(story, seconds: float = 300, each=None, phase: str = Phase.WAITING, **sample):
    return (
        story.trains()
        .stops_in(phase)
        .silent(seconds, each={100: IN_DISK} if each is None else each, **sample)
    )


def evidence(found) -> str:
    return "\n".join(e.text for e in found.evidence)


@pytest.mark.parametrize(
    ("phase", "stall"),
    [(Phase.WAITING, "DW102"), (Phase.SAVING, "DW105"), (Phase.METRICS, "DW103")],
)
def test_a_main_process_in_disk_sleep(story, phase, stall):
    cause, symptom = hangs(story, phase=phase).judged()
    assert (cause.code, symptom.code) == ("DW116", stall)
    assert cause.severity is Severity.ERROR
    assert "main 100" in cause.headline
    assert "folio_wait_bit_common" in evidence(cause)


def test_a_worker_in_disk_sleep_is_named_with_its_place(story):
    hangs(story, each={102: IN_DISK})
    frames = (Frame(function="read", file="/data/io.py", line=7),)
    story.captured(workers=(ThreadStack(pid=102, thread="MainThread", active=None, frames=frames),))
    cause = story.judged()[0]
    assert (cause.code, cause.pid) == ("DW116", 102)
    assert "read (io.py:7)" in evidence(cause)


@pytest.mark.parametrize(
    ("wchan", "words", "remedy"),
    [
        ("nfs_wait_bit_killable", "NFS", "mount"),
        ("rpc_wait_bit_killable", "NFS", "mount"),
        ("cifs_wait", "SMB", "mount"),
        ("request_wait_answer", "FUSE", "mount"),
        ("io_schedule", "disk", "df"),
        ("wait_for_vfork_done", "vfork", "child"),
        ("nvidia_ioctl", "GPU", "Xid"),
        ("something_new", "something_new", "df"),
    ],
)
def test_what_it_sleeps_in_decides_the_remedy(story, wchan, words, remedy):
    cause = hangs(story, each={100: {**IN_DISK, "wchan": wchan}}).judged()[0]
    assert words in evidence(cause)
    assert remedy in cause.remedy


def test_a_disk_sleep_between_two_wakings_is_none(story):
    story.trains().stops_in(Phase.WAITING)
    for second in range(0, 320, 10):
        story.wait(5).sample(each={100: IN_DISK}).wait(5).sample(busy=second < 10)
    assert story.codes() == ["DW102"]


def test_a_slow_disk_that_gets_on_is_slow(story):
    story.trains().stops_in(Phase.SAVING)
    for second in range(60):
        story.wait(5).sample(each={100: {**IN_DISK, "io_bytes": 10**6 * second}})
    assert story.codes() == ["DW104"]


def test_two_samples_at_one_moment_prove_nothing(story):
    story.trains().stops_in(Phase.WAITING).silent(299)
    story.wait(1).sample(each={100: IN_DISK}).wait(0.2).sample(each={100: IN_DISK})
    assert story.codes() == ["DW102"]


def test_beside_a_tree_that_works_it_is_a_warning(story):
    codes = {f.code: f for f in hangs(story, each={102: IN_DISK}, busy=(101,)).judged()}
    assert set(codes) == {"DW116", "DW104"}
    assert codes["DW116"].severity is Severity.WARNING


@pytest.mark.parametrize(("seconds", "severity"), [(6, Severity.WARNING), (20, Severity.ERROR)])
def test_a_cold_disk_has_time_to_respond_however_short_the_timeout(story, seconds, severity):
    found = hangs(story, seconds=seconds).judged(stall_timeout=3.0)
    assert {f.code: f.severity for f in found}["DW116"] is severity


def test_a_helper_of_multiprocessing_in_disk_sleep_is_no_cause(story):
    assert hangs(story, each={103: {**IN_DISK, "role": "tracker"}}).codes() == ["DW102"]


def test_before_the_timeout_nothing_is_said(story):
    assert hangs(story, seconds=299).codes() == []
