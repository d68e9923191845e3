"""DW125: loggers that take nothing more, and loggers that write."""

from __future__ import annotations

import pytest
from dualwatch.events import Circumstance, Frame, ThreadStack
from dualwatch.protocol import Phase

EVENTS = "/sp/tensorboard/summary/writer/event_file_writer.py"
QUEUE = "/usr/lib/python3.11/queue.py"
OUTER = (
    Frame(function="add_event", file="/sp/torch/utils/tensorboard/writer.py", line=117),
    Frame(function="add_scalar", file="/sp/torch/utils/tensorboard/writer.py", line=384),
    Frame(function="after_train_iter", file="/work/hooks.py", line=9),
)
PUTS = (
    Frame(function="wait", file="/usr/lib/python3.11/threading.py", line=327),
    Frame(function="Queue.put", file=QUEUE, line=140),
    Frame(function="_AsyncWriter.write", file=EVENTS, line=195),
    Frame(function="EventFileWriter.add_event", file=EVENTS, line=118),
    *OUTER,
)
WRITES = (
    Frame(function="write", file="/sp/tensorboard/compat/gfile.py", line=40),
    Frame(function="_AsyncWriterThread._run", file=EVENTS, line=275),
    Frame(function="_AsyncWriterThread.run", file=EVENTS, line=239),
)
WANDB = (
    Frame(function="wait", file="/usr/lib/python3.11/threading.py", line=327),
    Frame(function="MailboxHandle.wait_or", file="/sp/wandb/sdk/mailbox/handle.py", line=70),
    Frame(function="Run.log", file="/sp/wandb/sdk/wandb_run.py", line=1700),
    Frame(function="train", file="/work/train.py", line=31),
)
PRINTS = (
    Frame(function="flush", file="/usr/lib/python3.11/logging/__init__.py", line=1090),
    Frame(function="info", file="/usr/lib/python3.11/logging/__init__.py", line=1489),
    Frame(function="train", file="/work/train.py", line=31),
)


def waits(story, main, *threads, **sample):
    sample = {"wchan": "futex_do_wait", **sample}
    story.trains().stops_in(Phase.STEP).silent(300, **sample)
    others = [
        ThreadStack(pid=100, thread=f"Thread-{n}", active=None, frames=frames)
        for n, frames in enumerate(threads)
    ]
    return story.captured(*main, workers=tuple(others))


def test_a_queue_of_events_whose_writer_is_gone(story):
    found = waits(story, PUTS).judged()[0]

    assert (found.code, found.certainty) == ("DW125", "certain")
    assert found.circumstance is Circumstance.WRITER_GONE
    assert "add_event (writer.py:117)" in found.headline


def test_a_writer_that_a_disk_holds_is_named(story):
    found = waits(story, PUTS, WRITES).judged()[0]

    assert (found.code, found.certainty) == ("DW125", "likely")
    assert found.circumstance is Circumstance.WRITER_BLOCKED
    assert any("gfile.py:40" in one.text for one in found.evidence)


def test_a_writer_that_writes_is_slow(story):
    assert waits(story, PUTS, WRITES, busy=(100,)).codes() == ["DW104"]


def test_a_writer_that_writes_for_long_is_slow(story):
    waits(story, PUTS, WRITES, busy=(100,))
    for _ in range(2):
        story.silent(10, busy=(100,))
        others = ThreadStack(pid=100, thread="Thread-1", active=None, frames=WRITES)
        story.captured(*PUTS, workers=(others,))
    assert story.codes() == ["DW104"]


def test_a_service_that_does_not_answer(story):
    found = waits(story, WANDB).judged()[0]

    assert (found.code, found.certainty) == ("DW125", "likely")
    assert found.circumstance is Circumstance.SERVICE_SILENT
    assert "WANDB_MODE=offline" in found.remedy


@pytest.mark.parametrize("wchan", ["pipe_write", "anon_pipe_write", "n_tty_write"])
def test_a_console_that_nobody_reads(story, wchan):
    found = waits(story, PRINTS, wchan=wchan).judged()[0]

    assert (found.code, found.certainty) == ("DW125", "certain")
    assert found.circumstance is Circumstance.CONSOLE_UNREAD


def test_a_pipe_of_the_script_itself_may_be_any(story):
    found = next(
        f for f in waits(story, PRINTS[2:], wchan="pipe_write").judged() if f.code == "DW125"
    )
    assert found.certainty == "possible"


@pytest.mark.parametrize(
    ("main", "wchan"),
    [
        ((Frame(function="_launch", file="/lib/multiprocessing/popen_spawn_posix.py", line=62),
          *PRINTS), "pipe_write"),
        (PRINTS, "futex_do_wait"),
        ((PUTS[0], PUTS[1], *OUTER[2:]), "futex_do_wait"),
    ],
    ids=["a worker is started", "no pipe", "a queue of the script"],
)  # fmt: skip
def test_everything_else_is_something_else(story, main, wchan):
    assert "DW125" not in waits(story, main, wchan=wchan).codes()
