"""Lines of the kernel's log."""

from __future__ import annotations

import pytest
from dualwatch.collectors.host.kernel_lines import from_record, relevant

TELLING = [
    "[ 9.1] Out of memory: Killed process 71 (python) total-vm:9kB, anon-rss:8kB, UID:0",
    "[ 9.1] Out of memory: Kill process 71 (python) score 900 or sacrifice child",
    "[ 9.1] Memory cgroup out of memory: Killed process 71 (python) total-vm:9kB",
    "[ 9.1] Memory cgroup out of memory: Kill process 71 (python) score 1000 or sacrifice child",
    "[ 9.1] Killed process 71 (python) total-vm:9kB, anon-rss:8kB, file-rss:0kB",
    "[ 9.1] oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/a,task=python,pid=71,uid=0",
    "[ 9.1] python invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
    "[ 9.1] NVRM: Xid (PCI:0000:3b:00): 79, pid=71, GPU has fallen off the bus.",
    "[ 9.1] NVRM: GPU 0000:3b:00.0: GPU has fallen off the bus.",
    "[ 9.1] NVRM: API mismatch: the client has the version 535.1, but this module 535.2",
]

OTHERS = [
    "[ 9.1] oom_reaper: reaped process 71 (python), now anon-rss:0kB",
    "[ 9.1] NVRM: loading NVIDIA UNIX x86_64 Kernel Module  535.154.05",
    "[ 9.1] usb 1-1: USB disconnect, device number 2",
    "[ 9.1] systemd[1]: Listening on Userspace Out-Of-Memory (OOM) Killer Socket.",
    "[ 9.1] python[71]: segfault at 0 ip 0 sp 0 error 4 in libtorch.so",
    "",
]


@pytest.mark.parametrize("line", TELLING)
def test_a_line_that_tells_is_kept_as_it_is(line: str) -> None:
    assert relevant([OTHERS[0], line, OTHERS[1]]) == (line,)


@pytest.mark.parametrize("line", OTHERS)
def test_other_lines_are_left_out(line: str) -> None:
    assert relevant([line]) == ()


def test_the_newest_are_kept_newest_last() -> None:
    lines = [f"[ {number}.0] Killed process {number} (python)" for number in range(1, 100)]
    assert relevant(iter(lines), keep=2) == tuple(lines[-2:])
    assert relevant(lines, keep=0) == ()
    assert len(relevant(lines)) == 40


def test_what_a_process_puts_into_its_name_is_made_harmless() -> None:
    (line,) = relevant(["<3>[ 9.1] Killed process 7 (\x1b[2Jpy\x07)" + "x" * 10_000])
    assert line.startswith("[ 9.1] Killed process 7 (py)")
    assert len(line) <= 400


def test_a_record_reads_as_dmesg_shows_it() -> None:
    record = b"4,1234,123456789,-;Killed process 7 (python)\n SUBSYSTEM=memory\n DEVICE=+x\n"
    assert from_record(record) == "[  123.456789] Killed process 7 (python)"
    # With the thread that said it; a semicolon of the text is text.
    assert from_record(b"6,1,42,-,caller=T1;a;b\n") == "[    0.000042] a;b"
    assert from_record(b"6,1,99999000000,-;x\n") == "[99999.000000] x"


@pytest.mark.parametrize("record", [b"", b"\n", b"no record", b"6,1;x", b"6,1,x,-;y", b"\xff\x00;"])
def test_what_is_no_record_is_nothing(record: bytes) -> None:
    assert from_record(record) == ""
