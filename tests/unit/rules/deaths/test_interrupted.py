"""Waits that Ctrl-C ended: a possible cause beside the interruption, by the traceback alone."""

from __future__ import annotations

import pytest
from dualwatch.events import Severity
from dualwatch.rules import ranking

SP = "/opt/conda/lib/python3.10/site-packages"
LIB = "/opt/conda/lib/python3.10"

BUILD = (
    ("/work/ops.py", 12, "load_nms"),
    (f"{SP}/torch/utils/cpp_extension.py", 1284, "load"),
    (f"{SP}/torch/utils/file_baton.py", 42, "wait"),
)
DOWNLOAD = (
    (f"{SP}/torch/hub.py", 611, "download_url_to_file"),
    (f"{LIB}/http/client.py", 466, "read"),
    (f"{LIB}/ssl.py", 1100, "read"),
)
JOIN = (
    (f"{SP}/torch/utils/data/dataloader.py", 1400, "_shutdown_workers"),
    (f"{LIB}/multiprocessing/process.py", 149, "join"),
    (f"{LIB}/multiprocessing/popen_fork.py", 27, "poll"),
)
EVENTS = (
    (f"{SP}/tensorboard/summary/writer/event_file_writer.py", 117, "add_event"),
    (f"{LIB}/queue.py", 140, "put"),
    (f"{LIB}/threading.py", 320, "wait"),
)
STEP = (("/work/train.py", 30, "train"), (f"{SP}/torch/nn/modules/linear.py", 114, "forward"))


def interrupted(story, frames, **fields):
    excerpt = ["Traceback (most recent call last):"]
    for file, line, function in frames:
        excerpt += [f'  File "{file}", line {line}, in {function}', "    waits()"]
    story.line(loss=1.0)
    story.complains("KeyboardInterrupt", "", excerpt=(*excerpt, "KeyboardInterrupt"), **fields)
    return story


@pytest.mark.parametrize(
    ("frames", "code"),
    [(BUILD, "DW121"), (DOWNLOAD, "DW122"), (JOIN, "DW123"), (EVENTS, "DW125")],
)
def test_what_it_waited_for_is_a_possible_cause_after_the_interruption(story, frames, code):
    findings = interrupted(story, frames).ended(130).judged()
    found = next(one for one in findings if one.code == code)

    assert (found.severity, found.certainty) == (Severity.WARNING, "possible")
    assert [one.code for one in ranking.causes(findings)] == ["DW609", code]


def test_an_interrupted_step_waited_for_nothing(story):
    findings = interrupted(story, STEP).ended(130).judged()
    assert [one.code for one in ranking.causes(findings)] == ["DW609"]


def test_an_interruption_that_it_survived_is_no_cause(story):
    interrupted(story, BUILD).wait(5).line(loss=0.9)
    assert "DW121" not in story.codes()
